"""Commits, manifests, arrays and events as rows. Runs on the thread that owns the store.

Everything read is checked before it is believed: the file may be damaged, or a stranger's.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from spatia.errors import StoreError
from spatia.store.blobs import Blob
from spatia.store.canonical import unpack_plain
from spatia.store.database import MAX_ROW_BYTES, Database
from spatia.store.history import Draft, events_digest
from spatia.store.pages import ENTRY, Manifest, applied, empty_manifest, is_whole
from spatia.store.protocol import KINDS, CommitInfo, JournalEvent, page_count_of

T = TypeVar("T")


class Journal:
    """What a world's database says. `sqlite3.Error` passes through from `write`; the rest raises `StoreError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(
        self,
        draft: Draft,
        *,
        manifest: Manifest,
        base: int,
        entries_since_base: int,
        pages_blob: Blob | None,
        array_blobs: dict[str, Blob],
        events: Sequence[JournalEvent],
    ) -> None:
        """The one transaction of a commit. Raises `sqlite3.Error` when it did not happen."""
        info = draft.info
        blobs = [*array_blobs.values(), *([] if pages_blob is None else [pages_blob])]
        identity = (info.number, info.kind, bytes.fromhex(info.hash), draft.payload)
        cloud = (info.voxel_m, info.version, info.row_count, None if pages_blob is None else pages_blob.sha256)
        row = (*identity, *cloud, manifest.tobytes(), base, entries_since_base, events_digest(events))
        arrays = [(info.number, name, draft.array_digests[name], blob.sha256) for name, blob in array_blobs.items()]
        insert = self._database.insert
        try:
            with self._database.transaction():
                insert("INSERT OR IGNORE INTO blobs VALUES (?, ?)", [(blob.sha256, blob.byte_count) for blob in blobs])
                insert("INSERT INTO commits VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", [row])
                insert("INSERT INTO arrays VALUES (?, ?, ?, ?)", arrays)
                insert("INSERT INTO events VALUES (NULL, ?, ?, ?, ?)", [(info.number, *event) for event in events])
        except sqlite3.Error:
            # COMMIT also reports a checkpoint that failed after the commit itself was safe in the log.
            if not self.holds(info):
                raise

    def holds(self, info: CommitInfo) -> bool:
        rows = self._database.rows("SELECT hash FROM commits WHERE number = ?", info.number)
        return rows == [(bytes.fromhex(info.hash),)]

    def meta(self, key: str) -> dict[str, Any]:
        where = f"{self._database.path}: {key}"
        packed = self._database.row("SELECT value FROM meta WHERE key = ?", key)[0]
        return self._mapping(packed, where)

    def last_number(self) -> int:
        """-1 before the first commit. Raises `StoreError` when there are gaps before it."""
        count, first, last = self._database.row("SELECT count(*), min(number), max(number) FROM commits")
        if count and (first, last) != (0, count - 1):
            where = str(self._database.path)
            raise StoreError(f"damaged database: {count} commits are numbered {first} to {last}", where=where)
        return int(count) - 1

    def info(self, number: int) -> CommitInfo:
        """Raises `StoreError` for a commit that does not exist or makes no sense."""
        where = f"{self._database.path}: commit {number}"
        rows = self._database.rows(
            "SELECT c.kind, c.hash, c.payload, c.voxel_m, c.version, c.row_count, p.hash FROM commits c "
            "LEFT JOIN commits p ON p.number = c.number - 1 WHERE c.number = ?",
            number,
        )
        if not rows:
            raise StoreError(f"no such commit; the newest is {self.last_number()}", where=where)
        kind, digest, payload, voxel_m, version, row_count, parent = rows[0]
        typed = self._database.typed
        if (
            kind not in KINDS
            or (parent is None) != (number == 0)
            or min(typed(version, int), typed(row_count, int)) < 0
        ):
            raise StoreError("damaged commit: its row makes no sense", where=where)
        return CommitInfo(
            number=number,
            kind=kind,
            hash=typed(digest, bytes).hex(),
            parent="" if parent is None else typed(parent, bytes).hex(),
            payload=self._mapping(payload, where),
            voxel_m=typed(voxel_m, float),
            version=version,
            row_count=row_count,
            arrays=tuple(self.arrays(number)),
        )

    def payload(self, number: int) -> bytes:
        """The payload as it was hashed."""
        return self._cell("payload", number, bytes)

    def base(self, number: int) -> tuple[int, int]:
        """The commit with the last whole manifest up to `number`, and how many entries were written since."""
        return self._cell("base", number, int), self._cell("entries_since_base", number, int)

    def manifest(self, number: int) -> Manifest:
        """Where every page of the cloud of that commit lies."""
        table = empty_manifest()
        for _, table in self.manifests(self.base(number)[0], number):  # noqa: B007 - the last one is wanted
            pass
        return table

    def manifests(self, first: int, last: int) -> Iterator[tuple[int, Manifest]]:
        """The manifests of these commits in turn, in one array that the next step changes. `first` has a whole one."""
        table = empty_manifest()
        for number in range(first, last + 1):
            where = f"{self._database.path}: commit {number}"
            page_count = page_count_of(self._cell("row_count", number, int))
            packed = self._cell("manifest", number, bytes)
            if len(packed) % ENTRY.itemsize or not 0 <= page_count <= MAX_ROW_BYTES // ENTRY.itemsize:
                raise StoreError("damaged commit: its manifest has a wrong size", where=where)
            entries: Manifest = np.frombuffer(packed, dtype=ENTRY)
            pages = entries["page"]
            if len(pages) and (pages.min() < 0 or pages.max() >= page_count):
                raise StoreError("damaged commit: its manifest names pages that are not there", where=where)
            table = applied(table, entries, page_count=page_count)
            if not is_whole(table, commit=number):
                raise StoreError("damaged commit: its manifest has holes", where=where)
            yield number, table

    def pages_blob(self, number: int) -> Blob | None:
        """The pages that a commit wrote; None when it changed none."""
        sha256 = self._database.row("SELECT pages_blob FROM commits WHERE number = ?", number)[0]
        return None if sha256 is None else self._blob(sha256)

    def arrays(self, number: int) -> dict[str, tuple[bytes, Blob]]:
        """Digest and blob of every array of a commit, by name, sorted."""
        typed = self._database.typed
        rows = self._database.rows(
            "SELECT name, digest, blob FROM arrays WHERE commit_number = ? ORDER BY name", number
        )
        return {typed(name, str): (typed(digest, bytes), self._blob(sha256)) for name, digest, sha256 in rows}

    def events_of(self, number: int) -> list[JournalEvent]:
        """Tick, kind and payload of the events that became durable with a commit."""
        typed = self._database.typed
        rows = self._database.rows(
            "SELECT tick, kind, payload FROM events WHERE commit_number = ? ORDER BY number", number
        )
        return [(typed(tick, int), typed(kind, str), typed(payload, bytes)) for tick, kind, payload in rows]

    def events_digest(self, number: int) -> bytes:
        return self._cell("events_digest", number, bytes)

    def lists_every_blob(self) -> bool:
        """Whether the list of files is exactly what commits and arrays refer to; one query, so at one moment."""
        return bool(
            self._database.row(
                "WITH referred AS (SELECT pages_blob FROM commits WHERE pages_blob IS NOT NULL "
                "UNION SELECT blob FROM arrays), listed AS (SELECT sha256 FROM blobs) "
                "SELECT NOT EXISTS (SELECT * FROM referred EXCEPT SELECT * FROM listed) "
                "AND NOT EXISTS (SELECT * FROM listed EXCEPT SELECT * FROM referred)"
            )[0]
        )

    def blobs(self) -> list[Blob]:
        """The list of all files, sorted."""
        typed = self._database.typed
        rows = self._database.rows("SELECT sha256, byte_count FROM blobs ORDER BY sha256")
        return [Blob(typed(sha256, bytes), typed(byte_count, int)) for sha256, byte_count in rows]

    def integrity_problems(self) -> list[str]:
        """What SQLite itself finds wrong with the file."""
        rows = self._database.rows("PRAGMA integrity_check(20)")
        return [] if rows == [("ok",)] else [str(row[0]) for row in rows]

    def close(self) -> None:
        self._database.close()

    def _blob(self, sha256: object) -> Blob:
        name = self._database.typed(sha256, bytes)
        byte_count = self._database.row("SELECT byte_count FROM blobs WHERE sha256 = ?", name)[0]
        return Blob(name, self._database.typed(byte_count, int))

    def _cell(self, column: str, number: int, kind: type[T]) -> T:
        return self._database.typed(
            self._database.row(f"SELECT {column} FROM commits WHERE number = ?", number)[0], kind
        )

    def _mapping(self, packed: object, where: str) -> dict[str, Any]:
        value = unpack_plain(self._database.typed(packed, bytes), where=where)
        return self._database.typed(value, dict)
