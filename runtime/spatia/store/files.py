"""Every operation by which a store changes the disk, one method each, so that a test can make any one of them fail.

Runs on the thread that commits.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from spatia.errors import StoreError

TEMPORARY = ".tmp"


class Files:
    """The real disk. `OSError` and `sqlite3.Error` pass through."""

    def make_folder(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)

    def create(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o666)

    def write(self, descriptor: int, data: memoryview) -> None:
        while data:
            data = data[os.write(descriptor, data) :]

    def sync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        source.rename(target)

    def sync_folder(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def execute(self, connection: sqlite3.Connection, sql: str) -> None:
        connection.execute(sql)

    def insert(self, connection: sqlite3.Connection, sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
        connection.executemany(sql, rows)

    def write_durably(self, path: Path, data: memoryview) -> None:
        """When this returns, `path` holds all of `data` whatever happens next; until the rename, it does not exist."""
        temporary = path.with_name(path.name + TEMPORARY)
        try:
            descriptor = self.create(temporary)
            try:
                self.write(descriptor, data)
                self.sync(descriptor)
            finally:
                os.close(descriptor)
            self.rename(temporary, path)
        except OSError:
            with suppress(OSError):  # the cause matters more; the next opening sweeps what is left
                self.remove(temporary)
            raise
        try:
            self.sync_folder(path.parent)
        except OSError:
            with suppress(OSError):
                self.remove(path)
            raise


class WriterLock:
    """Held by the one process that writes to a world. The kernel lets go of it however that process ends."""

    def __init__(self, path: Path) -> None:
        """Raises `StoreError` naming the process that holds it."""
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            raise StoreError(
                f"the world is being written by process {holder}",
                where=str(path.parent),
                fix="wait for it, end it, or open the world for reading only",
            ) from None
        except OSError:
            os.close(self._descriptor)
            raise
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@contextmanager
def disk_errors_told(path: Path, problem: str) -> Iterator[None]:
    """Raises what the disk refused as a `StoreError` that begins with `problem`."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreError(f"{problem}: {reason}", where=str(error.filename or path), fix=_fix(error)) from error
    except sqlite3.Error as error:
        raise StoreError(f"{problem}: {error}", where=str(path), fix=_fix(error)) from error


def _fix(error: Exception) -> str:
    text = str(error).lower()
    if any(word in text for word in ("full", "no space", "quota", "too large")):
        return "free some disk space and try again"
    if any(word in text for word in ("permission", "readonly", "read-only")):
        return "make the folder writable for this user, or name another"
    return "check the disk and the space on it, then try again"
