"""Motion between depth of a procedural room and what its cameras should see."""

from functools import cache

import numpy as np
import pytest

from spatia.estimation.rigid_fit import inverse_slopes, rigid_fit
from spatia.geom.camera import Cameras
from spatia.geom.pose import F64, from_rotation_translation, inverse, rotation_about
from spatia.records.arrays import F32
from spatia.worlds.procedural import procedural_world
from support.scenes import lens

EVEN = np.ones((3, 60, 80), dtype=np.float32)


@cache
def courtyard() -> tuple[Cameras, F32]:
    """Three views with walls, floor and things."""
    scene = procedural_world("courtyard")
    turns = [from_rotation_translation(rotation_about([0, 1, 0], 0.25 * i), np.zeros(3)) for i in (-1, 0, 1)]
    cameras = Cameras(world_from_camera=scene.start_pose @ np.stack(turns), intrinsics=lens(width_px=80, height_px=60))
    return cameras, scene.measure(cameras, np.zeros(3, dtype=np.float32)).depth_m


def moved(cameras: Cameras, motion: F64) -> Cameras:
    return Cameras(world_from_camera=motion @ cameras.world_from_camera, intrinsics=cameras.intrinsics)


def seen_from(cameras: Cameras) -> F32:
    return procedural_world("courtyard").measure(cameras, np.zeros(3, dtype=np.float32)).depth_m


@pytest.mark.parametrize(("turn_rad", "shift_m", "scale"), [(0.02, 0.05, 1.0), (0.0, 0.0, 1.05), (0.03, 0.1, 0.97)])
def test_a_known_motion_is_found(turn_rad: float, shift_m: float, scale: float) -> None:
    cameras, depth_m = courtyard()
    center = cameras.world_from_camera[0, :3, 3]
    turn = rotation_about([0.5, 1, -0.3], turn_rad)
    motion = from_rotation_translation(turn, center - turn @ center + shift_m * np.array([0.6, 0.0, 0.8]))
    drifted = moved(cameras, motion)
    found, found_scale = np.eye(4), 1.0
    for _ in range(2):
        now = moved(drifted, found)
        step, factor = rigid_fit((depth_m / scale * found_scale).astype(np.float32), EVEN, now, seen_from(now))
        found, found_scale = step @ found, found_scale * factor
    after = found @ drifted.world_from_camera
    off = after @ inverse(cameras.world_from_camera)
    assert np.linalg.norm(after[:, :3, 3] - cameras.world_from_camera[:, :3, 3], axis=1).max() < 0.2 * shift_m + 0.02
    assert np.arccos(np.clip((np.trace(off[0, :3, :3]) - 1) / 2, -1, 1)) < 0.2 * turn_rad + 0.002
    assert found_scale == pytest.approx(scale, abs=0.01)


def test_nothing_known_moves_nothing() -> None:
    cameras, depth_m = courtyard()
    for seen, known in ((depth_m, np.zeros_like(depth_m)), (np.zeros_like(depth_m), depth_m)):
        motion, scale = rigid_fit(seen, EVEN, cameras, known)
        np.testing.assert_array_equal(motion, np.eye(4))
        assert scale == 1


def test_what_agrees_stays_where_it_is() -> None:
    cameras, depth_m = courtyard()
    motion, scale = rigid_fit(depth_m, EVEN, cameras, depth_m)
    np.testing.assert_allclose(motion, np.eye(4), atol=1e-6)
    assert scale == pytest.approx(1, abs=1e-6)


def test_slopes_are_exact_on_a_plane_and_good_nowhere_near_an_edge() -> None:
    v, u = np.mgrid[:20, :30]
    inverse_depth = 0.2 + 0.004 * u + 0.01 * v
    inverse_depth[:, 20:] *= 2
    depth_m = (1 / inverse_depth[None]).astype(np.float32)
    depth_m[0, 10, 5] = 0
    value, right, down, good = inverse_slopes(depth_m, reach_px=3)
    np.testing.assert_allclose(right[good & (u < 20)], 0.004, atol=1e-6)
    np.testing.assert_allclose(down[good & (u < 20)], 0.01, atol=1e-6)
    np.testing.assert_allclose(value[good], inverse_depth[good[0]], rtol=1e-6)
    assert good[0, 5:15, 5:15].mean() == 0.99
    assert not good[:, :, 19:21].any()
