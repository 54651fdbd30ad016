"""Pages as the device has them: five words a point, sorted for level of detail. Pure functions, any thread.

The slots of a page follow a curve through space, so the first n in bit-reversed order are spread evenly over it, and
drawing fewer points is reading less. Removed points come last.
"""

import numpy as np
from numba import njit

from spatia.records.arrays import F32, I32, U32
from spatia.records.cloud import BLUE, CLIP, PAGE_POINTS, RED_GREEN, WEIGHT, X, Y, Z

POINT_WORDS = 5  # x, y, z; red, green, blue and coverage in bytes from the lowest; clip. As in splat.vert
PAGE_BYTES = 4 * POINT_WORDS * PAGE_POINTS

_BITS = PAGE_POINTS.bit_length() - 1
_DETAIL_ORDER = np.array([int(f"{n:0{_BITS}b}"[::-1], 2) for n in range(PAGE_POINTS)])
# Weights at which coverage goes up by one: evenly in log2(1 + weight), up to 31 sightings. Coverage 0 is removed.
_COVERAGE_STEPS = (2.0 ** (5.0 * np.arange(1, 255) / 254) - 1).astype(np.float32)


def packed(arena: U32, pages: I32, *, rows: int) -> tuple[U32, I32]:
    """Physical `pages` of the arena, [n, PAGE_POINTS, POINT_WORDS], and how many points live in each, [n].

    The last page has `rows` rows in use; those beyond count as removed.
    """
    out = np.empty((len(pages), PAGE_POINTS, POINT_WORDS), np.uint32)
    living = np.empty(len(pages), np.int32)
    _pack(arena, arena.view(np.float32), pages, rows, out, living)
    return out, living


@njit(cache=True, nogil=True)
def _pack(arena: U32, floats: F32, pages: I32, rows: int, out: U32, living: I32) -> None:
    for n in range(len(pages)):
        words, weights = arena[pages[n]], floats[pages[n], WEIGHT]
        used = rows if n == len(pages) - 1 else PAGE_POINTS
        first, last = 0, PAGE_POINTS
        for slot in _DETAIL_ORDER:
            alive = slot < used and weights[slot] > 0
            if alive:
                at, coverage = first, 1 + np.searchsorted(_COVERAGE_STEPS, weights[slot], side="right")
                first += 1
            else:
                last -= 1
                at, coverage = last, 0
            out[n, at, 0], out[n, at, 1], out[n, at, 2] = words[X, slot], words[Y, slot], words[Z, slot]
            # Colours are 8.8 fixed point.
            red, green = ((words[RED_GREEN, slot] >> 16) + 128) >> 8, ((words[RED_GREEN, slot] & 0xFFFF) + 128) >> 8
            blue = ((words[BLUE, slot] >> 16) + 128) >> 8
            out[n, at, 3] = red | green << 8 | blue << 16 | coverage << 24
            out[n, at, 4] = words[CLIP, slot]
        living[n] = first


def packed_plainly(arena: U32, pages: I32, *, rows: int) -> tuple[U32, I32]:
    """What `packed` must give, by numpy alone."""
    words = arena[pages]
    words[-1:, WEIGHT, rows:] = 0
    words = words[:, :, _DETAIL_ORDER]
    alive = words[:, WEIGHT].view(np.float32) > 0
    for page, kept in zip(words, alive, strict=True):
        page[:] = np.concatenate([page[:, kept], page[:, ~kept][:, ::-1]], axis=1)
    weights = words[:, WEIGHT].view(np.float32)
    coverage = np.where(weights > 0, 1 + np.searchsorted(_COVERAGE_STEPS, weights, side="right"), 0)
    channels = (words[:, RED_GREEN] >> 16, words[:, RED_GREEN] & 0xFFFF, words[:, BLUE] >> 16)
    red, green, blue = ((channel.astype(np.int64) + 128) >> 8 for channel in channels)
    looks = (red | green << 8 | blue << 16 | coverage << 24).astype(np.uint32)
    fields = [words[:, X], words[:, Y], words[:, Z], looks, words[:, CLIP]]
    return np.stack(fields, axis=-1), alive.sum(axis=1).astype(np.int32)
