"""Solids as points: on the surface, without gaps, shaded, always the same."""

import numpy as np
import pytest

from spatia.errors import SceneError
from spatia.memory.primitives import SURFACES, most_samples, primitive_points
from spatia.records.cloud import EDIT_CLIP
from spatia.records.edits import AddPrimitive, Vec3

SIZE_M = (0.3, 0.2, 0.4)


def solid(shape: str) -> AddPrimitive:
    return AddPrimitive(shape=shape, center_m=(1, 2, 3), size_m=SIZE_M, color=(200, 100, 50), label=5)


def distance_inside(shape: str, unit: np.ndarray) -> np.ndarray:
    """0 on the surface of the solid that fills -1..1, in its own measure."""
    x, y, z = np.abs(unit).T
    reach = {"box": np.maximum(np.maximum(x, y), z), "sphere": np.sqrt(x * x + y * y + z * z)}
    reach["cylinder"] = np.maximum(np.hypot(x, z), y)
    return np.asarray(reach[shape] - 1)


@pytest.mark.parametrize("shape", sorted(SURFACES))
def test_every_point_lies_on_the_surface(shape: str) -> None:
    points = primitive_points(solid(shape), voxel_m=0.02)
    unit = (points.positions_in_world - (1, 2, 3)) / (np.array(SIZE_M) / 2)
    np.testing.assert_allclose(distance_inside(shape, unit), 0, atol=1e-4)
    assert (points.clips == EDIT_CLIP).all()
    assert (points.labels == 5).all()


@pytest.mark.parametrize("shape", sorted(SURFACES))
def test_no_point_of_the_surface_is_further_than_a_voxel_from_a_sample(shape: str) -> None:
    coarse = primitive_points(solid(shape), voxel_m=0.02).positions_in_world
    fine = primitive_points(solid(shape), voxel_m=0.006).positions_in_world
    nearest = np.array([np.linalg.norm(coarse - point, axis=1).min() for point in fine[::7]])
    assert nearest.max() <= 0.02


@pytest.mark.parametrize("shape", sorted(SURFACES))
def test_normals_are_unit_and_point_outwards(shape: str) -> None:
    positions, normals = SURFACES[shape](SIZE_M, 0.01)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-9)
    assert (np.einsum("ni,ni->n", positions, normals) > 0).all()


@pytest.mark.parametrize("shape", sorted(SURFACES))
def test_the_top_is_brighter_than_the_underside_and_nothing_is_dark(shape: str) -> None:
    points = primitive_points(solid(shape), voxel_m=0.01)
    y, red = points.positions_in_world[:, 1], points.colors[:, 0]
    assert red[y <= y.min() + 1e-4].mean() > 1.2 * red[y >= y.max() - 1e-4].mean()
    assert red.min() >= 0.69 * 200
    assert red.max() <= 200


@pytest.mark.parametrize("shape", sorted(SURFACES))
@pytest.mark.parametrize("size_m", [(0.3, 0.2, 0.4), (1, 1e-6, 1), (1e-6, 3, 1e-6), (2, 0.1, 1e-6), (1e-6, 1e-6, 1e-6)])
def test_the_number_of_samples_is_bounded_before_they_are_made(shape: str, size_m: Vec3) -> None:
    assert len(SURFACES[shape](size_m, 0.01)[0]) <= most_samples(shape, size_m, 0.01)


@pytest.mark.parametrize("shape", sorted(SURFACES))
@pytest.mark.parametrize("size_m", [(1e6, 1e6, 1e6), (1e8, 1e-9, 1e-9), (1e-9, 1e8, 1e-9), (1e300, 1e300, 1e300)])
def test_a_solid_of_too_many_points_is_refused(shape: str, size_m: Vec3) -> None:
    edit = AddPrimitive(shape=shape, center_m=(0, 0, 0), size_m=size_m, color=(0, 0, 0))
    with pytest.raises(SceneError, match="make it smaller"):
        primitive_points(edit, voxel_m=0.01)


def test_the_same_primitive_gives_the_same_bytes() -> None:
    first, second = (primitive_points(solid("sphere"), voxel_m=0.01) for _ in range(2))
    assert first.positions_in_world.tobytes() == second.positions_in_world.tobytes()
