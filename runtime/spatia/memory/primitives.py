"""Surfaces of simple solids as points: boxes, spheres and cylinders, sampled densely enough to fill their voxels.

Pure functions. The light comes from above and a little from the front left (-y is up), mild enough that a colour
stays recognisable and strong enough that faces can be told apart.
"""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from spatia.errors import SceneError
from spatia.records.arrays import F64
from spatia.records.cloud import EDIT_CLIP, Points
from spatia.records.edits import AddPrimitive, Vec3

SPACING_PER_VOXEL = 0.7  # between samples; leaves no voxel of a surface out, up to its corners
MAX_SAMPLES = 1 << 23

AMBIENT = 0.7
TOWARDS_LIGHT = np.array([-0.35, -0.85, -0.4]) / math.hypot(0.35, 0.85, 0.4)
GOLDEN_ANGLE_RAD = math.pi * (3.0 - math.sqrt(5.0))

Surface = tuple[F64, F64]  # positions about the origin [N, 3], outward unit normals [N, 3]


def primitive_points(edit: AddPrimitive, *, voxel_m: float) -> Points:
    """The surface of a checked primitive, shaded. Raises `SceneError` when it would take more than `MAX_SAMPLES`."""
    spacing_m = SPACING_PER_VOXEL * voxel_m
    samples = most_samples(edit.shape, edit.size_m, spacing_m)
    if samples > MAX_SAMPLES:
        size = " x ".join(f"{edge:g}" for edge in edit.size_m)
        raise SceneError(
            f"a {edit.shape} of {size} m takes about {samples:.2g} points of {voxel_m:g} m",
            where="add_primitive.size_m",
            fix=f"make it smaller ({MAX_SAMPLES} points at most), or the memory's voxel_m larger",
        )
    positions, normals = SURFACES[edit.shape](edit.size_m, spacing_m)
    light = AMBIENT + (1.0 - AMBIENT) * np.maximum(normals @ TOWARDS_LIGHT, 0.0)
    return Points.of(
        positions + np.asarray(edit.center_m),
        light[:, None] * np.asarray(edit.color, np.float64),
        clips=EDIT_CLIP,
        labels=edit.label,
    )


def most_samples(shape: str, size_m: Vec3, spacing_m: float) -> float:
    """No fewer than the shape's surface function makes, without making them."""
    x, y, z = (edge / spacing_m + 2 for edge in size_m)
    if shape == "box":
        return 2 * (x * y + y * z + z * x)
    if shape == "sphere":
        return math.pi * x * y * z / min(x, y, z) + 8
    return math.pi * max(x, z) * (y + max(x, z) / 2)


def box_surface(size_m: Vec3, spacing_m: float) -> Surface:
    positions, normals = [], []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        grid_u, grid_v = np.meshgrid(steps(size_m[u], spacing_m), steps(size_m[v], spacing_m), indexing="ij")
        for side in (-1.0, 1.0):
            face = np.empty((grid_u.size, 3))
            face[:, axis], face[:, u], face[:, v] = side * size_m[axis] / 2, grid_u.ravel(), grid_v.ravel()
            positions.append(face)
            normals.append(np.broadcast_to(side * np.eye(3)[axis], face.shape))
    return np.concatenate(positions), np.concatenate(normals)


def sphere_surface(size_m: Vec3, spacing_m: float) -> Surface:
    """An ellipsoid: a Fibonacci sphere, stretched, with as many points as its widest cross-section asks for."""
    radii = np.asarray(size_m) / 2
    widest = np.sort(radii)[1:].prod()
    count = max(8, math.ceil(4 * math.pi * widest / spacing_m**2))
    i = np.arange(count)
    y = 1 - (2 * i + 1) / count
    ring = np.sqrt(1 - y * y)
    unit = np.stack([ring * np.cos(GOLDEN_ANGLE_RAD * i), y, ring * np.sin(GOLDEN_ANGLE_RAD * i)], axis=-1)
    return unit * radii, normalized(unit / radii)


def cylinder_surface(size_m: Vec3, spacing_m: float) -> Surface:
    """Upright, with an elliptic section: rings for the side, a sunflower for each cap."""
    radii = np.array([size_m[0] / 2, 1.0, size_m[2] / 2])
    radius_m = max(radii[0], radii[2])
    turns = math.ceil(2 * math.pi * radius_m / spacing_m)
    angle = 2 * math.pi * np.arange(turns) / turns
    around, height = np.meshgrid(angle, steps(size_m[1], spacing_m), indexing="ij")
    side = np.stack([np.cos(around), np.zeros_like(around), np.sin(around)], axis=-1).reshape(-1, 3)
    positions = [side * radii + height.reshape(-1, 1) * [0.0, 1.0, 0.0]]
    normals = [normalized(side / radii)]

    i = np.arange(math.ceil(math.pi * (radius_m / spacing_m) ** 2))
    ring = np.sqrt((i + 0.5) / len(i))
    disc = np.stack(
        [ring * np.cos(GOLDEN_ANGLE_RAD * i), np.zeros(len(i)), ring * np.sin(GOLDEN_ANGLE_RAD * i)], axis=-1
    )
    for end in (-1.0, 1.0):
        cap = disc * radii
        cap[:, 1] = end * size_m[1] / 2
        positions.append(cap)
        normals.append(np.broadcast_to([0.0, end, 0.0], cap.shape))
    return np.concatenate(positions), np.concatenate(normals)


def steps(length_m: float, spacing_m: float) -> F64:
    """From one end of a centred edge to the other, both included, at most `spacing_m` apart."""
    return np.linspace(-length_m / 2, length_m / 2, math.ceil(length_m / spacing_m) + 1)


def normalized(vectors: npt.NDArray[np.float64]) -> F64:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


SURFACES: dict[str, Callable[[Vec3, float], Surface]] = {
    "box": box_surface,
    "cylinder": cylinder_surface,
    "sphere": sphere_surface,
}
