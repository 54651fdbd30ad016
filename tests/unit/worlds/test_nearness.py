import numpy as np
import pytest

from spatia.geom.pose import rotation_about
from spatia.records.arrays import Bool
from spatia.worlds.courtyard import BALL_CIRCLE_M, BALL_RADIUS_M
from spatia.worlds.nearness import mark_near
from spatia.worlds.primitives import BOX, ELLIPSOID, FRUSTUM, Solid, solids_of
from spatia.worlds.procedural import procedural_world

SIZES = {BOX: (0.5, 0.2, 0.3), ELLIPSOID: (0.5, 0.4, 0.3), FRUSTUM: (0.5, 0.3, 0.2)}


def solid(shape: int) -> Solid:
    return Solid(
        shape=shape,
        rotation=rotation_about((0.3, 1.0, -0.2), 0.7),
        center_m=np.array([0.3, -0.2, 1.0]),
        size_m=SIZES[shape],
        material=0,
        label=1,
    )


def on_surface(shape: int, rng: np.random.Generator, count: int) -> np.ndarray:
    """Random places on the surface, in the solid's own frame, and the outward normals there."""
    a, b, c = SIZES[shape]
    if shape == BOX:
        at = rng.uniform(-1, 1, (count, 3))
        axis = rng.integers(0, 3, count)
        at[np.arange(count), axis] = np.sign(at[np.arange(count), axis])
        normal = np.zeros((count, 3))
        normal[np.arange(count), axis] = at[np.arange(count), axis]
        return np.stack([at * [a, b, c], normal])
    if shape == ELLIPSOID:
        unit = rng.normal(size=(count, 3))
        at = unit / np.linalg.norm(unit, axis=1, keepdims=True) * [a, b, c]
        normal = at / np.square([a, b, c])
        return np.stack([at, normal / np.linalg.norm(normal, axis=1, keepdims=True)])
    height, turn = rng.uniform(-1, 1, count), rng.uniform(0, 2 * np.pi, count)
    radius = 0.5 * (a + c) + 0.5 * (a - c) * height
    at = np.stack([radius * np.cos(turn), b * height, radius * np.sin(turn)], axis=1)
    normal = np.stack([np.cos(turn), np.full(count, -(a - c) / (2 * b)), np.sin(turn)], axis=1)
    return np.stack([at, normal / np.linalg.norm(normal, axis=1, keepdims=True)])


def near(shape: int, positions: np.ndarray, within_m: float) -> Bool:
    found = np.zeros(len(positions), dtype=np.bool_)
    mark_near(solids_of([solid(shape)]), positions, within_m, found)
    return found


@pytest.mark.parametrize("shape", [BOX, ELLIPSOID, FRUSTUM])
def test_a_surface_is_near_on_both_sides_up_to_the_distance(shape: int) -> None:
    at, normal = on_surface(shape, np.random.default_rng(3), 500)
    place = solid(shape)
    for away_m, wanted in ((0.0, True), (0.009, True), (-0.009, True), (0.012, False)):
        positions = (at + away_m * normal) @ place.rotation.T + place.center_m
        assert (near(shape, positions, 0.01) == wanted).all()
    assert not near(shape, place.center_m[None], 0.1).any()


def test_a_mover_is_near_where_it_is_at_a_time_and_not_where_it_was() -> None:
    world = procedural_world("courtyard")
    touched = np.array([[BALL_CIRCLE_M + BALL_RADIUS_M, -BALL_RADIUS_M, 0.0]], dtype=np.float32)
    assert world.near_movers(touched, np.array([0.0], dtype=np.float32), within_m=0.01).all()
    assert not world.near_movers(touched, np.array([1.0, 2.0], dtype=np.float32), within_m=0.01).any()
    assert world.near_movers(touched, np.array([1.0, 0.0], dtype=np.float32), within_m=0.01).all()


def test_the_paving_is_near_and_the_air_above_it_is_not() -> None:
    places = np.array([[3.0, 0.0, 0.0], [3.0, -0.5, 0.0]], dtype=np.float32)
    assert procedural_world("courtyard").near_still(places, within_m=0.01).tolist() == [True, False]
