"""From a round's geometry to loose points, ready for the memory. Runs on the thread that asks; releases the GIL.

A pixel becomes a point when its depth is known and not beyond `max_depth_m`, nothing moves there, and it does not fly:
sensors and networks smear a depth edge into pixels that hang between the two surfaces. Inverse depth is linear along
the image of any plane, however slanted, so a pixel is taken to be at an edge where its inverse depth is far from the
mean of its neighbours', or, where nothing is known on one side, from where two on the other side lead to.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from spatia.estimation.segment import grown
from spatia.records.arrays import F32, F64, I32, U8, Bool
from spatia.records.cloud import Points
from spatia.records.frames import Frames
from spatia.records.geometry import Geometry

EDGE_RATIO = 0.03  # second difference of inverse depth, as a part of inverse depth
FULL_WEIGHT_M = 1.0
MOVING_MARGIN_PX = 3  # masks end at the silhouette; its blur does not


def points_of_geometry(
    frames: Frames,
    geometry: Geometry,
    *,
    clip: int,
    moving: Bool | None = None,
    max_depth_m: float = 20.0,
    edge_ratio: float = EDGE_RATIO,
) -> Points:
    """Points of all T frames in order, each row by row.

    `frames` and `geometry` show the same instants from the same places. Where their intrinsics differ, each point takes
    its colour, and whether it moves, from where the colour camera sees it; a point that this camera does not see is
    left out. `moving` is [T, H, W] on the raster of `frames`.

    The weight is ``confidence / max(1, z / 1 m) ** 2``: the error of stereo and structured light grows with the square
    of the distance (Khoshelham and Elberink 2012), and so does the area that a pixel stands for.
    """
    if len(frames) != len(geometry.cameras):
        raise ValueError(
            f"frames and geometry must be of the same instants; got {len(frames)}, {len(geometry.cameras)}"
        )
    if moving is None:
        moving = np.zeros(frames.rgb.shape[:3], dtype=np.bool_)
    if moving.shape != frames.rgb.shape[:3]:
        raise ValueError(f"moving must have shape {frames.rgb.shape[:3]}; got {moving.shape}")
    still = ~grown(moving, margin_px=MOVING_MARGIN_PX)
    depth_lens = geometry.cameras.intrinsics
    color_lens = frames.cameras.intrinsics
    labels = geometry.label
    parts = [
        _fuse_frame(
            geometry.depth_m[t],
            geometry.confidence[t],
            labels[t] if labels is not None else np.zeros((0, 0), dtype=np.int32),
            geometry.cameras.world_from_camera[t],
            depth_lens.pinhole,
            frames.rgb[t],
            still[t],
            color_lens.pinhole,
            depth_lens == color_lens,
            max_depth_m,
            edge_ratio,
        )
        for t in range(len(frames))
    ]
    positions, colors, weights, found_labels = (
        np.concatenate(column) for column in zip(_nothing(), *parts, strict=True)
    )
    return Points.of(positions, colors, weights=weights, clips=clip, labels=found_labels)


def _nothing() -> tuple[F32, F32, F32, I32]:
    none = np.zeros((0, 3), dtype=np.float32)
    return none, none, np.zeros(0, dtype=np.float32), np.zeros(0, dtype=np.int32)


@njit(cache=True, nogil=True)
def _bends(line_m: F32, at: int, edge_ratio: float) -> bool:
    """Whether a row or column of depths has an edge at a known pixel; too few known neighbours say nothing."""
    z, end = float(line_m[at]), len(line_m)
    before = float(line_m[at - 1]) if at > 0 else 0.0
    after = float(line_m[at + 1]) if at < end - 1 else 0.0
    if before > 0.0 and after > 0.0:
        return abs(z / before + z / after - 2.0) > edge_ratio
    step = 1 if after > 0.0 else -1
    if not 0 <= at + 2 * step < end:
        return False
    near, next_but_one = float(line_m[at + step]), float(line_m[at + 2 * step])
    return near > 0.0 and next_but_one > 0.0 and abs(1.0 + z / next_but_one - 2.0 * z / near) > edge_ratio


@njit(cache=True, nogil=True)
def _fuse_frame(
    depth_m: F32,
    confidence: F32,
    label: I32,
    world_from_camera: F64,
    depth_lens: F64,
    rgb: U8,
    still: Bool,
    color_lens: F64,
    same_raster: bool,
    max_depth_m: float,
    edge_ratio: float,
) -> tuple[F32, F32, F32, I32]:
    height, width = depth_m.shape
    color_height, color_width = still.shape
    most = height * width
    positions = np.empty((most, 3), dtype=np.float32)
    colors = np.empty((most, 3), dtype=np.float32)
    weights = np.empty(most, dtype=np.float32)
    labels = np.zeros(most, dtype=np.int32)
    pose = world_from_camera
    n = 0
    for y in range(height):
        for x in range(width):
            z = float(depth_m[y, x])
            if not (z > 0.0 and z <= max_depth_m and confidence[y, x] > 0.0):
                continue
            ray_x = (x + 0.5 - depth_lens[2]) / depth_lens[0]
            ray_y = (y + 0.5 - depth_lens[3]) / depth_lens[1]
            u = x + 0.5
            v = y + 0.5
            if not same_raster:
                u = color_lens[0] * ray_x + color_lens[2]
                v = color_lens[1] * ray_y + color_lens[3]
                if not (u >= 0.0 and v >= 0.0 and u < color_width and v < color_height):
                    continue
            if not still[int(v), int(u)] or _bends(depth_m[y], x, edge_ratio) or _bends(depth_m[:, x], y, edge_ratio):
                continue
            if same_raster:
                for c in range(3):
                    colors[n, c] = rgb[y, x, c]
            else:
                left = min(max(u - 0.5, 0.0), color_width - 1.0)
                top = min(max(v - 0.5, 0.0), color_height - 1.0)
                x0 = int(left)
                y0 = int(top)
                x1 = min(x0 + 1, color_width - 1)
                y1 = min(y0 + 1, color_height - 1)
                right = left - x0
                below = top - y0
                for c in range(3):
                    upper = rgb[y0, x0, c] * (1.0 - right) + rgb[y0, x1, c] * right
                    lower = rgb[y1, x0, c] * (1.0 - right) + rgb[y1, x1, c] * right
                    colors[n, c] = upper * (1.0 - below) + lower * below
            for axis in range(3):
                in_camera = pose[axis, 0] * ray_x + pose[axis, 1] * ray_y + pose[axis, 2]
                positions[n, axis] = in_camera * z + pose[axis, 3]
            far = max(1.0, z / FULL_WEIGHT_M)
            weights[n] = confidence[y, x] / (far * far)
            if label.size:
                labels[n] = label[y, x]
            n += 1
    return positions[:n], colors[:n], weights[:n], labels[:n]


def reference_points(
    frames: Frames, geometry: Geometry, *, max_depth_m: float = 20.0, edge_ratio: float = EDGE_RATIO
) -> tuple[F64, F64, F64]:
    """Positions [N, 3], colours [N, 3] and weights [N] as `points_of_geometry` gives them, in plain numpy."""
    depth_lens, color_lens = geometry.cameras.intrinsics, frames.cameras.intrinsics
    z = geometry.depth_m.astype(np.float64)
    rays = depth_lens.rays_in_camera().astype(np.float64)
    u = color_lens.fx_px * rays[..., 0] + color_lens.cx_px
    v = color_lens.fy_px * rays[..., 1] + color_lens.cy_px
    seen = (u >= 0) & (v >= 0) & (u < color_lens.width_px) & (v < color_lens.height_px)
    keep = (z > 0) & (z <= max_depth_m) & (geometry.confidence > 0) & seen & ~_reference_edges(z, edge_ratio)
    t, y, x = np.nonzero(keep)
    pose = geometry.cameras.world_from_camera[t]
    in_camera = rays[y, x] * z[keep][:, None]
    positions = np.einsum("nij,nj->ni", pose[:, :3, :3], in_camera) + pose[:, :3, 3]
    colors = _reference_bilinear(frames.rgb, t, u[y, x], v[y, x])
    return positions, colors, geometry.confidence[keep] / np.maximum(1.0, z[keep] / FULL_WEIGHT_M) ** 2


def _reference_edges(z: F64, edge_ratio: float) -> Bool:
    edges = np.zeros(z.shape, dtype=np.bool_)
    inverse = 1 / np.where(z > 0, z, np.nan)  # comparisons with nan are False
    for axis in (1, 2):
        line = np.pad(np.moveaxis(inverse, axis, 1), ((0, 0), (2, 2), (0, 0)), constant_values=np.nan)
        rows = line[:, 2:-2]
        bend = np.abs(line[:, 3:-1] - 2 * rows + line[:, 1:-3])
        for side in (np.abs(rows - 2 * line[:, 3:-1] + line[:, 4:]), np.abs(rows - 2 * line[:, 1:-3] + line[:, :-4])):
            bend = np.where(np.isnan(bend), side, bend)
        np.moveaxis(edges, axis, 1)[:] |= bend > edge_ratio * rows
    return edges


def _reference_bilinear(rgb: U8, t: npt.NDArray[Any], u: F64, v: F64) -> F64:
    height, width = rgb.shape[1:3]
    left, top = np.clip(u - 0.5, 0, width - 1), np.clip(v - 0.5, 0, height - 1)
    x0, y0 = left.astype(int), top.astype(int)
    x1, y1 = np.minimum(x0 + 1, width - 1), np.minimum(y0 + 1, height - 1)
    right, below = (left - x0)[:, None], (top - y0)[:, None]
    upper = rgb[t, y0, x0] * (1 - right) + rgb[t, y0, x1] * right
    lower = rgb[t, y1, x0] * (1 - right) + rgb[t, y1, x1] * right
    return np.asarray(upper * (1 - below) + lower * below, dtype=np.float64)
