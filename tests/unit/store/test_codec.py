import struct
import zlib

import numpy as np
import pytest

from spatia.errors import StoreError
from spatia.records.arrays import U8
from spatia.store.canonical import pack_plain
from spatia.store.codec import array_digest, decode_array, encode_array
from spatia.store.protocol import AnyArray, Plain
from spatia.store.video import decode_ffv1, encode_ffv1

MAX_BYTES = 1 << 24


def decoded(data: bytes, array: AnyArray, *, max_bytes: int = MAX_BYTES) -> AnyArray:
    return decode_array(data, digest=array_digest(array), where="test", max_bytes=max_bytes)


def smooth_clip(frames: int = 6, height: int = 120, width: int = 160) -> U8:
    t, y, x = np.mgrid[:frames, :height, :width]
    return np.stack([x + t, y, x + y], axis=-1).astype(np.uint8)


def test_a_clip_is_kept_as_lossless_video_and_is_smaller() -> None:
    clip = smooth_clip()
    data = encode_array(clip)
    assert b"ffv1" in data[:64]
    assert len(data) < clip.nbytes / 4
    np.testing.assert_array_equal(decoded(data, clip), clip)


def test_a_clip_that_video_does_not_shrink_is_deflated() -> None:
    clip = np.random.default_rng(0).integers(0, 256, (4, 120, 200, 3)).astype(np.uint8)
    data = encode_array(clip)
    assert b"deflate" in data[:64]
    np.testing.assert_array_equal(decoded(data, clip), clip)


@pytest.mark.parametrize("shape", [(1, 1, 100_000), (3, 333, 111), (100, 2, 512), (100, 512, 2)])
def test_clips_of_odd_sizes_come_back(shape: tuple[int, int, int]) -> None:
    clip = np.random.default_rng(0).integers(0, 9, (*shape, 3)).astype(np.uint8)
    np.testing.assert_array_equal(decoded(encode_array(clip), clip), clip)


def test_the_same_clip_gives_the_same_bytes() -> None:
    assert encode_ffv1(smooth_clip()) == encode_ffv1(smooth_clip())


def test_smooth_depth_takes_less_than_half_of_what_deflate_alone_gives() -> None:
    y, x = np.mgrid[:120, :160]
    depth = (2 + np.sin(x * 0.01) + y * 0.002).astype(np.float32)
    assert len(encode_array(depth)) < len(zlib.compress(depth.tobytes(), 1)) / 2


def blob(header: Plain, body: bytes = b"") -> bytes:
    packed = pack_plain(header)
    return struct.pack("<4sH", b"spA1", len(packed)) + packed + body


def header(**changes: Plain) -> dict[str, Plain]:
    return {"codec": "deflate", "dtype": "uint8", "shape": [4], **changes}


FOUR = zlib.compress(b"abcd", 1)
HOSTILE = {
    "nothing": b"",
    "no magic": b"spA2" + blob(header(), FOUR)[4:],
    "a header beyond the end": struct.pack("<4sH", b"spA1", 60000) + b"x",
    "a header that is no mapping": blob([1, 2]),
    "a key too many": blob(header(more=1), FOUR),
    "an object dtype": blob(header(dtype="object"), FOUR),
    "a dtype that is a list": blob(header(dtype=["uint8"]), FOUR),
    "an unknown codec": blob(header(codec="pickle"), FOUR),
    "a negative side": blob(header(shape=[-4]), FOUR),
    "a true side": blob(header(shape=[True]), FOUR),
    "a shape of 7 TiB": blob(header(shape=[1 << 30, 1 << 13]), FOUR),
    "too many dimensions": blob(header(shape=[1] * 9), FOUR),
    "a body cut short": blob(header(), FOUR[:-3]),
    "bytes after the body": blob(header(), FOUR + b"x"),
    "a body for a larger array": blob(header(), zlib.compress(bytes(5))),
    "a bomb": blob(header(), zlib.compress(bytes(1 << 26), 9)),
    "a body that is not deflate": blob(header(), b"hello"),
    "other content": blob(header(), zlib.compress(b"abce", 1)),
    "video of numbers": blob(header(codec="ffv1"), FOUR),
    "video that is none": blob(header(codec="ffv1", shape=[1, 8, 8, 3]), b"\x1aE\xdf\xa3"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_array_is_refused(name: str) -> None:
    with pytest.raises(StoreError, match="test"):
        decoded(HOSTILE[name], np.frombuffer(b"abcd", dtype=np.uint8))


@pytest.mark.parametrize("shape", [(5, 120, 160, 3), (7, 120, 160, 3), (6, 160, 120, 3), (6, 121, 160, 3)])
def test_video_of_another_shape_than_its_header_is_refused(shape: tuple[int, ...]) -> None:
    body = encode_ffv1(smooth_clip())
    assert body is not None
    with pytest.raises(StoreError):
        decode_ffv1(memoryview(body), shape, where="test")


def test_damaged_video_never_comes_back_as_if_it_were_whole() -> None:
    clip = smooth_clip()
    data = bytearray(encode_array(clip))
    rng = np.random.default_rng(3)
    for position in rng.integers(0, len(data), 60):
        damaged = bytearray(data)
        damaged[position] ^= 1 << int(rng.integers(8))
        try:
            array = decoded(bytes(damaged), clip)
        except StoreError:
            continue
        np.testing.assert_array_equal(array, clip)


def test_an_array_over_the_bound_is_refused_before_it_is_decoded() -> None:
    array = np.zeros(1000, dtype=np.uint8)
    with pytest.raises(StoreError, match="at most 999 are loaded"):
        decoded(encode_array(array), array, max_bytes=999)
