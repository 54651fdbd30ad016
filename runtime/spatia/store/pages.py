"""Where the pages of a cloud lie: the manifest, a table of one entry a page. Pure but for reading; any thread."""

import os
from collections.abc import Iterator

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


def read_pages(descriptor: int, entries: Manifest, pages: U32) -> Iterator[int]:
    """Fill `pages` [P, FIELDS, PAGE_POINTS] from an open blob; yields the pages that are damaged, and empties them."""
    for page, slot, sha256 in zip(entries["page"].tolist(), entries["slot"].tolist(), entries["sha256"], strict=True):
        length = os.preadv(descriptor, [pages[page].data.cast("B")], slot * PAGE_BYTES)
        if length != PAGE_BYTES or page_digest(pages[page]) != sha256.tobytes():
            pages[page] = 0
            yield page
