"""How far a path that was walked is from the path that was asked for. Pure, any thread.

`path_error` measures in degrees and metres. `camera_control` is the score that WorldScore makes of such errors (Duan et
al., "WorldScore: A unified evaluation benchmark for world generation", 2025), with the habits of its code:

- No rotation is aligned, and no translation, but that each path is put at its own first camera: where the whole of it
  lies does not count, and an error of the first pose turns and moves all that follow.
- Recovered positions are multiplied by the one number that suits them best, since a monocular reconstruction has no
  scale. A path that only *shrank* therefore scores as well as a true one, and where nothing was recovered but noise,
  the number goes to 0 and the error to the mean length of the requested positions.
- Requested positions are divided by the camera speed of the sample, so that 0.5 is half of a standard push-in.
- Their poses come from a reconstruction with a fixed lens, right for square frames of 512 pixels with a focal length of
  500 alone. Poses recovered against the memory carry its scale and the frames' own lens, and need none of this: report
  `path_error` beside the score.
"""

import math
from dataclasses import dataclass

import numpy as np

from spatia.geom.pose import F64, check_poses, inverse

WORST_ROTATION_DEG = 15.0  # scores 0, as does all beyond; from WorldScore
WORST_TRANSLATION = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PathError:
    """Frame by frame, in the world's metres."""

    rotation_deg: F64  # [T] angle between the two views
    translation_m: F64  # [T] distance between the two eyes


def path_error(requested: F64, recovered: F64) -> PathError:
    """Of two paths [T, 4, 4] in one world, neither scaled nor aligned. Raises `ValueError` for unequal lengths."""
    requested, recovered = _alike(requested, recovered)
    return PathError(
        rotation_deg=np.degrees(angles_rad(requested[:, :3, :3], recovered[:, :3, :3])),
        translation_m=np.asarray(np.linalg.norm(requested[:, :3, 3] - recovered[:, :3, 3], axis=-1)),
    )


def camera_control(requested: F64, recovered: F64, *, speed: float = 1.0) -> float:
    """WorldScore's camera controllability in 0..1 of two paths [T, 4, 4]; both are first put at their first camera.

    ``sqrt((1 - min(R, 15) / 15) * (1 - min(T, 0.5) / 0.5))`` of the mean rotation error R in degrees and the mean
    translation error T after scaling. WorldScore prints it times 100. Raises `ValueError` for unequal lengths.
    """
    requested, recovered = _alike(from_first_camera(requested), from_first_camera(recovered))
    rotation_deg = float(np.mean(path_error(requested, recovered).rotation_deg))
    wanted, found = requested[:, :3, 3] / speed, recovered[:, :3, 3]
    scale = best_scale(wanted, found)
    translation = float(np.mean(np.linalg.norm(wanted - scale * found, axis=-1)))
    return score(rotation_deg=rotation_deg, translation=translation)


def score(*, rotation_deg: float, translation: float) -> float:
    """The geometric mean of both errors' shares of the worst."""
    by_rotation = 1 - min(rotation_deg, WORST_ROTATION_DEG) / WORST_ROTATION_DEG
    by_translation = 1 - min(translation, WORST_TRANSLATION) / WORST_TRANSLATION
    return math.sqrt(by_rotation * by_translation)


def from_first_camera(poses: F64) -> F64:
    """The path [T, 4, 4] in the space of its first camera."""
    return np.asarray(inverse(poses[0]) @ poses, dtype=np.float64)


def angles_rad(a: F64, b: F64) -> F64:
    """[T] angle of the rotation that turns each a [T, 3, 3] into b; exact for tiny angles as well, as arccos is not."""
    # ||A - B||_F = 2 sqrt(2) sin(angle / 2)
    half_sine = np.linalg.norm(a - b, axis=(-2, -1)) / math.sqrt(8)
    return np.asarray(2 * np.arcsin(np.clip(half_sine, 0, 1)), dtype=np.float64)


def best_scale(wanted: F64, found: F64) -> float:
    """The number c that makes ``sum |wanted - c * found|`` least, for points [T, 3]; 1 where `found` is all 0.

    The sum is convex in c, and its slope rises from below 0 to above it: halving the interval finds where it passes.
    """
    length = np.linalg.norm(found, axis=-1)
    moved = length > 0
    if not moved.any():
        return 1.0
    wanted, found, length = wanted[moved], found[moved], length[moved]
    # Each term alone is least at its own c; the sum is so between the smallest and the largest of them.
    nearest = np.sum(wanted * found, axis=-1) / length**2
    low, high = float(nearest.min()), float(nearest.max())
    for _ in range(60):  # to the last bit
        middle = 0.5 * (low + high)
        apart = wanted - middle * found
        distance = np.linalg.norm(apart, axis=-1)
        slope = -np.sum(np.sum(apart * found, axis=-1) / np.maximum(distance, 1e-300))
        if slope > 0:
            high = middle
        else:
            low = middle
    return 0.5 * (low + high)


def _alike(requested: F64, recovered: F64) -> tuple[F64, F64]:
    requested = check_poses(requested, name="requested")
    recovered = check_poses(recovered, name="recovered")
    if requested.shape != recovered.shape or requested.ndim != 3 or len(requested) == 0:
        raise ValueError(
            f"both paths must have one shape (T, 4, 4), T >= 1; got {requested.shape} and {recovered.shape}"
        )
    return requested, recovered
