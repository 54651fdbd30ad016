"""The ways into a world folder: making a new one, opening an existing one. FORMAT.md describes the folder.

One process writes, any number read; which thread does it is the caller's choice.
"""

import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from spatia.errors import StoreError
from spatia.store.blobs import Blobs
from spatia.store.canonical import pack_plain
from spatia.store.database import Database
from spatia.store.files import Files, WriterLock, disk_errors_told
from spatia.store.journal import Journal
from spatia.store.on_disk import MAX_LOAD_BYTES, FolderStore
from spatia.store.protocol import Plain

DATABASE, BLOBS, LOCK = "world.sqlite", "blobs", "lock"
_OURS = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}-journal", BLOBS, LOCK)


def create(
    path: Path,
    *,
    settings: Mapping[str, Plain],
    fingerprint: Mapping[str, Plain] | None = None,
    files: Files | None = None,
) -> FolderStore:
    """A new, empty world in a new or empty folder, open for writing. Raises `StoreError` where one cannot be."""
    files = files or Files()
    meta = {"settings": pack_plain(dict(settings)), "fingerprint": pack_plain(dict(fingerprint or {}))}
    with disk_errors_told(path, "the world cannot be created"), ExitStack() as undo:
        files.make_folder(path)
        strangers = sorted(set(os.listdir(path)) - set(_OURS))
        if strangers:
            raise StoreError(
                f"the folder already holds {strangers[0]!r}", where=str(path), fix="name a new or empty folder"
            )
        lock = WriterLock(path / LOCK)
        undo.callback(lock.release)
        (path / DATABASE).touch()
        database = Database(path / DATABASE, read_only=False, files=files)
        undo.callback(database.close)
        if not database.is_new():
            raise StoreError("a world is already there", where=str(path), fix="open it, or name another folder")
        files.make_folder(path / BLOBS)
        files.sync_folder(path)
        files.sync_folder(path.absolute().parent)
        database.create(meta)
        undo.pop_all()
    return FolderStore(path, Journal(database), Blobs(path / BLOBS, files), lock=lock)


def open_store(
    path: Path, *, read_only: bool = False, max_load_bytes: int = MAX_LOAD_BYTES, files: Files | None = None
) -> FolderStore:
    """An existing world at its last commit.

    For writing, it removes what commits that did not happen left behind, and refuses with the other's process number
    while another process writes. A damaged world opens read-only; its `damage` says which commit lost what.
    Raises `StoreError` for anything that is not a world of a known format.
    """
    files = files or Files()
    if not (path / DATABASE).is_file():
        raise StoreError(
            f"not a world: there is no {DATABASE} in it",
            where=str(path),
            fix="name the folder that a run wrote, such as RUN/world",
        )
    with disk_errors_told(path, "the world cannot be opened"), ExitStack() as undo:
        lock = None if read_only else WriterLock(path / LOCK)
        if lock is not None:
            undo.callback(lock.release)
        database = Database(path / DATABASE, read_only=read_only, files=files)
        undo.callback(database.close)
        database.check_format()
        journal = Journal(database)
        blobs = Blobs(path / BLOBS, files)
        store = FolderStore(path, journal, blobs, lock=lock, max_load_bytes=max_load_bytes)
        if not store.read_only:  # what a damaged database no longer names may be all that is left of a clip
            blobs.sweep({blob.sha256.hex() for blob in journal.blobs()})
        undo.pop_all()
    return store
