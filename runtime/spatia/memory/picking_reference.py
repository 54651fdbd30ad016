"""`picking` without pages and kernels: every point is looked at. For tests, and for reading."""

from collections import deque

import numpy as np
import numpy.typing as npt

from spatia.memory.picking import LINK_VOXELS, ray
from spatia.memory.reference import voxel_of
from spatia.records.arrays import I32
from spatia.records.cloud import CloudSnapshot


def reference_pick(
    snapshot: CloudSnapshot, origin: npt.ArrayLike, direction: npt.ArrayLike, *, radius_m: float
) -> tuple[int, float] | None:
    """The row and its distance along the ray."""
    start, ahead = ray(origin, direction)
    offset = snapshot.positions_in_world().astype(np.float64) - start
    along_m = offset[:, 0] * ahead[0] + offset[:, 1] * ahead[1] + offset[:, 2] * ahead[2]
    aside = offset - along_m[:, None] * ahead
    squared = aside[:, 0] * aside[:, 0] + aside[:, 1] * aside[:, 1] + aside[:, 2] * aside[:, 2]
    met = np.flatnonzero(snapshot.alive() & (along_m >= 0) & (squared <= radius_m * radius_m))
    if not len(met):
        return None
    row = int(met[np.argmin(along_m[met])])
    return row, float(along_m[row])


def reference_grow(snapshot: CloudSnapshot, row: int, *, reach_m: float, color_tolerance: float | None = None) -> I32:
    """The whole surface, however many points."""
    positions, colors = snapshot.positions_in_world().astype(np.float64), snapshot.colors().astype(np.float64)
    usable = snapshot.alive() & (((positions - positions[row]) ** 2).sum(axis=1) <= reach_m**2)
    if color_tolerance is not None:
        usable &= ((colors - colors[row]) ** 2).sum(axis=1) <= color_tolerance**2
    voxels = np.array([voxel_of(position, snapshot.voxel_m) for position in positions])
    reached = {row}
    queue = deque([row])
    while queue:
        near = (np.abs(voxels - voxels[queue.popleft()]) <= LINK_VOXELS).all(axis=1) & usable
        for other in np.flatnonzero(near).tolist():
            if other not in reached:
                reached.add(other)
                queue.append(other)
    return np.array(sorted(reached), np.int32)
