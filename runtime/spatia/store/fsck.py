"""Reads a stored world whole and says what is not as it was written, and which commit it came from.

Runs on the thread that owns the store.
"""

import os
from collections.abc import Iterator

import numpy as np

from spatia.errors import StoreError
from spatia.records.cloud import FIELDS, PAGE_POINTS
from spatia.store.blobs import Blob, Blobs
from spatia.store.codec import decode_array
from spatia.store.history import commit_hash, events_digest
from spatia.store.journal import Journal
from spatia.store.pages import Manifest, read_page
from spatia.store.protocol import CommitInfo, Problem


def visible_damage(journal: Journal, blobs: Blobs) -> Iterator[Problem]:
    """Blobs that are not there, have another size, or are not in the database's list; reads none of them."""
    if not journal.lists_every_blob():
        detail = "its list of blobs is not that of its commits"
        yield Problem(what="damaged database", where="world.sqlite", detail=detail)
        return
    wrong = {blob: found for blob in journal.blobs() if (found := blobs.size_problem(blob)) is not None}
    if wrong:
        for number in range(journal.last_number() + 1):
            info = journal.info(number)
            for part, blob in _parts(journal, number):
                if blob in wrong:
                    yield _problem("damaged blob", info, blobs.path(blob), f"{part}: {wrong[blob]}")


def check(journal: Journal, blobs: Blobs, *, max_load_bytes: int) -> list[Problem]:
    """Everything that is wrong, in the order of the commits. Reads and hashes every byte."""
    problems = [Problem(what="damaged database", where="world.sqlite", detail=d) for d in journal.integrity_problems()]
    try:
        problems += _commit_problems(journal, blobs, max_load_bytes)
        named = {blob.sha256.hex() for blob in journal.blobs()}
    except StoreError as error:
        return [*problems, Problem(what="damaged database", where=error.where, detail=error.problem)]
    harmless = "no commit names it (a commit in progress, or one that failed; the next opening for writing removes it)"
    return problems + [Problem(what="orphan", where=str(path), detail=harmless) for path in blobs.orphans(named)]


def _commit_problems(journal: Journal, blobs: Blobs, max_load_bytes: int) -> Iterator[Problem]:
    # By the commit that wrote them: itself, its bad pages, the commits that show one of these.
    lost: dict[int, tuple[CommitInfo, list[int], list[int]]] = {}
    for number, table in journal.manifests(0, journal.last_number()):
        info = journal.info(number)
        arrays = journal.arrays(number)
        computed = commit_hash(
            parent=info.parent,
            kind=info.kind,
            payload=journal.payload(number),
            voxel_m=info.voxel_m,
            version=info.version,
            row_count=info.row_count,
            digests=table["sha256"],
            array_digests={name: digest for name, (digest, _) in arrays.items()},
        )
        if computed != info.hash:
            detail = f"it hashes to {computed[:12]}, not {info.hash[:12]}"
            yield _problem("damaged commit", info, "world.sqlite", detail, number)
        if events_digest(journal.events_of(number)) != journal.events_digest(number):
            yield _problem("damaged events", info, "world.sqlite", "they are not those that were committed", number)
        bad = _bad_pages(journal, blobs, number, table[table["commit"] == number])
        if bad:
            lost[number] = (info, bad, [])
        for writer, (_, pages, affected) in lost.items():
            if np.isin(table["page"][table["commit"] == writer], pages).any():
                affected.append(number)
        for name, (digest, blob) in arrays.items():
            try:
                data = blobs.read(blob, source=name, max_bytes=max_load_bytes)
                decode_array(data, digest=digest, where=name, max_bytes=max_load_bytes)
            except StoreError as error:
                yield _problem("damaged array", info, blobs.path(blob), f"array {name}: {error.problem}", number)
    for info, pages, affected in lost.values():
        written = journal.pages_blob(info.number)
        where = "world.sqlite" if written is None else blobs.path(written)
        yield _problem("damaged pages", info, where, f"{len(pages)} pages, the first is {pages[0]}", *affected)


def _bad_pages(journal: Journal, blobs: Blobs, number: int, entries: Manifest) -> list[int]:
    """The pages that a commit wrote and that cannot be read back."""
    blob = journal.pages_blob(number)
    try:
        descriptor = None if blob is None else blobs.open(blob, source="pages")
    except StoreError:
        descriptor = None
    if descriptor is None:
        return list(entries["page"].tolist())
    words = np.empty((FIELDS, PAGE_POINTS), dtype=np.uint32)
    try:
        return [int(entry["page"]) for entry in entries if not read_page(descriptor, entry, words)]
    finally:
        os.close(descriptor)


def _parts(journal: Journal, number: int) -> Iterator[tuple[str, Blob]]:
    pages = journal.pages_blob(number)
    if pages is not None:
        yield "pages of the cloud", pages
    for name, (_, blob) in journal.arrays(number).items():
        yield f"array {name}", blob


def _problem(what: str, info: CommitInfo, where: object, detail: str, *affected: int) -> Problem:
    return Problem(what=what, where=str(where), detail=detail, commit=info.number, kind=info.kind, affected=affected)
