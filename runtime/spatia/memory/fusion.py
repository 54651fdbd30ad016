"""The loops over points that change the memory: give voxels their rows, merge points into them, widen page bounds.

`spatia.memory.reference` says the same in plain Python.
"""

import numpy as np
from numba import njit

from spatia.memory.voxel_grid import I64, key_coordinate, key_of
from spatia.records.arrays import F32, I32, U32, Bool
from spatia.records.cloud import BLUE, CLIP, LABEL, PAGE_POINTS, RED_GREEN, VIEWS_SHIFT, WEIGHT, X, Y, Z

# A voxel's weight stops growing here, so that the newest sighting of a much-seen place still counts for some percent
# and the mean follows slow drift instead of freezing.
WEIGHT_CAP = 64.0

COLOR_ONE = 256.0  # 8.8 fixed point
COLOR_MAX = 255.0 * 256.0


@njit(cache=True, nogil=True)
def fixed_color(mean: float) -> int:
    """8.8 fixed point, rounded to nearest, held in 0..255."""
    return np.uint32(min(max(np.floor(mean * COLOR_ONE + 0.5), 0.0), COLOR_MAX))  # type: ignore[return-value]  # numba


@njit(cache=True, nogil=True)
def assign_rows(rows: I32, keys: I64, first_row: int, touched: Bool) -> I64:
    """Give the voxels without a row the next rows in order, and mark the pages of the others.

    Returns the keys of the new rows.
    """
    new_keys = np.empty_like(keys)
    new_count = 0
    for g in range(len(rows)):
        if rows[g] < 0:
            rows[g] = first_row + new_count
            new_keys[new_count] = keys[g]
            new_count += 1
        else:
            touched[rows[g] // PAGE_POINTS] = True
    return new_keys[:new_count]


@njit(cache=True, nogil=True)
def fuse(
    words: U32,  # the arena, three times: as words, as floats, as ints
    floats: F32,
    ints: I32,
    table: I32,
    order: I32,
    starts: I32,
    keys: I64,  # [G]
    rows: I32,  # [G] where each group belongs
    positions_m: F32,
    colors: F32,
    weights: F32,
    clips: I32,
    labels: I32,
    voxel_m: float,
) -> int:
    """Merge each group of points into its row. Returns how many rows were alive before.

    Position and colour are running means weighted by sightings; the counters of votes stay. A row without weight (new,
    or a tombstone) takes the group's mean and the clip and label of this sighting, and has one view. A mean that
    rounding carries out of its voxel is not stored: the old position stays, or the group's first point stands for the
    group.
    """
    merged = 0
    for g in range(len(rows)):
        first = order[starts[g]]
        weight = x = y = z = red = green = blue = 0.0
        label = 0
        counters = 1 << VIEWS_SHIFT
        for k in range(starts[g], starts[g + 1]):
            i = order[k]
            w = np.float64(weights[i])
            weight += w
            x += w * positions_m[i, 0]
            y += w * positions_m[i, 1]
            z += w * positions_m[i, 2]
            red += w * colors[i, 0]
            green += w * colors[i, 1]
            blue += w * colors[i, 2]
            if label == 0:
                label = labels[i]

        page, slot = table[rows[g] // PAGE_POINTS], rows[g] % PAGE_POINTS
        old_weight = np.float64(floats[page, WEIGHT, slot])
        if old_weight > 0.0:
            merged += 1
            rest_x, rest_y, rest_z = floats[page, X, slot], floats[page, Y, slot], floats[page, Z, slot]
            red_green = words[page, RED_GREEN, slot]
            weight += old_weight
            x += old_weight * rest_x
            y += old_weight * rest_y
            z += old_weight * rest_z
            red += old_weight * (np.float64(red_green >> 16) / COLOR_ONE)
            green += old_weight * (np.float64(red_green & 0xFFFF) / COLOR_ONE)
            blue_word = words[page, BLUE, slot]
            blue += old_weight * (np.float64(blue_word >> 16) / COLOR_ONE)
            counters = blue_word & 0xFFFF
            if ints[page, LABEL, slot] == 0:
                ints[page, LABEL, slot] = label
        else:
            rest_x, rest_y, rest_z = positions_m[first, 0], positions_m[first, 1], positions_m[first, 2]
            ints[page, CLIP, slot] = clips[first]
            ints[page, LABEL, slot] = label

        share = 1.0 / weight
        mean_x, mean_y, mean_z = np.float32(x * share), np.float32(y * share), np.float32(z * share)
        if key_of(mean_x, mean_y, mean_z, voxel_m) != keys[g]:
            mean_x, mean_y, mean_z = rest_x, rest_y, rest_z
        floats[page, X, slot] = mean_x
        floats[page, Y, slot] = mean_y
        floats[page, Z, slot] = mean_z
        words[page, RED_GREEN, slot] = (fixed_color(red * share) << 16) | fixed_color(green * share)
        words[page, BLUE, slot] = (fixed_color(blue * share) << 16) | counters
        floats[page, WEIGHT, slot] = min(weight, WEIGHT_CAP)
    return merged


@njit(cache=True, nogil=True)
def widen_bounds(bounds_m: F32, first_row: int, keys: I64, voxel_m: float) -> None:
    """Let the pages of newly appended rows reach around their voxels, with one more voxel on each side.

    A row never leaves its voxel, so these bounds hold for good, and depend on nothing but the rows' voxels.
    """
    for k in range(len(keys)):
        page = (first_row + k) // PAGE_POINTS
        for axis in range(3):
            c = key_coordinate(keys[k], axis)
            bounds_m[page, 0, axis] = min(bounds_m[page, 0, axis], np.float32((c - 1) * voxel_m))
            bounds_m[page, 1, axis] = max(bounds_m[page, 1, axis], np.float32((c + 2) * voxel_m))
