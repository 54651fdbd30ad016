"""From a voxel's key to the row of its point: a flat hash table that grows without a pause.

Open addressing with linear probing, at most 3/5 full. Key and row share a 16-byte slot, so a lookup costs one cache
miss. The hash is that of a cube of 2x2x2 voxels, each with a home of its own among eight neighbouring slots: a surface
shares its misses. A home is the *top* bits of the hash, so the old table read in order fills a larger one in order.

Growth allocates the larger table and leaves the old one in use beside it: keys whose old home is below a border live in
the new table, the others in the old one, and each `add` pushes the border on in proportion to its own size. No call
does work in proportion to the number of points. Even clearing is spread: the new table is made of zero pages that the
system provides when they are first touched, and only the part below the border is.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from spatia.memory.voxel_grid import COORDINATE_BITS, I64
from spatia.records.arrays import I32

SMALLEST_SLOTS = 1 << 12
MOVED_PER_ADDED = 5  # old slots; growth starts at 3/8 full, so what is above the border fills to 3/8 + 1/5 at most

BLOCK = 64  # keys looked up together
CUBE_SLOTS = 8
CUBE_MASK = ~(1 << 2 * COORDINATE_BITS | 1 << COORDINATE_BITS | 1)  # a key without the lowest bit of x, y and z


class Tables(NamedTuple):
    """One table, or two while it grows. A slot holds ``~key``, which is never 0, and a row; zeros are empty slots."""

    slots: I64  # [S, 2]
    old_slots: I64  # [S', 2], or [0, 2] when there is no growth
    shift: int
    old_shift: int
    border: int  # old home slots below it are in `slots`


@njit(cache=True, nogil=True)
def hashed(key: int) -> np.uint64:
    """The 64-bit finaliser of MurmurHash3 (fmix64) of the cube that a voxel is in."""
    h = np.uint64(key & CUBE_MASK)
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xFF51AFD7ED558CCD)
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xC4CEB9FE1A85EC53)
    h ^= h >> np.uint64(33)
    return h


@njit(cache=True, nogil=True)
def home_slot(h: np.uint64, key: int, shift: int) -> int:
    """Cubes go anywhere; the voxels of one have homes of their own next to each other."""
    place = ((key >> (2 * COORDINATE_BITS) & 1) << 2) | ((key >> COORDINATE_BITS & 1) << 1) | (key & 1)
    return np.int64(h >> np.uint64(shift)) ^ place  # type: ignore[return-value]  # numba's integers


@njit(cache=True, nogil=True)
def probe(words: I64, home: int, key: int) -> int:
    """Where in the words of a table the key is, or the empty slot where it would go."""
    wrap = len(words) - 1
    at = 2 * home
    while words[at] != 0 and words[at] != ~key:
        at = (at + 2) & wrap
    return at


@njit(cache=True, nogil=True)
def put(words: I64, home: int, key: int, row: int) -> None:
    at = probe(words, home, key)
    words[at] = ~key
    words[at + 1] = row


@njit(cache=True, nogil=True)
def read_homes(
    words: I64, old_words: I64, shift: int, old_shift: int, border: int, keys: I64, homes: I64, held: I64
) -> None:
    """The home slot of each key, inverted when it is in the old table, and what that slot holds.

    Reads that wait for nothing but memory: a processor has many of them under way at a time, and what follows finds
    the slots in its cache.
    """
    for i in range(len(keys)):  # without a branch or a read, so that it becomes SIMD
        h = hashed(keys[i])
        home, old_home = home_slot(h, keys[i], shift), home_slot(h, keys[i], old_shift)
        homes[i] = home if old_home < border else ~old_home
    for i in range(len(keys)):
        held[i] = words[2 * homes[i]] if homes[i] >= 0 else old_words[2 * ~homes[i]]


@njit(cache=True, nogil=True)
def find_all(slots: I64, old_slots: I64, shift: int, old_shift: int, border: int, keys: I64) -> I32:
    words, old_words = slots.reshape(-1), old_slots.reshape(-1)
    rows = np.empty(len(keys), np.int32)
    homes, held = np.empty(BLOCK, np.int64), np.empty(BLOCK, np.int64)
    for start in range(0, len(keys), BLOCK):
        block = keys[start : start + BLOCK]
        read_homes(words, old_words, shift, old_shift, border, block, homes, held)
        for i in range(len(block)):
            if held[i] == 0:
                rows[start + i] = -1
            elif homes[i] >= 0:
                at = probe(words, homes[i], block[i])
                rows[start + i] = words[at + 1] if words[at] else -1
            else:
                at = probe(old_words, ~homes[i], block[i])
                rows[start + i] = old_words[at + 1] if old_words[at] else -1
    return rows


@njit(cache=True, nogil=True)
def put_all(slots: I64, old_slots: I64, shift: int, old_shift: int, border: int, keys: I64, rows: I32) -> None:
    words, old_words = slots.reshape(-1), old_slots.reshape(-1)
    homes, held = np.empty(BLOCK, np.int64), np.empty(BLOCK, np.int64)
    for start in range(0, len(keys), BLOCK):
        block = keys[start : start + BLOCK]
        read_homes(words, old_words, shift, old_shift, border, block, homes, held)
        for i in range(len(block)):
            if homes[i] >= 0:
                put(words, homes[i], block[i], rows[start + i])
            else:
                put(old_words, ~homes[i], block[i], rows[start + i])


@njit(cache=True, nogil=True)
def push_border(slots: I64, old_slots: I64, shift: int, old_shift: int, border: int, end: int) -> None:
    """Copy the keys whose old home is in ``border..end - 1``.

    They sit between their home and the next empty slot. What stays behind in the old table is never read again, but
    keeps the way to later keys unbroken.
    """
    words = slots.reshape(-1)
    wrap = len(old_slots) - 1
    i = border
    while i < end or old_slots[i & wrap, 0] != 0:
        held = old_slots[i & wrap, 0]
        if held != 0:
            h = hashed(~held)
            if border <= home_slot(h, ~held, old_shift) < end:
                put(words, home_slot(h, ~held, shift), ~held, old_slots[i & wrap, 1])
        i += 1


class VoxelIndex:
    """Rows by voxel key. Nothing is ever taken out: a removed point keeps its row, and its voxel finds it again."""

    def __init__(self, *, expected: int = 0) -> None:
        self._count = 0
        self._tables = single(empty_table(expected))

    def __len__(self) -> int:
        return self._count

    def find(self, keys: I64) -> I32:
        """[N] the row of each key, -1 for a voxel never seen."""
        return np.asarray(find_all(*self._tables, keys))

    def add(self, keys: I64, rows: I32) -> None:
        """Enter distinct keys that `find` does not know."""
        self._count += len(keys)
        self._move(MOVED_PER_ADDED * len(keys))
        slots = self._tables.slots
        if not len(self._tables.old_slots) and 8 * self._count > 3 * len(slots):
            larger = empty_table(self._count)
            self._tables = Tables(larger, slots, shift_of(larger), shift_of(slots), 0)
            self._move(MOVED_PER_ADDED * len(keys))
        put_all(*self._tables, keys, rows)

    def _move(self, slot_count: int) -> None:
        old_slot_count = len(self._tables.old_slots)
        if not old_slot_count:
            return
        end = min(self._tables.border + slot_count, old_slot_count)
        push_border(*self._tables, end)
        self._tables = self._tables._replace(border=end) if end < old_slot_count else single(self._tables.slots)


def empty_table(expected: int) -> I64:
    """[S, 2] zeros; S is a power of two, and `expected` keys fill a third at most."""
    slot_count = SMALLEST_SLOTS
    while slot_count < 3 * expected:
        slot_count *= 2
    return np.zeros((slot_count, 2), np.int64)


def single(slots: I64) -> Tables:
    """A table that is not growing: every old home (one bit of hash leaves those of one cube) lies below the border."""
    return Tables(slots, np.empty((0, 2), np.int64), shift_of(slots), 63, CUBE_SLOTS)


def shift_of(slots: I64) -> int:
    """How far to shift a 64-bit hash so that it becomes a slot."""
    return 65 - len(slots).bit_length()
