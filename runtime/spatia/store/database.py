"""The SQLite file of a world folder: opening, format, transactions, rows that are checked before they are believed.

Runs on the thread that owns the store. `sqlite3.Error` passes through from what writes; what reads raises `StoreError`.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from spatia.errors import StoreError
from spatia.store.files import Files

T = TypeVar("T")

FORMAT = 1
APPLICATION_ID = 0x53504154  # "SPAT": lets `file` and others tell a world from any other database
MAX_ROW_BYTES = 64 << 20

# Beside its own errors: a number too large for it, and a message that quotes bytes which are no text.
_READ_FAILURES = (sqlite3.Error, OverflowError, UnicodeDecodeError)

SCHEMA = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT",
    "CREATE TABLE blobs (sha256 BLOB PRIMARY KEY, byte_count INTEGER NOT NULL) STRICT",
    "CREATE TABLE commits (number INTEGER PRIMARY KEY, kind TEXT NOT NULL, hash BLOB NOT NULL, payload BLOB NOT NULL, "
    "voxel_m REAL NOT NULL, version INTEGER NOT NULL, row_count INTEGER NOT NULL, pages_blob BLOB, "
    "manifest BLOB NOT NULL, base INTEGER NOT NULL, entries_since_base INTEGER NOT NULL, "
    "events_digest BLOB NOT NULL) STRICT",
    "CREATE TABLE arrays (commit_number INTEGER NOT NULL, name TEXT NOT NULL, digest BLOB NOT NULL, "
    "blob BLOB NOT NULL, PRIMARY KEY (commit_number, name)) STRICT",
    "CREATE TABLE events (number INTEGER PRIMARY KEY, commit_number INTEGER NOT NULL, tick INTEGER NOT NULL, "
    "kind TEXT NOT NULL, payload BLOB NOT NULL) STRICT",
    "CREATE INDEX events_of_commit ON events (commit_number)",
)


class Database:
    """One connection to an existing file."""

    def __init__(self, path: Path, *, read_only: bool, files: Files) -> None:
        """Raises `StoreError` when the file cannot be opened."""
        self.path = path
        self._files = files
        mode = "rw"
        if read_only:
            # Where nothing can be written, SQLite cannot make its shared index; without a log it needs none.
            is_still = not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists()
            mode = "ro&immutable=1" if is_still else "ro"
        try:
            self._connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise self._unreadable(error) from error
        self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_ROW_BYTES)
        try:
            for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "synchronous = FULL"):
                self._connection.execute(f"PRAGMA {pragma}")
        except _READ_FAILURES as error:
            self.close()
            raise self._unreadable(error) from error

    def is_new(self) -> bool:
        """Whether nothing was ever created in this file."""
        return self._pragma("user_version") == 0 and self.rows("SELECT count(*) FROM sqlite_schema") == [(0,)]

    def create(self, meta: dict[str, bytes]) -> None:
        self._files.execute(self._connection, "PRAGMA journal_mode = WAL")
        with self.transaction():
            for statement in SCHEMA:
                self._files.execute(self._connection, statement)
            self._files.execute(self._connection, f"PRAGMA application_id = {APPLICATION_ID}")
            self._files.execute(self._connection, f"PRAGMA user_version = {FORMAT}")
            self.insert("INSERT INTO meta VALUES (?, ?)", meta.items())

    def check_format(self) -> None:
        """Raises `StoreError` for another program's database, a newer format, or tables that are not ours."""
        where = str(self.path)
        program, number = self._pragma("application_id"), self._pragma("user_version")
        if program != APPLICATION_ID:
            raise StoreError(
                f"not a world: its application id is {program:#x}, not {APPLICATION_ID:#x}",
                where=where,
                fix="name the folder that a run wrote, such as RUN/world",
            )
        if number > FORMAT:
            raise StoreError(
                f"written in format {number}; this version reads up to format {FORMAT}",
                where=where,
                fix="update with `pip install --upgrade spatia-runtime`",
            )
        tables = [sql for (sql,) in self.rows("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY sql")]
        if number != FORMAT or tables != sorted(SCHEMA):
            raise StoreError(f"damaged database: its tables are not those of format {FORMAT}", where=where)

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or none. Raises `sqlite3.Error`."""
        self._files.execute(self._connection, "BEGIN IMMEDIATE")
        try:
            yield
            self._files.execute(self._connection, "COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def insert(self, sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
        self._files.insert(self._connection, sql, rows)

    def rows(self, sql: str, *parameters: int | str | bytes) -> list[Any]:
        try:
            return self._connection.execute(sql, parameters).fetchall()
        except _READ_FAILURES as error:
            raise self._unreadable(error) from error

    def row(self, sql: str, *parameters: int | str | bytes) -> Any:
        """The one row. Raises `StoreError` when there is none."""
        found = self.rows(sql, *parameters)
        if not found:
            raise StoreError("damaged database: a row is missing", where=str(self.path))
        return found[0]

    def typed(self, value: object, kind: type[T]) -> T:
        """`value` itself. Raises `StoreError` when a damaged file holds something else in its place."""
        if type(value) is not kind:
            raise StoreError(
                f"damaged database: {kind.__name__} expected, {type(value).__name__} found", where=str(self.path)
            )
        return value

    def _pragma(self, name: str) -> int:
        return int(self.row(f"PRAGMA {name}")[0])

    def _unreadable(self, error: Exception) -> StoreError:
        return StoreError(
            f"the world's database cannot be read: {error}",
            where=str(self.path),
            fix="end a program that may hold it; if it is damaged, restore the folder from a copy",
        )
