"""Which voxel a point is in, and the order in which a batch of points visits voxels.

A voxel is three 21-bit coordinates, ``floor(position / voxel_m)`` in double precision, packed into one 63-bit key. A
batch is ordered by the Morton code of its voxels counted from the batch's own lowest corner: neighbours in space
become neighbours in memory, and the code needs no more bits than the batch is wide, so a radix sort of a room takes
three passes. The sort is stable: the points of one voxel keep their order.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from spatia.records.arrays import F32, F64, I32

I64 = npt.NDArray[np.int64]
Real = float | np.floating

COORDINATE_BITS = 21
COORDINATE_OFFSET = 1 << (COORDINATE_BITS - 1)  # coordinates run from -2^20 to 2^20 - 1
COORDINATE_MASK = (1 << COORDINATE_BITS) - 1
RADIX_BITS = 11


class VoxelGroups(NamedTuple):
    """The usable points of a batch, voxel by voxel."""

    order: I32  # [U] indices into the batch
    starts: I32  # [G + 1] group g is order[starts[g] : starts[g + 1]]
    keys: I64  # [G]
    unusable_count: int  # not finite, or without weight
    outside_count: int  # further from the origin than a key can say


@njit(cache=True, nogil=True)
def coordinate(position_m: Real, voxel_m: float) -> float:
    """The voxel coordinate along one axis, still a float so that any input can be tested against the range."""
    return float(np.floor(np.float64(position_m) / voxel_m))


@njit(cache=True, nogil=True)
def in_range(c: float) -> bool:
    return -COORDINATE_OFFSET <= c < COORDINATE_OFFSET


@njit(cache=True, nogil=True)
def packed(cx: float, cy: float, cz: float) -> int:
    """The key of a voxel whose coordinates are in range."""
    x = np.int64(cx) + COORDINATE_OFFSET
    y = np.int64(cy) + COORDINATE_OFFSET
    z = np.int64(cz) + COORDINATE_OFFSET
    return int((x << (2 * COORDINATE_BITS)) | (y << COORDINATE_BITS) | z)


@njit(cache=True, nogil=True)
def key_coordinate(key: int, axis: int) -> int:
    """One coordinate of a key; axis 0 is x."""
    return ((key >> ((2 - axis) * COORDINATE_BITS)) & COORDINATE_MASK) - COORDINATE_OFFSET


@njit(cache=True, nogil=True)
def key_of(x_m: Real, y_m: Real, z_m: Real, voxel_m: float) -> int:
    """The key of a position, or -1 when it is not finite or out of range."""
    cx, cy, cz = coordinate(x_m, voxel_m), coordinate(y_m, voxel_m), coordinate(z_m, voxel_m)
    if in_range(cx) and in_range(cy) and in_range(cz):
        return packed(cx, cy, cz)
    return -1


@njit(cache=True, nogil=True)
def voxel_keys(positions_m: F32, voxel_m: float) -> I64:
    """[N] the voxel of each position; -1 for one that is not finite or out of range."""
    keys = np.empty(len(positions_m), np.int64)
    for i in range(len(positions_m)):
        keys[i] = key_of(positions_m[i, 0], positions_m[i, 1], positions_m[i, 2], voxel_m)
    return keys


def voxel_corners_m(keys: I64, voxel_m: float) -> tuple[F64, F64]:
    """The lowest and the highest corner, [3] each, of the box around some voxels."""
    shifts = np.array([2, 1, 0], np.int64) * COORDINATE_BITS
    coordinates = ((keys[:, None] >> shifts) & COORDINATE_MASK) - COORDINATE_OFFSET
    return coordinates.min(axis=0) * voxel_m, (coordinates.max(axis=0) + 1) * voxel_m


@njit(cache=True, nogil=True)
def spread(c: int) -> int:
    """The 21 low bits of `c`, two zeros between any two (the usual magic masks of Morton codes)."""
    c &= 0x1FFFFF
    c = (c | (c << 32)) & 0x1F00000000FFFF
    c = (c | (c << 16)) & 0x1F0000FF0000FF
    c = (c | (c << 8)) & 0x100F00F00F00F00F
    c = (c | (c << 4)) & 0x10C30C30C30C30C3
    return (c | (c << 2)) & 0x1249249249249249


@njit(cache=True, nogil=True)
def radix_order(codes: I64, order: I32, bits: int) -> tuple[I64, I32]:
    """`codes` sorted by their `bits` low bits, and `order` permuted alike; stable. Both inputs are used up."""
    n = len(codes)
    spare_codes, spare_order = np.empty_like(codes), np.empty_like(order)
    for shift in range(0, bits, RADIX_BITS):
        ends = np.zeros((1 << RADIX_BITS) + 1, np.int64)
        for i in range(n):
            ends[((codes[i] >> shift) & ((1 << RADIX_BITS) - 1)) + 1] += 1
        for digit in range(1 << RADIX_BITS):
            ends[digit + 1] += ends[digit]
        for i in range(n):
            digit = (codes[i] >> shift) & ((1 << RADIX_BITS) - 1)
            to = ends[digit]
            ends[digit] = to + 1
            spare_codes[to] = codes[i]
            spare_order[to] = order[i]
        codes, spare_codes = spare_codes, codes
        order, spare_order = spare_order, order
    return codes, order


@njit(cache=True, nogil=True)
def group_by_voxel(positions_m: F32, colors: F32, weights: F32, voxel_m: float) -> VoxelGroups:
    """The usable points of a batch in Morton order, grouped by voxel."""
    n = len(positions_m)
    keys = np.empty(n, np.int64)
    order = np.empty(n, np.int32)
    low = np.full(3, COORDINATE_OFFSET, np.int64)
    high = np.full(3, -COORDINATE_OFFSET, np.int64)
    usable_count = unusable_count = outside_count = 0
    for i in range(n):
        x, y, z = positions_m[i, 0], positions_m[i, 1], positions_m[i, 2]
        # A sum is finite only if all its terms are; doubles cannot overflow on a few floats.
        total = np.float64(x) + y + z + colors[i, 0] + colors[i, 1] + colors[i, 2] + np.float64(weights[i])
        if not (np.isfinite(total) and weights[i] > 0):
            unusable_count += 1
            continue
        key = key_of(x, y, z, voxel_m)
        if key < 0:
            outside_count += 1
            continue
        keys[usable_count] = key
        order[usable_count] = i
        usable_count += 1
        for axis in range(3):
            c = key_coordinate(key, axis)
            low[axis] = min(low[axis], c)
            high[axis] = max(high[axis], c)
    order = order[:usable_count]
    if usable_count == 0:
        return VoxelGroups(order, np.zeros(1, np.int32), keys[:0], unusable_count, outside_count)

    widest = max(high[0] - low[0], high[1] - low[1], high[2] - low[2])
    bits = 0
    while widest >> bits:
        bits += 1
    codes = np.empty(usable_count, np.int64)
    for k in range(usable_count):
        x_code = spread(key_coordinate(keys[k], 0) - low[0])
        y_code = spread(key_coordinate(keys[k], 1) - low[1])
        z_code = spread(key_coordinate(keys[k], 2) - low[2])
        codes[k] = (x_code << 2) | (y_code << 1) | z_code
    codes, order = radix_order(codes, order, 3 * bits)

    starts = np.empty(usable_count + 1, np.int32)
    group_count = 0
    for k in range(usable_count):
        if k == 0 or codes[k] != codes[k - 1]:
            i = order[k]
            keys[group_count] = key_of(positions_m[i, 0], positions_m[i, 1], positions_m[i, 2], voxel_m)
            starts[group_count] = k
            group_count += 1
    starts[group_count] = usable_count
    return VoxelGroups(order, starts[: group_count + 1], keys[:group_count], unusable_count, outside_count)
