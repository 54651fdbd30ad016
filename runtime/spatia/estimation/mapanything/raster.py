"""The raster that MapAnything sees, and the way back. Pure; any thread."""

import numpy as np

from spatia.geom.camera import Intrinsics
from spatia.records.arrays import F32, F64, U8, Bool

LONGER_SIDE_PX = 518  # what it was trained at
PATCH_PX = 14
EDGE_RATIO = 0.03  # between depths of neighbours, as MapAnything's own mask of edges has it


def model_lens(lens: Intrinsics) -> Intrinsics:
    """The same view at MapAnything's size: longer side 518, the other the nearest multiple of 14, nothing cropped."""
    scale = LONGER_SIDE_PX / max(lens.width_px, lens.height_px)
    width_px, height_px = (
        max(PATCH_PX, round(side * scale / PATCH_PX) * PATCH_PX) for side in (lens.width_px, lens.height_px)
    )
    return lens.resized(width_px=width_px, height_px=height_px)


def model_matrix(lens: Intrinsics) -> F64:
    """[3, 3] of a lens as MapAnything counts pixels: their centres are whole numbers, ours lie half a pixel further."""
    matrix = lens.matrix
    matrix[:2, 2] -= 0.5
    return matrix


def resized(rgb: U8, lens: Intrinsics) -> U8:
    """[T, H, W, 3] on the raster of `lens`, bicubic, antialiased where it shrinks."""
    from PIL import Image

    size = (lens.width_px, lens.height_px)
    frames = [np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC)) for frame in rgb]
    return np.stack(frames) if frames else np.zeros((0, lens.height_px, lens.width_px, 3), dtype=np.uint8)


def back(depth_m: F32, confidence: F32, *, width_px: int, height_px: int) -> tuple[F32, F32]:
    """Depth and confidence [h, w] of one view on another raster, [H, W] each; 0 stays 0.

    Each pixel takes the nearest one's. Where the four around it belong to one surface, depth is interpolated, as
    inverse depth, which is linear on planes: so no step shows on a surface and nothing hangs between two.
    """
    y, x = _nearest(depth_m.shape[0], height_px), _nearest(depth_m.shape[1], width_px)
    nearest, weight = depth_m[y[:, None], x], confidence[y[:, None], x]
    (y0, y1, down), (x0, x1, right) = _between(depth_m.shape[0], height_px), _between(depth_m.shape[1], width_px)
    corners = np.stack([depth_m[v[:, None], u] for v in (y0, y1) for u in (x0, x1)])  # [4, H, W]
    low, high = corners.min(axis=0), corners.max(axis=0)
    smooth: Bool = (low > 0) & (high <= low * np.float32(1 + EDGE_RATIO))
    inverse = np.divide(np.float32(1), corners, out=np.zeros_like(corners), where=corners > 0)
    above = inverse[0] + (inverse[1] - inverse[0]) * right
    below = inverse[2] + (inverse[3] - inverse[2]) * right
    mean = above + (below - above) * down[:, None]
    depth = np.divide(np.float32(1), mean, out=nearest.copy(), where=smooth)
    return depth, np.where(depth > 0, weight, np.float32(0))


def _nearest(count: int, new_count: int) -> np.ndarray:
    return np.minimum(((np.arange(new_count) + 0.5) * count / new_count).astype(np.intp), count - 1)


def _between(count: int, new_count: int) -> tuple[np.ndarray, np.ndarray, F32]:
    """The two old pixels around each new one's centre, and how far it lies from the first to the second."""
    at = np.clip((np.arange(new_count) + 0.5) * count / new_count - 0.5, 0, count - 1)
    first = np.minimum(at.astype(np.intp), max(count - 2, 0))
    return first, np.minimum(first + 1, count - 1), (at - first).astype(np.float32)
