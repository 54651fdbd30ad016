"""Rigid transforms as [..., 4, 4] float64 matrices, named ``world_from_camera``; quaternions are wxyz.

OpenCV axes: +x right, +y down, +z forward; column vectors. `gl_from_camera` is the only place that flips to OpenGL.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]

ROTATION_TOLERANCE = 1e-3  # camera files carry rounded digits; more than this is a wrong matrix


def check_poses(poses: npt.ArrayLike, *, name: str = "world_from_camera") -> F64:
    """`poses` as float64 [..., 4, 4]. Raises `ValueError` for a wrong shape, a non-finite or a non-rigid matrix."""
    array = np.asarray(poses, dtype=np.float64)
    if array.ndim < 2 or array.shape[-2:] != (4, 4):
        raise ValueError(f"{name} must have shape (..., 4, 4); got {array.shape}")
    if not np.isfinite(array).all():
        at = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name} must be finite; got {array[at]} at {at}")
    rotation = array[..., :3, :3]
    error = float(np.abs(rotation @ np.swapaxes(rotation, -1, -2) - np.eye(3)).max(initial=0.0))
    if error > ROTATION_TOLERANCE or bool((np.linalg.det(rotation) < 0).any()):
        raise ValueError(f"{name} must hold rotations (orthonormal, determinant +1); off by {error:.3g}")
    if not np.allclose(array[..., 3, :], [0, 0, 0, 1]):
        raise ValueError(f"the last row of {name} must be 0 0 0 1")
    return array


def inverse(a_from_b: F64) -> F64:
    """b_from_a of a rigid transform, [..., 4, 4]; exact transpose, no general solver."""
    rotation = np.swapaxes(a_from_b[..., :3, :3], -1, -2)
    out = np.zeros_like(a_from_b)
    out[..., :3, :3] = rotation
    out[..., :3, 3] = -(rotation @ a_from_b[..., :3, 3:])[..., 0]
    out[..., 3, 3] = 1.0
    return out


def transform(a_from_b: F64, points_in_b: npt.NDArray[Any]) -> F64:
    """Points [..., N, 3] moved into space a."""
    moved = points_in_b @ np.swapaxes(a_from_b[..., :3, :3], -1, -2)
    return np.asarray(moved + a_from_b[..., None, :3, 3], dtype=np.float64)


def from_rotation_translation(rotation: npt.ArrayLike, translation: npt.ArrayLike) -> F64:
    """[..., 3, 3] and [..., 3] into [..., 4, 4]."""
    rotation = np.asarray(rotation, dtype=np.float64)
    translation = np.asarray(translation, dtype=np.float64)
    out = np.zeros((*np.broadcast_shapes(rotation.shape[:-2], translation.shape[:-1]), 4, 4))
    out[..., :3, :3] = rotation
    out[..., :3, 3] = translation
    out[..., 3, 3] = 1.0
    return out


def rotation_from_quaternion(wxyz: npt.ArrayLike) -> F64:
    """Rotation matrices [..., 3, 3] of quaternions [..., 4] in wxyz order, normalised first."""
    q = np.asarray(wxyz, dtype=np.float64)
    q = q / np.linalg.norm(q, axis=-1, keepdims=True)
    w, x, y, z = np.moveaxis(q, -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def quaternion_from_rotation(rotation: F64) -> F64:
    """Quaternions [..., 4], wxyz, w >= 0, of rotations [..., 3, 3]; stable for every angle.

    Takes the column of the 4x4 matrix 4 q q^T with the largest diagonal entry (Shepperd's choice of pivot).
    """
    r = np.asarray(rotation, dtype=np.float64)
    t = np.trace(r, axis1=-2, axis2=-1)
    a = np.empty((*r.shape[:-2], 4, 4))
    a[..., 0, 0] = 1 + t
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        a[..., i + 1, i + 1] = 1 + 2 * r[..., i, i] - t
        a[..., 0, i + 1] = a[..., i + 1, 0] = r[..., k, j] - r[..., j, k]
        a[..., i + 1, j + 1] = a[..., j + 1, i + 1] = r[..., i, j] + r[..., j, i]
    pivot = np.argmax(np.diagonal(a, axis1=-2, axis2=-1), axis=-1)
    q = np.take_along_axis(a, pivot[..., None, None], axis=-2)[..., 0, :]
    q = q / np.linalg.norm(q, axis=-1, keepdims=True)
    return np.asarray(np.where(q[..., :1] < 0, -q, q), dtype=np.float64)


def slerp(start_wxyz: npt.ArrayLike, end_wxyz: npt.ArrayLike, fraction: npt.ArrayLike) -> F64:
    """The shorter great-circle arc between two quaternions [..., 4] at fractions [...]."""
    a = np.asarray(start_wxyz, dtype=np.float64)
    b = np.asarray(end_wxyz, dtype=np.float64)
    f = np.asarray(fraction, dtype=np.float64)[..., None]
    dot = np.sum(a * b, axis=-1, keepdims=True)
    b = np.where(dot < 0, -b, b)
    angle = np.arccos(np.clip(np.abs(dot), 0.0, 1.0))
    sine = np.sin(angle)
    small = sine < 1e-9
    safe = np.where(small, 1.0, sine)
    weight_a = np.where(small, 1 - f, np.sin((1 - f) * angle) / safe)
    weight_b = np.where(small, f, np.sin(f * angle) / safe)
    q = weight_a * a + weight_b * b
    return np.asarray(q / np.linalg.norm(q, axis=-1, keepdims=True), dtype=np.float64)


def rotation_about(axis: npt.ArrayLike, angle_rad: float) -> F64:
    """[3, 3] right-handed rotation by an angle about an axis through the origin."""
    axis = np.asarray(axis, dtype=np.float64)
    axis = axis / np.linalg.norm(axis)
    half = 0.5 * angle_rad
    return rotation_from_quaternion(np.concatenate([[np.cos(half)], np.sin(half) * axis]))


def look_at(eye: npt.ArrayLike, target: npt.ArrayLike, *, up: npt.ArrayLike = (0.0, -1.0, 0.0)) -> F64:
    """world_from_camera [4, 4] at `eye`, +z towards `target`, image top towards `up` (OpenCV worlds: -y is up)."""
    eye, target, up = (np.asarray(v, dtype=np.float64) for v in (eye, target, up))
    forward = target - eye
    length = np.linalg.norm(forward)
    if length < 1e-9:
        raise ValueError(f"eye and target must differ; both are {eye.tolist()}")
    forward = forward / length
    right = np.cross(forward, up)
    width = np.linalg.norm(right)
    if width < 1e-6:
        raise ValueError(f"the view direction {forward.tolist()} must not be parallel to up {up.tolist()}")
    right = right / width
    return from_rotation_translation(np.stack([right, np.cross(forward, right), forward], axis=-1), eye)


def gl_from_camera() -> F64:
    """OpenGL eye space (+y up, -z forward) from an OpenCV camera, [4, 4]. The only place that flips y and z."""
    return np.diag([1.0, -1.0, -1.0, 1.0])
