"""Immutable files named by the SHA-256 of their bytes: ``blobs/ab/abcd...``. Runs on the thread that owns the store."""

import hashlib
import os
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

from spatia.errors import StoreError
from spatia.store.files import TEMPORARY, Files

_OURS = re.compile("[0-9a-f]{64}(" + re.escape(TEMPORARY) + ")?")


@dataclass(frozen=True, slots=True)
class Blob:
    sha256: bytes
    byte_count: int


class Blobs:
    """The folder of blobs. `OSError` passes through from what writes; what reads raises `StoreError`."""

    def __init__(self, folder: Path, files: Files) -> None:
        self._folder = folder
        self._files = files

    def path(self, blob: Blob) -> Path:
        name = blob.sha256.hex()
        return self._folder / name[:2] / name

    def put(self, data: memoryview) -> tuple[Blob, bool]:
        """Make the bytes durable; whether they are new here."""
        blob = Blob(hashlib.sha256(data).digest(), len(data))
        path = self.path(blob)
        if self.size_problem(blob) is None:
            self._files.sync_folder(path.parent)  # a commit that failed may have left it without this
            return blob, False
        if not path.parent.is_dir():
            self._files.make_folder(path.parent)
            self._files.sync_folder(self._folder)
        self._files.write_durably(path, data)
        return blob, True

    def remove(self, blob: Blob) -> None:
        self._files.remove(self.path(blob))

    def size_problem(self, blob: Blob) -> str | None:
        """What is wrong with the file at a glance: None, "missing", or its size."""
        path = self.path(blob)
        if path.is_symlink() or not path.is_file():
            return "missing"
        size = path.stat().st_size
        return None if size == blob.byte_count else f"{size} bytes instead of {blob.byte_count}"

    def open(self, blob: Blob, *, source: str) -> int:
        """A descriptor for reading. Raises `StoreError` naming the source for a file that is missing or cut short."""
        problem = self.size_problem(blob)
        if problem is not None:
            raise self._damaged(blob, problem, source)
        try:
            return os.open(self.path(blob), os.O_RDONLY | os.O_NOFOLLOW)
        except OSError as error:
            raise self._damaged(blob, error.strerror or str(error), source) from error

    def read(self, blob: Blob, *, source: str, max_bytes: int) -> bytes:
        """All bytes, verified. Raises `StoreError` naming the source, such as "array depth of commit 3 (clip)"."""
        if blob.byte_count > max_bytes:
            raise self._damaged(blob, f"{blob.byte_count} bytes; at most {max_bytes} are loaded", source)
        with os.fdopen(self.open(blob, source=source), "rb") as file:
            data = file.read(blob.byte_count + 1)
        if hashlib.sha256(data).digest() != blob.sha256:
            raise self._damaged(blob, "its SHA-256 is not its name", source)
        return data

    def _damaged(self, blob: Blob, problem: str, source: str) -> StoreError:
        return StoreError(
            f"damaged blob: {problem}", where=f"{self.path(blob)}: {source}", fix="restore that file from a copy"
        )

    def orphans(self, named: Container[str]) -> Iterator[Path]:
        """Files that no commit names: temporaries and the blobs of commits that did not happen. Sorted.

        Files that a store never writes are not ours to judge.
        """
        for folder in sorted(self._folder.glob("[0-9a-f][0-9a-f]")):
            for path in sorted(folder.iterdir()):
                if _OURS.fullmatch(path.name) and path.name not in named:
                    yield path

    def sweep(self, named: Container[str]) -> None:
        for path in list(self.orphans(named)):
            self._files.remove(path)
