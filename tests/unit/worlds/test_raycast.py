import math

import numpy as np
import pytest

from spatia.geom.pose import F64, rotation_about
from spatia.records.arrays import I32
from spatia.worlds.primitives import BOX, ELLIPSOID, FRUSTUM, Solid, Solids, solids_of
from spatia.worlds.raycast import FAR, is_lit, normal_in_local, to_local, to_world, trace, trace_many
from spatia.worlds.raycast_reference import reference_trace


def solid(shape: int, size: tuple[float, float, float], center: tuple[float, float, float] = (0, 0, 0)) -> Solid:
    return Solid(shape=shape, rotation=np.eye(3), center_m=np.array(center, float), size_m=size, material=0, label=1)


def traced(solids: Solids, origins: F64, directions: F64) -> tuple[F64, I32]:
    t, found = np.empty(len(origins)), np.empty(len(origins), dtype=np.int32)
    trace_many(solids, origins, directions, t, found)
    return t, found


def along_z(origins: list[tuple[float, float, float]]) -> tuple[F64, F64]:
    return np.array(origins, dtype=float), np.tile([0.0, 0.0, 1.0], (len(origins), 1))


@pytest.fixture(scope="module")
def clutter() -> Solids:
    """Many turned solids of every shape, overlapping."""
    rng = np.random.default_rng(7)
    parts = []
    for i in range(60):
        size = tuple(rng.uniform(0.05, 0.9, 3).tolist())
        if i % 6 == 5:
            size = (size[0], size[1], 0.0)  # a cone
        parts.append(
            Solid(
                shape=(BOX, ELLIPSOID, FRUSTUM)[i % 3],
                rotation=rotation_about(rng.normal(size=3), float(rng.uniform(0, 6))),
                center_m=rng.uniform(-3, 3, 3),
                size_m=size,
                material=0,
                label=i + 1,
            )
        )
    return solids_of(parts)


def test_the_kernel_finds_what_plain_numpy_finds(clutter: Solids) -> None:
    rng = np.random.default_rng(8)
    origins, directions = rng.uniform(-5, 5, (4000, 3)), rng.normal(size=(4000, 3))
    t, found = traced(clutter, origins, directions)
    wanted_t, wanted = reference_trace(clutter, origins, directions)
    assert (wanted >= 0).mean() > 0.2
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_allclose(t, wanted_t, rtol=1e-9)


def test_a_shadow_ray_is_stopped_exactly_where_a_ray_hits(clutter: Solids) -> None:
    rng = np.random.default_rng(9)
    origins, directions = rng.uniform(-5, 5, (500, 3)), rng.normal(size=(500, 3))
    t, found = traced(clutter, origins, directions)
    dull, shining = np.zeros(1), np.ones(1)
    for (ox, oy, oz), (dx, dy, dz), hit, i in zip(origins, directions, t, found, strict=True):
        assert is_lit(clutter, dull, ox, oy, oz, dx, dy, dz, FAR) == (i < 0)
        assert is_lit(clutter, dull, ox, oy, oz, dx, dy, dz, 0.999 * hit)
        assert is_lit(clutter, shining, ox, oy, oz, dx, dy, dz, FAR)  # what shines casts no shadow


def test_normals_point_against_the_ray_and_are_units(clutter: Solids) -> None:
    rng = np.random.default_rng(10)
    for o, d in zip(rng.uniform(-5, 5, (300, 3)), rng.normal(size=(300, 3)), strict=True):
        t, i, face = trace(clutter, o[0], o[1], o[2], d[0], d[1], d[2], FAR)
        if i >= 0:
            local = normal_in_local(clutter, i, face, *to_local(clutter, i, *(o + t * d)))
            normal = np.array(to_world(clutter, i, *local))
            assert np.linalg.norm(normal) == pytest.approx(1.0)
            assert normal @ d < 1e-9


def test_a_sphere_is_met_at_its_surface() -> None:
    origins, directions = along_z([(0, 0, -5), (0.6, 0, -5), (1.001, 0, -5)])
    t, _ = traced(solids_of([solid(ELLIPSOID, (1, 1, 1))]), origins, directions)
    np.testing.assert_allclose(t, [4.0, 5.0 - 0.8, FAR], rtol=1e-12)


def test_a_box_is_met_at_its_face() -> None:
    origins, directions = along_z([(0.49, -0.29, -5), (0.51, 0, -5), (0, 0.31, -5)])
    t, _ = traced(solids_of([solid(BOX, (0.5, 0.3, 0.2))]), origins, directions)
    np.testing.assert_allclose(t, [4.8, FAR, FAR], rtol=1e-12)


def test_a_thin_floor_is_met_where_a_plane_would_be() -> None:
    floor = solids_of([solid(BOX, (50, 0.0005, 50), (0, 0.0005, 0))])
    origin, direction = np.array([[0.3, -1.6, 0.2]]), np.array([[0.1, 0.4, 1.0]])
    t, _ = traced(floor, origin, direction)
    np.testing.assert_allclose(t, [4.0], rtol=1e-12)


def test_a_cylinder_is_met_at_its_side_and_its_cap() -> None:
    cylinder = solids_of([solid(FRUSTUM, (0.5, 1.0, 0.5))])
    t, _ = traced(cylinder, np.array([[0.3, 0, -5], [0.3, -4, 0]]), np.array([[0.0, 0, 1], [0, 1, 0]]))
    np.testing.assert_allclose(t, [5 - 0.4, 3.0], rtol=1e-12)


def test_a_cone_is_met_where_its_radius_says() -> None:
    cone = solids_of([solid(FRUSTUM, (1.0, 1.0, 0.0))])  # apex at y = -1
    origins, directions = along_z([(0, 0, -5), (0, 0.9, -5), (0, -1.01, -5)])
    t, _ = traced(cone, origins, directions)
    np.testing.assert_allclose(t, [4.5, 5 - 0.95, FAR], rtol=1e-12)


def test_a_ray_that_starts_inside_does_not_see_the_solid() -> None:
    for shape in (BOX, ELLIPSOID, FRUSTUM):
        t, found = traced(solids_of([solid(shape, (1, 1, 1))]), *along_z([(0.1, 0.1, 0.1)]))
        assert (t[0], found[0]) == (FAR, -1)


def test_an_empty_scene_has_nothing_to_meet() -> None:
    t, found = traced(solids_of([]), *along_z([(0, 0, 0)]))
    assert (t[0], found[0]) == (FAR, -1)


def test_bounds_hold_every_point_of_a_turned_ellipsoid() -> None:
    turned = Solid(
        shape=ELLIPSOID,
        rotation=rotation_about((1, 2, 3), 0.8),
        center_m=np.array([1.0, 2.0, 3.0]),
        size_m=(0.2, 0.5, 0.9),
        material=0,
        label=1,
    )
    angles = np.linspace(0, 2 * math.pi, 200)
    a, b = np.meshgrid(angles, angles)
    ball = np.stack([np.cos(a) * np.sin(b), np.sin(a) * np.sin(b), np.cos(b)], axis=-1).reshape(-1, 3)
    surface = ball * turned.size_m @ turned.rotation.T + turned.center_m
    low, high = turned.bounds_in_world_m()
    assert (surface >= low - 1e-12).all() and (surface <= high + 1e-12).all()
    np.testing.assert_allclose(surface.min(axis=0), low, atol=1e-3)
