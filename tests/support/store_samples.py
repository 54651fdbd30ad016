"""Small clouds and faulty disks for the tests of the world store."""

import errno
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from spatia.records.cloud import FIELDS, PAGE_POINTS
from spatia.store.files import Files
from spatia.store.protocol import CloudChange


def cloud_change(pages: dict[int, int], *, page_count: int, version: int = 0) -> CloudChange:
    """Logical pages filled with one number each, of a cloud of `page_count` pages."""
    index = sorted(pages)
    words = np.empty((len(index), FIELDS, PAGE_POINTS), dtype=np.uint32)
    for position, page in enumerate(index):
        words[position] = page_words(pages[page])
    return CloudChange(
        voxel_m=0.01,
        version=version,
        row_count=page_count * PAGE_POINTS,
        page_index=np.array(index, dtype=np.int32),
        words=words,
    )


def page_words(number: int) -> Any:
    words = np.arange(FIELDS * PAGE_POINTS, dtype=np.uint32).reshape(FIELDS, PAGE_POINTS)
    return words * np.uint32(7) + np.uint32(number)


class DiskStopped(BaseException):
    """The process died here. Not an `Exception`: nothing may handle it."""


class FaultyFiles(Files):
    """A disk whose operation number `fail_at` (from 1) goes wrong.

    With an error number it refuses that operation; a write is cut in half first. With `after` the operation happens
    and is reported as failed all the same. Without an error number the process dies: this and every later operation
    raises `DiskStopped`.
    """

    def __init__(self, *, fail_at: int, error: int | None, after: bool = False) -> None:
        self.fired = False
        self._left = fail_at
        self._error = error
        self._after = after

    def make_folder(self, path: Path) -> None:
        self._run(lambda: Files.make_folder(self, path))

    def create(self, path: Path) -> int:
        if self._error is None or not self._after:  # a file that was opened is never reported as not opened
            self._run(lambda: None)
        return super().create(path)

    def write(self, descriptor: int, data: memoryview) -> None:
        half = len(data) // 2
        super().write(descriptor, data[:half])
        self._run(lambda: Files.write(self, descriptor, data[half:]))

    def sync(self, descriptor: int) -> None:
        self._run(lambda: Files.sync(self, descriptor))

    def rename(self, source: Path, target: Path) -> None:
        self._run(lambda: Files.rename(self, source, target))

    def sync_folder(self, path: Path) -> None:
        self._run(lambda: Files.sync_folder(self, path))

    def remove(self, path: Path) -> None:
        self._run(lambda: Files.remove(self, path))

    def execute(self, connection: sqlite3.Connection, sql: str) -> None:
        self._run(lambda: Files.execute(self, connection, sql), is_sql=True)

    def insert(self, connection: sqlite3.Connection, sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
        self._run(lambda: Files.insert(self, connection, sql, rows), is_sql=True)

    def _run(self, operation: Any, *, is_sql: bool = False) -> None:
        self._left -= 1
        if self._left > 0 or (self._left < 0 and self._error is not None):
            operation()
            return
        self.fired = True
        if self._after and self._left == 0:
            operation()
        if self._error is None:
            raise DiskStopped
        if is_sql:
            full = self._error == errno.ENOSPC
            raise sqlite3.OperationalError("database or disk is full" if full else "disk I/O error")
        raise OSError(self._error, "injected")
