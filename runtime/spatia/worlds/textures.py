"""Procedural textures: the colour of a surface as a function of its place, filtered to the size of a pixel.

Every pattern is a pure function of metres on the surface, so all views of a point agree; details finer than the
pixel's `footprint` fade into their mean. Linear light; numba; any thread.
"""

import math

from spatia.geom.pose import F64
from spatia.worlds.kernel import kernel
from spatia.worlds.primitives import BOX, FRUSTUM

(
    PLAIN,  # mottled paint
    PLANKS,  # floor boards: scale is width and length of a board, second the gaps
    WOOD,  # grain along the solid's longest side, second the dark of the grain
    BRICK,  # scale is width and height of a brick, second the mortar
    TILES,  # scale is the sides of a tile, second the grout
    WEAVE,  # cloth: scale[0] is the thread, second the shade between threads
    STONE,  # cloudy mixture of both colours: scale[0] is the size of its largest spots
    MARBLE,  # veins of the second colour: scale[0] is their distance
    CHECKER,  # both colours in squares of scale[0]
    WALLPAPER,  # stripes of scale[0] and lozenges of the second colour
    RUG,  # borders and a medallion over one face, from both colours
    PAINTING,  # a small landscape over one face, its hour and hills chosen by the solid
    SPINE,  # a book's back: two bands of the second colour
    LEAVES,  # dappled foliage of both colours
) = range(14)

# How much of the second colour a pattern shows on the whole, in the order above; light bounces off this mixture.
TYPICAL_MIX = (0.0, 0.03, 0.3, 0.12, 0.06, 0.3, 0.5, 0.15, 0.5, 0.15, 0.35, 0.5, 0.1, 0.5)


@kernel
def hash01(a: int, b: int, c: int) -> float:
    """A number in [0, 1) that depends on three integers (multiply and fold; the constants are large primes)."""
    n = a * 374761393 + b * 668265263 + c * 1442695041
    n = ((n & 0xFFFFFFFF) ^ ((n & 0xFFFFFFFF) >> 13)) * 1274126177
    n = (n & 0xFFFFFFFF) ^ ((n & 0xFFFFFFFF) >> 16)
    return (n & 0xFFFFFF) / 16777216.0


@kernel
def noise2(x: float, y: float, seed: int) -> float:
    """Value noise in [0, 1], smooth, one feature a unit."""
    i, j = math.floor(x), math.floor(y)
    fx, fy = x - i, y - j
    fx, fy = fx * fx * (3.0 - 2.0 * fx), fy * fy * (3.0 - 2.0 * fy)
    i, j = int(i), int(j)
    a = hash01(i, j, seed) * (1.0 - fx) + hash01(i + 1, j, seed) * fx
    b = hash01(i, j + 1, seed) * (1.0 - fx) + hash01(i + 1, j + 1, seed) * fx
    return a * (1.0 - fy) + b * fy


@kernel
def noise3(x: float, y: float, z: float, seed: int) -> float:
    k = math.floor(z)
    f = z - k
    f = f * f * (3.0 - 2.0 * f)
    below = noise2(x, y, seed + 7919 * int(k))
    return below + (noise2(x, y, seed + 7919 * (int(k) + 1)) - below) * f


@kernel
def faded(value: float, mean: float, size: float, footprint: float) -> float:
    """A detail of `size` metres seen by a pixel of `footprint` metres: itself from near, its mean from afar."""
    keep = min(1.0, max(0.0, 1.6 - 1.2 * footprint / size))
    return mean + (value - mean) * keep


@kernel
def clouds(x: float, y: float, z: float, size: float, footprint: float, seed: int) -> float:
    """Four octaves of noise in [0, 1], the largest feature `size` metres."""
    total, weight = 0.0, 0.5
    for octave in range(4):
        if footprint > 1.35 * size:
            return total + weight
        n = noise3(x / size, y / size, z / size, seed + octave)
        total += weight * faded(n, 0.5, size, footprint)
        size *= 0.47
        weight *= 0.5
    return total + weight


@kernel
def gap(x: float, period: float, width: float, footprint: float) -> float:
    """How much of a pixel lies in gaps of `width` about the multiples of `period`: an exact box filter, 0..1."""
    w = max(footprint, 1e-4)
    low, high = (x - 0.5 * w + 0.5 * width) / period, (x + 0.5 * w + 0.5 * width) / period
    duty = width / period
    covered = (math.floor(high) - math.floor(low)) * duty
    covered += min(high - math.floor(high), duty) - min(low - math.floor(low), duty)
    return min(1.0, covered * period / w)


@kernel
def surface_uv(shape: int, face: int, x: float, y: float, z: float) -> tuple[float, float]:
    """Two lengths along a face, in metres."""
    axis = face >> 1
    if shape == BOX:
        if axis == 1:
            return x, z
        return (z if axis == 0 else x), y
    if shape == FRUSTUM and face > 0:
        return x, z
    return math.atan2(z, x) * math.sqrt(x * x + z * z), y


@kernel
def mixed(a: F64, b: F64, f: float, gain: float) -> tuple[float, float, float]:
    return (
        (a[0] + (b[0] - a[0]) * f) * gain,
        (a[1] + (b[1] - a[1]) * f) * gain,
        (a[2] + (b[2] - a[2]) * f) * gain,
    )


@kernel
def albedo(
    pattern: int,
    a: F64,
    b: F64,
    scale: F64,
    size: F64,
    u: float,
    v: float,
    x: float,
    y: float,
    z: float,
    seed: int,
    footprint: float,
) -> tuple[float, float, float]:
    """The reflectance of a pattern at a point: (u, v) on the face and (x, y, z) in the texture's space, metres."""
    s, t = scale[0], scale[1]
    if pattern == PLANKS:
        row = math.floor(v / s)
        shifted = u + hash01(row, 3, seed) * t
        board = math.floor(shifted / t)
        grain = noise2(u * 3.0 + 31.0 * hash01(row, board, 1), v * 55.0, row * 131 + board)
        grain = faded(grain, 0.5, 0.02, footprint)
        figure = noise2(u * 1.1 + 17.0 * hash01(row, board, 2), v * 14.0, board * 77 + row)
        dark = max(gap(v, s, 0.005, footprint), gap(shifted, t, 0.005, footprint))
        gain = (0.68 + 0.42 * hash01(row, board, 5)) * (0.78 + 0.22 * grain + 0.22 * figure)
        return mixed(a, b, 0.85 * dark, gain)
    if pattern == WOOD:
        along = 0 if size[0] >= size[1] and size[0] >= size[2] else (1 if size[1] >= size[2] else 2)
        x, y, z = x * (0.1 if along == 0 else 1.0), y * (0.1 if along == 1 else 1.0), z * (0.1 if along == 2 else 1.0)
        bend = noise3(x * 9.0, y * 9.0, z * 9.0, seed)
        rings = 0.5 + 0.5 * math.sin(70.0 * (x + y + z) + 9.0 * bend)
        fine = faded(noise3(x * 130.0, y * 130.0, z * 130.0, seed + 9), 0.5, 0.008, footprint)
        return mixed(a, b, 0.55 * faded(rings, 0.5, 0.06, footprint) * fine + 0.25 * bend, 0.94 + 0.12 * fine)
    if pattern in (BRICK, TILES):
        row = math.floor(v / t)
        shifted = u + (0.5 * s * (row & 1) if pattern == BRICK else 0.0)
        column = math.floor(shifted / s)
        joint = 0.011 if pattern == BRICK else 0.009
        dark = max(gap(shifted, s, joint, footprint), gap(v, t, joint, footprint))
        rough = clouds(u, v, 0.0, 0.5 * min(s, t), footprint, 11)
        each = hash01(row, column, 21)
        warm = 1.0 + (0.10 if pattern == BRICK else 0.04) * (hash01(row, column, 22) - 0.5)
        gain = (0.70 + 0.36 * each) * (0.78 + 0.44 * rough)
        return (
            (a[0] * gain * warm) * (1.0 - dark) + b[0] * dark,
            (a[1] * gain) * (1.0 - dark) + b[1] * dark,
            (a[2] * gain / warm) * (1.0 - dark) + b[2] * dark,
        )
    if pattern == WEAVE:
        threads = 0.5 + 0.5 * math.sin(2.0 * math.pi * u / s) * math.sin(2.0 * math.pi * v / s)
        soft = noise3(x * 9.0, y * 9.0, z * 9.0, seed)
        return mixed(a, b, 0.6 * faded(threads, 0.5, s, footprint), 0.86 + 0.28 * soft)
    if pattern == STONE:
        return mixed(a, b, clouds(x, y, z, s, footprint, seed), 1.0)
    if pattern == MARBLE:
        bend = clouds(x, y, z, 2.5 * s, footprint, seed)
        vein = 1.0 - abs(math.sin(math.pi * (x + 0.6 * y + 0.8 * z) / s + 9.0 * bend))
        return mixed(a, b, vein * vein * vein * vein, 0.90 + 0.2 * bend)
    if pattern == CHECKER:
        even = (math.floor(u / s) + math.floor(v / s)) & 1
        return mixed(a, b, faded(float(even), 0.5, s, footprint), 0.93 + 0.14 * clouds(x, y, z, 0.3, footprint, seed))
    if pattern == WALLPAPER:
        stripe = gap(u, 2.0 * s, s, footprint)
        du, dv = u / (2.0 * s), v / (3.0 * s)
        du, dv = abs(du - math.floor(du + 0.5)), abs(dv - math.floor(dv + 0.5))
        lozenge = 1.0 if abs(du * 2.2 + dv * 2.0 - 0.33) < 0.05 or du * 2.2 + dv * 2.0 < 0.10 else 0.0
        motif = faded(lozenge, 0.15, 0.3 * s, footprint)
        return mixed(a, b, 0.20 * stripe + 0.75 * motif * (1.0 - stripe), 0.985 + 0.03 * noise2(u * 4.0, v * 4.0, 5))
    if pattern == RUG:
        edge = min(size[0] - abs(x), size[2] - abs(z))
        weave = faded(0.5 + 0.5 * math.sin(x * 900.0) * math.sin(z * 900.0), 0.5, 0.01, footprint)
        f = 0.0
        if edge < 0.04 or 0.14 < edge < 0.17 or 0.20 < edge < 0.215:
            f = 1.0
        elif edge < 0.14:
            k = (x + z) / 0.10
            f = 0.85 if abs(k - math.floor(k) - 0.5) < 0.22 else 0.1
        elif edge > 0.215:
            d = abs(x) / (0.72 * size[0]) + abs(z) / (0.72 * size[2])
            ring = d * 5.0
            f = 0.75 if d < 1.0 and abs(ring - math.floor(ring) - 0.5) < 0.2 else 0.0
            k, m = x / 0.16, z / 0.16
            k, m = abs(k - math.floor(k) - 0.5), abs(m - math.floor(m) - 0.5)
            if d > 1.05 and k + m < 0.16:
                f = 0.8
        return mixed(
            a, b, faded(f, 0.35, 0.03, footprint), (0.80 + 0.2 * weave) * (0.86 + 0.28 * noise2(x * 5.0, z * 5.0, 3))
        )
    if pattern == PAINTING:
        p, q = 0.5 + 0.5 * x / size[0], 0.5 - 0.5 * y / size[1]
        dusk = hash01(seed, 4, 4)
        hill = 0.36 + 0.17 * math.sin(p * 5.0 + 6.0 * dusk) + 0.10 * noise2(p * 9.0, 0.0, seed)
        near = 0.20 + 0.10 * math.sin(p * 7.0 + 20.0 * dusk) + 0.06 * noise2(p * 14.0, 4.0, seed)
        brush = 0.80 + 0.4 * noise2(p * 26.0 + q * 9.0, q * 60.0, seed + 2)
        sun = (p - 0.25 - 0.5 * dusk) ** 2 * (size[0] / size[1]) ** 2 + (q - 0.72) ** 2
        if q < near:
            return mixed(b, a, 0.10 + 0.15 * dusk, 0.75 * brush)
        if q < hill:
            return mixed(b, a, 0.35 + 0.3 * q, brush)
        if sun < 0.012:
            return 0.95 * brush, 0.82 * brush, 0.50 * brush
        return mixed(a, b, 0.9 - 0.9 * q, (0.8 + 0.5 * q) * brush)
    if pattern == SPINE:
        height = y / size[1]
        gold = 1.0 if 0.55 < height < 0.62 or -0.70 < height < -0.58 or -0.80 < height < -0.77 else 0.0
        return mixed(a, b, faded(gold, 0.1, 0.01, footprint), 0.85 + 0.3 * noise3(x * 60.0, y * 60.0, z * 60.0, seed))
    if pattern == LEAVES:
        big = noise3(x / s, y / s, z / s, seed)
        small = faded(noise3(x * 3.1 / s, y * 3.1 / s, z * 3.1 / s, seed + 5), 0.5, 0.4 * s, footprint)
        f = 0.55 * big + 0.45 * small
        return mixed(a, b, f, 0.45 + 1.1 * small * small + 0.25 * big)
    return mixed(a, b, 0.0, 0.95 + 0.1 * noise3(x * 6.0, y * 6.0, z * 6.0, seed))
