"""Reads a stored world whole and says what is not as it was written, and which commit it came from.

Runs on the thread that owns the store.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from spatia.errors import StoreError
from spatia.store.blobs import Blob, Blobs
from spatia.store.codec import decode_array
from spatia.store.history import PAGE_BYTES, commit_hash, events_digest, page_digest
from spatia.store.journal import Journal
from spatia.store.pages import Manifest
from spatia.store.protocol import CommitInfo, Problem


def missing_blobs(journal: Journal, blobs: Blobs) -> Iterator[Problem]:
    """Blobs that are not there or have another size; reads none of them."""
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
    damaged_pages: dict[int, Problem] = {}  # by the commit that wrote them
    affected: dict[int, list[int]] = {}  # the commits whose clouds show them
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
        pages = journal.pages_blob(number)
        damage = _pages_damage(blobs, pages, table[table["commit"] == number]) if pages else None
        if pages and damage:
            damaged_pages[number] = _problem("damaged pages", info, blobs.path(pages), damage)
            affected[number] = []
        for writer in np.unique(table["commit"]).tolist():
            if writer in affected:
                affected[writer].append(number)
        for name, (digest, blob) in arrays.items():
            try:
                data = blobs.read(blob, source=name)
                decode_array(data, digest=digest, where=name, max_bytes=max_load_bytes)
            except StoreError as error:
                yield _problem("damaged array", info, blobs.path(blob), f"array {name}: {error.problem}", number)
    for writer, problem in damaged_pages.items():
        yield replace(problem, affected=tuple(affected[writer]))


def _pages_damage(blobs: Blobs, blob: Blob, entries: Manifest) -> str | None:
    try:
        data = blobs.read(blob, source="pages")
    except StoreError as error:
        return error.problem
    for page, slot, sha256 in zip(entries["page"], entries["slot"], entries["sha256"], strict=True):
        words = np.frombuffer(data, dtype="<u4")[int(slot) * (PAGE_BYTES // 4) :][: PAGE_BYTES // 4]
        if page_digest(words) != sha256.tobytes():
            return f"page {page} is not what was committed"
    return None


def _parts(journal: Journal, number: int) -> Iterator[tuple[str, Blob]]:
    pages = journal.pages_blob(number)
    if pages is not None:
        yield "pages of the cloud", pages
    for name, (_, blob) in journal.arrays(number).items():
        yield f"array {name}", blob


def _problem(what: str, info: CommitInfo, where: object, detail: str, *affected: int) -> Problem:
    return Problem(what=what, where=str(where), detail=detail, commit=info.number, kind=info.kind, affected=affected)
