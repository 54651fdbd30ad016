import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatia.control.collision import REACH_M, STOP_M, softened
from spatia.control.walk import step_pose
from spatia.geom.pose import F64
from spatia.records.cloud import CloudSnapshot, Points, snapshot_of_points
from spatia.records.control import Motion

DT_S = 1 / 24


def cloud_of(positions: F64) -> CloudSnapshot:
    return snapshot_of_points(Points.of(positions, [200, 200, 200]))


def wall(z_m: float, *, left_m: float = -3.0, right_m: float = 3.0) -> F64:
    """From head to floor across the way ahead."""
    x, y = np.meshgrid(np.arange(left_m, right_m, 0.04), np.arange(-0.5, 1.6, 0.04))
    return np.stack([x, y, np.full_like(x, z_m)], axis=-1).reshape(-1, 3)


def at(x: float, z: float) -> F64:
    pose = np.eye(4)
    pose[:3, 3] = x, 0.0, z
    return pose


def walked(cloud: CloudSnapshot, motion: Motion, ticks: int, pose: F64 | None = None) -> F64:
    pose = at(0, 0) if pose is None else pose
    for _ in range(ticks):
        pose = step_pose(pose, softened(motion, cloud, pose, dt_s=DT_S), dt_s=DT_S)
    return np.asarray(pose[:3, 3])


@pytest.mark.parametrize("forward", [1.0, 3.0, 30.0])
def test_a_wall_stops_however_fast_one_walks(forward: float) -> None:
    z_m = walked(cloud_of(wall(2.0)), Motion(forward=forward), 100)[2]
    assert 2.0 - REACH_M < z_m < 2.0 - STOP_M / 2


def test_one_slides_along_a_wall() -> None:
    x_m, _, z_m = walked(cloud_of(wall(0.5)), Motion(forward=1.0, right=1.0), 24)
    assert x_m == pytest.approx(1.4, abs=0.05)
    assert z_m < 0.5


def test_far_from_everything_the_motion_is_as_it_was() -> None:
    motion = Motion(forward=1.0, right=-0.5, up=0.2, yaw_rad=0.1)
    assert softened(motion, cloud_of(wall(2.0)), at(0, 0), dt_s=DT_S) == motion
    assert softened(motion, cloud_of(np.empty((0, 3))), at(0, 0), dt_s=DT_S) == motion


def test_dust_and_the_floor_stop_nobody() -> None:
    dust = np.array([[0.0, 0.0, 0.3 + 0.1 * n] for n in range(8)])
    x, z = np.meshgrid(np.arange(-1, 1, 0.04), np.arange(-1, 3, 0.04))
    floor = np.stack([x, np.full_like(x, 1.6), z], axis=-1).reshape(-1, 3)
    assert walked(cloud_of(np.concatenate([dust, floor])), Motion(forward=1.0), 24)[2] == pytest.approx(1.4)


def test_a_removed_wall_stops_nobody() -> None:
    points = wall(0.5)
    gone = snapshot_of_points(Points.of(points, [200, 200, 200], weights=0.0))
    assert walked(gone, Motion(forward=1.0), 24)[2] == pytest.approx(1.4)


def test_a_doorway_can_be_walked_through() -> None:
    sides = np.concatenate([wall(1.0, right_m=-0.4), wall(1.0, left_m=0.4)])
    assert walked(cloud_of(sides), Motion(forward=1.0), 36)[2] > 1.5


def test_one_can_step_back_out_of_a_wall() -> None:
    inside = at(0, 1.95)
    assert walked(cloud_of(wall(2.0)), Motion(forward=-1.0), 12, inside)[2] == pytest.approx(1.95 - 0.7)


def test_it_is_felt_in_the_direction_of_the_turn() -> None:
    turned = softened(Motion(forward=1.0, yaw_rad=np.pi / 2), cloud_of(wall(0.15)), at(0, 0), dt_s=DT_S)
    assert turned.forward == pytest.approx(1.0, abs=0.05)


@settings(derandomize=True, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.floats(-3, 3), st.floats(-3, 3), st.floats(-3, 3))
def test_motion_is_only_taken_away(seed: int, forward: float, right: float, yaw_rad: float) -> None:
    cloud = cloud_of(np.random.default_rng(seed).uniform(-0.6, 0.6, (400, 3)))
    motion = Motion(forward=forward, right=right, yaw_rad=yaw_rad, up=0.5)
    soft = softened(motion, cloud, at(0, 0), dt_s=DT_S)
    assert np.hypot(soft.forward, soft.right) <= np.hypot(forward, right) + 1e-9
    assert (soft.up, soft.yaw_rad, soft.pitch_rad) == (motion.up, motion.yaw_rad, motion.pitch_rad)
