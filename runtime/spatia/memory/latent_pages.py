"""The loops over latent points: read and write whole rows.

`records/latents.py` fixes the layout of a page. A row of words is a point's bytes in one piece: x, y, z, then clip and
label, then its latent.
"""

from numba import njit

from spatia.records.arrays import F32, I32
from spatia.records.latents import LATENT_PAGE_POINTS, PLANES, U16


@njit(cache=True, nogil=True)
def read_rows(halves: U16, table: I32, rows: I32, words: U16) -> None:
    """Copy rows of the arena into 16-bit words [K, 2 point_words]."""
    latent_words = words.shape[1] - PLANES
    for k in range(len(rows)):
        page, slot = halves[table[rows[k] // LATENT_PAGE_POINTS]], rows[k] % LATENT_PAGE_POINTS
        for axis in range(3):
            at = 2 * (axis * LATENT_PAGE_POINTS + slot)
            words[k, 2 * axis] = page[at]
            words[k, 2 * axis + 1] = page[at + 1]
        words[k, 6] = page[6 * LATENT_PAGE_POINTS + slot]
        words[k, 7] = page[7 * LATENT_PAGE_POINTS + slot]
        at = PLANES * LATENT_PAGE_POINTS + slot * latent_words
        words[k, PLANES:] = page[at : at + latent_words]


@njit(cache=True, nogil=True)
def write_rows(halves: U16, table: I32, bounds_m: F32, rows: I32, words: U16, floats: F32) -> None:
    """Copy words [K, 2 point_words], given as floats too, into rows; widen the bounds of their pages."""
    latent_words = words.shape[1] - PLANES
    for k in range(len(rows)):
        logical, slot = rows[k] // LATENT_PAGE_POINTS, rows[k] % LATENT_PAGE_POINTS
        page = halves[table[logical]]
        for axis in range(3):
            at = 2 * (axis * LATENT_PAGE_POINTS + slot)
            page[at] = words[k, 2 * axis]
            page[at + 1] = words[k, 2 * axis + 1]
            bounds_m[logical, 0, axis] = min(bounds_m[logical, 0, axis], floats[k, axis])
            bounds_m[logical, 1, axis] = max(bounds_m[logical, 1, axis], floats[k, axis])
        page[6 * LATENT_PAGE_POINTS + slot] = words[k, 6]
        page[7 * LATENT_PAGE_POINTS + slot] = words[k, 7]
        at = PLANES * LATENT_PAGE_POINTS + slot * latent_words
        page[at : at + latent_words] = words[k, PLANES:]
