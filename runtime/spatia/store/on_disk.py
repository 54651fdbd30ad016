"""A world on disk: commits as rows, their bulk as blobs. FORMAT.md describes the folder.

One thread owns a `FolderStore` at a time; it may be handed from the main thread to an io thread.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from spatia.errors import StoreError
from spatia.records.arrays import U32
from spatia.records.cloud import FIELDS, PAGE_POINTS
from spatia.store import fsck
from spatia.store.blobs import Blob, Blobs
from spatia.store.codec import decode_array, encode_array
from spatia.store.files import WriterLock, disk_errors_told
from spatia.store.history import PAGE_BYTES, Draft, checked_events, draft
from spatia.store.journal import Journal
from spatia.store.pages import Manifest, applied, empty_manifest, entries_of, read_page
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

MAX_LOAD_BYTES = 4 << 30


class FolderStore:
    """A `WorldStore` on disk; see there for what each method promises. Made by `folder.create` and `open_store`."""

    def __init__(
        self,
        path: Path,
        journal: Journal,
        blobs: Blobs,
        *,
        lock: WriterLock | None,
        max_load_bytes: int = MAX_LOAD_BYTES,
    ) -> None:
        """Looks at once for damage that needs no reading of blobs; with any, it is read-only. Raises `StoreError`."""
        self.path = path
        self.damage: tuple[Problem, ...] = tuple(fsck.visible_damage(journal, blobs))
        self._journal = journal
        self._blobs = blobs
        self._lock = lock
        self._max_load_bytes = max_load_bytes
        self._pending: list[JournalEvent] = []
        self._encoded: list[tuple[AnyArray, bytes]] = []  # ahead of a commit; holds the arrays, so none is mistaken
        self._newest: tuple[str, Manifest] | None = None  # hash of a commit, and its manifest
        self._is_open = True

    def __enter__(self) -> "FolderStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def read_only(self) -> bool:
        """True when it was opened so, and when it is damaged."""
        return self._lock is None or bool(self.damage)

    @property
    def settings(self) -> dict[str, Any]:
        return self._journal.meta("settings")

    @property
    def fingerprint(self) -> dict[str, Any]:
        return self._journal.meta("fingerprint")

    @property
    def head(self) -> CommitInfo | None:
        last = self._journal.last_number()
        return None if last < 0 else self._journal.info(last)

    def log(self) -> Iterator[CommitInfo]:
        for number in range(self._journal.last_number() + 1):
            yield self._journal.info(number)

    def prepare(self, arrays: Iterable[AnyArray]) -> None:
        self._encoded += [(array, encode_array(array)) for array in arrays]

    def commit(
        self,
        kind: CommitKind,
        payload: Mapping[str, Plain],
        *,
        cloud: CloudChange | None = None,
        arrays: Mapping[str, AnyArray] | None = None,
        events: Iterable[JournalEvent] = (),
    ) -> CommitInfo:
        self._require_writable()
        told = [*self._pending, *checked_events(events)]
        parent = self.head
        digests = self._manifest_of(parent)["sha256"]
        new = draft(parent, digests, kind=kind, payload=payload, cloud=cloud, arrays=arrays)
        safe = "nothing is committed yet" if parent is None else f"commit {parent.number} is safe"
        with disk_errors_told(self.path, f"commit {new.info.number} was refused ({safe})"):
            pages_blob, array_blobs = self._put_blobs(new)
            self._write(new, parent, pages_blob=pages_blob, array_blobs=array_blobs, events=told)
        self._encoded.clear()
        return new.info

    def append_events(self, events: Iterable[JournalEvent]) -> None:
        self._require_writable()
        self._pending += checked_events(events)

    def events(self) -> Iterator[Event]:
        for number in range(self._journal.last_number() + 1):
            for tick, kind, payload in self._journal.events_of(number):
                yield Event(tick=tick, kind=kind, payload=payload, commit=number)

    def load_cloud(self, number: int, *, salvage: bool = False) -> SavedCloud:
        info = self._journal.info(number)
        table = self._journal.manifest(number)
        if len(table) * PAGE_BYTES > self._max_load_bytes:
            raise StoreError(
                f"the cloud of commit {number} takes {len(table) * PAGE_BYTES} bytes; "
                f"at most {self._max_load_bytes} are loaded",
                where=str(self.path),
                fix="open the world with a larger max_load_bytes, if you trust it",
            )
        pages = np.zeros((len(table), FIELDS, PAGE_POINTS), dtype="<u4")
        lost: list[int] = []
        for writer in np.unique(table["commit"]).tolist():
            entries = table[table["commit"] == writer]
            try:
                damaged = self._read_pages(writer, entries, pages)
            except StoreError:
                if not salvage:
                    raise
                damaged = entries["page"].tolist()
            lost += damaged
            if damaged and not salvage:
                raise StoreError(
                    f"damaged blob: page {damaged[0]} and {len(damaged) - 1} more are not what was committed",
                    where=f"{self.path}: {self._pages_of(writer)}",
                    fix="restore the blob from a copy, or load with salvage=True to go on without those pages",
                )
        return SavedCloud(
            voxel_m=info.voxel_m,
            version=info.version,
            row_count=info.row_count,
            pages=pages,
            lost_pages=tuple(sorted(lost)),
        )

    def load_arrays(self, number: int, *, names: Iterable[str] | None = None) -> dict[str, AnyArray]:
        info = self._journal.info(number)
        kept = self._journal.arrays(number)
        loaded = {}
        for name in kept if names is None else names:
            source = f"array {name} of commit {number} ({info.kind})"
            where = f"{self.path}: {source}"
            if name not in kept:
                raise StoreError(f"no such array; there are: {', '.join(kept) or 'none'}", where=where)
            digest, blob = kept[name]
            data = self._blobs.read(blob, source=source, max_bytes=self._max_load_bytes)
            loaded[name] = decode_array(data, digest=digest, where=where, max_bytes=self._max_load_bytes)
        return loaded

    def fsck(self) -> list[Problem]:
        return fsck.check(self._journal, self._blobs, max_load_bytes=self._max_load_bytes)

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._journal.close()
            if self._lock is not None:
                self._lock.release()

    def _require_writable(self) -> None:
        if self.damage:
            raise StoreError(
                f"read-only, because it is damaged: {self.damage[0]}",
                where=str(self.path),
                fix="see `spatia world fsck`; export what is left, or restore what is damaged from a copy",
            )
        if self._lock is None:
            raise StoreError("the world was opened for reading only", where=str(self.path))

    def _manifest_of(self, info: CommitInfo | None) -> Manifest:
        if info is None:
            return empty_manifest()
        if self._newest is None or self._newest[0] != info.hash:
            self._newest = info.hash, self._journal.manifest(info.number)
        return self._newest[1]

    def _put_blobs(self, new: Draft) -> tuple[Blob | None, dict[str, Blob]]:
        """Pages in one blob, each array in its own; all or none of them stay."""
        added: list[Blob] = []

        def put(data: memoryview) -> Blob:
            blob, is_new = self._blobs.put(data)
            if is_new:
                added.append(blob)
            return blob

        try:
            words = np.ascontiguousarray(new.words, dtype="<u4")
            pages_blob = put(words.data.cast("B")) if len(words) else None
            return pages_blob, {name: put(memoryview(self._bytes_of(array))) for name, array in new.arrays.items()}
        except BaseException:
            for blob in added:
                self._blobs.remove(blob)
            raise

    def _bytes_of(self, array: AnyArray) -> bytes:
        ahead = next((data for prepared, data in self._encoded if _is_same(prepared, array)), None)
        return encode_array(array) if ahead is None else ahead

    def _write(
        self,
        new: Draft,
        parent: CommitInfo | None,
        *,
        pages_blob: Blob | None,
        array_blobs: dict[str, Blob],
        events: list[JournalEvent],
    ) -> None:
        """The transaction. What it leaves behind when it fails is swept by the next opening, which knows the truth."""
        entries = entries_of(new)
        table = applied(self._manifest_of(parent).copy(), entries, page_count=new.info.page_count)
        base, since = (0, 0) if parent is None else self._journal.base(parent.number)
        since += len(entries)
        # A whole manifest whenever the changes since the last outweigh one: reading stays short, writing amortised.
        writes_whole = parent is None or since > len(table)
        try:
            self._journal.write(
                new,
                manifest=table if writes_whole else entries,
                base=new.info.number if writes_whole else base,
                entries_since_base=0 if writes_whole else since,
                pages_blob=pages_blob,
                array_blobs=array_blobs,
                events=events,
            )
        finally:
            if self._journal.holds(new.info):
                self._pending = []
                self._newest = new.info.hash, table

    def _read_pages(self, writer: int, entries: Manifest, pages: U32) -> list[int]:
        """Fill `pages` from the blob that commit `writer` wrote; the damaged ones."""
        source = self._pages_of(writer)
        blob = self._journal.pages_blob(writer)
        if blob is None:
            raise StoreError("damaged database: that commit wrote no pages", where=f"{self.path}: {source}")
        descriptor = self._blobs.open(blob, source=source)
        try:
            return [int(e["page"]) for e in entries if not read_page(descriptor, e, pages[e["page"]])]
        finally:
            os.close(descriptor)

    def _pages_of(self, writer: int) -> str:
        return f"pages of commit {writer} ({self._journal.info(writer).kind})"


def _is_same(one: AnyArray, other: AnyArray) -> bool:
    """The very same bytes in memory, seen alike."""
    return bool(
        one.ctypes.data == other.ctypes.data
        and (one.shape, one.dtype, one.strides) == (other.shape, other.dtype, other.strides)
    )
