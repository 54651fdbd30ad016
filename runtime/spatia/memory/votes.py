"""Count what keyframes say about points, and find those that have been looked through too often to be there.

A point is retired once `RETIRE_AFTER` keyframes have looked past it, and more than have shown it: what stood there for
a while and left is gone after it has been missing for as long, and what noise moves about its place stays.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from spatia.records.arrays import I32, U8, U32
from spatia.records.cloud import BLUE, MOST_VOTES, PAGE_POINTS, VIEWS_SHIFT, WEIGHT

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
        if words[page, WEIGHT, slot] == 0:
            continue
        word = words[page, BLUE, slot]
        shown = min(((word >> VIEWS_SHIFT) & MOST_VOTES) + np.int64(views[i]), MOST_VOTES)
        missed = min((word & MOST_VOTES) + np.int64(seen_through[i]), MOST_VOTES)
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
    shown = np.minimum((blue >> VIEWS_SHIFT & MOST_VOTES).astype(np.int64) + views, MOST_VOTES)
    missed = np.minimum((blue & MOST_VOTES).astype(np.int64) + seen_through, MOST_VOTES)
    alive = words[:, WEIGHT] != 0
    gone = alive & (missed >= RETIRE_AFTER) & (missed > shown)
    after = (blue & 0xFFFF0000 | shown << VIEWS_SHIFT | missed).astype(np.uint32)
    stays = alive & ~gone & (after != blue)
    return Tally(rows[stays], after[stays], rows[gone])
