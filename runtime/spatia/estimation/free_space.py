"""What new depth says about points that are known already. Runs on the thread that asks; releases the GIL.

A keyframe that measures a surface at a point has shown it. One that measures a surface far behind it has looked
through the place where it should be. Depth is not exact, and less so far away: a point within `SHOWN_M` and
`SHOWN_RATIO` of the measured depth is shown, one that is nearer by `FREE_M` and `FREE_RATIO` is looked through, and
between the two nothing is said. Nor is where the pixels around disagree: rays that graze an edge, a slant or something
thin say nothing.
"""

import numpy as np
from numba import njit

from spatia.estimation.fuse import MOVING_MARGIN_PX
from spatia.estimation.segment import grown
from spatia.geom.camera import Intrinsics
from spatia.geom.pose import transform
from spatia.records.arrays import F32, F64, I32, U8, Bool
from spatia.records.cloud import (
    PAGE_POINTS,
    VOTES_MASK,
    WEIGHT,
    CloudSnapshot,
    Points,
    SightVotes,
    X,
    Y,
    Z,
    snapshot_of_points,
)
from spatia.records.geometry import Geometry

SHOWN_M, SHOWN_RATIO = 0.02, 0.02
FREE_M, FREE_RATIO = 0.05, 0.05
SURE = 0.5  # only depth of more confidence than this takes part: neither guesses nor what the memory itself knows
NEAR_M = 0.05

SHOWN, FREE = range(2)


def sight_votes(
    geometry: Geometry,
    *,
    cloud: CloudSnapshot,
    moving: Bool | None = None,
    moving_lens: Intrinsics | None = None,
) -> SightVotes:
    """The votes of K keyframes on the points of `cloud`.

    `moving` [K, H', W'] is True where something moves, on the raster of `moving_lens`: that of the geometry, unless it
    is given. What moves shows no point, but is seen past what is in front of it. Unknown depth, the sky among it, says
    nothing. Costs time in proportion to the points of the pages in view.
    """
    lens = geometry.cameras.intrinsics
    known = np.isfinite(geometry.depth_m) & (geometry.confidence > SURE)
    depth_m = np.where(known, geometry.depth_m, np.float32(0))
    still_m = depth_m if moving is None else np.where(_moving_on(lens, moving, moving_lens), np.float32(0), depth_m)
    pinhole = lens.pinhole
    poses = geometry.cameras.camera_from_world
    in_view = np.zeros((len(poses), len(cloud.pages)), dtype=np.bool_)
    for k, pose in enumerate(poses):
        far_m = (float(depth_m[k].max()) + SHOWN_M) / (1 - SHOWN_RATIO)
        in_view[k] = pages_in_view(cloud.bounds_in_world_m, pose, lens, far_m=far_m)
    pages = np.flatnonzero(in_view.any(axis=0)).astype(np.int32)
    votes = np.zeros((len(pages), 2, PAGE_POINTS), dtype=np.uint8)
    floats = cloud.arena.view(np.float32)
    for k, pose in enumerate(poses):
        free_m = nearest_around(depth_m[k])
        seen = np.flatnonzero(in_view[k][pages]).astype(np.int32)
        _cast(floats, cloud.pages, pages, seen, cloud.row_count, pose, pinhole, still_m[k], free_m, votes)
    at, slot = np.nonzero(votes.any(axis=1))
    return SightVotes(
        rows=(pages[at] * PAGE_POINTS + slot).astype(np.int32),
        views=votes[at, SHOWN, slot],
        seen_through=votes[at, FREE, slot],
    )


def undisputed(
    points: Points, geometry: Geometry, *, moving: Bool | None = None, moving_lens: Intrinsics | None = None
) -> Points:
    """The points that no more keyframes look past than show: what flies or moved between them is left out.

    `points` are those of the geometry, and the other arguments those of `sight_votes`.
    """
    votes = sight_votes(geometry, cloud=snapshot_of_points(points), moving=moving, moving_lens=moving_lens)
    keep = np.ones(len(points), dtype=np.bool_)
    keep[votes.rows[votes.seen_through > votes.views]] = False
    return points[keep]


def _moving_on(lens: Intrinsics, moving: Bool, moving_lens: Intrinsics | None) -> Bool:
    """Masks with their margin as the pixels of `lens` meet them; False out of their view."""
    of = moving_lens or lens
    if moving.shape[1:] != (of.height_px, of.width_px):
        raise ValueError(f"moving must be {of.width_px}x{of.height_px}; got {moving.shape[2]}x{moving.shape[1]}")
    mask = grown(moving, margin_px=MOVING_MARGIN_PX)
    if of == lens:
        return mask
    rays = lens.rays_in_camera()
    x = np.floor(of.fx_px * rays[0, :, 0] + of.cx_px).astype(int)
    y = np.floor(of.fy_px * rays[:, 0, 1] + of.cy_px).astype(int)
    inside = ((y >= 0) & (y < of.height_px))[:, None] & ((x >= 0) & (x < of.width_px))
    return np.asarray(mask[:, y.clip(0, of.height_px - 1)][:, :, x.clip(0, of.width_px - 1)] & inside)


def pages_in_view(bounds_m: F32, camera_from_world: F64, lens: Intrinsics, *, far_m: float) -> Bool:
    """[P] False for pages that lie wholly behind one side of the view; a few others are not in view either."""
    sides = np.array(
        [
            [lens.fx_px, 0, lens.cx_px, 0],
            [-lens.fx_px, 0, lens.width_px - lens.cx_px, 0],
            [0, lens.fy_px, lens.cy_px, 0],
            [0, -lens.fy_px, lens.height_px - lens.cy_px, 0],
            [0, 0, 1, -NEAR_M],
            [0, 0, -1, far_m],
        ]
    )
    inward = sides @ camera_from_world  # of points in the world
    middle, half = (bounds_m[:, 1] + bounds_m[:, 0]) / 2, (bounds_m[:, 1] - bounds_m[:, 0]) / 2
    reach = middle @ inward[:, :3].T + half @ np.abs(inward[:, :3]).T + inward[:, 3]
    return np.asarray((reach >= 0).all(axis=1))


@njit(cache=True, nogil=True)
def nearest_around(depth_m: F32) -> F32:
    """[H, W] the least of the 3 x 3 depths around each pixel; 0 where one is unknown, and at the border."""
    height, width = depth_m.shape
    nearest = np.zeros((height, width), dtype=np.float32)
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            least = depth_m[y, x]
            for row in range(y - 1, y + 2):
                for column in range(x - 1, x + 2):
                    least = min(least, depth_m[row, column])
            nearest[y, x] = least
    return nearest


@njit(cache=True, nogil=True)
def _cast(
    floats: F32,  # the arena
    table: I32,
    pages: I32,  # [P] logical pages that votes are cast on
    at: I32,  # those of them that this keyframe may see
    row_count: int,
    camera: F64,  # [4, 4] camera_from_world
    pinhole: F64,
    still_m: F32,  # [H, W] depth of what does not move
    free_m: F32,  # [H, W] how far the way is clear
    votes: U8,  # [P, 2, PAGE_POINTS] in and out
) -> None:
    height, width = still_m.shape
    for p in at:
        page, counts = floats[table[pages[p]]], votes[p]
        for slot in range(min(PAGE_POINTS, row_count - pages[p] * PAGE_POINTS)):
            x, y, z = np.float64(page[X, slot]), np.float64(page[Y, slot]), np.float64(page[Z, slot])
            depth = camera[2, 0] * x + camera[2, 1] * y + camera[2, 2] * z + camera[2, 3]
            if not (depth >= NEAR_M and page[WEIGHT, slot] > 0.0):
                continue
            right = camera[0, 0] * x + camera[0, 1] * y + camera[0, 2] * z + camera[0, 3]
            down = camera[1, 0] * x + camera[1, 1] * y + camera[1, 2] * z + camera[1, 3]
            u, v = right / depth * pinhole[0] + pinhole[2], down / depth * pinhole[1] + pinhole[3]
            if not (0.0 <= u < width and 0.0 <= v < height):
                continue
            measured = still_m[int(v), int(u)]
            if measured > 0.0 and abs(depth - measured) <= SHOWN_M + SHOWN_RATIO * depth:
                counts[SHOWN, slot] += counts[SHOWN, slot] < VOTES_MASK
            elif free_m[int(v), int(u)] > depth + FREE_M + FREE_RATIO * depth:
                counts[FREE, slot] += counts[FREE, slot] < VOTES_MASK


def reference_votes(positions_m: F32, depth_m: F32, still_m: F32, camera_from_world: F64, lens: Intrinsics) -> Bool:
    """[2, N] which of N points one keyframe shows, and which it looks through, in plain numpy.

    `depth_m` [H, W] is all that is known, `still_m` that of it that does not move.
    """
    x, y, depth = transform(camera_from_world, positions_m.astype(np.float64)).T
    with np.errstate(divide="ignore", invalid="ignore"):
        u, v = lens.fx_px * x / depth + lens.cx_px, lens.fy_px * y / depth + lens.cy_px
    inside = (depth >= NEAR_M) & (u >= 0) & (v >= 0) & (u < lens.width_px) & (v < lens.height_px)
    column, row = np.where(inside, u, 0).astype(int), np.where(inside, v, 0).astype(int)
    measured = still_m[row, column]
    shown = inside & (measured > 0) & (np.abs(depth - measured) <= SHOWN_M + SHOWN_RATIO * depth)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(depth_m, 1), (3, 3)).min(axis=(2, 3))
    free = inside & ~shown & (around[row, column] > depth + FREE_M + FREE_RATIO * depth)
    return np.stack([shown, free])
