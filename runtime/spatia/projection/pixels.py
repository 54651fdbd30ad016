"""The compiled loops for one pixel a point where pages are coherent: no records filed, points go straight to a band.

A band is a run of screen rows that one thread owns. It walks the pages that may touch the band, projects each into
small arrays and lets every point fight for its pixel, key against key (see `kernels`); the winner leaves its colour
beside the key, so that nothing has to be looked up in the arena afterwards. A page in two bands is projected twice,
which costs less than filing its points once.
"""

import numpy as np
from numba import njit

from spatia.projection.kernels import EMPTY, U64
from spatia.projection.optics import NEAR_M
from spatia.records.arrays import F32, I32, U8, U32
from spatia.records.cloud import BLUE, PAGE_POINTS, RED_GREEN, WEIGHT, X, Y, Z

SPARE = 64  # cells behind a band where points go that are not seen: enough that they do not wait for each other

_NEAR = np.float32(NEAR_M)
_ZERO, _ONE = np.float32(0), np.float32(1)
_INF = np.float32(np.inf)
_LOW = np.uint64(0xFFFF_FFFF)
_HIGH_SHIFT = np.uint64(32)
_ROUND, _WHOLE, _LOW_HALF = np.uint32(128), np.uint32(0xFF00), np.uint32(0xFFFF)
_RUN = np.uint64(1024)  # pixels that every loop of `_resolve` finds in the first cache
# Unsigned indices spare numba's handling of negative ones, which would hide the strides from LLVM.
_CELL, _DEPTH, _COLOR = (np.uint64(n * PAGE_POINTS) for n in range(3))
_X, _Y, _Z, _WEIGHT = (np.uint64(field * PAGE_POINTS) for field in (X, Y, Z, WEIGHT))
_RED_GREEN, _BLUE = (np.uint64(field * PAGE_POINTS) for field in (RED_GREEN, BLUE))

_kernel = njit(cache=True, nogil=True, error_model="numpy")


@_kernel
def rows_of_pages(
    bounds: F32,  # [P, 2, 3]
    camera: F32,  # [3, 4]
    pinhole: F32,  # [4]
    width_px: int,
    height_px: int,
    band_rows: int,
    spans: I32,  # [P, 2] out: first and last row that the page may touch; 0 and -1 where it cannot be seen
) -> float:
    """Returns how many bands a page in view touches on average: what its points will cost."""
    fx, fy, cx, cy = pinhole
    width, height = np.float32(width_px), np.float32(height_px)
    # The sides of the frustum and the camera's own plane. A pixel to spare pays for the rounding of the corners.
    planes = np.empty((5, 4), np.float32)
    planes[0] = camera[0] * fx + camera[2] * (cx + _ONE)
    planes[1] = camera[2] * (width + _ONE - cx) - camera[0] * fx
    planes[2] = camera[1] * fy + camera[2] * (cy + _ONE)
    planes[3] = camera[2] * (height + _ONE - cy) - camera[1] * fy
    planes[4] = camera[2]
    seen = touched = 0
    for p in range(len(bounds)):
        spans[p, 0], spans[p, 1] = 0, -1
        outside = False
        for n in range(5):
            farthest = planes[n, 3]
            for axis in range(3):
                farthest += max(planes[n, axis] * bounds[p, 0, axis], planes[n, axis] * bounds[p, 1, axis])
            outside |= farthest < 0
        if outside:
            continue
        nearest, top, bottom = _INF, _INF, -_INF
        for corner in range(8):
            x = bounds[p, corner & 1, 0]
            y = bounds[p, (corner >> 1) & 1, 1]
            z = bounds[p, corner >> 2, 2]
            depth = camera[2, 0] * x + camera[2, 1] * y + camera[2, 2] * z + camera[2, 3]
            v = (camera[1, 0] * x + camera[1, 1] * y + camera[1, 2] * z + camera[1, 3]) / depth * fy + cy
            nearest, top, bottom = min(nearest, depth), min(top, v), max(bottom, v)
        first, last = 0, height_px - 1
        if nearest >= _NEAR:
            first = int(min(max(top - _ONE, _ZERO), height))
            last = int(max(min(bottom + _ONE, height - _ONE), -_ONE))
        spans[p, 0], spans[p, 1] = first, last
        if first <= last:
            seen += 1
            touched += last // band_rows - first // band_rows + 1
    return touched / max(seen, 1)


@_kernel
def draw_bands(
    arena: U32,  # [physical pages, FIELDS, PAGE_POINTS]
    pages: I32,  # [P]
    row_count: int,
    spans: I32,  # [P, 2] of `rows_of_pages`
    camera: F32,  # [3, 4]
    pinhole: F32,  # [4]
    width_px: int,
    height_px: int,
    band_rows: int,
    first_band: int,
    step: int,
    cells: U64,  # [band_rows * width + SPARE] EMPTY before and after, but for the spare ones
    colors: U32,  # [band_rows * width + SPARE] 0 before and after
    rgb: U8,  # [H * W * 3] out
    depth_bits: U32,  # [H * W] out
    index: I32,  # [H * W] out
) -> None:
    """Draws and resolves the bands first_band, first_band + step, ..."""
    found, behind = np.empty(3 * PAGE_POINTS, np.uint32), len(cells) - SPARE
    for band in range(first_band, -(-height_px // band_rows), step):
        top = band * band_rows
        end = min(top + band_rows, height_px)
        for p in range(len(pages)):
            if spans[p, 0] < end and spans[p, 1] >= top:
                count = min(PAGE_POINTS, row_count - p * PAGE_POINTS)
                _find(arena[pages[p]].reshape(-1), count, camera, pinhole, width_px, top, end, behind, found)
                _fight(found, count, p, cells, colors)
        first, last = top * width_px, end * width_px
        _resolve(cells, colors, rgb[3 * first : 3 * last], depth_bits[first:last], index[first:last])


@_kernel
def _find(
    page: U32,  # [FIELDS * PAGE_POINTS]
    count: int,
    camera: F32,
    pinhole: F32,
    width_px: int,
    top: int,
    end: int,
    behind: int,
    found: U32,  # [3 * PAGE_POINTS] out: cell in the band, bits of the depth, colour as 0x00BBGGRR
) -> None:
    """SIMD throughout. What is not seen gets one of the SPARE cells from `behind` on."""
    floats, depths = page.view(np.float32), found.view(np.float32)
    a, b, c, d = camera[0]
    e, f, g, h = camera[1]
    i, j, k, l = camera[2]  # noqa: E741 - row by row as on paper
    fx, fy, cx, cy = pinhole
    width, low, high = np.float32(width_px), np.float32(top), np.float32(end)
    stride, first_row, spare = np.int32(width_px), np.int32(top), np.int32(behind)
    for n in range(np.uint64(count)):
        x, y, z = floats[n + _X], floats[n + _Y], floats[n + _Z]
        depth = i * x + j * y + k * z + l
        inverse = _ONE / depth
        u = (a * x + b * y + c * z + d) * inverse * fx + cx
        v = (e * x + f * y + g * z + h) * inverse * fy + cy
        inside = (
            (depth >= _NEAR) & (floats[n + _WEIGHT] > _ZERO)
            & (u >= _ZERO) & (u < width) & (v >= low) & (v < high)
        )  # fmt: skip
        cell = (np.int32(v) - first_row) * stride + np.int32(u)
        found[n + _CELL] = np.uint32(cell if inside else spare + np.int32(n & np.uint64(SPARE - 1)))
        depths[n + _DEPTH] = depth
    for n in range(np.uint64(count)):
        red_green, blue = page[n + _RED_GREEN], page[n + _BLUE]
        found[n + _COLOR] = (
            ((red_green >> np.uint32(16)) + _ROUND) >> np.uint32(8)
            | ((red_green & _LOW_HALF) + _ROUND) & _WHOLE
            | (((blue >> np.uint32(16)) + _ROUND) & _WHOLE) << np.uint32(8)
        )  # fmt: skip


@_kernel
def _fight(found: U32, count: int, logical_page: int, cells: U64, colors: U32) -> None:
    """The smaller key wins. Without a branch to mispredict."""
    first_row = np.uint64(logical_page) * np.uint64(PAGE_POINTS)
    for n in range(np.uint64(count)):
        cell = np.uint64(found[n + _CELL])
        key, champion = np.uint64(found[n + _DEPTH]) << _HIGH_SHIFT | (first_row + n), cells[cell]
        nearer = key < champion
        cells[cell] = key if nearer else champion
        colors[cell] = found[n + _COLOR] if nearer else colors[cell]


@_kernel
def _resolve(cells: U64, colors: U32, rgb: U8, depth_bits: U32, index: I32) -> None:
    """Empties the band's pixels into the pictures: one array a loop, which keeps LLVM to SIMD."""
    pixels = np.uint64(len(index))
    for start in range(np.uint64(0), pixels, _RUN):
        end = min(start + _RUN, pixels)
        for x in range(start, end):
            depth_bits[x] = np.uint32(cells[x] >> _HIGH_SHIFT) if cells[x] != EMPTY else np.uint32(0)
        for x in range(start, end):
            index[x] = np.int32(np.uint32(cells[x] & _LOW))
        for x in range(start, end):
            at, color = np.uint64(3) * x, colors[x]
            rgb[at] = np.uint8(color)
            rgb[at + np.uint64(1)] = np.uint8(color >> np.uint32(8))
            rgb[at + np.uint64(2)] = np.uint8(color >> np.uint32(16))
        for x in range(start, end):
            cells[x] = EMPTY
        for x in range(start, end):
            colors[x] = np.uint32(0)
