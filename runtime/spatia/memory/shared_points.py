"""Reference retrieval as the released code does it: by the number of cloud points that two views share. Any thread.

spec/spatia_release.md 1.11. Unlike `retrieval`, nothing is cached: every view projects the whole cloud. It is here
because the released weights were used with it, and to agree with numbers that the release's code gives.
"""

import numpy as np
import numpy.typing as npt

from spatia.geom.camera import Cameras, Intrinsics
from spatia.memory.voxel_set import I64
from spatia.records.arrays import F32, F64, Bool

DEPTH_TOLERANCE_M = np.float32(1e-6)
UNMATCHED = -1
COLUMNS = 1 << 20  # points counted at once: float32 sums of ones are exact up to 2^24


def retrieve_by_shared_points(
    positions_in_world: F32,  # [N, 3]
    *,
    targets: Cameras,  # T, one for each reference wanted
    candidates: Cameras,  # O
    k: int = 7,
    one_to_one: bool = True,
) -> list[int]:
    """Positions within `candidates` of up to `k` references, in the time order of the targets.

    With `one_to_one` no candidate serves two targets; without, each target takes its best, and repeats count once.
    """
    seen_by_target, seen_by_candidate = (
        visible_points(positions_in_world, cameras.camera_from_world, cameras.intrinsics)
        for cameras in (targets, candidates)
    )
    counts = shared_point_counts(seen_by_target, seen_by_candidate)
    matched = match_one_to_one(counts) if one_to_one else match_independent(counts)
    return list(dict.fromkeys(match for match in matched.tolist() if match != UNMATCHED))[:k]


def visible_points(
    positions_in_world: F32,  # [N, 3]
    camera_from_world: npt.NDArray[np.floating],  # [T, 4, 4]
    intrinsics: Intrinsics,
) -> Bool:
    """[T, N] True for the points that win the depth test of a one-pixel z-buffer.

    Pixel coordinates are truncated towards zero, so that u in (-1, 0) falls into pixel 0, as in the release. A point is
    visible when it lies in front (z > 0) and no further than 1e-6 m behind the nearest of its pixel.
    """
    width, height = intrinsics.width_px, intrinsics.height_px
    visible = np.zeros((len(camera_from_world), len(positions_in_world)), dtype=np.bool_)
    for row, pose in zip(visible, np.asarray(camera_from_world, dtype=np.float32), strict=True):
        x, y, z = _in_camera(positions_in_world, pose)
        in_front = np.flatnonzero(z > 0)
        depth = z[in_front]
        divisor = np.maximum(depth, np.finfo(np.float32).eps)
        u = np.float32(intrinsics.fx_px) * (x[in_front] / divisor) + np.float32(intrinsics.cx_px)
        v = np.float32(intrinsics.fy_px) * (y[in_front] / divisor) + np.float32(intrinsics.cy_px)
        inside = (u > -1) & (u < width) & (v > -1) & (v < height)
        pixel = np.trunc(v[inside]).astype(np.int64) * width + np.trunc(u[inside]).astype(np.int64)
        depth = depth[inside]
        nearest = np.full(width * height, np.inf, dtype=np.float32)
        np.minimum.at(nearest, pixel, depth)
        row[in_front[inside]] = depth <= nearest[pixel] + DEPTH_TOLERANCE_M
    return visible


def _in_camera(positions_in_world: F32, camera_from_world: F32) -> F32:
    """[3, N] with the roundings of a float32 matrix product: a chain of fused multiply-adds over x, y, z, 1.

    One rounding elsewhere puts a point on the other side of a pixel's edge. float64 holds a product of two float32
    exactly, so one addition there, rounded to float32, is the fused operation.
    """
    homogeneous = np.ones((4, len(positions_in_world)))
    homogeneous[:3] = positions_in_world.T
    pose = camera_from_world[:3].astype(np.float64)
    total = np.zeros((3, len(positions_in_world)), dtype=np.float32)
    for axis in range(4):
        total = (total + pose[:, axis, None] * homogeneous[axis]).astype(np.float32)
    return total


def shared_point_counts(targets: Bool, candidates: Bool) -> I64:
    """[T, O] exact number of points seen in both, from masks [T, N] and [O, N]."""
    counts = np.zeros((len(targets), len(candidates)), dtype=np.int64)
    for start in range(0, targets.shape[1], COLUMNS):
        block = slice(start, start + COLUMNS)
        counts += (targets[:, block].astype(np.float32) @ candidates[:, block].astype(np.float32).T).astype(np.int64)
    return counts


def match_independent(counts: I64) -> I64:
    """[T] the candidate with the highest count for each target, the first of equals; candidates may repeat."""
    return np.asarray(counts.argmax(axis=1), dtype=np.int64)


def match_one_to_one(counts: I64) -> I64:
    """[T] the candidate of each target in the assignment with the highest total; no candidate twice.

    Where targets outnumber candidates, the rest are `UNMATCHED`. There is no threshold: a match may share nothing.

    Shortest augmenting paths (Crouse, "On implementing 2D rectangular assignment algorithms", 2016): O(T^2 O). Among
    assignments of equal total it finds the one that scipy.optimize.linear_sum_assignment, used by the release, finds.
    """
    if counts.shape[0] > counts.shape[1]:
        target_of = match_one_to_one(counts.T)
        matched = np.full(counts.shape[0], UNMATCHED, dtype=np.int64)
        matched[target_of] = np.arange(len(target_of))
        return matched
    cost = -counts.astype(np.float64)
    rows, columns = cost.shape
    row_price, column_price = np.zeros(rows), np.zeros(columns)
    column_of: I64 = np.full(rows, UNMATCHED, dtype=np.int64)
    row_of: I64 = np.full(columns, UNMATCHED, dtype=np.int64)
    for free_row in range(rows):
        end, path = _shortest_path(cost, free_row, row_price, column_price, column_of, row_of)
        while True:  # flip the path: each row takes the column it was reached through
            row = path[end]
            row_of[end] = row
            column_of[row], end = end, column_of[row]
            if row == free_row:
                break
    return column_of


def _shortest_path(
    cost: F64, free_row: int, row_price: F64, column_price: F64, column_of: I64, row_of: I64
) -> tuple[int, I64]:
    """Dijkstra over reduced costs from a free row to the nearest free column; raises the prices along the way.

    Returns that column, and for each column the row it was reached from.
    """
    columns = cost.shape[1]
    length = np.full(columns, np.inf)
    path = np.full(columns, UNMATCHED, dtype=np.int64)
    open_columns = np.arange(columns)[::-1].copy()  # this order, and how a closed column leaves it, decides ties
    visited_rows: list[int] = []
    row, reached = free_row, 0.0
    while True:
        visited_rows.append(row)
        through = reached + cost[row, open_columns] - row_price[row] - column_price[open_columns]
        shorter = open_columns[through < length[open_columns]]
        length[open_columns] = np.minimum(through, length[open_columns])
        path[shorter] = row
        reached = float(length[open_columns].min())
        nearest = np.flatnonzero(length[open_columns] == reached)
        free = nearest[row_of[open_columns[nearest]] == UNMATCHED]
        at = int(free[-1] if len(free) else nearest[0])
        column = int(open_columns[at])
        open_columns[at] = open_columns[-1]
        open_columns = open_columns[:-1]
        if row_of[column] == UNMATCHED:
            break
        row = int(row_of[column])
    closed = np.setdiff1d(np.arange(columns), open_columns)
    for visited in visited_rows:
        row_price[visited] += reached - (0.0 if visited == free_row else length[column_of[visited]])
    column_price[closed] -= reached - length[closed]
    return column, path
