"""Camera moves as pure functions: from a pose, or from key poses, to world_from_camera [T, 4, 4] float64.

`frames` counts every pose of the result, the first included; the first is bit for bit the pose it starts from, so
moves join without a seam (`then`). Dolly, truck, tilt and roll follow the camera's own axes; pan, pedestal, orbit and
spiral keep to the world's vertical (-y is up), so that a level horizon stays level. Angles are right-handed in what a
person at the camera would call positive: pan to the right, tilt up, roll clockwise, orbit with the camera moving to
its left while it turns to the right.
"""

import math

import numpy as np
import numpy.typing as npt

from spatia.geom.pose import (
    F64,
    check_poses,
    from_rotation_translation,
    inverse,
    look_at,
    quaternion_from_rotation,
    rotation_from_quaternion,
    slerp,
)

UP = np.array([0.0, -1.0, 0.0])
DOWN = -UP


def hold(start: F64, *, frames: int) -> F64:
    """The same pose `frames` times."""
    return np.repeat(_one(start)[None], _count(frames, at_least=1), axis=0)


def dolly(start: F64, distance_m: float, *, frames: int, ease: bool = False) -> F64:
    """Forward along the view; backward where negative. Constant speed unless `ease`."""
    return _slide(start, distance_m * _one(start)[:3, 2], frames=frames, ease=ease)


def truck(start: F64, distance_m: float, *, frames: int, ease: bool = False) -> F64:
    """To the camera's right; to the left where negative."""
    return _slide(start, distance_m * _one(start)[:3, 0], frames=frames, ease=ease)


def pedestal(start: F64, distance_m: float, *, frames: int, ease: bool = False) -> F64:
    """Up along the world's vertical; down where negative."""
    return _slide(start, distance_m * UP, frames=frames, ease=ease)


def pan(start: F64, angle_rad: float, *, frames: int, ease: bool = False) -> F64:
    """Turn to the right about the world's vertical."""
    return _swing(start, angle_rad, axis=DOWN, pivot=_one(start)[:3, 3], frames=frames, ease=ease)


def tilt(start: F64, angle_rad: float, *, frames: int, ease: bool = False) -> F64:
    """Look up, about the camera's own horizontal axis."""
    return _swing(start, angle_rad, axis=_one(start)[:3, 0], pivot=_one(start)[:3, 3], frames=frames, ease=ease)


def roll(start: F64, angle_rad: float, *, frames: int, ease: bool = False) -> F64:
    """Lean clockwise about the view direction: the picture turns anticlockwise."""
    return _swing(start, angle_rad, axis=_one(start)[:3, 2], pivot=_one(start)[:3, 3], frames=frames, ease=ease)


def orbit(start: F64, angle_rad: float, *, target: npt.ArrayLike, frames: int, ease: bool = False) -> F64:
    """Around the vertical line through `target`, at the distance that `start` has from it; whole turns close exactly.

    The view is carried along: a camera that faced the target goes on facing it (see `facing` for one that did not).
    """
    return _swing(start, angle_rad, axis=DOWN, pivot=_point(target, "target"), frames=frames, ease=ease)


def spiral(
    start: F64,
    angle_rad: float,
    *,
    target: npt.ArrayLike,
    rise_m: float,
    radius_scale: float,
    frames: int,
    ease: bool = False,
) -> F64:
    """An orbit that also climbs by `rise_m` and ends at `radius_scale` times its first distance from the vertical."""
    if not radius_scale > 0:
        raise ValueError(f"radius_scale must be positive; got {radius_scale}")
    centre = _point(target, "target")
    poses = _swing(start, angle_rad, axis=DOWN, pivot=centre, frames=frames, ease=ease)
    fraction = _fractions(frames, ease)
    scale = (1 + (radius_scale - 1) * fraction)[:, None]
    poses[1:, :3:2, 3] = (centre[::2] + scale * (poses[:, :3:2, 3] - centre[::2]))[1:]
    poses[1:, :3, 3] += (fraction[:, None] * rise_m * UP)[1:]
    return poses


def keyframes(keys: npt.ArrayLike, *, frames: int, closed: bool = False) -> F64:
    """Through K >= 2 key poses [K, 4, 4], each met exactly: centripetal Catmull-Rom positions, slerp rotations.

    The time between two keys grows with the square root of their distance (metres plus radians), rounded to frames.
    `closed` adds the way from the last key to the first, with the same tangent at both ends. Formula: Catmull and Rom
    1974 in Hermite form, with the knots of Yuksel et al., "Parameterization and applications of Catmull-Rom curves".
    """
    poses = check_poses(keys, name="keys")
    if poses.ndim != 3 or len(poses) < 2:
        raise ValueError(f"keys must have shape (K, 4, 4) with K >= 2; got {poses.shape}")
    if closed:
        poses = np.concatenate([poses, poses[:1]])
    spans = len(poses) - 1
    _count(frames, at_least=spans + 1)
    position, quaternion = poses[:, :3, 3], quaternion_from_rotation(poses[:, :3, :3])

    turn = 2 * np.arccos(np.clip(np.abs(np.sum(quaternion[1:] * quaternion[:-1], axis=-1)), 0, 1))
    step = np.sqrt(np.linalg.norm(np.diff(position, axis=0), axis=-1) + turn)
    step = np.maximum(step, 1e-6 * max(1.0, float(step.max())))  # two equal keys still need a knot each
    tangent = _tangents(position, step, closed=closed)
    key_frame = _key_frames(step, frames)

    frame = np.arange(frames)
    span = np.clip(np.searchsorted(key_frame, frame, side="right") - 1, 0, spans - 1)
    f = (frame - key_frame[span]) / np.diff(key_frame)[span]
    g, h = f[:, None], step[span][:, None]
    between = (
        (1 + 2 * g) * (1 - g) ** 2 * position[span]
        + g * (1 - g) ** 2 * h * tangent[span]
        + g**2 * (3 - 2 * g) * position[span + 1]
        - g**2 * (1 - g) * h * tangent[span + 1]
    )
    rotation = rotation_from_quaternion(slerp(quaternion[span], quaternion[span + 1], f))
    out = from_rotation_translation(rotation, between)
    out[key_frame] = poses
    return out


def facing(poses: F64, target: npt.ArrayLike, *, turn_frames: int = 0) -> F64:
    """The same positions with every view towards `target`.

    Over the first `turn_frames` poses the view turns there smoothly from where it was, so the first pose stays as is.
    """
    point = _point(target, "target")
    return _turned(poses, np.stack([look_at(eye, point) for eye in poses[:, :3, 3]]), turn_frames=turn_frames)


def facing_ahead(poses: F64, *, turn_frames: int = 0) -> F64:
    """The same positions with every view along the travel; where the camera rests it keeps its last heading."""
    eye = poses[:, :3, 3]
    travel = np.gradient(eye, axis=0) if len(poses) > 1 else np.zeros_like(eye)
    aimed, heading = [], poses[0, :3, 2]
    for i in range(len(poses)):
        if np.linalg.norm(travel[i]) > 1e-9:
            heading = travel[i] / np.linalg.norm(travel[i])
        aimed.append(look_at(eye[i], eye[i] + heading))
    return _turned(poses, np.stack(aimed), turn_frames=turn_frames)


def then(first: F64, *rest: F64) -> F64:
    """Paths one after another, each beginning at the last pose of the one before, which is not repeated.

    Raises `ValueError` where a path begins elsewhere.
    """
    parts = [first]
    for index, part in enumerate(rest, start=1):
        if not np.array_equal(part[0], parts[-1][-1]):
            raise ValueError(f"path {index} must begin at the last pose of the path before it")
        parts.append(part[1:])
    return np.concatenate(parts)


def there_and_back(poses: F64) -> F64:
    """[2T - 1, 4, 4]: the path, then the same poses in reverse, down to the very first."""
    return np.concatenate([poses, poses[-2::-1]])


def placed(poses: F64, start: F64) -> F64:
    """The path as one rigid body, moved so that it begins exactly at `start`."""
    moved = _one(start) @ inverse(poses[0]) @ poses
    moved[0] = start
    return np.asarray(moved, dtype=np.float64)


def resample(poses: F64, count: int) -> F64:
    """`count` poses evenly over the indices of `poses`; both ends, and all that falls on a pose, are kept exactly."""
    if _count(count, at_least=1) == 1 and len(poses) > 1:
        raise ValueError(f"a path of {len(poses)} poses needs count >= 2; got {count}")
    at = np.linspace(0, len(poses) - 1, count)
    low = np.floor(at).astype(np.intp)
    high = np.minimum(low + 1, len(poses) - 1)
    f = at - low
    quaternion = quaternion_from_rotation(poses[:, :3, :3])
    position = poses[low, :3, 3] + f[:, None] * (poses[high, :3, 3] - poses[low, :3, 3])
    out = from_rotation_translation(rotation_from_quaternion(slerp(quaternion[low], quaternion[high], f)), position)
    out[f == 0] = poses[low[f == 0]]
    return out


def _one(start: F64) -> F64:
    pose = check_poses(start, name="start")
    if pose.ndim != 2:
        raise ValueError(f"start must have shape (4, 4); got {pose.shape}")
    return pose


def _point(value: npt.ArrayLike, name: str) -> F64:
    point = np.asarray(value, dtype=np.float64)
    if point.shape != (3,) or not np.isfinite(point).all():
        raise ValueError(f"{name} must be 3 finite numbers; got {point.tolist()}")
    return point


def _count(frames: int, *, at_least: int) -> int:
    if frames < at_least:
        raise ValueError(f"at least {at_least} frames are needed here; got {frames}")
    return frames


def _fractions(frames: int, ease: bool) -> F64:
    """[T] from 0 to 1: evenly, or with speed 0 at both ends (smoothstep)."""
    f = np.linspace(0.0, 1.0, _count(frames, at_least=2))
    return f * f * (3 - 2 * f) if ease else f


def _slide(start: F64, offset: F64, *, frames: int, ease: bool) -> F64:
    fraction = _fractions(frames, ease)
    poses = hold(start, frames=frames)
    poses[1:, :3, 3] += fraction[1:, None] * offset
    return poses


def _swing(start: F64, angle_rad: float, *, axis: F64, pivot: F64, frames: int, ease: bool) -> F64:
    """The rigid motion about a line through `pivot`, applied to the start pose."""
    if not math.isfinite(angle_rad):
        raise ValueError(f"an angle must be finite; got {angle_rad}")
    half = 0.5 * angle_rad * _fractions(frames, ease)
    turn = rotation_from_quaternion(np.concatenate([np.cos(half)[:, None], np.sin(half)[:, None] * axis], axis=-1))
    poses = hold(start, frames=frames)
    poses[1:, :3, :3] = (turn @ poses[:, :3, :3])[1:]
    poses[1:, :3, 3] = (turn @ (start[:3, 3] - pivot) + pivot)[1:]
    if abs(math.remainder(angle_rad, math.tau)) < 1e-9:
        poses[-1] = start
    return poses


def _turned(poses: F64, aimed: F64, *, turn_frames: int) -> F64:
    f = np.clip(np.arange(len(poses)) / turn_frames, 0, 1) if turn_frames > 0 else np.ones(len(poses))
    own, wanted = (quaternion_from_rotation(p[:, :3, :3]) for p in (poses, aimed))
    rotation = rotation_from_quaternion(slerp(own, wanted, f * f * (3 - 2 * f)))
    out = from_rotation_translation(rotation, poses[:, :3, 3])
    out[f == 0] = poses[f == 0]
    return out


def _tangents(position: F64, step: F64, *, closed: bool) -> F64:
    """Velocities [K, 3] at the keys for knots `step` [K - 1] apart."""
    chord = np.diff(position, axis=0) / step[:, None]
    if closed:
        chord = np.concatenate([chord[-1:], chord, chord[:1]])
        step = np.concatenate([step[-1:], step, step[:1]])
    inner = (step[1:, None] * chord[:-1] + step[:-1, None] * chord[1:]) / (step[1:] + step[:-1])[:, None]
    return inner if closed else np.concatenate([chord[:1], inner, chord[-1:]])


def _key_frames(step: F64, frames: int) -> npt.NDArray[np.intp]:
    """The frame [K] of each key: in proportion to the knots, and at least one apart."""
    knots = np.concatenate([[0.0], np.cumsum(step)])
    spare = frames - len(knots)
    delay: npt.NDArray[np.intp] = np.round(spare * knots / knots[-1]).astype(np.intp)
    return np.arange(len(knots)) + delay
