import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatia.control.walk import MAX_PITCH_RAD, step_pose
from spatia.geom.pose import check_poses
from spatia.records.control import Motion

LEVEL = np.eye(4)


def test_forward_goes_along_the_view_at_the_walking_speed() -> None:
    moved = step_pose(LEVEL, Motion(forward=1.0), dt_s=0.5, speed_m_per_s=2.0)
    assert moved[:3, 3] == pytest.approx([0, 0, 1.0])


def test_right_and_up_are_those_of_a_person() -> None:
    moved = step_pose(LEVEL, Motion(right=1.0, up=1.0), dt_s=1.0, speed_m_per_s=1.0)
    assert moved[:3, 3] == pytest.approx([1.0, -1.0, 0.0])


def test_yaw_turns_right_before_the_step() -> None:
    moved = step_pose(LEVEL, Motion(forward=1.0, yaw_rad=math.pi / 2), dt_s=1.0, speed_m_per_s=1.0)
    assert moved[:3, 3] == pytest.approx([1.0, 0.0, 0.0])


def test_looking_up_raises_the_view_and_not_the_walk() -> None:
    moved = step_pose(LEVEL, Motion(forward=1.0, pitch_rad=0.5), dt_s=1.0, speed_m_per_s=1.0)
    assert moved[1, 2] == pytest.approx(-math.sin(0.5))
    assert moved[:3, 3] == pytest.approx([0.0, 0.0, 1.0])


@settings(derandomize=True, max_examples=50)
@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.floats(-1, 1)), max_size=30))
def test_any_walk_stays_rigid_and_within_the_pitch(steps: list[tuple[float, float, float]]) -> None:
    pose = LEVEL
    for forward, yaw_rad, pitch_rad in steps:
        pose = step_pose(pose, Motion(forward=forward, yaw_rad=yaw_rad, pitch_rad=pitch_rad), dt_s=1 / 24)
    check_poses(pose)
    assert abs(math.asin(np.clip(-pose[1, 2], -1, 1))) <= MAX_PITCH_RAD + 1e-6
