"""Lossless clips: FFV1 in Matroska through PyAV, for [T, H, W, 3] uint8. Pure; any thread."""

import io
from typing import Any

import av
import numpy as np

from spatia.errors import StoreError
from spatia.records.arrays import U8

_CODEC = "ffv1"
_CONTAINER = "matroska"
# Slices let two threads work on one frame; their number, not that of the threads, decides the bytes.
_OPTIONS = {"flags": "+bitexact", "level": "3", "slices": "4"}


def encode_ffv1(rgb: U8) -> bytes | None:
    """The clip as a Matroska file without time, host or random numbers in it; None where FFV1 cannot hold it."""
    buffer = io.BytesIO()
    try:
        with av.open(buffer, "w", format=_CONTAINER, options={"fflags": "+bitexact"}) as container:
            stream: Any = container.add_stream(_CODEC, rate=24, options=_OPTIONS)
            stream.width, stream.height, stream.pix_fmt = rgb.shape[2], rgb.shape[1], "bgr0"
            stream.codec_context.thread_count = 0  # as many as there are cores
            for number, image in enumerate(rgb):
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts = number
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    except av.FFmpegError:
        return None
    return buffer.getvalue()


def decode_ffv1(data: memoryview, shape: tuple[int, ...], *, where: str) -> U8:
    """[T, H, W, 3]. Raises `StoreError` for anything but an FFV1 clip of `shape`, which the caller has bounded."""
    frame_count, height, width, _ = shape
    rgb = np.empty(shape, dtype=np.uint8)
    try:
        with av.open(io.BytesIO(data), "r", format=_CONTAINER) as container:
            streams = container.streams.video
            if len(streams) != 1 or len(container.streams) != 1:
                raise StoreError("a clip must hold one video stream and nothing else", where=where)
            context: Any = streams[0].codec_context
            found = None if context is None else (context.name, context.width, context.height)
            if found != (_CODEC, width, height):
                raise StoreError(f"a clip of {found}; its header says {(_CODEC, width, height)}", where=where)
            context.thread_type, context.thread_count = "AUTO", 0
            count = 0
            for frame in container.decode(streams[0]):
                if count == frame_count or (frame.width, frame.height) != (width, height):
                    raise StoreError(f"more than {frame_count} frames of {width}x{height}", where=where)
                rgb[count] = frame.to_ndarray(format="rgb24")
                count += 1
    except (av.FFmpegError, ValueError, IndexError) as error:
        raise StoreError(f"the clip cannot be decoded: {error}", where=where) from error
    if count != frame_count:
        raise StoreError(f"{count} frames; the header says {frame_count}", where=where)
    return rgb
