"""Which views tell how far things are from a given one: those that see the same and stand well apart. Any thread."""

import numpy as np

from spatia.geom.camera import Cameras
from spatia.geom.pose import inverse
from spatia.records.arrays import F32, F64, I32

GRID = (9, 12)  # rows and columns of the rays whose places are looked for in other views
BEST_ANGLE_RAD = np.radians(5.0)  # between two rays to one place: wider is more exact, narrower looks more alike
NARROW_RAD, WIDE_RAD = np.radians(2.0), np.radians(10.0)  # spread of what is still good on either side
MIN_ANGLE_RAD = np.radians(0.5)
MIN_SHARED = 0.3  # of the reference's rays that end within the other view


def usefulness(cameras: Cameras, *, reference: int, depths_m: F32) -> F64:
    """[V] in 0..1, how well each view would do beside `reference`; 0 where parallax or overlap is too little.

    The places are those at `depths_m` [D] along a grid of rays. The angle's two-sided Gaussian is that of view
    selection in MVSNet (Yao et al. 2018, equation 7 of its supplement).
    """
    lens = cameras.intrinsics
    rows, columns = (
        (np.arange(count) * 2 + 1) * side // (2 * count)
        for count, side in zip(GRID, (lens.height_px, lens.width_px), strict=True)
    )
    rays = lens.rays_in_camera()[rows[:, None], columns].reshape(-1, 3).astype(np.float64)
    places = (rays[None] * np.asarray(depths_m, np.float64)[:, None, None]).reshape(-1, 3)
    pose = cameras.world_from_camera[reference]
    places = places @ pose[:3, :3].T + pose[:3, 3]
    in_view = np.einsum("vij,nj->vni", cameras.camera_from_world[:, :3, :3], places)
    in_view += cameras.camera_from_world[:, None, :3, 3]
    z = np.where(in_view[..., 2] > 1e-6, in_view[..., 2], np.inf)
    u = lens.fx_px * in_view[..., 0] / z + lens.cx_px
    v = lens.fy_px * in_view[..., 1] / z + lens.cy_px
    seen = np.isfinite(z) & (u >= 0) & (v >= 0) & (u < lens.width_px) & (v < lens.height_px)
    to_reference = pose[:3, 3] - places
    to_view = cameras.world_from_camera[:, None, :3, 3] - places
    cosine = np.einsum("vni,ni->vn", to_view, to_reference)
    cosine /= np.maximum(np.linalg.norm(to_view, axis=-1) * np.linalg.norm(to_reference, axis=-1), 1e-12)
    angle = np.arccos(np.clip(cosine, -1, 1))
    spread = np.where(angle < BEST_ANGLE_RAD, NARROW_RAD, WIDE_RAD)
    good = np.where(angle >= MIN_ANGLE_RAD, np.exp(-(((angle - BEST_ANGLE_RAD) / spread) ** 2) / 2), 0)
    score = (good * seen).mean(axis=1)
    score[seen.mean(axis=1) < MIN_SHARED] = 0
    score[reference] = 0
    return np.asarray(score)


def chosen_views(cameras: Cameras, score: F64, *, count: int) -> I32:
    """Up to `count` numbers of views with a score above 0, best first, views beside a chosen one counting half.

    Two views from one place hide the same surfaces; one to each side of the reference sees past most edges.
    """
    left = score.copy()
    eyes = cameras.world_from_camera[:, :3, 3]
    chosen: list[int] = []
    while len(chosen) < count and left.max(initial=0) > 0:
        best = int(np.argmax(left))
        chosen.append(best)
        apart = np.linalg.norm(eyes - eyes[best], axis=1)
        reach = max(float(np.median(np.linalg.norm(eyes - eyes.mean(axis=0), axis=1))), 1e-9)
        left = left * (1 - 0.5 * np.exp(-((apart / (0.5 * reach)) ** 2)))
        left[best] = 0
    return np.array(chosen, dtype=np.int32)


def relative(cameras: Cameras, *, reference: int, view: int) -> F64:
    """[4, 4] view_from_reference."""
    return np.asarray(inverse(cameras.world_from_camera[view]) @ cameras.world_from_camera[reference])
