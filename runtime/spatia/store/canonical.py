"""Plain data as canonical msgpack: one byte string for one value, bounded both ways. Pure; any thread."""

from typing import Any

import msgpack

from spatia.errors import StoreError
from spatia.store.protocol import Plain

MAX_PLAIN_BYTES = 4 << 20  # nested empty lists grow 75-fold in memory: 300 MB at worst
MAX_DEPTH = 32


def pack_plain(value: Plain) -> bytes:
    """Keys sorted, shortest integers, float64, tuples as lists.

    Raises `ValueError` for what is not plain data, for integers beyond 64 bits and past the bounds.
    """
    try:
        packed: bytes = msgpack.packb(_ordered(value, "value", MAX_DEPTH))
    except OverflowError as error:
        raise ValueError("integers must fit into 64 bits; pass longer ones as bytes or text") from error
    if len(packed) > MAX_PLAIN_BYTES:
        raise ValueError(f"plain data must pack into {MAX_PLAIN_BYTES} bytes; got {len(packed)}: pass bulk as arrays")
    return packed


def unpack_plain(data: bytes, *, where: str) -> Any:
    """The value back. Raises `StoreError` for anything that `pack_plain` would not have written."""
    if len(data) > MAX_PLAIN_BYTES:
        raise StoreError(f"{len(data)} bytes of plain data; at most {MAX_PLAIN_BYTES} are written", where=where)
    try:
        value = msgpack.unpackb(data, strict_map_key=True)
        canonical = pack_plain(value)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise StoreError(f"not canonical msgpack: {error or type(error).__name__}", where=where) from error
    if canonical != data:
        raise StoreError("not canonical msgpack: keys unsorted, repeated or numbers too long", where=where)
    return value


def _ordered(value: Plain, name: str, depth: int) -> Any:
    if value is None or type(value) in (bool, int, float, str, bytes):
        return value
    if depth == 0:
        raise ValueError(f"plain data must be nested at most {MAX_DEPTH} deep")
    if isinstance(value, dict):
        for key in value:
            if type(key) is not str:
                raise ValueError(f"keys of {name} must be text; got {key!r}")
        return {key: _ordered(value[key], f"{name}.{key}", depth - 1) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [_ordered(item, f"{name}[{index}]", depth - 1) for index, item in enumerate(value)]
    raise ValueError(f"{name} must be plain data; got {type(value).__module__}.{type(value).__qualname__}")
