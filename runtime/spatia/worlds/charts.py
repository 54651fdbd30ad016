"""Texels on the faces of solids: where they lie, and what is kept in them. Numba and plain data; any thread."""

import math
from typing import NamedTuple

import numpy as np

from spatia.geom.pose import F64
from spatia.records.arrays import F32, I32, Bool
from spatia.worlds.kernel import kernel
from spatia.worlds.primitives import BOX, ELLIPSOID, FACE_COUNT, FRUSTUM, Solids
from spatia.worlds.raycast import normal_in_local, to_local, to_world

MAX_CHART_TEXELS = 112  # on a side
UNSEEN_TEXEL_M = 2.0


class Charts(NamedTuple):
    """Texels of all faces, one after the other."""

    first: I32  # [N, 6] first texel of a face
    columns: I32  # [N, 6]
    rows: I32  # [N, 6]
    solid: I32  # [M]
    face: I32  # [M]


def charts_of(solids: Solids, *, texel_m: float, near_m: F64) -> Charts:
    """Charts whose texels are about `texel_m` wide, wider with the distance from `near_m` [2, 3], the box of views."""
    n = len(solids.shape)
    first, columns, rows = (np.zeros((n, 6), dtype=np.int32) for _ in range(3))
    owner: list[tuple[int, int, int]] = []
    total = 0
    for i in range(n):
        shape = int(solids.shape[i])
        a, b, c = (2.0 * float(side) for side in solids.size[i])
        gap = np.maximum(0.0, np.maximum(near_m[0] - solids.bounds[i, 1], solids.bounds[i, 0] - near_m[1]))
        step_m = texel_m * (1.0 + float(np.linalg.norm(gap)))
        for face in range(FACE_COUNT[shape]):
            if shape == BOX:
                lengths = ((c, b), (a, c), (a, b))[face >> 1]
            elif shape == ELLIPSOID:
                lengths = (math.pi * max(a, c), 0.5 * math.pi * max(a, b, c))
            else:
                lengths = (math.pi * max(a, c), b) if face == 0 else (c, c) if face == 1 else (a, a)
            coarse = UNSEEN_TEXEL_M if shape == BOX and _turned_away(solids, i, face, near_m) else step_m
            across, down = (min(MAX_CHART_TEXELS, max(2, math.ceil(length / coarse))) for length in lengths)
            first[i, face], columns[i, face], rows[i, face] = total, across, down
            owner.append((i, face, across * down))
            total += across * down
    counts = np.array([count for _, _, count in owner])
    return Charts(
        first=first,
        columns=columns,
        rows=rows,
        solid=np.repeat(np.array([i for i, _, _ in owner], dtype=np.int32), counts),
        face=np.repeat(np.array([face for _, face, _ in owner], dtype=np.int32), counts),
    )


def _turned_away(solids: Solids, i: int, face: int, near_m: F64) -> bool:
    """Whether a box's face shows its back to all of `near_m`; such a face only matters for what it throws back."""
    axis = face >> 1
    normal = solids.rotation[i, :, axis] * (1.0 if face & 1 else -1.0)
    nearest = np.where(normal > 0.0, near_m[1], near_m[0])
    return float(normal @ (nearest - solids.center[i])) < float(solids.size[i, axis])


@kernel
def chart_point(shape: int, face: int, size: F64, s: float, t: float) -> tuple[float, float, float]:
    """The local surface point at chart coordinates in 0..1."""
    p, q = 2.0 * s - 1.0, 2.0 * t - 1.0
    if shape == BOX:
        axis = face >> 1
        end = 1.0 if face & 1 else -1.0
        if axis == 0:
            return end * size[0], q * size[1], p * size[2]
        if axis == 1:
            return p * size[0], end * size[1], q * size[2]
        return p * size[0], q * size[1], end * size[2]
    angle = math.pi * p
    if shape == ELLIPSOID:
        ring = math.sin(math.pi * t)
        return size[0] * ring * math.cos(angle), -size[1] * math.cos(math.pi * t), size[2] * ring * math.sin(angle)
    if face == 0:
        radius = 0.5 * (size[0] + size[2]) + 0.5 * (size[0] - size[2]) * q
        return radius * math.cos(angle), q * size[1], radius * math.sin(angle)
    rim = size[2] if face == 1 else size[0]
    return p * rim, (-size[1] if face == 1 else size[1]), q * rim


@kernel
def chart_uv(shape: int, face: int, size: F64, x: float, y: float, z: float) -> tuple[float, float]:
    """The inverse of `chart_point`."""
    if shape == BOX:
        axis = face >> 1
        if axis == 1:
            return 0.5 + 0.5 * x / size[0], 0.5 + 0.5 * z / size[2]
        p = z / size[2] if axis == 0 else x / size[0]
        return 0.5 + 0.5 * p, 0.5 + 0.5 * y / size[1]
    if shape == ELLIPSOID:
        s = 0.5 + 0.5 * math.atan2(z / size[2], x / size[0]) / math.pi
        return s, math.acos(min(1.0, max(-1.0, -y / size[1]))) / math.pi
    if face == 0:
        return 0.5 + 0.5 * math.atan2(z, x) / math.pi, 0.5 + 0.5 * y / size[1]
    rim = max(size[2] if face == 1 else size[0], 1e-9)
    return 0.5 + 0.5 * x / rim, 0.5 + 0.5 * z / rim


@kernel
def texel_at(solids: Solids, charts: Charts, i: int, face: int, px: float, py: float, pz: float) -> int:
    """The texel that a world point on a face falls into."""
    x, y, z = to_local(solids, i, px, py, pz)
    s, t = chart_uv(solids.shape[i], face, solids.size[i], x, y, z)
    nu, nv = charts.columns[i, face], charts.rows[i, face]
    column = min(nu - 1, max(0, int(s * nu)))
    return int(charts.first[i, face] + min(nv - 1, max(0, int(t * nv))) * nu + column)


@kernel
def kept_light(
    solids: Solids, charts: Charts, light: F32, i: int, face: int, x: float, y: float, z: float
) -> tuple[float, float, float, float]:
    """Bilinear light [M, 4] at a local point of a face: red, green, blue, share of sun."""
    shape = solids.shape[i]
    s, t = chart_uv(shape, face, solids.size[i], x, y, z)
    nu, nv, first = charts.columns[i, face], charts.rows[i, face], charts.first[i, face]
    a, b = s * nu - 0.5, min(nv - 1.0, max(0.0, t * nv - 0.5))
    is_round = shape == ELLIPSOID or (shape == FRUSTUM and face == 0)
    if not is_round:
        a = min(nu - 1.0, max(0.0, a))
    ia, ib = math.floor(a), int(b)
    fa, fb = a - ia, b - ib
    ja, jb = ia + 1, min(nv - 1, ib + 1)
    if is_round:
        ia, ja = ia % nu, ja % nu
    else:
        ja = min(nu - 1, ja)
    w00, w10, w01, w11 = (1.0 - fa) * (1.0 - fb), fa * (1.0 - fb), (1.0 - fa) * fb, fa * fb
    m00, m10, m01, m11 = first + ib * nu + ia, first + ib * nu + ja, first + jb * nu + ia, first + jb * nu + ja
    return (
        w00 * light[m00, 0] + w10 * light[m10, 0] + w01 * light[m01, 0] + w11 * light[m11, 0],
        w00 * light[m00, 1] + w10 * light[m10, 1] + w01 * light[m01, 1] + w11 * light[m11, 1],
        w00 * light[m00, 2] + w10 * light[m10, 2] + w01 * light[m01, 2] + w11 * light[m11, 2],
        w00 * light[m00, 3] + w10 * light[m10, 3] + w01 * light[m01, 3] + w11 * light[m11, 3],
    )


@kernel
def texel_frame(solids: Solids, charts: Charts, m: int) -> tuple[float, float, float, float, float, float]:
    """World position and normal of a texel's centre."""
    i, face = charts.solid[m], charts.face[m]
    nu, nv = charts.columns[i, face], charts.rows[i, face]
    k = m - charts.first[i, face]
    s, t = (k % nu + 0.5) / nu, (k // nu + 0.5) / nv
    x, y, z = chart_point(solids.shape[i], face, solids.size[i], s, t)
    nx, ny, nz = normal_in_local(solids, i, face, x, y, z)
    px, py, pz = to_world(solids, i, x, y, z)
    nx, ny, nz = to_world(solids, i, nx, ny, nz)
    return px + solids.center[i, 0], py + solids.center[i, 1], pz + solids.center[i, 2], nx, ny, nz


@kernel
def smooth(
    start: int, stop: int, charts: Charts, valid: Bool, only_holes: bool, values: F32, known: Bool, out: F32
) -> None:
    """Means over the 3x3 valid texels about each texel of its chart; with `only_holes`, valid ones stay."""
    for m in range(start, stop):
        i, face = charts.solid[m], charts.face[m]
        nu, nv, first = charts.columns[i, face], charts.rows[i, face], charts.first[i, face]
        column, row = (m - first) % nu, (m - first) // nu
        reach = 0 if only_holes and valid[m] else 1
        count = 0
        for v in range(max(0, row - reach), min(nv, row + reach + 1)):
            for u in range(max(0, column - reach), min(nu, column + reach + 1)):
                at = first + v * nu + u
                if valid[at]:
                    count += 1
                    for c in range(values.shape[1]):
                        out[m, c] += values[at, c]
        known[m] = count > 0
        for c in range(values.shape[1]):
            out[m, c] /= max(1, count)
