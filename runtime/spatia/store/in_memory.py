"""A world kept in RAM alone, for tests and for embedding where nothing is to be saved. On its owner's thread."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from spatia.errors import StoreError
from spatia.records.arrays import U8, U32
from spatia.records.cloud import FIELDS, PAGE_POINTS
from spatia.store.canonical import pack_plain, unpack_plain
from spatia.store.history import DIGEST_BYTES, checked_events, draft
from spatia.store.protocol import (
    AnyArray,
    CloudChange,
    CommitInfo,
    CommitKind,
    Event,
    JournalEvent,
    Plain,
    Problem,
    SavedCloud,
)


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    info: CommitInfo
    digests: U8  # [P, 32]
    pages: tuple[U32, ...]  # P pages; those that did not change are shared with the commit before
    arrays: dict[str, AnyArray]


class MemoryStore:
    """A `WorldStore` that forgets everything when it is dropped; see there for what each method promises."""

    def __init__(
        self, *, settings: Mapping[str, Plain] | None = None, fingerprint: Mapping[str, Plain] | None = None
    ) -> None:
        self._settings = pack_plain(dict(settings or {}))
        self._fingerprint = pack_plain(dict(fingerprint or {}))
        self._kept: list[_Kept] = []
        self._events: list[Event] = []
        self._pending: list[JournalEvent] = []

    @property
    def settings(self) -> dict[str, Any]:
        return dict(unpack_plain(self._settings, where="settings"))

    @property
    def fingerprint(self) -> dict[str, Any]:
        return dict(unpack_plain(self._fingerprint, where="fingerprint"))

    @property
    def head(self) -> CommitInfo | None:
        return self._kept[-1].info if self._kept else None

    def log(self) -> Iterator[CommitInfo]:
        return iter([kept.info for kept in self._kept])

    def prepare(self, arrays: Iterable[AnyArray]) -> None:
        """Nothing is encoded in RAM."""

    def commit(
        self,
        kind: CommitKind,
        payload: Mapping[str, Plain],
        *,
        cloud: CloudChange | None = None,
        arrays: Mapping[str, AnyArray] | None = None,
        events: Iterable[JournalEvent] = (),
    ) -> CommitInfo:
        before = self._kept[-1] if self._kept else None
        told = [*self._pending, *checked_events(events)]
        digests = np.empty((0, DIGEST_BYTES), dtype=np.uint8) if before is None else before.digests
        new = draft(self.head, digests, kind=kind, payload=payload, cloud=cloud, arrays=arrays)
        pages = dict(enumerate(before.pages if before else ()))
        pages.update(zip(new.page_index.tolist(), new.words.copy(), strict=True))
        self._kept.append(
            _Kept(
                new.info,
                new.digests,
                tuple(pages[page] for page in range(new.info.page_count)),
                {name: array.copy() for name, array in new.arrays.items()},
            )
        )
        self._events += [Event(tick=t, kind=k, payload=p, commit=new.info.number) for t, k, p in told]
        self._pending = []
        return new.info

    def append_events(self, events: Iterable[JournalEvent]) -> None:
        self._pending += checked_events(events)

    def events(self) -> Iterator[Event]:
        return iter(list(self._events))

    def load_cloud(self, number: int, *, salvage: bool = False) -> SavedCloud:
        kept = self._at(number)
        pages = np.empty((len(kept.pages), FIELDS, PAGE_POINTS), dtype=np.uint32)
        for page, words in enumerate(kept.pages):
            pages[page] = words
        info = kept.info
        return SavedCloud(voxel_m=info.voxel_m, version=info.version, row_count=info.row_count, pages=pages)

    def load_arrays(self, number: int, *, names: Iterable[str] | None = None) -> dict[str, AnyArray]:
        arrays = self._at(number).arrays
        chosen = list(arrays if names is None else names)
        for name in chosen:
            if name not in arrays:
                raise StoreError(
                    f"no such array; there are: {', '.join(arrays) or 'none'}", where=f"array {name} of commit {number}"
                )
        return {name: arrays[name].copy() for name in chosen}

    def fsck(self) -> list[Problem]:
        return []

    def close(self) -> None:
        self._pending = []

    def _at(self, number: int) -> _Kept:
        if not 0 <= number < len(self._kept):
            raise StoreError(f"no such commit; the newest is {len(self._kept) - 1}", where=f"commit {number}")
        return self._kept[number]
