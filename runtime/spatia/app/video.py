"""Video files for people to look at: H.264 in MP4. Hashes are taken over raw frames, never over these files."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np

from spatia.errors import DeviceError
from spatia.records.arrays import U8

CODEC: Literal["libx264"] = "libx264"


def write_video(path: Path, frames: Iterable[U8], *, fps: float, crf: int = 18) -> None:
    """Write [H, W, 3] frames as they come. Odd sides lose their last row or column, which 4:2:0 cannot hold.

    The file appears under its name only when it is complete. Raises `DeviceError` where it cannot be written.
    """
    import av

    with _complete(path) as part, av.open(part, "w", format="mp4") as container:
        stream = None
        for image in frames:
            even = np.ascontiguousarray(image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2])
            if stream is None:
                stream = container.add_stream(CODEC, rate=round(fps), options={"crf": str(crf), "preset": "veryfast"})
                stream.height, stream.width = even.shape[:2]
                stream.pix_fmt = "yuv420p"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
        if stream is not None:
            container.mux(stream.encode())


def join_videos(path: Path, parts: Sequence[Path]) -> None:
    """Videos of `write_video` with one size and rate, one after the other, without encoding them again."""
    import av

    with _complete(path) as target, av.open(target, "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream, offset = None, 0
        for part in parts:
            with av.open(str(part)) as source:
                video = source.streams.video[0]
                stream = stream or container.add_stream_from_template(video)
                end = offset
                for packet in source.demux(video):
                    if packet.pts is None or packet.dts is None:  # the mark of the end
                        continue
                    packet.pts, packet.dts = packet.pts + offset, packet.dts + offset
                    end = max(end, packet.pts + (packet.duration or 0))
                    packet.stream = stream
                    container.mux(packet)
                offset = end


def read_frames(path: Path, numbers: Sequence[int]) -> list[U8]:
    """Some frames of a video, by position, in increasing order."""
    import av

    wanted = set(numbers)
    with av.open(str(path)) as container:
        return [
            np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
            for number, frame in enumerate(container.decode(video=0))
            if number in wanted
        ]


def side_by_side(left: Iterable[U8], right: Iterable[U8], *, gap_px: int = 4) -> Iterator[U8]:
    """Frames of two videos of one size next to each other."""
    for a, b in zip(left, right, strict=True):
        yield np.concatenate([a, np.full((a.shape[0], gap_px, 3), 24, dtype=np.uint8), b], axis=1)


@contextmanager
def _complete(path: Path) -> Iterator[str]:
    """A name to write to that becomes `path` once all went well."""
    import av

    part = path.with_name(path.name + ".part")
    try:
        yield str(part)
        os.replace(part, path)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise DeviceError(
            f"this video cannot be written: {error}",
            where=str(path),
            fix="free some space, or see `spatia doctor` for the codec",
        ) from error
    finally:
        part.unlink(missing_ok=True)
