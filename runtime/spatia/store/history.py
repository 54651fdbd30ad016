"""What a commit is, whatever it is kept in: the checks at the door and the hash. Pure; any thread.

Nothing of time, host, path or encoding enters the hash, so the same run gives the same hashes in memory and on disk,
and with any version of a codec.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from spatia.records.arrays import I32, U8, U32
from spatia.records.cloud import FIELDS, PAGE_POINTS
from spatia.store.canonical import MAX_PLAIN_BYTES, pack_plain, unpack_plain
from spatia.store.codec import array_digest
from spatia.store.protocol import (
    KINDS,
    AnyArray,
    CloudChange,
    CommitInfo,
    CommitKind,
    JournalEvent,
    Plain,
    page_count_of,
)

PAGE_BYTES = FIELDS * PAGE_POINTS * 4
DIGEST_BYTES = 32
_NAME = re.compile(r"[a-z0-9_.]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Draft:
    """A commit that has passed the checks and has its hash, but is kept nowhere yet."""

    info: CommitInfo
    payload: bytes
    digests: U8  # [P, 32] SHA-256 of every page of the cloud
    page_index: I32  # [K] the pages that differ from the parent's
    words: U32  # [K, FIELDS, PAGE_POINTS]
    arrays: dict[str, AnyArray]
    array_digests: dict[str, bytes]


def draft(
    parent: CommitInfo | None,
    parent_digests: U8,  # [P, 32]
    *,
    kind: CommitKind,
    payload: Mapping[str, Plain],
    cloud: CloudChange | None,
    arrays: Mapping[str, AnyArray] | None,
) -> Draft:
    """Raises `ValueError` for content that cannot be a commit."""
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}; got {kind!r}")
    if (parent is None) != (kind == "initial"):
        raise ValueError(f'the first commit, and no other, is of kind "initial"; got {kind!r}')
    if cloud is None:
        if parent is None:
            raise ValueError("the first commit must have a cloud")
        cloud = CloudChange(
            voxel_m=parent.voxel_m,
            version=parent.version,
            row_count=parent.row_count,
            page_index=np.empty(0, dtype=np.int32),
            words=np.empty((0, FIELDS, PAGE_POINTS), dtype=np.uint32),
        )
    digests, changed = _page_digests(parent_digests, cloud)
    kept = {name: np.asarray(array, order="C") for name, array in sorted((arrays or {}).items())}
    for name in kept:
        if not _NAME.fullmatch(name):
            raise ValueError(f"names of arrays must match {_NAME.pattern}; got {name!r}")
    packed = pack_plain(dict(payload))
    array_digests = {name: array_digest(array) for name, array in kept.items()}
    parent_hash = "" if parent is None else parent.hash
    digest = commit_hash(
        parent=parent_hash,
        kind=kind,
        payload=packed,
        voxel_m=cloud.voxel_m,
        version=cloud.version,
        row_count=cloud.row_count,
        digests=digests,
        array_digests=array_digests,
    )
    info = CommitInfo(
        number=0 if parent is None else parent.number + 1,
        kind=kind,
        hash=digest,
        parent=parent_hash,
        payload=unpack_plain(packed, where="payload"),
        voxel_m=cloud.voxel_m,
        version=cloud.version,
        row_count=cloud.row_count,
        arrays=tuple(kept),
    )
    return Draft(
        info=info,
        payload=packed,
        digests=digests,
        page_index=cloud.page_index[changed],
        words=cloud.words if changed.all() else cloud.words[changed],
        arrays=kept,
        array_digests=array_digests,
    )


def commit_hash(
    *,
    parent: str,
    kind: str,
    payload: bytes,
    voxel_m: float,
    version: int,
    row_count: int,
    digests: U8,  # [P, 32]
    array_digests: Mapping[str, bytes],
) -> str:
    """SHA-256 in hex over everything that a commit says, and over its parent's hash."""
    content: dict[str, Plain] = {
        "parent": parent,
        "kind": kind,
        "payload": hashlib.sha256(payload).digest(),
        "cloud": {
            "voxel_m": float(voxel_m),
            "version": version,
            "row_count": row_count,
            "pages": hashlib.sha256(np.ascontiguousarray(digests).data).digest(),
        },
        "arrays": dict(array_digests),
    }
    return hashlib.sha256(pack_plain(content)).hexdigest()


def page_digest(words: AnyArray) -> bytes:
    """SHA-256 of one page [FIELDS, PAGE_POINTS], little-endian."""
    return hashlib.sha256(np.ascontiguousarray(words, dtype="<u4").data).digest()


def checked_events(events: Iterable[JournalEvent]) -> list[JournalEvent]:
    """The same. Raises `ValueError` for an event that could not be read back."""
    checked = list(events)
    for tick, kind, payload in checked:
        if not 0 <= tick < 1 << 63 or not _NAME.fullmatch(kind) or len(payload) > MAX_PLAIN_BYTES:
            raise ValueError(
                f"an event needs a tick >= 0, a kind that matches {_NAME.pattern} and at most {MAX_PLAIN_BYTES} bytes; "
                f"got {tick}, {kind!r}, {len(payload)} bytes"
            )
    return checked


def events_digest(events: Iterable[JournalEvent]) -> bytes:
    """SHA-256 of the events that a commit made durable; apart from its hash, for what happened is not what there is."""
    digest = hashlib.sha256()
    for tick, kind, payload in events:
        digest.update(pack_plain([tick, kind, hashlib.sha256(payload).digest()]))
    return digest.digest()


def _page_digests(before: U8, cloud: CloudChange) -> tuple[U8, Any]:
    """The digests of all pages now [P, 32], and which of the given pages really changed [K]."""
    page_count = page_count_of(cloud.row_count)
    digests = np.zeros((page_count, DIGEST_BYTES), dtype=np.uint8)
    common = min(len(before), page_count)
    digests[:common] = before[:common]
    known = np.zeros(page_count, dtype=np.bool_)
    known[:common] = True
    given = np.frombuffer(b"".join(map(page_digest, cloud.words)), dtype=np.uint8).reshape(-1, DIGEST_BYTES)
    changed = ~known[cloud.page_index] | (digests[cloud.page_index] != given).any(axis=1)
    known[cloud.page_index] = True
    if not known.all():
        raise ValueError(f"page {int(np.argmin(known))} of {page_count} is new to this world and was not given")
    digests[cloud.page_index] = given
    return digests, changed
