"""The latent readout: what T cameras see of the latent cloud, cell by cell, nearest point first.

Runs on the thread that asks, without Python's lock: the frames of a clip take some milliseconds, and to wake other
threads for them costs more than it saves.

A key is ``depth bits << 32 | row``: positive floats sort as their bits do, so the smallest key is the nearest point and
ties go to the lower row, whatever the order of arrival. Positions are computed in float64 with the operations of
`latent_reference` in the same order, so both give the same bytes. Latents are half floats, which numba does not know on
a CPU: they travel as 16-bit words.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from spatia.geom.camera import Cameras
from spatia.projection.latent_reference import grid_from_world
from spatia.records.arrays import F32, F64, I32, Bool
from spatia.records.latents import GONE, LATENT_PAGE_POINTS, PLANES, U16, LatentGrid, LatentReadout, LatentSnapshot

U64 = npt.NDArray[np.uint64]

EMPTY = np.uint64(0xFFFF_FFFF_FFFF_FFFF)  # above every key; its low half is row -1
_LOW = np.uint64(0xFFFF_FFFF)
_HIGH_SHIFT = np.uint64(32)
# A half's exponent and fraction, shifted into those of a float, are too small by the difference of the two biases.
_HALF_SHIFT = np.uint32(13)
_HIGH_HALF = np.uint32(16)
_HALF_SCALE = np.float32(2.0**112)
_HALF_SIGN = np.uint16(0x8000)
_HALF_REST = np.uint16(0x7FFF)
_GONE = np.uint16(GONE & 0xFFFF)

_kernel = njit(cache=True, nogil=True, error_model="numpy")


def read_latents(cloud: LatentSnapshot, cameras: Cameras, *, grid: LatentGrid) -> LatentReadout:
    """Each cell takes the latent of the nearest living point that falls into it; of equally near ones the lower row's.

    `cameras` are those of the pictures, in pixels; `grid` says how cells lie over them. Pages out of view cost a look
    at their bounds. Raises `ValueError` for a grid of other channels.
    """
    if grid.channels != cloud.grid.channels:
        raise ValueError(f"grid must have the cloud's {cloud.grid.channels} channels; got {grid.channels}")
    t, h, w = len(cameras), grid.height, grid.width
    latents = np.empty((t, grid.channels, h, w), np.float32)
    depth_m = np.empty((t, h, w), np.float32)
    index = np.empty((t, h, w), np.int32)
    visible = np.empty((t, h, w), np.bool_)
    floats, halves = cloud.arena.view(np.float32), cloud.arena.view(np.uint16)
    matrices, as_released = grid_from_world(cameras, grid), grid.compat == "release"

    for view, matrix in enumerate(matrices):
        pages = pages_in_view(cloud.bounds_in_world_m, matrix, w, h)
        keys = np.full(h * w, EMPTY)
        keep_nearest(floats, halves, cloud.pages, pages, cloud.row_count, matrix, as_released, w, h, keys)
        pictures = latents[view], depth_m[view], index[view], visible[view]
        fill_cells(halves, cloud.pages, keys.reshape(h, w), cloud.grid.dtype == np.float32, *pictures)
    return LatentReadout(latents=latents, visible=visible, depth_m=depth_m, index=index)


@_kernel
def pages_in_view(bounds_m: F32, matrix: F64, width: int, height: int) -> I32:
    """Logical pages with a corner on the inner side of every plane of the view, one cell of margin for rounding."""
    planes = np.empty((5, 4))
    planes[0] = matrix[2]  # in front
    planes[1] = matrix[0] + matrix[2]  # u > -1
    planes[2] = (width + 1.0) * matrix[2] - matrix[0]
    planes[3] = matrix[1] + matrix[2]
    planes[4] = (height + 1.0) * matrix[2] - matrix[1]
    pages = np.empty(len(bounds_m), np.int32)
    found = 0
    for page in range(len(bounds_m)):
        inside = True
        for p in range(5):
            most = planes[p, 3]
            for axis in range(3):
                slope = planes[p, axis]
                most += slope * bounds_m[page, 1 if slope > 0.0 else 0, axis]
            inside &= most >= 0.0
        if inside:
            pages[found] = page
            found += 1
    return pages[:found]


@_kernel
def keep_nearest(
    floats: F32,  # the arena twice: as floats, as 16-bit words
    halves: U16,
    table: I32,
    pages: I32,
    row_count: int,
    matrix: F64,  # [3, 4]
    as_released: bool,
    width: int,
    height: int,
    keys: U64,  # [h * w] in and out
) -> None:
    """Two loops a page: one without branches, so that it becomes SIMD, and one that compares keys."""
    cells = np.empty(LATENT_PAGE_POINTS, np.int32)  # -1 for a point that is not in view
    depths = np.empty(LATENT_PAGE_POINTS, np.float32)
    depth_bits = depths.view(np.uint32)
    a0, a1, a2, a3 = matrix[0]
    b0, b1, b2, b3 = matrix[1]
    c0, c1, c2, c3 = matrix[2]
    for logical in pages:
        page, words = floats[table[logical]], halves[table[logical]]
        xs = page[:LATENT_PAGE_POINTS]
        ys = page[LATENT_PAGE_POINTS : 2 * LATENT_PAGE_POINTS]
        zs = page[2 * LATENT_PAGE_POINTS : 3 * LATENT_PAGE_POINTS]
        clips = words[6 * LATENT_PAGE_POINTS : 7 * LATENT_PAGE_POINTS]
        count = min(LATENT_PAGE_POINTS, row_count - logical * LATENT_PAGE_POINTS)
        for slot in range(count):
            x, y, z = np.float64(xs[slot]), np.float64(ys[slot]), np.float64(zs[slot])
            depth = c0 * x + c1 * y + c2 * z + c3
            u = (a0 * x + a1 * y + a2 * z + a3) / depth
            v = (b0 * x + b1 * y + b2 * z + b3) / depth
            u = np.rint(u) if as_released else np.floor(u)
            v = np.rint(v) if as_released else np.floor(v)
            near_m = np.float32(depth)
            seen = (near_m > 0) & (u >= 0) & (u < width) & (v >= 0) & (v < height) & (clips[slot] != _GONE)
            depths[slot] = near_m
            cells[slot] = np.int32(v * width + u) if seen else -1
        for slot in range(count):
            if cells[slot] >= 0:
                key = (np.uint64(depth_bits[slot]) << _HIGH_SHIFT) | np.uint64(logical * LATENT_PAGE_POINTS + slot)
                if key < keys[cells[slot]]:
                    keys[cells[slot]] = key


@_kernel
def fill_cells(
    halves: U16,
    table: I32,
    keys: U64,  # [h, w]
    full_precision: bool,
    latents: F32,  # [C, h, w] out, as are all that follow
    depth_m: F32,  # [h, w]
    index: I32,  # [h, w]
    visible: Bool,  # [h, w]
) -> None:
    """Row by row: a row's latents are made floats point by point, then written plane by plane."""
    channels, height, width = latents.shape
    words = 2 * channels if full_precision else channels
    bits = np.empty((width, channels), np.uint32)
    row_latents = bits.view(np.float32)
    for y in range(height):
        for x in range(width):
            key = keys[y, x]
            visible[y, x] = key != EMPTY
            index[y, x] = np.int32(key & _LOW)
            if key == EMPTY:
                depth_m[y, x] = 0
                row_latents[x] = 0
                continue
            row = np.int64(key & _LOW)
            bits[x, 0] = np.uint32(key >> _HIGH_SHIFT)
            depth_m[y, x] = row_latents[x, 0]
            start = PLANES * LATENT_PAGE_POINTS + (row % LATENT_PAGE_POINTS) * words
            half = halves[table[row // LATENT_PAGE_POINTS], start : start + words]
            if full_precision:
                for c in range(channels):
                    bits[x, c] = np.uint32(half[2 * c]) | (np.uint32(half[2 * c + 1]) << _HIGH_HALF)
                continue
            for c in range(channels):
                bits[x, c] = np.uint32(half[c] & _HALF_REST) << _HALF_SHIFT
            for c in range(channels):
                size = row_latents[x, c] * _HALF_SCALE
                row_latents[x, c] = -size if half[c] & _HALF_SIGN else size
        for c in range(channels):
            for x in range(width):
                latents[c, y, x] = row_latents[x, c]
