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
def mark_near(solids: Solids, positions: F64, within_m: float, near: Bool) -> None:
    """Sets `near` [N] where one of `positions` [N, 3] is at most `within_m` from a solid's surface."""
    for n in range(len(positions)):
        for i in range(len(solids.shape)):
            if near[n]:
                break
            beyond = 0.0
            for axis in range(3):
                low, high = solids.bounds[i, 0, axis], solids.bounds[i, 1, axis]
                beyond = max(beyond, max(low - positions[n, axis], positions[n, axis] - high))
            if beyond > within_m:
                continue
            r, size = solids.rotation[i], solids.size[i]
            wx = positions[n, 0] - solids.center[i, 0]
            wy = positions[n, 1] - solids.center[i, 1]
            wz = positions[n, 2] - solids.center[i, 2]
            x = r[0, 0] * wx + r[1, 0] * wy + r[2, 0] * wz
            y = r[0, 1] * wx + r[1, 1] * wy + r[2, 1] * wz
            z = r[0, 2] * wx + r[1, 2] * wy + r[2, 2] * wz
            if solids.shape[i] == BOX:
                away = from_box(x, y, z, size[0], size[1], size[2])
            elif solids.shape[i] == ELLIPSOID:
                away = from_ellipsoid(x, y, z, size[0], size[1], size[2])
            else:
                away = from_frustum(x, y, z, size[0], size[1], size[2])
            near[n] = away <= within_m
