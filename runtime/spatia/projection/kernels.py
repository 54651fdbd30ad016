"""The compiled loops of `numba_bands`: plain functions over arrays, free of Python's lock, each owning what it writes.

A key is ``depth bits << 32 | row``: positive floats sort as their bits do, so the smallest key is the nearest point and
ties go to the lower row, whatever the order of arrival. `EMPTY` is above every key, and its low half is row -1.

Positions are computed in float32 with the operations of `numpy_reference` in the same order, so both give the same
bytes. Division follows numpy's rules (`error_model`): a check for zero would keep the loops from using SIMD.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from spatia.projection.optics import NEAR_M
from spatia.records.arrays import F32, I32, U8, U32
from spatia.records.cloud import BLUE, PAGE_POINTS, RED_GREEN, WEIGHT, X, Y, Z

U64 = npt.NDArray[np.uint64]
EMPTY = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
NO_DEPTH = np.uint32(0xFFFF_FFFF)  # the high half of EMPTY
LANES = 8  # pixels tested at once; a buffer's rows are padded by as many so that a run never leaves its row

_NEAR = np.float32(NEAR_M)
_LOW = np.uint64(0xFFFF_FFFF)
_HIGH_SHIFT = np.uint64(32)
_ONE = np.float32(1)
_HALF = np.float32(0.5)
_PAGE_SHIFT = np.uint32(PAGE_POINTS.bit_length() - 1)
_SLOT_MASK = np.uint32(PAGE_POINTS - 1)
_INF = np.float32(np.inf)

_kernel = njit(cache=True, nogil=True, error_model="numpy")


@_kernel
def bound_pages(
    bounds: F32,  # [P, 2, 3]
    camera: F32,  # [3, 4]
    pinhole: F32,  # [4]
    margin_px: float,
    width_px: int,
    height_px: int,
    extent: I32,  # [P, 2] out: first and one past the last screen row that the page can touch; equal when unseen
    nearest_m: F32,  # [P] out: no point of the page is nearer than this
) -> None:
    """Projects the eight corners of every page. A page that crosses the near plane may touch every row."""
    fx, fy, cx, cy = pinhole
    margin = np.float32(margin_px) + _ONE  # one pixel more than needed pays for the rounding of the corners
    width, height = np.float32(width_px), np.float32(height_px)
    for p in range(len(bounds)):
        left = top = nearest = _INF
        right = bottom = farthest = -_INF
        for corner in range(8):
            x = bounds[p, corner & 1, 0]
            y = bounds[p, (corner >> 1) & 1, 1]
            z = bounds[p, corner >> 2, 2]
            depth = camera[2, 0] * x + camera[2, 1] * y + camera[2, 2] * z + camera[2, 3]
            u = (camera[0, 0] * x + camera[0, 1] * y + camera[0, 2] * z + camera[0, 3]) / depth * fx + cx
            v = (camera[1, 0] * x + camera[1, 1] * y + camera[1, 2] * z + camera[1, 3]) / depth * fy + cy
            nearest, farthest = min(nearest, depth), max(farthest, depth)
            left, right = min(left, u), max(right, u)
            top, bottom = min(top, v), max(bottom, v)
        nearest_m[p] = nearest
        extent[p, 0] = extent[p, 1] = 0
        if farthest < _NEAR:
            continue
        if nearest < _NEAR:
            extent[p, 1] = height_px
        elif right >= -margin and left < width + margin and bottom >= -margin and top < height + margin:
            extent[p, 0] = np.int32(max(np.float32(0), top - margin))
            extent[p, 1] = np.int32(min(height, bottom + margin + _ONE))


@_kernel
def _project_page(
    page: F32,  # [FIELDS, PAGE_POINTS]
    count: int,
    camera: F32,
    pinhole: F32,
    window: F32,  # [4] lowest and highest u, lowest and highest v of interest
    u: F32,  # [PAGE_POINTS] out
    v: F32,
    z: F32,
    slots: U32,  # [PAGE_POINTS + 1] out: the slots whose points are alive, in front and inside the window
) -> int:
    """Returns how many slots there are. The first loop is SIMD; the second packs without a branch to mispredict."""
    px, py, pz, weight = page[X], page[Y], page[Z], page[WEIGHT]
    a, b, c, d = camera[0]
    e, f, g, h = camera[1]
    i, j, k, l = camera[2]  # noqa: E741 - row by row as on paper
    fx, fy, cx, cy = pinhole
    low_u, high_u, low_v, high_v = window
    inside = np.empty(PAGE_POINTS, np.uint8)
    for n in range(count):
        depth = i * px[n] + j * py[n] + k * pz[n] + l
        inverse = _ONE / depth
        across = (a * px[n] + b * py[n] + c * pz[n] + d) * inverse * fx + cx
        down = (e * px[n] + f * py[n] + g * pz[n] + h) * inverse * fy + cy
        u[n], v[n], z[n] = across, down, depth
        inside[n] = (
            (depth >= _NEAR) & (weight[n] > np.float32(0))
            & (across >= low_u) & (across < high_u) & (down >= low_v) & (down < high_v)
        )  # fmt: skip
    found = np.uint64(0)
    for n in range(count):
        slots[found] = n
        found += np.uint64(inside[n])
    return found


@_kernel
def splat_points(
    words: F32,  # [physical pages, FIELDS, PAGE_POINTS]
    pages: I32,  # [P]
    row_count: int,
    order: I32,  # [M] logical pages, the nearest first
    extent: I32,  # [P, 2] from `bound_pages`
    camera: F32,
    pinhole: F32,
    width_px: int,
    top: int,  # the buffer's rows are the screen's top..top + len(buffer)
    buffer: U64,  # [rows, stride]
) -> None:
    """One pixel a point."""
    u, v, z = np.empty((3, PAGE_POINTS), np.float32)
    bits = z.view(np.uint32)
    slots = np.empty(PAGE_POINTS + 1, np.uint32)
    cells, stride = buffer.reshape(-1), np.uint32(buffer.shape[1])
    bottom = top + len(buffer)
    window = np.array([0, width_px, top, bottom], np.float32)
    for p in order:
        if extent[p, 0] >= bottom or extent[p, 1] <= top:
            continue
        count = min(PAGE_POINTS, row_count - p * PAGE_POINTS)
        found = _project_page(words[pages[p]], count, camera, pinhole, window, u, v, z, slots)
        first_row = np.uint64(p) * np.uint64(PAGE_POINTS)
        for n in range(found):
            s = slots[n]
            cell = np.uint32(np.int32(v[s]) - np.int32(top)) * stride + np.uint32(np.int32(u[s]))
            key = np.uint64(bits[s]) << _HIGH_SHIFT | (first_row + np.uint64(s))
            cells[cell] = min(cells[cell], key)


@_kernel
def splat_discs(
    words: F32,
    pages: I32,
    row_count: int,
    order: I32,
    extent: I32,
    camera: F32,
    pinhole: F32,
    radii: F32,  # [3] radius_px_m, min_radius_px, max_radius_px
    width_px: int,
    top: int,
    buffer: U64,  # [rows, stride], stride >= width_px + LANES
) -> None:
    """Closed discs, nearest wins; the pixel that the point falls into is always drawn."""
    u, v, z = np.empty((3, PAGE_POINTS), np.float32)
    bits = z.view(np.uint32)
    slots = np.empty(PAGE_POINTS + 1, np.uint32)
    radius_px_m, low, high = radii
    rows = len(buffer)
    bottom = top + rows
    margin = high + _ONE
    window = np.array([-margin, width_px + margin, top - margin, bottom + margin], np.float32)
    for p in order:
        if extent[p, 0] >= bottom or extent[p, 1] <= top:
            continue
        count = min(PAGE_POINTS, row_count - p * PAGE_POINTS)
        found = _project_page(words[pages[p]], count, camera, pinhole, window, u, v, z, slots)
        first_row = np.uint64(p) * np.uint64(PAGE_POINTS)
        for n in range(found):
            s = slots[n]
            key = np.uint64(bits[s]) << _HIGH_SHIFT | (first_row + np.uint64(s))
            radius = min(max(radius_px_m * (_ONE / z[s]), low), high)
            squared_radius = radius * radius
            own_x, own_y = np.int32(np.floor(u[s])), np.int32(np.floor(v[s])) - np.int32(top)
            if 0 <= own_x < width_px and 0 <= own_y < rows:
                buffer[own_y, own_x] = min(buffer[own_y, own_x], key)
            reach = np.int32(radius + _HALF)
            if reach == 0:
                continue
            first_x, last_x = max(own_x - reach, 0), min(own_x + reach, width_px - 1)
            for y in range(max(own_y - reach, 0), min(own_y + reach, rows - 1) + 1):
                dy = np.float32(y + top) + _HALF - v[s]
                line = buffer[y]
                for start in range(first_x, last_x + 1, LANES):
                    for x in range(start, start + LANES):
                        dx = np.float32(x) + _HALF - u[s]
                        near = dx * dx + dy * dy <= squared_radius
                        line[x] = min(line[x], key if near else EMPTY)


@_kernel
def splat_layers(
    words: F32,
    pages: I32,
    row_count: int,
    order: I32,
    extent: I32,
    camera: F32,
    pinhole: F32,
    radius_px: float,
    width_px: int,
    top: int,
    farthest: U32,  # [rows, stride], stride >= width_px + LANES: depth bits of the last layer, NO_DEPTH while it is free
    layers: U64,  # [rows, stride, K] keys in rising order
    alphas: F32,  # [rows, stride, K]
) -> None:
    """Open discs of one radius; every pixel keeps its K nearest in order. `farthest` refuses most pixels eight at a time."""
    u, v, z = np.empty((3, PAGE_POINTS), np.float32)
    bits = z.view(np.uint32)
    slots = np.empty(PAGE_POINTS + 1, np.uint32)
    radius = np.float32(radius_px)
    squared_radius = radius * radius
    reach = np.int32(radius + _HALF)
    rows = len(farthest)
    bottom = top + rows
    last = np.uint32(layers.shape[2] - 1)
    margin = radius + _ONE
    window = np.array([-margin, width_px + margin, top - margin, bottom + margin], np.float32)
    for p in order:
        if extent[p, 0] >= bottom or extent[p, 1] <= top:
            continue
        count = min(PAGE_POINTS, row_count - p * PAGE_POINTS)
        found = _project_page(words[pages[p]], count, camera, pinhole, window, u, v, z, slots)
        first_row = np.uint64(p) * np.uint64(PAGE_POINTS)
        for n in range(found):
            s = slots[n]
            depth = bits[s]
            key = np.uint64(depth) << _HIGH_SHIFT | (first_row + np.uint64(s))
            own_x, own_y = np.int32(np.floor(u[s])), np.int32(np.floor(v[s])) - np.int32(top)
            first_x, last_x = max(own_x - reach, 0), min(own_x + reach, width_px - 1)
            for y in range(max(own_y - reach, 0), min(own_y + reach, rows - 1) + 1):
                dy = np.float32(y + top) + _HALF - v[s]
                bound = farthest[y]
                for start in range(first_x, last_x + 1, LANES):
                    wanted = np.uint32(0)
                    for x in range(start, start + LANES):
                        dx = np.float32(x) + _HALF - u[s]
                        wanted |= np.uint32((dx * dx + dy * dy < squared_radius) & (depth <= bound[x]))
                    if wanted == 0:
                        continue
                    for x in range(start, min(start + LANES, last_x + 1)):
                        dx = np.float32(x) + _HALF - u[s]
                        squared = dx * dx + dy * dy
                        if squared < squared_radius and key < layers[y, x, last]:
                            _insert(layers[y, x], alphas[y, x], key, _ONE - squared / squared_radius)
                            bound[x] = np.uint32(layers[y, x, last] >> _HIGH_SHIFT)


@_kernel
def _insert(layers: U64, alphas: F32, key: np.uint64, alpha: np.float32) -> None:
    """Into its place in rising order; the last falls out."""
    place = len(layers) - 1
    while place > 0 and key < layers[place - 1]:
        layers[place] = layers[place - 1]
        alphas[place] = alphas[place - 1]
        place -= 1
    layers[place] = key
    alphas[place] = alpha


@_kernel
def resolve_nearest(
    buffers: U64,  # [B, rows, stride] the nearest over all buffers counts
    arena: U32,
    pages: I32,
    rgb: U8,  # [rows, W, 3] out
    depth_m: F32,  # [rows, W] out
    index: I32,
    coverage: F32,
) -> None:
    height, width = depth_m.shape
    found = np.empty(width + 1, np.uint32)
    for y in range(height):
        line = buffers[0, y]
        for other in range(1, len(buffers)):
            second = buffers[other, y]
            for x in range(width):
                line[x] = min(line[x], second[x])
        depth_bits, rows, covered = depth_m[y].view(np.uint32), index[y], coverage[y]
        for x in range(width):
            full = line[x] != EMPTY
            depth_bits[x] = np.uint32(line[x] >> _HIGH_SHIFT) if full else np.uint32(0)
            rows[x] = np.int32(np.uint32(line[x] & _LOW))
            covered[x] = _ONE if full else np.float32(0)
        # Colours lie scattered over the arena: with the covered pixels listed first, their cache misses overlap.
        count = np.uint64(0)
        for x in range(width):
            found[count] = x
            count += np.uint64(rows[x] >= 0)
        pixels = rgb[y]
        pixels[:] = 0
        for n in range(count):
            x = found[n]
            row = np.uint32(rows[x])
            page, slot = pages[row >> _PAGE_SHIFT], row & _SLOT_MASK
            red_green, blue = arena[page, RED_GREEN, slot], arena[page, BLUE, slot]
            pixels[x, 0] = _rounded(red_green >> np.uint32(16))
            pixels[x, 1] = _rounded(red_green & np.uint32(0xFFFF))
            pixels[x, 2] = _rounded(blue >> np.uint32(16))


@_kernel
def _rounded(fixed: np.uint32) -> np.uint8:
    """8.8 fixed point to the nearest whole; the largest is 255 exactly, so nothing overflows."""
    return np.uint8((fixed + np.uint32(128)) >> np.uint32(8))


@_kernel
def resolve_layers(
    layers: U64,  # [rows, stride, K]
    alphas: F32,
    arena: U32,
    pages: I32,
    rgb: U8,
    depth_m: F32,
    index: I32,
    coverage: F32,
) -> None:
    """Blends front to back, in float32 and in the order of `numpy_reference`."""
    height, width = depth_m.shape
    scale = _ONE / np.float32(256)
    for y in range(height):
        depth_bits = depth_m[y].view(np.uint32)
        for x in range(width):
            front = layers[y, x, 0]
            depth_bits[x] = np.uint32(front >> _HIGH_SHIFT) if front != EMPTY else np.uint32(0)
            index[y, x] = np.int32(np.uint32(front & _LOW))
            red = green = blue = total = np.float32(0)
            clear = _ONE
            for layer in range(layers.shape[2]):
                key = layers[y, x, layer]
                if key == EMPTY:
                    break
                row = np.uint32(key & _LOW)
                page, slot = pages[row >> _PAGE_SHIFT], row & _SLOT_MASK
                red_green = arena[page, RED_GREEN, slot]
                alpha = alphas[y, x, layer]
                weight = clear * alpha
                red += weight * (np.float32(red_green >> np.uint32(16)) * scale)
                green += weight * (np.float32(red_green & np.uint32(0xFFFF)) * scale)
                blue += weight * (np.float32(arena[page, BLUE, slot] >> np.uint32(16)) * scale)
                total += weight
                clear *= _ONE - alpha
            rgb[y, x, 0] = np.uint8(min(red, np.float32(255)) + _HALF)
            rgb[y, x, 1] = np.uint8(min(green, np.float32(255)) + _HALF)
            rgb[y, x, 2] = np.uint8(min(blue, np.float32(255)) + _HALF)
            coverage[y, x] = min(total, _ONE)
