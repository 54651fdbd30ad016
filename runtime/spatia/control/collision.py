"""Soft collision: the nearer a walker comes to a wall of points, the less of the motion towards it is left. Any thread.

It only ever takes away motion towards something, so a walker slides along walls, is never pushed, and can always step
back out of a place where a new clip has put points around the body. Upright motion is left alone.
"""

from dataclasses import replace
from math import ceil, hypot

import numpy as np

from spatia.control.walk import WALKING_SPEED_M_PER_S, step_pose
from spatia.geom.pose import F64
from spatia.records.cloud import PAGE_POINTS, WEIGHT, CloudSnapshot, X, Y, Z
from spatia.records.control import Motion

REACH_M = 0.30  # a wall is felt from here on
STOP_M = 0.12  # and stops the walker here
ABOVE_EYES_M, BELOW_EYES_M = 0.15, 1.0  # what is felt; the rest to the floor is stepped over
FEWEST_POINTS = 12  # fewer than this are dust
SURROUNDED = 0.3  # where points on all sides leave less of a direction than this, no way is the way out
PIECE_M = 0.06  # a fast walker is looked after in pieces, so as not to jump through a wall


def softened(
    motion: Motion,
    cloud: CloudSnapshot,
    world_from_camera: F64,  # [4, 4] before the motion
    *,
    dt_s: float,
    speed_m_per_s: float = WALKING_SPEED_M_PER_S,
) -> Motion:
    """`motion` with less of what leads into the cloud, for `step_pose` with the same `dt_s` and speed."""
    reach_m = speed_m_per_s * dt_s
    length_m = reach_m * hypot(motion.forward, motion.right)
    if length_m == 0:
        return motion
    turn = replace(motion, forward=0.0, right=0.0, up=0.0)
    start = world_from_camera[:3, 3]
    ahead, aside = (
        (step_pose(world_from_camera, replace(turn, **{axis: 1.0}), dt_s=1.0, speed_m_per_s=1.0)[:3, 3] - start)[[0, 2]]
        for axis in ("forward", "right")
    )
    walls = _around(cloud, start, length_m + REACH_M)  # [N, 2]
    if len(walls) < FEWEST_POINTS:
        return motion
    pieces = ceil(length_m / PIECE_M)
    wanted = reach_m / pieces * (motion.forward * ahead + motion.right * aside)
    moved = np.zeros(2)
    for _ in range(pieces):
        moved += _slid(wanted, start[[0, 2]] + moved, walls)
    return replace(motion, forward=float(moved @ ahead) / reach_m, right=float(moved @ aside) / reach_m)


def _slid(step: F64, at: F64, walls: F64) -> F64:
    """What is left of a step [2] on the ground near `walls` [N, 2]."""
    offsets = walls - at
    distances_m = np.hypot(offsets[:, 0], offsets[:, 1])
    felt = (distances_m > 0) & (distances_m < REACH_M)
    if np.count_nonzero(felt) < FEWEST_POINTS:
        return step
    offsets, distances_m = offsets[felt], distances_m[felt]
    weights = (REACH_M - distances_m) ** 2
    towards = (weights / distances_m) @ offsets
    length = float(np.hypot(*towards))
    if length < SURROUNDED * float(weights.sum()):
        return step
    towards /= length
    nearest_m = float(np.partition(distances_m, FEWEST_POINTS - 1)[FEWEST_POINTS - 1])  # but for dust
    share = min((REACH_M - nearest_m) / (REACH_M - STOP_M), 1.0)
    left: F64 = step - share * max(float(step @ towards), 0.0) * towards
    return left


def _around(cloud: CloudSnapshot, eye: F64, radius_m: float) -> F64:
    """Where on the ground the living points about a body stand, [N, 2] x and z; +y is down."""
    low = eye - np.array([radius_m, ABOVE_EYES_M, radius_m])
    high = eye + np.array([radius_m, BELOW_EYES_M, radius_m])
    bounds = cloud.bounds_in_world_m
    near = np.flatnonzero((bounds[:, 0] <= high).all(axis=1) & (bounds[:, 1] >= low).all(axis=1))
    words = cloud.arena[cloud.pages[near]].view(np.float32)  # [pages, fields, slots]
    rows = near[:, None] * PAGE_POINTS + np.arange(PAGE_POINTS)
    inside = (words[:, WEIGHT] > 0) & (rows < cloud.row_count)
    for axis, field in enumerate((X, Y, Z)):
        inside &= (words[:, field] >= low[axis]) & (words[:, field] <= high[axis])
    return np.stack([words[:, X][inside], words[:, Z][inside]], axis=-1).astype(np.float64)
