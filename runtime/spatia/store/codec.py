"""One array as one blob, and back: a bounded header, then FFV1 or deflate. Pure; any thread.

Deflate alone does little for float32 depth (0.85 of the size). Neighbours differ in few low bits, so the words are
first replaced by the difference to the one before (modulo their size) and split into planes of equal significance.
"""

import hashlib
import math
import struct
import zlib
from typing import Any

import numpy as np

from spatia.errors import StoreError
from spatia.records.arrays import U8
from spatia.store.canonical import pack_plain, unpack_plain
from spatia.store.protocol import AnyArray

DTYPES = {
    dtype.name: dtype
    for dtype in map(np.dtype, ("?", "u1", "<u2", "<u4", "<u8", "i1", "<i2", "<i4", "<i8", "<f2", "<f4", "<f8"))
}
MAX_DIMENSIONS = 8
_PREFIX = struct.Struct("<4sH")  # magic, length of the header
_MAGIC = b"spA1"
_MIN_CLIP_BYTES = 1 << 18  # below, a container's own bytes outweigh what FFV1 saves


def array_header(array: AnyArray) -> dict[str, Any]:
    """What an array is apart from its bytes. Raises `ValueError` for a dtype that the store does not keep."""
    name = array.dtype.name
    if DTYPES.get(name) != array.dtype:
        raise ValueError(f"arrays must be little-endian, of one of {', '.join(DTYPES)}; got {array.dtype.str}")
    if array.ndim > MAX_DIMENSIONS:
        raise ValueError(f"arrays must have at most {MAX_DIMENSIONS} dimensions; got {array.ndim}")
    return {"dtype": name, "shape": list(array.shape)}


def array_digest(array: AnyArray) -> bytes:
    """SHA-256 of what an array is and of its bytes, before any compression: no codec's version changes it."""
    digest = hashlib.sha256(pack_plain(array_header(array)))
    digest.update(np.ascontiguousarray(array).data)
    return digest.digest()


def encode_array(array: AnyArray) -> bytes:
    """Header and body. A clip becomes FFV1 when that proves to be smaller and to come back the same."""
    codec, body = "deflate", None
    is_clip = array.dtype == np.uint8 and array.ndim == 4 and array.shape[3] == 3
    if is_clip and array.nbytes >= _MIN_CLIP_BYTES:
        body = _proven_ffv1(array)
        codec = "ffv1" if body is not None else codec
    if body is None:
        body = zlib.compress(_planes(array).data, 1)
    header = pack_plain({**array_header(array), "codec": codec})
    return _PREFIX.pack(_MAGIC, len(header)) + header + body


def decode_array(data: bytes, *, digest: bytes, where: str, max_bytes: int) -> AnyArray:
    """The array of that digest. Raises `StoreError` for whatever `encode_array` would not write, before allocating."""
    if len(data) < _PREFIX.size:
        raise StoreError(f"an array of {len(data)} bytes has no header", where=where)
    magic, header_length = _PREFIX.unpack_from(data)
    if magic != _MAGIC:
        raise StoreError(f"an array starts with {_MAGIC!r}; found {magic!r}", where=where)
    body = memoryview(data)[_PREFIX.size + header_length :]
    header = unpack_plain(data[_PREFIX.size : _PREFIX.size + header_length], where=where)
    dtype, shape, codec = _checked_header(header, where)
    byte_count = math.prod(shape) * dtype.itemsize
    if byte_count > max_bytes:
        raise StoreError(
            f"an array of {dtype.name} {shape} takes {byte_count} bytes; at most {max_bytes} are loaded",
            where=where,
            fix="open the world with a larger max_load_bytes, if you trust it",
        )
    if codec == "ffv1":
        if dtype != np.uint8 or len(shape) != 4 or shape[3] != 3:
            raise StoreError(f"a clip must be uint8 [T, H, W, 3]; the header says {dtype.name} {shape}", where=where)
        from spatia.store.video import decode_ffv1  # PyAV takes a tenth of a second to import

        array: AnyArray = decode_ffv1(body, shape, where=where)
    else:
        array = _from_planes(_inflated(body, byte_count, where), dtype, shape)
    if array_digest(array) != digest:
        raise StoreError("the array is not what was committed: its SHA-256 differs", where=where)
    return array


def _checked_header(header: Any, where: str) -> tuple[np.dtype[Any], tuple[int, ...], str]:
    if not isinstance(header, dict) or sorted(header) != ["codec", "dtype", "shape"]:
        raise StoreError("an array's header must name codec, dtype and shape", where=where)
    dtype, shape, codec = header["dtype"], header["shape"], header["codec"]
    if dtype not in list(DTYPES) or codec not in ("deflate", "ffv1"):
        raise StoreError(f"unknown dtype or codec in an array's header: {dtype!r}, {codec!r}", where=where)
    is_shape = isinstance(shape, list) and len(shape) <= MAX_DIMENSIONS
    if not is_shape or not all(type(side) is int and 0 <= side < 1 << 40 for side in shape):
        raise StoreError(f"not an array's shape: {shape!r}", where=where)
    return DTYPES[dtype], tuple(shape), codec


def _proven_ffv1(rgb: U8) -> bytes | None:
    from spatia.store.video import decode_ffv1, encode_ffv1

    body = encode_ffv1(rgb)
    if body is None or len(body) >= rgb.nbytes:
        return None
    try:
        decoded = decode_ffv1(memoryview(body), rgb.shape, where="clip just encoded")
    except StoreError:
        return None
    return body if np.array_equal(decoded, rgb) else None


def _planes(array: AnyArray) -> U8:
    words = array.reshape(-1).view(f"<u{array.dtype.itemsize}")
    steps = np.diff(words, prepend=words.dtype.type(0))
    return np.ascontiguousarray(steps.view(np.uint8).reshape(-1, array.dtype.itemsize).T)  # [itemsize, N]


def _from_planes(planes: bytes, dtype: np.dtype[Any], shape: tuple[int, ...]) -> AnyArray:
    steps = np.ascontiguousarray(np.frombuffer(planes, dtype=np.uint8).reshape(dtype.itemsize, -1).T)
    word = np.dtype(f"<u{dtype.itemsize}")
    words = np.cumsum(steps.reshape(-1).view(word), dtype=word)
    return words.view(dtype).reshape(shape)


def _inflated(body: memoryview, byte_count: int, where: str) -> bytes:
    inflate = zlib.decompressobj()
    try:
        data = inflate.decompress(body, byte_count + 1)
    except zlib.error as error:
        raise StoreError(f"the array cannot be inflated: {error}", where=where) from error
    if len(data) != byte_count or not inflate.eof or inflate.unused_data:
        raise StoreError(f"the array does not inflate to the {byte_count} bytes of its header", where=where)
    return data
