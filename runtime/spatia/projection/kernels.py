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
BAND_ROWS = 32  # a band's buffer lives in a core's own cache
CHUNK = 256  # records
PLANES = 6
RED_SUM, GREEN_SUM, BLUE_SUM, ALPHA_SUM, CLEAR, COUNT = range(PLANES)  # CLEAR: what still shines through
LANES = 8  # pixels tested at once; a buffer's rows are padded by as many so that a run never leaves its row

_NEAR = np.float32(NEAR_M)
_LOW = np.uint64(0xFFFF_FFFF)
_HIGH_SHIFT = np.uint64(32)
_ONE = np.float32(1)
_HALF = np.float32(0.5)
_PAGE_SHIFT = np.uint32(PAGE_POINTS.bit_length() - 1)
_SLOT_MASK = np.uint32(PAGE_POINTS - 1)
_INF = np.float32(np.inf)
# Unsigned indices spare numba's handling of negative ones, which would hide the strides from LLVM.
_LANES, _ROWS, _CHUNK = np.uint64(LANES), np.uint64(BAND_ROWS), np.uint64(CHUNK)
_U, _V, _DEPTH, _RADIUS, _INSIDE = (np.uint64(n * PAGE_POINTS) for n in range(5))
_REDS, _GREENS, _BLUES, _ALPHAS, _CLEARS, _COUNTS = (np.uint64(plane * LANES) for plane in range(PLANES))
_X, _Y, _Z, _WEIGHT = (np.uint64(field * PAGE_POINTS) for field in (X, Y, Z, WEIGHT))

_kernel = njit(cache=True, nogil=True, error_model="numpy")


@_kernel
def pages_in_view(
    bounds: F32,  # [P, 2, 3]
    camera: F32,  # [3, 4]
    pinhole: F32,  # [4]
    margin_px: float,
    width_px: int,
    height_px: int,
    nearest_m: F32,  # [P] out: no point of the page is nearer than this; inf where the page cannot be seen
) -> None:
    """Projects the eight corners of every page. A page that crosses the near plane may be seen anywhere."""
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
        on_screen = right >= -margin and left < width + margin and bottom >= -margin and top < height + margin
        crosses = nearest < _NEAR and farthest >= _NEAR
        nearest_m[p] = nearest if crosses or (nearest >= _NEAR and on_screen) else _INF


@_kernel
def bin_points(
    words: F32,  # [physical pages, FIELDS, PAGE_POINTS]
    pages: I32,  # [P]
    row_count: int,
    chosen: I32,  # [M] logical pages
    camera: F32,  # [3, 4]
    pinhole: F32,  # [4]
    radii: F32,  # [3] radius_px_m, min_radius_px, max_radius_px
    width_px: int,
    height_px: int,
    places: F32,  # [C, CHUNK, 3] out: u, v, radius in pixels
    keys: U64,  # [C, CHUNK] out
    owners: I32,  # [C] out: the band that the chunk belongs to
    lengths: I32,  # [C] out: records in the chunk
) -> int:
    """Projects pages and hands every visible point to the bands that its disc touches. Returns the chunks used.

    A record is written once, into the open chunk of its band; no band needs to be counted beforehand, and the drawing
    that follows stays inside a buffer of cache size even where the points lie in no spatial order at all.
    """
    out = np.empty(5 * PAGE_POINTS, np.float32)
    u, v, bits, radius = (
        out[:PAGE_POINTS],
        out[PAGE_POINTS : 2 * PAGE_POINTS],
        out[2 * PAGE_POINTS : 3 * PAGE_POINTS].view(np.uint32),
        out[3 * PAGE_POINTS : 4 * PAGE_POINTS],
    )
    slots = np.empty(PAGE_POINTS + 1, np.uint32)
    bands = -(-height_px // BAND_ROWS)
    open_chunk = np.arange(bands).astype(np.uint64)
    owners[:bands] = np.arange(bands)
    lengths[:bands] = 0
    used = bands
    for p in chosen:
        count = min(PAGE_POINTS, row_count - p * PAGE_POINTS)
        page = words[pages[p]].reshape(-1)
        found = _project_page(page, count, camera, pinhole, radii, width_px, height_px, out, slots)
        first_row = np.uint64(p) * np.uint64(PAGE_POINTS)
        for n in range(found):
            s = slots[n]
            key = np.uint64(bits[s]) << _HIGH_SHIFT | (first_row + np.uint64(s))
            own, reach = int(np.floor(v[s])), int(radius[s] + _HALF)
            first = np.uint64(max(own - reach, 0)) // _ROWS
            end = np.uint64(max(min(own + reach, height_px - 1), -1) + BAND_ROWS) // _ROWS
            for band in range(first, end):
                chunk = open_chunk[band]
                at = np.uint64(lengths[chunk])
                if at == _CHUNK:
                    chunk, at = np.uint64(used), np.uint64(0)
                    used += 1
                    open_chunk[band] = chunk
                    owners[chunk] = band
                place = places[chunk, at]
                place[0], place[1], place[2] = u[s], v[s], radius[s]
                keys[chunk, at] = key
                lengths[chunk] = at + np.uint64(1)
    return used


@_kernel
def _project_page(
    page: F32,  # [FIELDS * PAGE_POINTS]
    count: int,
    camera: F32,
    pinhole: F32,
    radii: F32,
    width_px: int,
    height_px: int,
    out: F32,  # [5 * PAGE_POINTS] u, v, depth, radius in pixels, 1 where alive, in front and touching the screen
    slots: U32,  # [PAGE_POINTS + 1] out: where that is 1
) -> int:
    """Returns how many slots there are. The first loop is SIMD, the second packs without a branch to mispredict.

    The flat arrays matter: with one array in and one out at constant distances LLVM need not ask whether they overlap.
    """
    a, b, c, d = camera[0]
    e, f, g, h = camera[1]
    i, j, k, l = camera[2]  # noqa: E741 - row by row as on paper
    fx, fy, cx, cy = pinhole
    radius_px_m, low, high = radii
    margin = high if high >= _HALF else np.float32(0)
    width, height = np.float32(width_px) + margin, np.float32(height_px) + margin
    for n in range(np.uint64(count)):
        x, y, z = page[n + _X], page[n + _Y], page[n + _Z]
        depth = i * x + j * y + k * z + l
        inverse = _ONE / depth
        u = (a * x + b * y + c * z + d) * inverse * fx + cx
        v = (e * x + f * y + g * z + h) * inverse * fy + cy
        inside = (
            (depth >= _NEAR) & (page[n + _WEIGHT] > np.float32(0))
            & (u >= -margin) & (u < width) & (v >= -margin) & (v < height)
        )  # fmt: skip
        out[n + _U] = u
        out[n + _V] = v
        out[n + _DEPTH] = depth
        out[n + _RADIUS] = min(max(radius_px_m * inverse, low), high)
        out[n + _INSIDE] = _ONE if inside else np.float32(0)
    found = np.uint64(0)
    for n in range(np.uint64(count)):
        slots[found] = n
        found += np.uint64(out[n + _INSIDE] != 0)
    return int(found)


@_kernel
def splat(
    places: F32,  # [C, CHUNK, 3]
    keys: U64,  # [C, CHUNK]
    owners: I32,  # [C]
    lengths: I32,  # [C]
    band: int,
    single_pixels: bool,
    width_px: int,
    buffer: U64,  # [BAND_ROWS, width + LANES] the band's nearest keys so far
) -> None:
    """Draws one band's records."""
    top = band * BAND_ROWS
    for chunk in range(len(owners)):
        if owners[chunk] == band:
            count = lengths[chunk]
            if single_pixels:
                _splat_points(places[chunk, :count], keys[chunk, :count], top, buffer)
            else:
                _splat_discs(places[chunk, :count], keys[chunk, :count], width_px, top, buffer)


@_kernel
def _splat_points(places: F32, keys: U64, top: int, buffer: U64) -> None:
    cells, stride = buffer.reshape(-1), np.uint32(buffer.shape[1])
    for n in range(len(keys)):
        cell = np.uint32(np.int32(places[n, 1]) - np.int32(top)) * stride + np.uint32(np.int32(places[n, 0]))
        cells[cell] = min(cells[cell], keys[n])


@_kernel
def _splat_discs(places: F32, keys: U64, width_px: int, top: int, buffer: U64) -> None:
    """Closed discs, nearest wins; the pixel that the point falls into is always drawn."""
    rows = len(buffer)
    for n in range(len(keys)):
        u, v, radius = places[n]
        key = keys[n]
        own_x, own_y = int(np.floor(u)), int(np.floor(v)) - top
        if 0 <= own_x < width_px and 0 <= own_y < rows:
            buffer[own_y, own_x] = min(buffer[own_y, own_x], key)
        squared_radius = radius * radius
        reach = int(radius + _HALF)
        if reach == 0:
            continue
        first_x, last_x = max(own_x - reach, 0), min(own_x + reach, width_px - 1)
        for y in range(max(own_y - reach, 0), min(own_y + reach, rows - 1) + 1):
            dy = np.float32(y + top) + _HALF - v
            line = buffer[y]
            for start in range(first_x, last_x + 1, LANES):
                for x in range(start, start + LANES):
                    dx = np.float32(x) + _HALF - u
                    line[x] = min(line[x], key if dx * dx + dy * dy <= squared_radius else EMPTY)


@_kernel
def blend_discs(
    places: F32,  # [M, 3]
    keys: U64,  # [M]
    order: U32,  # [M] rising keys
    arena: U32,
    pages: I32,
    layers: int,
    width_px: int,
    top: int,
    front: U64,  # [BAND_ROWS, width + LANES] key of the nearest point, EMPTY before
    canvas: F32,  # [BAND_ROWS, blocks, PLANES, LANES] LANES >= width + LANES pixels a row, see `RED_SUM` and on
) -> None:
    """Open discs, the first few of each pixel: in rising order they blend as they come, eight pixels at a time."""
    rows, blocks = canvas.shape[:2]
    cells = canvas.reshape(-1)
    scale = _ONE / np.float32(256)
    full = np.float32(layers)
    for n in order:
        u, v, radius = places[n]
        key = keys[n]
        row = np.uint32(key & _LOW)
        page, slot = pages[row >> _PAGE_SHIFT], row & _SLOT_MASK
        red_green = arena[page, RED_GREEN, slot]
        red = np.float32(red_green >> np.uint32(16)) * scale
        green = np.float32(red_green & np.uint32(0xFFFF)) * scale
        blue = np.float32(arena[page, BLUE, slot] >> np.uint32(16)) * scale
        own_x, own_y = int(np.floor(u)), int(np.floor(v)) - top
        squared_radius = radius * radius
        reach = int(radius + _HALF)
        first_x, last_x = max(own_x - reach, 0), min(own_x + reach, width_px - 1)
        for y in range(max(own_y - reach, 0), min(own_y + reach, rows - 1) + 1):
            dy = np.float32(y + top) + _HALF - v
            for block in range(first_x // LANES, last_x // LANES + 1):
                at = np.uint64(y * blocks + block) * np.uint64(PLANES * LANES)
                wanted = fresh = np.uint32(0)
                for lane in range(_LANES):
                    dx = np.float32(block * LANES) + np.float32(lane) + _HALF - u
                    inside = dx * dx + dy * dy < squared_radius
                    count = cells[at + _COUNTS + lane]
                    wanted |= np.uint32(inside & (count < full))
                    fresh |= np.uint32(inside & (count == 0))
                if wanted == 0:
                    continue
                if fresh != 0:
                    for lane in range(_LANES):
                        x = np.uint64(block * LANES) + lane
                        dx = np.float32(block * LANES) + np.float32(lane) + _HALF - u
                        if dx * dx + dy * dy < squared_radius:
                            front[y, x] = min(front[y, x], key)
                for lane in range(_LANES):
                    dx = np.float32(block * LANES) + np.float32(lane) + _HALF - u
                    squared = dx * dx + dy * dy
                    count = cells[at + _COUNTS + lane]
                    clear = cells[at + _CLEARS + lane]
                    hit = (squared < squared_radius) & (count < full)
                    alpha = (_ONE - squared / squared_radius) if hit else np.float32(0)
                    weight = clear * alpha
                    cells[at + _REDS + lane] += weight * red
                    cells[at + _GREENS + lane] += weight * green
                    cells[at + _BLUES + lane] += weight * blue
                    cells[at + _ALPHAS + lane] += weight
                    cells[at + _CLEARS + lane] = clear * (_ONE - alpha)
                    cells[at + _COUNTS + lane] = count + (_ONE if hit else np.float32(0))


@_kernel
def gather(places: F32, keys: U64, owners: I32, lengths: I32, band: int) -> tuple[F32, U64]:
    """One band's records in one piece, [M, 3] and [M]."""
    total = 0
    for chunk in range(len(owners)):
        if owners[chunk] == band:
            total += lengths[chunk]
    all_places, all_keys = np.empty((total, 3), np.float32), np.empty(total, np.uint64)
    at = 0
    for chunk in range(len(owners)):
        if owners[chunk] == band:
            count = lengths[chunk]
            all_places[at : at + count] = places[chunk, :count]
            all_keys[at : at + count] = keys[chunk, :count]
            at += count
    return all_places, all_keys


@_kernel
def rising(keys: U64) -> U32:
    """[M] The order that sorts `keys`: three radix passes over the depth, then equal depths by insertion."""
    count = len(keys)
    order, spare = np.arange(count).astype(np.uint32), np.empty(count, np.uint32)
    for digit in range(3):
        shift = np.uint64(32 + 11 * digit)
        ends = np.zeros(2049, np.uint32)
        for n in range(count):
            ends[((keys[n] >> shift) & np.uint64(2047)) + np.uint64(1)] += np.uint32(1)
        for value in range(2048):
            ends[value + 1] += ends[value]
        for n in range(count):
            value = (keys[order[n]] >> shift) & np.uint64(2047)
            spare[ends[value]] = order[n]
            ends[value] += np.uint32(1)
        order, spare = spare, order
    for n in range(1, count):
        moving, place = order[n], n
        while place > 0 and keys[order[place - 1]] > keys[moving]:
            order[place] = order[place - 1]
            place -= 1
        order[place] = moving
    return order


@_kernel
def resolve_nearest(
    buffer: U64,  # [BAND_ROWS, stride]
    arena: U32,
    pages: I32,
    rgb: U8,  # [rows, W, 3] out
    depth_m: F32,  # [rows, W] out
    index: I32,
) -> None:
    height, width = depth_m.shape
    found = np.empty(width + 1, np.uint32)
    for y in range(height):
        line = buffer[y]
        depth_bits, rows = depth_m[y].view(np.uint32), index[y]
        # One output a loop: with more, LLVM asks at run time which arrays overlap, and gives up on SIMD.
        for x in range(width):
            depth_bits[x] = np.uint32(line[x] >> _HIGH_SHIFT) if line[x] != EMPTY else np.uint32(0)
        for x in range(width):
            rows[x] = np.int32(np.uint32(line[x] & _LOW))
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
def resolve_blend(
    front: U64,  # [BAND_ROWS, width + LANES]
    canvas: F32,  # [BAND_ROWS, blocks, PLANES, LANES]
    rgb: U8,  # [rows, W, 3] out
    depth_m: F32,  # [rows, W] out
    index: I32,
    alpha: F32,
) -> None:
    height, width = depth_m.shape
    for y in range(height):
        depth_bits = depth_m[y].view(np.uint32)
        for x in range(width):
            key = front[y, x]
            depth_bits[x] = np.uint32(key >> _HIGH_SHIFT) if key != EMPTY else np.uint32(0)
            index[y, x] = np.int32(np.uint32(key & _LOW))
            block, lane = np.uint32(x) // np.uint32(LANES), np.uint32(x) % np.uint32(LANES)
            alpha[y, x] = min(canvas[y, block, ALPHA_SUM, lane], _ONE)
            for channel in range(3):
                value = min(canvas[y, block, channel, lane], np.float32(255))
                rgb[y, x, channel] = np.uint8(np.int32(value + _HALF))
