"""The votes and the patches of `motion_residual` in plain numpy: what its kernels are tested by."""

import numpy as np

from spatia.estimation.motion_residual import DIFFERS, SEEN_THROUGH, SUPPORTS, MotionSettings, Views, exposure
from spatia.records.arrays import F64, I32, Bool


def reference_votes(k: int, views: Views, settings: MotionSettings) -> I32:
    """[H, W, 3] the votes of the other views, the memory's left out."""
    height, width = views.depth_m.shape[1:]
    counts = np.zeros((height, width, 3), dtype=np.int32)
    fx, fy, cx, cy = views.lens
    row, column = np.indices((height, width))
    z = views.depth_m[k].astype(np.float64)
    rays = np.stack([(column + 0.5 - cx) / fx, (row + 0.5 - cy) / fy, np.ones((height, width))], axis=-1)
    for v in range(len(views.depth_m)):
        if v == k:
            continue
        pose = np.linalg.inv(views.world_from_camera[v]) @ views.world_from_camera[k]
        x, y, depth = np.moveaxis((rays * z[..., None]) @ pose[:3, :3].T + pose[:3, 3], -1, 0)
        ahead = (z > 0) & (depth > 0)
        distance = np.where(ahead, depth, 1.0)
        u, w = fx * x / distance + cx, fy * y / distance + cy
        seen = ahead & (u >= 0) & (u < width) & (w >= 0) & (w < height)
        at = np.where(seen, w, 0).astype(int), np.where(seen, u, 0).astype(int)
        seen &= ~views.mute[v][at]
        near, far = views.nearest_m[v][at], views.farthest_m[v][at]
        through = seen & (near > depth * (1 + settings.depth_tolerance))
        there = seen & ~through & ((near == 0) | (far >= depth * (1 - settings.depth_tolerance)))
        off = _off(views, k, v, at, settings) > settings.color_tolerance
        counts[..., SEEN_THROUGH] += through
        counts[..., DIFFERS] += there & off
        counts[..., SUPPORTS] += there & ~off & (near > 0)
    return counts


def _off(views: Views, k: int, v: int, at: tuple[I32, I32], settings: MotionSettings) -> F64:
    """[H, W] by how much the keyframe's colour lies outside of the colours around the place in view `v`."""
    shown = views.rgb[k].astype(np.float64)
    gain = exposure(k, v, views, settings)
    outside = np.maximum(gain * views.darkest[v][at] - shown, shown - gain * views.brightest[v][at])
    return np.asarray(outside.max(axis=-1))


def reference_without_small(mask: Bool, least_px: int) -> Bool:
    """Each pixel takes the least number among its patch, step by step; then patches are counted."""
    number = np.where(mask, np.arange(mask.size).reshape(mask.shape), mask.size)
    while True:
        padded = np.pad(number, 1, constant_values=mask.size)
        around = [padded[1:-1, 1:-1], padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]]
        least = np.where(mask, np.min(around, axis=0), mask.size)
        if np.array_equal(least, number):
            sizes = np.bincount(number[mask], minlength=mask.size + 1)
            return np.asarray(mask & (sizes[number] >= least_px))
        number = least
