"""Which places lie close to the surface of a solid: what a memory of a procedural world is judged by.

Pure functions; any thread. Distances to a box and a frustum are exact; to an ellipsoid they are right to first order,
which is all that matters close to it.
"""

import math

from spatia.geom.pose import F64
from spatia.records.arrays import Bool
from spatia.worlds.kernel import kernel
from spatia.worlds.primitives import BOX, ELLIPSOID, Solids


@kernel
def from_box(x: float, y: float, z: float, hx: float, hy: float, hz: float) -> float:
    """Distance to the surface, from outside or inside; so are those below."""
    dx, dy, dz = abs(x) - hx, abs(y) - hy, abs(z) - hz
    outside = math.sqrt(max(dx, 0.0) ** 2 + max(dy, 0.0) ** 2 + max(dz, 0.0) ** 2)
    return outside if outside > 0.0 else -max(max(dx, dy), dz)


@kernel
def from_ellipsoid(x: float, y: float, z: float, rx: float, ry: float, rz: float) -> float:
    """|f| / |grad f| of f = |p / r| - 1."""
    value = math.sqrt((x / rx) ** 2 + (y / ry) ** 2 + (z / rz) ** 2)
    slope = math.sqrt((x / rx**2) ** 2 + (y / ry**2) ** 2 + (z / rz**2) ** 2)
    return abs(value * (value - 1.0) / slope) if slope > 0.0 else min(min(rx, ry), rz)


@kernel
def from_segment(x: float, y: float, ax: float, ay: float, bx: float, by: float) -> float:
    along_x, along_y = bx - ax, by - ay
    t = ((x - ax) * along_x + (y - ay) * along_y) / (along_x**2 + along_y**2)
    t = min(max(t, 0.0), 1.0)
    return math.sqrt((x - ax - t * along_x) ** 2 + (y - ay - t * along_y) ** 2)


@kernel
def from_frustum(x: float, y: float, z: float, below: float, half: float, above: float) -> float:
    """By its profile in the half plane of radius and height: side, underside and top."""
    radius = math.sqrt(x * x + z * z)
    side = from_segment(radius, y, below, half, above, -half)
    under = math.sqrt(max(radius - below, 0.0) ** 2 + (y - half) ** 2)
    top = math.sqrt(max(radius - above, 0.0) ** 2 + (y + half) ** 2)
    return min(min(side, under), top)


@kernel
def from_solid(solids: Solids, i: int, wx: float, wy: float, wz: float) -> float:
    """Distance of a place in the world to the surface of solid i."""
    r, size = solids.rotation[i], solids.size[i]
    wx, wy, wz = wx - solids.center[i, 0], wy - solids.center[i, 1], wz - solids.center[i, 2]
    x = r[0, 0] * wx + r[1, 0] * wy + r[2, 0] * wz
    y = r[0, 1] * wx + r[1, 1] * wy + r[2, 1] * wz
    z = r[0, 2] * wx + r[1, 2] * wy + r[2, 2] * wz
    if solids.shape[i] == BOX:
        return from_box(x, y, z, size[0], size[1], size[2])
    if solids.shape[i] == ELLIPSOID:
        return from_ellipsoid(x, y, z, size[0], size[1], size[2])
    return from_frustum(x, y, z, size[0], size[1], size[2])


@kernel
def is_near(solids: Solids, x: float, y: float, z: float, within_m: float) -> bool:
    node, end = 0, len(solids.node_skip) // 8  # the order of one octant is as good as another's
    while node < end:
        box = solids.node_box[node]
        away = max(max(abs(x - box[0]) - box[3], abs(y - box[1]) - box[4]), abs(z - box[2]) - box[5])
        if away > within_m:
            node = solids.node_skip[node]
            continue
        for i in range(solids.node_first[node], solids.node_first[node] + solids.node_count[node]):
            if from_solid(solids, i, x, y, z) <= within_m:
                return True
        node += 1
    return False


@kernel
def mark_near(solids: Solids, positions: F64, within_m: float, near: Bool) -> None:
    """Sets `near` [N] where one of `positions` [N, 3] is at most `within_m` from a solid's surface."""
    for n in range(len(positions)):
        if not near[n]:
            near[n] = is_near(solids, positions[n, 0], positions[n, 1], positions[n, 2], within_m)
