"""Rigid alignment of points of known brightness with a picture, by Gauss-Newton steps. Pure, any thread.

The unknowns are a small motion of the points in camera space, applied after the motion found so far, and the gain and
bias of exposure: ``picture(project(exp(twist) @ points)) = gain * luma + bias``. Linearised with the picture's own
gradients, one pass over the points sums the normal equations. Residuals are weighted as if they followed Student's t
distribution, so that what the points do not explain (things that move, that were not there) loses its say: Kerl, Sturm
and Cremers, "Robust odometry estimation for RGB-D cameras", 2013, of which this is the variant with exposure.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from numba import njit

from spatia.geom.camera import Intrinsics
from spatia.geom.pose import F64, from_rotation_translation, rotation_about
from spatia.records.arrays import F32

UNKNOWNS = 8  # translation, rotation, gain, bias
DEGREES_OF_FREEDOM = 5.0  # of Student's t, from Kerl et al.
NEAREST_M = 0.05
LEAST_POINTS = 50
MOST_STEPS = 15
SETTLED_PX = 0.02  # a step that moves the picture by less is the last
FINEST_SPREAD = 1.0  # brightness is known to whole numbers
FARTHEST_TURN_RAD = np.pi / 18
LEAST_OVERLAP = 0.4  # of the points, in a turned picture
DAMPING = 1e-6  # of each diagonal element: keeps a plain view's matrix solvable


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """``picture = gain * luma + bias``."""

    gain: float = 1.0
    bias: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Alignment:
    """How points were moved to fit a picture, and how well they do."""

    camera_from_points: F64 = field(default_factory=lambda: np.eye(4))
    exposure: Exposure
    spread: float = np.inf  # robust deviation of the residuals
    correlation: float = 0.0  # of picture and points, each by its weight
    deviation_px: float = np.inf  # of the least certain motion by the normal equations, as seen at a typical depth.
    # They take the residuals for independent, which neighbours are not: true errors are some 10 times larger
    settled: bool = False  # False: it still moved when the steps were used up, or nothing was left to fit


def align(points: F32, luma: F32, picture: F32, lens: Intrinsics, *, start: F64, exposure: Exposure) -> Alignment:
    """Move points [M, 3], as a camera sees them, until their brightness [M] fits a picture [H, W]."""
    focal = lens.pinhole
    shades = with_gradients(picture)
    pose, gain, bias = start, exposure.gain, exposure.bias
    if len(points) < LEAST_POINTS:
        return Alignment(exposure=exposure)
    depth_m = float(np.median(points[:, 2]))
    in_px = lens.fx_px * np.array([1 / depth_m] * 3 + [1.0] * 3)  # of translation and rotation
    for _ in range(MOST_STEPS):
        residual = residuals(points, luma, shades, focal, pose, gain, bias)
        shown = np.isfinite(residual)
        if np.count_nonzero(shown) < LEAST_POINTS:
            return Alignment(exposure=exposure)
        spread = max(FINEST_SPREAD, 1.4826 * float(np.median(np.abs(residual[shown]))))
        matrix, right_side = normal_equations(points, luma, shades, focal, pose, gain, bias, spread)
        step = np.linalg.solve(matrix + DAMPING * np.diag(np.diag(matrix) + DAMPING), right_side)
        moved_px = float(np.abs(step[:6] * in_px).max())
        if not moved_px < lens.width_px:  # it is lost
            return Alignment(exposure=exposure)
        pose = np.asarray(motion(step[:6]) @ pose, dtype=np.float64)
        gain, bias = gain + float(step[6]), bias + float(step[7])
        if moved_px < SETTLED_PX:
            break
    known = matrix[:6, :6] / np.outer(in_px, in_px) / spread**2
    return Alignment(
        camera_from_points=pose,
        exposure=Exposure(gain=gain, bias=bias),
        spread=spread,
        correlation=_correlation(residual[shown], luma[shown], exposure=Exposure(gain=gain, bias=bias), spread=spread),
        deviation_px=float(1 / np.sqrt(max(np.linalg.eigvalsh(known)[0], 1e-12))),
        settled=moved_px < SETTLED_PX,
    )


def best_turn(points: F32, luma: F32, picture: F32, lens: Intrinsics) -> F64:
    """The start [4, 4] for `align` among turns of the camera within 10 degrees whose residuals spread least.

    Seen from afar a misplaced camera is mostly a turned one; on a coarse picture all turns are tried in a millisecond.
    """
    focal, shades = lens.pinhole, with_gradients(picture)
    least, best = np.inf, np.eye(4)
    if len(points) < LEAST_POINTS:
        return best
    gain = float(np.std(picture)) / max(float(np.std(luma)), 1e-6)
    for pitch_rad in np.linspace(-FARTHEST_TURN_RAD, FARTHEST_TURN_RAD, 5):
        for yaw_rad in np.linspace(-FARTHEST_TURN_RAD, FARTHEST_TURN_RAD, 7):
            turn = motion(np.array([0, 0, 0, pitch_rad, yaw_rad, 0]))
            residual = residuals(points, luma, shades, focal, turn, gain, 0.0)
            shown = residual[np.isfinite(residual)]
            if len(shown) < LEAST_OVERLAP * len(points):
                continue
            spread = float(np.median(np.abs(shown - np.median(shown))))
            if spread < least:
                least, best = spread, turn
    return best


def _correlation(residual: F32, luma: F32, *, exposure: Exposure, spread: float) -> float:
    weight = (DEGREES_OF_FREEDOM + 1) / (DEGREES_OF_FREEDOM + (residual / spread) ** 2)
    points = exposure.gain * luma + exposure.bias
    picture = points + residual
    points, picture = (shade - np.average(shade, weights=weight) for shade in (points, picture))
    scale = float(np.sqrt(np.sum(weight * points**2) * np.sum(weight * picture**2)))
    return float(np.sum(weight * points * picture)) / scale if scale > 0 else 0.0


def with_gradients(luma: F32) -> F32:
    """[H, W, 3]: a picture [H, W] and its central differences along u and v."""
    down, right = np.gradient(luma)
    return np.ascontiguousarray(np.stack([luma, right, down], axis=-1), dtype=np.float32)


@njit(cache=True, nogil=True)
def residuals(
    points: F32,  # [M, 3] in the space of the camera that they were seen from
    luma: F32,  # [M]
    picture: F32,  # [H, W, 3] luma and its gradients
    lens: F64,  # [4]
    camera_from_points: F64,  # [4, 4]
    gain: float,
    bias: float,
) -> F32:
    """[M] brightness of the picture less that of the points; NaN for points that it does not show."""
    height, width = picture.shape[:2]
    m = camera_from_points
    out = np.full(len(points), np.nan, dtype=np.float32)
    for i in range(len(points)):
        x0, y0, z0 = points[i, 0], points[i, 1], points[i, 2]
        z = m[2, 0] * x0 + m[2, 1] * y0 + m[2, 2] * z0 + m[2, 3]
        if z < NEAREST_M:
            continue
        u = lens[0] * (m[0, 0] * x0 + m[0, 1] * y0 + m[0, 2] * z0 + m[0, 3]) / z + lens[2] - 0.5
        v = lens[1] * (m[1, 0] * x0 + m[1, 1] * y0 + m[1, 2] * z0 + m[1, 3]) / z + lens[3] - 0.5
        if not (u >= 0.0 and v >= 0.0 and u < width - 1 and v < height - 1):
            continue
        column, row = int(u), int(v)
        right, below = u - column, v - row
        upper = picture[row, column, 0] * (1.0 - right) + picture[row, column + 1, 0] * right
        lower = picture[row + 1, column, 0] * (1.0 - right) + picture[row + 1, column + 1, 0] * right
        out[i] = upper * (1.0 - below) + lower * below - gain * luma[i] - bias
    return out


@njit(cache=True, nogil=True)
def normal_equations(
    points: F32,
    luma: F32,
    picture: F32,
    lens: F64,
    camera_from_points: F64,
    gain: float,
    bias: float,
    spread: float,
) -> tuple[F64, F64]:
    """The weighted matrix [8, 8] and right side [8] of one step; `spread` is the residuals' robust deviation."""
    height, width = picture.shape[:2]
    m = camera_from_points
    matrix = np.zeros((UNKNOWNS, UNKNOWNS))
    right_side = np.zeros(UNKNOWNS)
    row8 = np.empty(UNKNOWNS)
    sample = np.empty(3)
    for i in range(len(points)):
        x0, y0, z0 = points[i, 0], points[i, 1], points[i, 2]
        z = m[2, 0] * x0 + m[2, 1] * y0 + m[2, 2] * z0 + m[2, 3]
        if z < NEAREST_M:
            continue
        x = m[0, 0] * x0 + m[0, 1] * y0 + m[0, 2] * z0 + m[0, 3]
        y = m[1, 0] * x0 + m[1, 1] * y0 + m[1, 2] * z0 + m[1, 3]
        u = lens[0] * x / z + lens[2] - 0.5
        v = lens[1] * y / z + lens[3] - 0.5
        if not (u >= 0.0 and v >= 0.0 and u < width - 1 and v < height - 1):
            continue
        column, row = int(u), int(v)
        right, below = u - column, v - row
        for c in range(3):
            upper = picture[row, column, c] * (1.0 - right) + picture[row, column + 1, c] * right
            lower = picture[row + 1, column, c] * (1.0 - right) + picture[row + 1, column + 1, c] * right
            sample[c] = upper * (1.0 - below) + lower * below
        residual = sample[0] - gain * luma[i] - bias
        weight = (DEGREES_OF_FREEDOM + 1.0) / (DEGREES_OF_FREEDOM + (residual / spread) ** 2)
        by_x = sample[1] * lens[0] / z
        by_y = sample[2] * lens[1] / z
        by_z = -(by_x * x + by_y * y) / z
        row8[0] = by_x
        row8[1] = by_y
        row8[2] = by_z
        row8[3] = by_z * y - by_y * z
        row8[4] = by_x * z - by_z * x
        row8[5] = by_y * x - by_x * y
        row8[6] = -luma[i]
        row8[7] = -1.0
        for j in range(UNKNOWNS):
            right_side[j] -= weight * row8[j] * residual
            for k in range(j + 1):
                matrix[j, k] += weight * row8[j] * row8[k]
    for j in range(UNKNOWNS):
        for k in range(j):
            matrix[k, j] = matrix[j, k]
    return matrix, right_side


def motion(twist: npt.NDArray[np.floating]) -> F64:
    """[4, 4] of a small translation in metres and rotation in radians, [6]; the rotation is exact."""
    angle_rad = float(np.linalg.norm(twist[3:]))
    rotation = rotation_about(twist[3:], angle_rad) if angle_rad > 0 else np.eye(3)
    return from_rotation_translation(rotation, twist[:3])


def reference_normal_equations(
    points: F32,
    luma: F32,
    picture: F32,
    lens: F64,
    camera_from_points: F64,
    gain: float,
    bias: float,
    spread: float,
) -> tuple[F64, F64]:
    """As `normal_equations`, in plain numpy."""
    height, width = picture.shape[:2]
    moved = points.astype(np.float64) @ camera_from_points[:3, :3].T + camera_from_points[:3, 3]
    ahead = moved[:, 2] >= NEAREST_M
    moved, luma = moved[ahead], luma[ahead].astype(np.float64)
    at = lens[:2] * moved[:, :2] / moved[:, 2:] + lens[2:] - 0.5  # [M, 2]
    shown = ((at >= 0) & (at < [width - 1, height - 1])).all(axis=1)
    moved, luma, at = moved[shown], luma[shown], at[shown]
    (column, row), (right, below) = np.floor(at).astype(np.intp).T, (at % 1).T[..., None]
    upper = picture[row, column] * (1 - right) + picture[row, column + 1] * right
    lower = picture[row + 1, column] * (1 - right) + picture[row + 1, column + 1] * right
    sample = upper * (1 - below) + lower * below
    residual = sample[:, 0] - gain * luma - bias
    weight = (DEGREES_OF_FREEDOM + 1) / (DEGREES_OF_FREEDOM + (residual / spread) ** 2)
    by_xy = sample[:, 1:] * lens[:2] / moved[:, 2:]
    by_z = -(by_xy * moved[:, :2]).sum(axis=1, keepdims=True) / moved[:, 2:]
    by_place = np.concatenate([by_xy, by_z], axis=1)
    jacobian = np.concatenate(
        [by_place, np.cross(moved, by_place), -luma[:, None], np.full((len(luma), 1), -1.0)], axis=1
    )
    weighted = jacobian * weight[:, None]
    return weighted.T @ jacobian, -weighted.T @ residual
