"""The loops over points that only read pages: select living rows, and find the voxel of every row."""

import numpy as np
import numpy.typing as npt
from numba import njit

from spatia.memory.voxel_grid import I64, key_of
from spatia.records.arrays import F32, F64, I32
from spatia.records.cloud import PAGE_POINTS, WEIGHT, X, Y, Z


@njit(cache=True, nogil=True)
def rows_in_box(
    floats: F32,
    table: I32,
    pages: npt.NDArray[np.intp],
    row_count: int,
    low: F64,
    high: F64,
) -> I32:
    """Living rows of the given logical pages between two corners."""
    rows = np.empty(len(pages) * PAGE_POINTS, np.int32)
    found = 0
    for logical in pages:
        page = floats[table[logical]]
        for slot in range(min(PAGE_POINTS, row_count - logical * PAGE_POINTS)):
            if (
                page[WEIGHT, slot] > 0.0
                and low[0] <= page[X, slot] <= high[0]
                and low[1] <= page[Y, slot] <= high[1]
                and low[2] <= page[Z, slot] <= high[2]
            ):
                rows[found] = logical * PAGE_POINTS + slot
                found += 1
    return rows[:found].copy()


@njit(cache=True, nogil=True)
def rows_where(floats: F32, ints: I32, table: I32, row_count: int, field: int, value: int) -> I32:
    """Living rows whose integer field has this value."""
    rows = np.empty(row_count, np.int32)
    found = 0
    for row in range(row_count):
        page, slot = table[row // PAGE_POINTS], row % PAGE_POINTS
        if ints[page, field, slot] == value and floats[page, WEIGHT, slot] > 0.0:
            rows[found] = row
            found += 1
    return rows[:found].copy()


@njit(cache=True, nogil=True)
def keys_of_rows(floats: F32, table: I32, row_count: int, voxel_m: float) -> tuple[I64, int]:
    """The voxel of every row, and how many rows are alive."""
    keys = np.empty(row_count, np.int64)
    alive = 0
    for row in range(row_count):
        page, slot = table[row // PAGE_POINTS], row % PAGE_POINTS
        keys[row] = key_of(floats[page, X, slot], floats[page, Y, slot], floats[page, Z, slot], voxel_m)
        alive += floats[page, WEIGHT, slot] > 0.0
    return keys, alive
