"""Colours for a surface, looked up in frames that have seen it. Pure; any thread.

Backward: every pixel's point is projected into each source; only taps of a source whose depth agrees may answer, so
what hides the point there stays out. Sources weigh by how alike they see the point, as in Buehler et al. 2001,
"Unstructured Lumigraph Rendering".
"""

import numpy as np
from numba import njit

from spatia.geom.camera import Cameras
from spatia.geom.pose import inverse
from spatia.records.arrays import F32, F64, U8
from spatia.records.frames import Frames

AGREE_RATIO = 0.05  # of the depth: what noise and a slant within one pixel explain
ANGLE_PENALTY = 10.0  # against a source that is farther by so many times
SHARPNESS = 0.02  # a source without any penalty weighs 1 / this
LEAST_TAPS = 0.25  # of the bilinear weights must agree in depth
BORDER_PX = 16.0  # sources fade in over so many pixels, so that no seam shows


def blended_sources(depth_m: F32, camera: Cameras, sources: Frames) -> tuple[F32, F32]:
    """Sums over all sources of weight times colour [H, W, 3] and of weight [H, W], at a surface seen by one camera.

    Raises `ValueError` for sources without depth or more than one camera.
    """
    if sources.depth_m is None or len(camera) != 1:
        raise ValueError("sources must have depth, and the surface one camera")
    source_from_camera = sources.cameras.camera_from_world @ camera.world_from_camera[0]
    sums = np.zeros((*depth_m.shape, 3), dtype=np.float32)
    weights = np.zeros(depth_m.shape, dtype=np.float32)
    eyes = np.ascontiguousarray(inverse(source_from_camera)[:, :3, 3])
    lens, source_lens = camera.intrinsics.pinhole, sources.cameras.intrinsics.pinhole
    for s in range(len(sources)):
        _add_source(
            depth_m,
            lens,
            sources.rgb[s],
            sources.depth_m[s],
            source_lens,
            source_from_camera[s],
            eyes[s],
            sums,
            weights,
        )
    return sums, weights


@njit(cache=True, nogil=True, error_model="numpy")
def _add_source(
    depth_m: F32,
    lens: F64,
    source_rgb: U8,
    source_depth_m: F32,
    source_lens: F64,
    source_from_camera: F64,
    eye_in_camera: F64,
    sums: F32,
    weights: F32,
) -> None:
    height, width = depth_m.shape
    source_height, source_width = source_depth_m.shape
    m = source_from_camera
    for y in range(height):
        ray_y = (y + 0.5 - lens[3]) / lens[1]
        for x in range(width):
            z = float(depth_m[y, x])
            if not z > 0:
                continue
            px = (x + 0.5 - lens[2]) / lens[0] * z
            py = ray_y * z
            qz = m[2, 0] * px + m[2, 1] * py + m[2, 2] * z + m[2, 3]
            if qz <= 0:
                continue
            per_depth = 1.0 / qz
            u = (
                (m[0, 0] * px + m[0, 1] * py + m[0, 2] * z + m[0, 3]) * per_depth * source_lens[0]
                + source_lens[2]
                - 0.5
            )
            v = (
                (m[1, 0] * px + m[1, 1] * py + m[1, 2] * z + m[1, 3]) * per_depth * source_lens[1]
                + source_lens[3]
                - 0.5
            )
            border = min(min(u, source_width - 1 - u), min(v, source_height - 1 - v))
            if not border > 0:
                continue
            x0, y0 = int(u), int(v)
            right, below = u - x0, v - y0
            limit = AGREE_RATIO * qz
            tap00 = (1 - right) * (1 - below) * (abs(source_depth_m[y0, x0] - qz) <= limit)
            tap01 = right * (1 - below) * (abs(source_depth_m[y0, x0 + 1] - qz) <= limit)
            tap10 = (1 - right) * below * (abs(source_depth_m[y0 + 1, x0] - qz) <= limit)
            tap11 = right * below * (abs(source_depth_m[y0 + 1, x0 + 1] - qz) <= limit)
            taps = tap00 + tap01 + tap10 + tap11
            if taps < LEAST_TAPS:
                continue
            ex, ey, ez = px - eye_in_camera[0], py - eye_in_camera[1], z - eye_in_camera[2]
            here = px * px + py * py + z * z
            there = ex * ex + ey * ey + ez * ez
            cosine = (ex * px + ey * py + ez * z) / np.sqrt(here * there)
            penalty = ANGLE_PENALTY * (1 - cosine) + max(0.0, np.sqrt(there / here) - 1)
            weight = min(1.0, border / BORDER_PX) / (SHARPNESS + penalty)
            part = weight / taps
            for c in range(3):
                sums[y, x, c] += part * (
                    tap00 * source_rgb[y0, x0, c]
                    + tap01 * source_rgb[y0, x0 + 1, c]
                    + tap10 * source_rgb[y0 + 1, x0, c]
                    + tap11 * source_rgb[y0 + 1, x0 + 1, c]
                )
            weights[y, x] += weight


def reference_blended_sources(depth_m: F32, camera: Cameras, sources: Frames) -> tuple[F64, F64]:
    """As `blended_sources`, in plain numpy."""
    assert sources.depth_m is not None
    here = camera.intrinsics.rays_in_camera().astype(np.float64) * depth_m[..., None]
    lens = sources.cameras.intrinsics
    sums, weights = np.zeros((*depth_m.shape, 3)), np.zeros(depth_m.shape)
    for s in range(len(sources)):
        m = sources.cameras.camera_from_world[s] @ camera.world_from_camera[0]
        there = here @ m[:3, :3].T + m[:3, 3]
        with np.errstate(divide="ignore", invalid="ignore"):
            u = lens.fx_px * there[..., 0] / there[..., 2] + lens.cx_px - 0.5
            v = lens.fy_px * there[..., 1] / there[..., 2] + lens.cy_px - 0.5
        border = np.minimum(np.minimum(u, lens.width_px - 1 - u), np.minimum(v, lens.height_px - 1 - v))
        seen = (depth_m > 0) & (there[..., 2] > 0) & (border > 0)
        u, v = np.where(seen, u, 0), np.where(seen, v, 0)
        x0, y0 = u.astype(int), v.astype(int)
        taps, color = np.zeros(depth_m.shape), np.zeros((*depth_m.shape, 3))
        for dy in (0, 1):
            for dx in (0, 1):
                at = s, np.minimum(y0 + dy, lens.height_px - 1), np.minimum(x0 + dx, lens.width_px - 1)
                agrees = np.abs(sources.depth_m[at] - there[..., 2]) <= AGREE_RATIO * there[..., 2]
                tap = agrees * np.abs(1 - dx - (u - x0)) * np.abs(1 - dy - (v - y0))
                taps += np.where(seen, tap, 0)
                color += np.where(seen, tap, 0)[..., None] * sources.rgb[at]
        from_eye = here - inverse(m)[:3, 3]
        lengths = np.linalg.norm(here, axis=-1), np.linalg.norm(from_eye, axis=-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            cosine = (here * from_eye).sum(-1) / (lengths[0] * lengths[1])
            penalty = ANGLE_PENALTY * (1 - cosine) + np.maximum(0, lengths[1] / lengths[0] - 1)
            weight = np.where(seen & (taps >= LEAST_TAPS), np.minimum(1, border / BORDER_PX) / (SHARPNESS + penalty), 0)
        sums += weight[..., None] * color / np.where(taps > 0, taps, 1)[..., None]
        weights += weight
    return sums, weights
