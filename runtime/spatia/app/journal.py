"""Changes and orders as plain data, so that a run's journal can be written, compared and read again.

Large arrays stand in the journal as their shape, dtype and SHA-256; the arrays themselves are in the world's commits.
"""

import hashlib
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from spatia.records.cloud import CloudSnapshot
from spatia.store.canonical import pack_plain

INLINE_VALUES = 64


def plain(value: object) -> Any:
    """`value` as dicts, lists, strings and numbers. Raises `TypeError` for what no record should hold."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, CloudSnapshot):
        return {"kind": "CloudSnapshot", "version": value.version, "rows": value.row_count, "alive": value.alive_count}
    if isinstance(value, np.ndarray):
        if value.size <= INLINE_VALUES:
            return value.tolist()
        digest = hashlib.sha256(np.ascontiguousarray(value).data).hexdigest()
        return {"shape": list(value.shape), "dtype": value.dtype.name, "sha256": digest}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(value[key]) for key in sorted(value)}
    if is_dataclass(value):
        kept = {field.name: plain(getattr(value, field.name)) for field in fields(value)}
        return {"kind": type(value).__name__, **kept}
    raise TypeError(f"a {type(value).__name__} cannot stand in the journal")


def packed(value: object) -> bytes:
    """`plain` as the store's canonical msgpack."""
    return pack_plain(plain(value))
