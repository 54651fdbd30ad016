"""Which pages are in view, and how many points of each are worth drawing. Pure functions, any thread.

A point stands for one voxel of a surface. Where that is less than a pixel, a page shows only the part of its points
that has pixels to cover; where all pages together want more than the budget, all give up the same share. Which points
those are is settled by their order on the device: the first ones are spread over the page, so a page that shows more
shows the same ones and others.
"""

import numpy as np

from spatia.records.arrays import F32, I32, U32
from spatia.records.cloud import CloudSnapshot
from spatia.render.eye import NEAR_M, Eye

GROUP_POINTS = 16  # what is drawn or not; as in splat.vert
POINTS_A_PIXEL = 1.0  # of the screen: more could not be told apart
SPARE_PX = 2.0  # discs reach into the view from outside


def shares_worth_drawing(cloud: CloudSnapshot, eye: Eye) -> F32:
    """[P] the part of a page's points that closes its surface, up to 1; 0 where it is out of view."""
    center = 0.5 * (cloud.bounds_in_world_m[:, 0] + cloud.bounds_in_world_m[:, 1])
    half = cloud.bounds_in_world_m[:, 1] - center
    planes = _planes(eye)
    farthest = center @ planes[:, :3].T + half @ np.abs(planes[:, :3]).T + planes[:, 3]  # [P, 5]
    away = np.maximum(np.abs(center - eye.world_from_camera[:3, 3].astype(np.float32)) - half, 0)
    nearest_m = np.maximum(np.sqrt((away * away).sum(axis=1)), np.float32(NEAR_M))
    voxel_px = np.float32(cloud.voxel_m * eye.intrinsics.fx_px) / nearest_m
    share = np.minimum(voxel_px * voxel_px, 1)
    return np.where((farthest >= 0).all(axis=1), share, 0).astype(np.float32)


def groups_within(wanted: F32, budget_points: int) -> I32:
    """[P] whole groups near what is `wanted`, [P]: one at least for each page that wants any, the budget at most.

    Where the budget has no group for every page, those that want most come first.
    """
    shown = np.flatnonzero(wanted > 0)
    budget = budget_points // GROUP_POINTS
    groups = np.zeros(len(wanted), np.int32)
    if len(shown) > budget:
        shown = shown[np.argsort(-wanted[shown], kind="stable")[:budget]]
    wish = wanted[shown]
    low, high = 0.0, 1.0  # the share: what `low` gives always fits
    if np.ceil(wish).sum() <= budget:
        low = 1.0
    else:
        for _ in range(20):
            share = 0.5 * (low + high)
            low, high = (share, high) if np.ceil(share * wish).sum() <= budget else (low, share)
    groups[shown] = np.maximum(np.ceil(low * wish), 1)
    return groups


def group_table(slots: I32, groups: I32, *, held: I32) -> U32:
    """What `splat.vert` reads, a word for each group that is drawn of each of n pages.

    From the highest bit: the page's slot in its block, groups that it `held` less one (6 bits), groups drawn of it less
    one (6 bits), and which of them this is (6 bits).
    """
    ends = np.cumsum(groups)
    rank = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - groups, groups)
    head = slots << 18 | (held - 1) << 12 | (groups - 1) << 6
    return np.asarray((np.repeat(head, groups) | rank).astype(np.uint32))


def _planes(eye: Eye) -> F32:
    """[5, 4] the sides of the view and the camera's own plane, inside where positive."""
    k, (x, y, z) = eye.intrinsics, eye.camera_from_world
    return np.stack(
        [
            x * k.fx_px + z * (k.cx_px + SPARE_PX),
            z * (k.width_px - k.cx_px + SPARE_PX) - x * k.fx_px,
            y * k.fy_px + z * (k.cy_px + SPARE_PX),
            z * (k.height_px - k.cy_px + SPARE_PX) - y * k.fy_px,
            z,
        ]
    ).astype(np.float32)
