"""Rays against convex solids in plain numpy: what raycast.py computes, with no hierarchy and no branches."""

import numpy as np

from spatia.geom.pose import F64
from spatia.records.arrays import I32, Bool
from spatia.worlds.primitives import BOX, ELLIPSOID, Solids
from spatia.worlds.raycast import FAR, NEAREST_T


def reference_trace(solids: Solids, origins: F64, directions: F64) -> tuple[F64, I32]:
    """The nearest entry of rays [N, 3] into any solid: t [N], FAR where there is none, and the solid's index [N]."""
    best = np.full(len(origins), FAR)
    found = np.full(len(origins), -1, dtype=np.int32)
    for i in range(len(solids.shape)):
        o = (origins - solids.center[i]) @ solids.rotation[i]
        d = directions @ solids.rotation[i]
        with np.errstate(divide="ignore", invalid="ignore"):
            t = _entry(int(solids.shape[i]), o, d, solids.size[i])
        nearer = t < best
        best[nearer], found[nearer] = t[nearer], i
    return best, found


def _entry(shape: int, o: F64, d: F64, size: F64) -> F64:
    if shape == BOX:
        ends = np.sort(np.stack([(-size - o) / d, (size - o) / d]), axis=0)
        near, far = ends[0].max(axis=1), ends[1].min(axis=1)
        return _kept(near, near <= far)
    if shape == ELLIPSOID:
        o, d = o / size, d / size
        return _smaller_root((d * d).sum(1), (o * d).sum(1), (o * o).sum(1) - 1)
    below, half, above = size
    slope, middle = (below - above) / (2 * half), (below + above) / 2
    across = np.array([1.0, 0.0, 1.0])
    radius, growth = middle + slope * o[:, 1], slope * d[:, 1]
    side = _smaller_root((d * d) @ across - growth**2, (o * d) @ across - growth * radius, (o * o) @ across - radius**2)
    side = _kept(side, (np.abs(o[:, 1] + side * d[:, 1]) <= half) & (radius + growth * side >= 0))
    top = d[:, 1] > 0
    cap = (np.where(top, -half, half) - o[:, 1]) / d[:, 1]
    on_cap = o + cap[:, None] * d
    cap = _kept(cap, (on_cap * on_cap) @ across <= np.where(top, above, below) ** 2)
    return np.minimum(side, cap)


def _smaller_root(a: F64, b: F64, c: F64) -> F64:
    """Where a t^2 + 2 b t + c falls through 0."""
    disc = b * b - a * c
    return _kept((-b - np.sqrt(np.maximum(disc, 0))) / a, disc >= 0)


def _kept(t: F64, where: Bool) -> F64:
    return np.where(where & (t >= NEAREST_T), t, FAR)
