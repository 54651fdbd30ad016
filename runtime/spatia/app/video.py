"""Video files for people to look at: H.264 in MP4. Hashes are taken over raw frames, never over these files."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from spatia.errors import DeviceError
from spatia.records.arrays import U8

CRF = "18"


def write_video(path: Path, frames: Iterable[U8], *, fps: float) -> int:
    """Write [H, W, 3] frames as they come; returns how many. Odd sides lose their last row or column (4:2:0).

    The file appears under its name only when it is complete. Raises `DeviceError` where the codec is missing.
    """
    import av

    part = path.with_name(path.name + ".part")
    count = 0
    try:
        with av.open(str(part), "w", format="mp4", options={"movflags": "faststart"}) as container:
            stream = None
            for image in frames:
                even = np.ascontiguousarray(image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2])
                if stream is None:
                    # One thread: the bytes of x264 depend on the thread count.
                    stream = container.add_stream("libx264", rate=round(fps), options={"crf": CRF, "threads": "1"})
                    stream.height, stream.width = even.shape[:2]
                    stream.pix_fmt = "yuv420p"
                container.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
                count += 1
            if stream is not None:
                container.mux(stream.encode())
    except (av.error.FFmpegError, ValueError) as error:
        part.unlink(missing_ok=True)
        raise DeviceError(
            f"cannot write this video: {error}", where=str(path), fix="check free space, or `pip install --upgrade av`"
        ) from error
    os.replace(part, path)
    return count


def side_by_side(left: Iterable[U8], right: Iterable[U8], *, gap_px: int = 4) -> Iterator[U8]:
    """Frames of two videos of one size next to each other."""
    for a, b in zip(left, right, strict=True):
        yield np.concatenate([a, np.full((a.shape[0], gap_px, 3), 24, dtype=np.uint8), b], axis=1)
