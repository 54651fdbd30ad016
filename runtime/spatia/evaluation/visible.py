"""What a cloud shows from a pose, as points with brightness, at one level of a picture's pyramid.

Points keep their own places: they are not taken for the pixels they fell into, so nothing is lost to the raster of the
projection. Runs on the thread that owns the projector.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spatia.geom.camera import Cameras, Intrinsics
from spatia.geom.pose import F64, inverse, transform
from spatia.records.arrays import F32, I32, U8
from spatia.records.cloud import PAGE_POINTS, CloudSnapshot, X, Z
from spatia.records.picture_quality import LUMA
from spatia.records.projection import MetricSplat, Projector

DISC_VOXELS = 0.75  # the discs of neighbours in a plane just overlap along the diagonal: nothing behind peeps through
FINER_LEVELS = 2  # a level is projected this much finer and averaged, as pixels of a picture are
MOST_POINTS = 20_000  # more would cost time and tell little
LEAST_SHARE = 0.5  # of the four cells around a point that must be covered


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VisiblePoints:
    """M points, at most one a cell of the level."""

    in_camera: F32  # [M, 3] metres
    luma: F32  # [M] in 0..255, averaged over a cell around each point
    covered_share: float  # of the picture's pixels that show any point


def visible_points(
    cloud: CloudSnapshot, projector: Projector, *, world_from_camera: F64, lens: Intrinsics, level: int
) -> VisiblePoints:
    """`lens` is that of level 0, whose pixels are 2^level times smaller than the cells of `level`."""
    finer = min(level, FINER_LEVELS)
    raster = at_level(lens, level - finer)
    camera = Cameras(world_from_camera=world_from_camera[None], intrinsics=raster)
    projection = projector.project(cloud, camera, look=MetricSplat(radius_m=DISC_VOXELS * cloud.voxel_m))
    index = projection.index[0]
    known = index >= 0
    luma = luma_of(projection.rgb[0])
    cell_px = 1 << finer
    row, column = np.nonzero(known[cell_px // 2 :: cell_px, cell_px // 2 :: cell_px])
    thin = slice(None, None, 1 + len(row) // MOST_POINTS)
    row, column = row[thin] * cell_px + cell_px // 2, column[thin] * cell_px + cell_px // 2
    values = luma[row, column]
    if finer:
        total, share = luma * known, known.astype(np.float32)
        for _ in range(finer):
            total, share = halved(total), halved(share)
        around, covered = (_between(plane, row, column, cell_px) for plane in (total, share))
        enough = covered > LEAST_SHARE
        row, column, values = row[enough], column[enough], around[enough] / covered[enough]
    in_world = positions_of_rows(cloud, index[row, column])
    return VisiblePoints(
        in_camera=transform(inverse(world_from_camera), in_world).astype(np.float32),
        luma=values,
        covered_share=float(known.mean()),
    )


def positions_of_rows(cloud: CloudSnapshot, rows: I32) -> F32:
    """[M, 3] places of some rows [M] of the cloud, without a copy of all."""
    pages, slots = cloud.pages[rows // PAGE_POINTS], rows % PAGE_POINTS
    return np.stack([cloud.arena[pages, axis, slots].view(np.float32) for axis in range(X, Z + 1)], axis=-1)


def at_level(lens: Intrinsics, level: int) -> Intrinsics:
    """The lens of a picture halved `level` times by `halved`, which drops an odd last row or column."""
    for _ in range(level):
        lens = Intrinsics(
            fx_px=lens.fx_px / 2,
            fy_px=lens.fy_px / 2,
            cx_px=lens.cx_px / 2,
            cy_px=lens.cy_px / 2,
            width_px=lens.width_px // 2,
            height_px=lens.height_px // 2,
        )
    return lens


def luma_of(rgb: U8) -> F32:
    """[H, W] in 0..255 of sRGB [H, W, 3]."""
    return np.asarray(rgb @ LUMA, dtype=np.float32)


def halved(plane: F32) -> F32:
    """Means over 2 x 2 pixels, [H, W] to [H // 2, W // 2]."""
    height, width = plane.shape[0] // 2 * 2, plane.shape[1] // 2 * 2
    even = plane[:height, :width]
    mean = 0.25 * (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2])
    return np.asarray(mean, dtype=np.float32)


def _between(plane: F32, row: npt.NDArray[np.intp], column: npt.NDArray[np.intp], cell_px: int) -> F32:
    """[M] a plane of cells, read bilinearly at the centres of pixels that are `cell_px` times smaller."""
    v, u = ((pixel + 0.5) / cell_px - 0.5 for pixel in (row, column))
    v, u = np.clip(v, 0, plane.shape[0] - 1), np.clip(u, 0, plane.shape[1] - 1)
    top, left = np.minimum(v.astype(np.intp), plane.shape[0] - 2), np.minimum(u.astype(np.intp), plane.shape[1] - 2)
    below, right = v - top, u - left
    upper = plane[top, left] * (1 - right) + plane[top, left + 1] * right
    lower = plane[top + 1, left] * (1 - right) + plane[top + 1, left + 1] * right
    return np.asarray(upper * (1 - below) + lower * below, dtype=np.float32)
