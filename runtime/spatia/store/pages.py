"""Where the pages of a cloud lie: the manifest, a table of one entry a page. Pure but for reading; any thread."""

import os

import numpy as np
import numpy.typing as npt

from spatia.records.arrays import U32
from spatia.store.history import PAGE_BYTES, Draft, page_digest

# The page lies in the blob of pages that commit `commit` wrote, at position `slot` in it.
ENTRY = np.dtype([("page", "<i4"), ("commit", "<i4"), ("slot", "<i4"), ("sha256", "u1", (32,))])
Manifest = npt.NDArray[np.void]  # [P] of ENTRY


def empty_manifest() -> Manifest:
    return np.zeros(0, dtype=ENTRY)


def entries_of(draft: Draft) -> Manifest:
    """[K] entries for the pages that a commit changes; it writes them in this order."""
    entries = np.zeros(len(draft.page_index), dtype=ENTRY)
    entries["page"] = draft.page_index
    entries["commit"] = draft.info.number
    entries["slot"] = np.arange(len(entries))
    entries["sha256"] = draft.digests[draft.page_index]
    return entries


def applied(table: Manifest, entries: Manifest, *, page_count: int) -> Manifest:
    """The manifest after a commit, in place where the number of pages stays."""
    if len(table) != page_count:
        resized = np.zeros(page_count, dtype=ENTRY)
        resized["page"] = resized["commit"] = -1
        common = min(len(table), page_count)
        resized[:common] = table[:common]
        table = resized
    table[entries["page"]] = entries
    return table


def is_whole(table: Manifest, *, commit: int) -> bool:
    """Whether every page has an entry that this commit or an earlier one can have written."""
    inside = (table["commit"] >= 0) & (table["commit"] <= commit) & (table["slot"] >= 0)
    return bool(inside.all()) and np.array_equal(table["page"], np.arange(len(table)))


def read_page(descriptor: int, entry: np.void, words: U32) -> bool:
    """Fill `words` [FIELDS, PAGE_POINTS] from an open blob; False, and all zero, when they are not what was written."""
    length = os.preadv(descriptor, [words.data.cast("B")], int(entry["slot"]) * PAGE_BYTES)
    is_sound = length == PAGE_BYTES and page_digest(words) == entry["sha256"].tobytes()
    if not is_sound:
        words[:] = 0
    return is_sound
