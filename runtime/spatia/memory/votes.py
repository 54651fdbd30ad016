"""Count what keyframes say about points, and find those that have been looked through too often to be there.

A point is retired once `RETIRE_AFTER` keyframes have looked past it, and more than have shown it: what stood there for
a while and left is gone after it has been missing for as long, and what noise moves about its place stays. A view
beyond the 254 that can be counted takes one look past it back instead. What a person has placed is left alone.
Pure, any thread.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from spatia.records.arrays import I32, U8, U32
from spatia.records.cloud import BLUE, MOST_VIEWS, PAGE_POINTS, PLACED, VIEWS_SHIFT, VOTES_MASK, WEIGHT

RETIRE_AFTER = 3


class Tally(NamedTuple):
    """What votes change. Rows are ascending."""

    rows: I32  # [C] points that stay, with other counters
    blue: U32  # [C] their new words
    retired: I32  # [R] points that go


NO_TALLY = Tally(np.empty(0, np.int32), np.empty(0, np.uint32), np.empty(0, np.int32))


@njit(cache=True, nogil=True)
def tally(words: U32, table: I32, rows: I32, views: U8, seen_through: U8) -> Tally:
    """The outcome of votes; nothing is written. Tombstones are passed over: they may have died since the vote."""
    counted, blue, retired = np.empty_like(rows), np.empty(len(rows), np.uint32), np.empty_like(rows)
    counted_count = retired_count = 0
    for i in range(len(rows)):
        page, slot = table[rows[i] // PAGE_POINTS], rows[i] % PAGE_POINTS
        word = words[page, BLUE, slot]
        held = np.int64((word >> VIEWS_SHIFT) & VOTES_MASK)
        if words[page, WEIGHT, slot] == 0 or held == PLACED:
            continue
        shown = min(held + views[i], MOST_VIEWS)
        missed = max(np.int64(word & VOTES_MASK) - (held + views[i] - shown), 0)
        missed = min(missed + seen_through[i], VOTES_MASK)
        if missed >= RETIRE_AFTER and missed > shown:
            retired[retired_count] = rows[i]
            retired_count += 1
            continue
        after = np.uint32((word >> 16 << 16) | shown << VIEWS_SHIFT | missed)
        if after != word:
            counted[counted_count], blue[counted_count] = rows[i], after
            counted_count += 1
    return Tally(counted[:counted_count], blue[:counted_count], retired[:retired_count])


def reference_tally(words: U32, rows: I32, views: U8, seen_through: U8) -> Tally:
    """The same of the words [M, FIELDS] of these rows, in plain numpy."""
    blue = words[:, BLUE]
    held = (blue >> VIEWS_SHIFT & VOTES_MASK).astype(np.int64)
    free = (words[:, WEIGHT] != 0) & (held != PLACED)
    shown = np.minimum(held + views, MOST_VIEWS)
    missed = np.maximum((blue & VOTES_MASK).astype(np.int64) - (held + views - shown), 0)
    missed = np.minimum(missed + seen_through, VOTES_MASK)
    gone = free & (missed >= RETIRE_AFTER) & (missed > shown)
    after = (blue & 0xFFFF0000 | shown << VIEWS_SHIFT | missed).astype(np.uint32)
    stays = free & ~gone & (after != blue)
    return Tally(rows[stays], after[stays], rows[gone])
