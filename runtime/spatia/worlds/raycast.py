"""Rays against convex solids: the numba kernels. `reference.py` says the same in plain numpy.

Only entry points count: a ray that starts inside a solid does not see it. So a ray that leaves a surface never meets
that surface again, and no offsets are needed. Pure functions; any thread.
"""

import math

from spatia.geom.pose import F64
from spatia.records.arrays import I32
from spatia.worlds.kernel import kernel
from spatia.worlds.primitives import BOX, ELLIPSOID, Solids

FAR = 1e30
NEAREST_T = 1e-6  # in units of the ray's direction


@kernel
def inverted(d: float) -> float:
    return 1.0 / d if abs(d) > 1e-14 else 1e14


@kernel
def enter_box(
    ox: float, oy: float, oz: float, dx: float, dy: float, dz: float, hx: float, hy: float, hz: float
) -> tuple[float, int]:
    ix, iy, iz = inverted(dx), inverted(dy), inverted(dz)
    wx, wy, wz = hx * abs(ix), hy * abs(iy), hz * abs(iz)
    mx, my, mz = -ox * ix, -oy * iy, -oz * iz
    near = max(max(mx - wx, my - wy), mz - wz)
    if near < NEAREST_T or near > min(min(mx + wx, my + wy), mz + wz):
        return FAR, 0
    if near == mx - wx:
        return near, 0 if dx > 0.0 else 1
    if near == my - wy:
        return near, 2 if dy > 0.0 else 3
    return near, 4 if dz > 0.0 else 5


@kernel
def enter_ellipsoid(
    ox: float, oy: float, oz: float, dx: float, dy: float, dz: float, rx: float, ry: float, rz: float
) -> float:
    ox, oy, oz, dx, dy, dz = ox / rx, oy / ry, oz / rz, dx / rx, dy / ry, dz / rz
    a = dx * dx + dy * dy + dz * dz
    b = ox * dx + oy * dy + oz * dz
    c = ox * ox + oy * oy + oz * oz - 1.0
    disc = b * b - a * c
    if disc < 0.0:
        return FAR
    t = (-b - math.sqrt(disc)) / a
    return t if t >= NEAREST_T else FAR


@kernel
def enter_frustum(
    ox: float, oy: float, oz: float, dx: float, dy: float, dz: float, below: float, half: float, above: float
) -> tuple[float, int]:
    # x^2 + z^2 = (middle + slope y)^2 on the side; the entry is the root where the left side minus the right falls.
    slope = (below - above) / (2.0 * half)
    middle = 0.5 * (below + above)
    radius, growth = middle + slope * oy, slope * dy
    a = dx * dx + dz * dz - growth * growth
    b = ox * dx + oz * dz - growth * radius
    c = ox * ox + oz * oz - radius * radius
    best, face = FAR, 0
    disc = b * b - a * c
    if disc > 0.0:
        away = -c / (2.0 * b) if b < 0.0 else FAR
        t = (-b - math.sqrt(disc)) / a if abs(a) > 1e-12 else away
        if NEAREST_T <= t < FAR and abs(oy + t * dy) <= half and radius + growth * t >= 0.0:
            best = t
    if dy != 0.0:
        top = dy > 0.0
        t = ((-half if top else half) - oy) / dy
        rim = above if top else below
        x, z = ox + t * dx, oz + t * dz
        if NEAREST_T <= t < best and x * x + z * z <= rim * rim:
            best, face = t, 1 if top else 2
    return best, face


@kernel
def enter_solid(
    solids: Solids, i: int, ox: float, oy: float, oz: float, dx: float, dy: float, dz: float
) -> tuple[float, int]:
    """Where a ray enters solid i: (t, face), t = FAR where it does not."""
    r, size = solids.rotation[i], solids.size[i]
    ox, oy, oz = ox - solids.center[i, 0], oy - solids.center[i, 1], oz - solids.center[i, 2]
    lox = r[0, 0] * ox + r[1, 0] * oy + r[2, 0] * oz
    loy = r[0, 1] * ox + r[1, 1] * oy + r[2, 1] * oz
    loz = r[0, 2] * ox + r[1, 2] * oy + r[2, 2] * oz
    ldx = r[0, 0] * dx + r[1, 0] * dy + r[2, 0] * dz
    ldy = r[0, 1] * dx + r[1, 1] * dy + r[2, 1] * dz
    ldz = r[0, 2] * dx + r[1, 2] * dy + r[2, 2] * dz
    if solids.shape[i] == BOX:
        return enter_box(lox, loy, loz, ldx, ldy, ldz, size[0], size[1], size[2])
    if solids.shape[i] == ELLIPSOID:
        return enter_ellipsoid(lox, loy, loz, ldx, ldy, ldz, size[0], size[1], size[2]), 0
    return enter_frustum(lox, loy, loz, ldx, ldy, ldz, size[0], size[1], size[2])


@kernel
def misses(
    solids: Solids, node: int, ox: float, oy: float, oz: float, ix: float, iy: float, iz: float, best: float
) -> bool:
    """Whether a ray, by its origin and one over its direction, passes by a node's box or meets it after `best`."""
    box = solids.node_box
    mx, my, mz = (box[node, 0] - ox) * ix, (box[node, 1] - oy) * iy, (box[node, 2] - oz) * iz
    wx, wy, wz = box[node, 3] * abs(ix), box[node, 4] * abs(iy), box[node, 5] * abs(iz)
    near = max(max(mx - wx, my - wy), mz - wz)
    far = min(min(mx + wx, my + wy), mz + wz)
    return bool(near > far or far < 0.0 or near > best)


@kernel
def walk_for(solids: Solids, dx: float, dy: float, dz: float) -> tuple[int, int]:
    """First node and end of the walk whose order suits a direction."""
    count = len(solids.node_skip) // 8
    octant = (1 if dx < 0.0 else 0) + (2 if dy < 0.0 else 0) + (4 if dz < 0.0 else 0)
    return octant * count, (octant + 1) * count


@kernel
def trace(
    solids: Solids, ox: float, oy: float, oz: float, dx: float, dy: float, dz: float, t_max: float
) -> tuple[float, int, int]:
    """The nearest solid along a ray: (t, solid, face); solid is -1 where there is none before `t_max`."""
    ix, iy, iz = inverted(dx), inverted(dy), inverted(dz)
    best, found, best_face = t_max, -1, 0
    node, end = walk_for(solids, dx, dy, dz)
    while node < end:
        if misses(solids, node, ox, oy, oz, ix, iy, iz, best):
            node = solids.node_skip[node]
            continue
        for i in range(solids.node_first[node], solids.node_first[node] + solids.node_count[node]):
            t, face = enter_solid(solids, i, ox, oy, oz, dx, dy, dz)
            if t < best:
                best, found, best_face = t, i, face
        node += 1
    return best, found, best_face


@kernel
def is_lit(
    solids: Solids,
    emission: F64,
    px: float,
    py: float,
    pz: float,
    dx: float,
    dy: float,
    dz: float,
    reach: float,
) -> bool:
    """Whether nothing that casts a shadow, as lamps do not, is within `reach` directions of a point."""
    ix, iy, iz = inverted(dx), inverted(dy), inverted(dz)
    node, end = walk_for(solids, dx, dy, dz)
    while node < end:
        if misses(solids, node, px, py, pz, ix, iy, iz, reach):
            node = solids.node_skip[node]
            continue
        for i in range(solids.node_first[node], solids.node_first[node] + solids.node_count[node]):
            if emission[solids.material[i]] == 0.0 and enter_solid(solids, i, px, py, pz, dx, dy, dz)[0] < reach:
                return False
        node += 1
    return True


@kernel
def to_local(solids: Solids, i: int, px: float, py: float, pz: float) -> tuple[float, float, float]:
    r = solids.rotation[i]
    x, y, z = px - solids.center[i, 0], py - solids.center[i, 1], pz - solids.center[i, 2]
    return (
        r[0, 0] * x + r[1, 0] * y + r[2, 0] * z,
        r[0, 1] * x + r[1, 1] * y + r[2, 1] * z,
        r[0, 2] * x + r[1, 2] * y + r[2, 2] * z,
    )


@kernel
def normal_in_local(solids: Solids, i: int, face: int, x: float, y: float, z: float) -> tuple[float, float, float]:
    """The outward unit normal at a local surface point."""
    size = solids.size[i]
    if solids.shape[i] == BOX:
        sign = 1.0 if face & 1 else -1.0
        axis = face >> 1
        return (sign if axis == 0 else 0.0), (sign if axis == 1 else 0.0), (sign if axis == 2 else 0.0)
    if solids.shape[i] == ELLIPSOID:
        nx, ny, nz = x / size[0] ** 2, y / size[1] ** 2, z / size[2] ** 2
    else:
        if face > 0:
            return 0.0, (-1.0 if face == 1 else 1.0), 0.0
        slope = (size[0] - size[2]) / (2.0 * size[1])
        nx, ny, nz = x, -slope * (0.5 * (size[0] + size[2]) + slope * y), z
    scale = 1.0 / max(math.sqrt(nx * nx + ny * ny + nz * nz), 1e-12)
    return nx * scale, ny * scale, nz * scale


@kernel
def to_world(solids: Solids, i: int, x: float, y: float, z: float) -> tuple[float, float, float]:
    """A direction of solid i turned into the world."""
    r = solids.rotation[i]
    return (
        r[0, 0] * x + r[0, 1] * y + r[0, 2] * z,
        r[1, 0] * x + r[1, 1] * y + r[1, 2] * z,
        r[2, 0] * x + r[2, 1] * y + r[2, 2] * z,
    )


@kernel
def trace_many(solids: Solids, origins: F64, directions: F64, t: F64, found: I32) -> None:
    """`trace` for N rays [N, 3], into t [N] and the solid's index [N]; for tests and tools."""
    for n in range(len(origins)):
        o, d = origins[n], directions[n]
        t[n], found[n], _ = trace(solids, o[0], o[1], o[2], d[0], d[1], d[2], FAR)
