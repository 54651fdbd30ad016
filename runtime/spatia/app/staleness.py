"""Where frames no longer show the world: an edit makes every earlier frame stale in the region that it changed.

A stale pixel loses its depth, so it neither lends its colour to a new frame nor counts as having seen the place.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spatia.estimation.segment import grown
from spatia.geom.pose import transform
from spatia.records.arrays import F32
from spatia.records.frames import Frames

CELL_M = 0.04  # coarser than the voxels edited: a frame's depth wavers by as much
MARGIN_PX = 2  # the blur of a silhouette is stale with it

_AXIS_BITS = 21


@dataclass(frozen=True, slots=True, eq=False)
class StaleRegion:
    """Cells that an edit changed when so many frames were in the archive."""

    frame_count: int
    low_m: F32  # [3]
    high_m: F32
    cells: npt.NDArray[np.int64]  # sorted

    @classmethod
    def around(cls, positions_in_world: F32, *, frame_count: int) -> "StaleRegion":
        return cls(
            frame_count=frame_count,
            low_m=positions_in_world.min(axis=0) - np.float32(CELL_M),
            high_m=positions_in_world.max(axis=0) + np.float32(CELL_M),
            cells=np.unique(_cells(positions_in_world)),
        )


def without_stale(frames: Frames, numbers: tuple[int, ...], regions: list[StaleRegion]) -> Frames:
    """The frames with depth 0 where an edit after them changed what they show; `numbers` are those of the archive."""
    if frames.depth_m is None:
        return frames
    depth_m = frames.depth_m.copy()
    rays = frames.cameras.intrinsics.rays_in_camera()
    for t, number in enumerate(numbers):
        later = [region for region in regions if number < region.frame_count]
        if not later:
            continue
        known = depth_m[t] > 0
        points = transform(frames.cameras.world_from_camera[t], rays[known] * depth_m[t][known][:, None])
        stale = np.zeros(len(points), dtype=np.bool_)
        for region in later:
            near = ((points >= region.low_m) & (points <= region.high_m)).all(axis=1)
            stale[near] |= np.isin(_cells(points[near]), region.cells, assume_unique=False)
        mask = np.zeros(known.shape, dtype=np.bool_)
        mask[known] = stale
        depth_m[t][grown(mask[None], margin_px=MARGIN_PX)[0]] = 0
    return Frames(rgb=frames.rgb, cameras=frames.cameras, time_s=frames.time_s, depth_m=depth_m)


def _cells(positions: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
    whole = np.floor(positions / CELL_M).astype(np.int64) + (1 << (_AXIS_BITS - 1))
    packed = (whole[:, 0] << (2 * _AXIS_BITS)) | (whole[:, 1] << _AXIS_BITS) | whole[:, 2]
    return np.asarray(packed, dtype=np.int64)
