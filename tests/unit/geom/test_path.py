import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatia.geom import path
from spatia.geom.pose import F64, check_poses, from_rotation_translation, look_at, rotation_from_quaternion

steady = settings(derandomize=True, deadline=None, max_examples=40)

coordinate = st.floats(-20, 20)
amount = st.floats(-8, 8)
frame_count = st.integers(2, 90)
quaternion = st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: np.linalg.norm(q) > 0.1)
point = st.lists(coordinate, min_size=3, max_size=3)
pose = st.builds(lambda q, t: from_rotation_translation(rotation_from_quaternion(q), t), quaternion, point)

Move = Callable[..., F64]
MOVES: list[Move] = [path.dolly, path.truck, path.pedestal, path.pan, path.tilt, path.roll]


def around(start: F64, angle_rad: float, **more: Any) -> F64:
    return path.orbit(start, angle_rad, target=(0.5, -1.0, 3.0), **more)


def rising(start: F64, angle_rad: float, **more: Any) -> F64:
    return path.spiral(start, angle_rad, target=(0.5, -1.0, 3.0), rise_m=1.5, radius_scale=0.5, **more)


@pytest.mark.parametrize("move", [*MOVES, around, rising])
@steady
@given(start=pose, size=amount, frames=frame_count, ease=st.booleans())
def test_every_move_is_rigid_and_begins_at_its_start(
    move: Move, start: F64, size: float, frames: int, ease: bool
) -> None:
    poses = move(start, size, frames=frames, ease=ease)
    assert poses.shape == (frames, 4, 4)
    assert np.array_equal(poses[0], start)
    rotation = check_poses(poses)[:, :3, :3]
    assert np.abs(rotation @ rotation.transpose(0, 2, 1) - np.eye(3)).max() < 1e-12


@steady
@given(start=pose, size=amount, frames=frame_count)
def test_a_dolly_has_constant_speed_along_the_view_and_ends_at_its_distance(
    start: F64, size: float, frames: int
) -> None:
    poses = path.dolly(start, size, frames=frames)
    steps = np.diff(poses[:, :3, 3], axis=0)
    assert np.allclose(steps, start[:3, 2] * size / (frames - 1), atol=1e-12)
    assert np.allclose(poses[-1, :3, 3], start[:3, 3] + size * start[:3, 2], atol=1e-12)
    assert np.array_equal(poses[:, :3, :3], np.broadcast_to(start[:3, :3], (frames, 3, 3)))


def test_an_eased_move_starts_and_stops_slowly_and_still_arrives() -> None:
    poses = path.dolly(np.eye(4), 2.0, frames=41, ease=True)
    speed = np.diff(poses[:, 2, 3])
    assert speed[0] < 0.1 * speed.max() and speed[-1] < 0.1 * speed.max()
    assert poses[-1, 2, 3] == 2.0


def test_signs_are_those_of_a_person_at_the_camera() -> None:
    level = np.eye(4)
    assert path.truck(level, 1.0, frames=2)[-1, 0, 3] == 1.0
    assert path.pedestal(level, 1.0, frames=2)[-1, 1, 3] == -1.0
    assert np.allclose(path.pan(level, math.pi / 2, frames=9)[-1, :3, 2], [1, 0, 0])
    assert np.allclose(path.tilt(level, math.pi / 2, frames=9)[-1, :3, 2], [0, -1, 0])
    assert np.allclose(path.roll(level, math.pi / 2, frames=9)[-1, :3, 0], [0, 1, 0])
    assert path.orbit(level, 0.3, target=(0, 0, 2), frames=9)[-1, 0, 3] < 0


@steady
@given(start=pose, angle=amount, frames=frame_count, target=point)
def test_an_orbit_keeps_its_radius_and_its_height(start: F64, angle: float, frames: int, target: list[float]) -> None:
    eye = path.orbit(start, angle, target=target, frames=frames)[:, :3, 3]
    radius_m = np.linalg.norm(eye - target, axis=-1)
    assert np.abs(radius_m - radius_m[0]).max() < 1e-12 * max(1.0, radius_m[0])
    assert np.abs(eye[:, 1] - eye[0, 1]).max() < 1e-12 * max(1.0, radius_m[0])


@steady
@given(start=pose, turns=st.sampled_from([-2, -1, 1, 3]), frames=frame_count)
def test_whole_turns_return_bit_for_bit(start: F64, turns: int, frames: int) -> None:
    for poses in (around(start, turns * math.tau, frames=frames), path.pan(start, turns * math.tau, frames=frames)):
        assert np.array_equal(poses[-1], start)


def test_a_spiral_ends_at_its_height_and_radius() -> None:
    start = look_at((0, -1, -4), (0, -1, 0))
    end = path.spiral(start, 1.0, target=(0, -1, 0), rise_m=2.0, radius_scale=0.25, frames=30)[-1, :3, 3]
    assert math.hypot(end[0], end[2]) == pytest.approx(1.0, abs=1e-12)
    assert end[1] == pytest.approx(-3.0, abs=1e-12)


@steady
@given(keys=st.lists(pose, min_size=2, max_size=6), spare=st.integers(0, 60), closed=st.booleans())
def test_keyframes_meet_every_key_in_order(keys: list[F64], spare: int, closed: bool) -> None:
    poses = path.keyframes(np.stack(keys), frames=len(keys) + 1 + spare, closed=closed)
    check_poses(poses)
    seen = 0
    for key in keys:
        hits = [i for i in range(seen, len(poses)) if np.array_equal(poses[i], key)]
        assert hits, "a key was missed"
        seen = hits[0]
    assert np.array_equal(poses[0], keys[0])
    assert np.array_equal(poses[-1], keys[0] if closed else keys[-1])


def test_keyframes_on_a_line_stay_on_it() -> None:
    keys = np.repeat(np.eye(4)[None], 4, axis=0)
    keys[:, 2, 3] = [0, 1, 2, 3]
    poses = path.keyframes(keys, frames=31)
    assert np.allclose(poses[:, 2, 3], np.linspace(0, 3, 31))


def test_two_equal_keys_make_a_pause() -> None:
    keys = np.repeat(np.eye(4)[None], 3, axis=0)
    keys[2, 2, 3] = 1.0
    assert np.isfinite(path.keyframes(keys, frames=20)).all()


@steady
@given(start=pose, target=point, turn_frames=st.integers(0, 30))
def test_facing_ends_on_the_target_and_keeps_positions(start: F64, target: list[float], turn_frames: int) -> None:
    walk = path.truck(start, 3.0, frames=40)
    across = np.linalg.norm((np.asarray(target) - walk[:, :3, 3])[:, ::2], axis=-1)
    if across.min() < 1e-2:
        return  # straight above or below there is no "upright"
    poses = path.facing(walk, target, turn_frames=turn_frames)
    assert np.array_equal(poses[:, :3, 3], walk[:, :3, 3])
    wanted = np.asarray(target) - poses[-1, :3, 3]
    assert np.allclose(poses[-1, :3, 2], wanted / np.linalg.norm(wanted), atol=1e-9)
    if turn_frames:
        assert np.array_equal(poses[0], start)


def test_facing_ahead_looks_along_the_travel_and_rests_with_the_last_heading() -> None:
    walk = path.then(
        path.truck(np.eye(4), 2.0, frames=10), path.hold(path.truck(np.eye(4), 2.0, frames=2)[-1], frames=5)
    )
    poses = path.facing_ahead(walk)
    assert np.allclose(poses[:, :3, 2], [1, 0, 0])


@steady
@given(start=pose, a=frame_count, b=frame_count)
def test_then_joins_without_repeating_a_pose(start: F64, a: int, b: int) -> None:
    first = path.dolly(start, 1.0, frames=a)
    second = path.pan(first[-1], 0.5, frames=b)
    joined = path.then(first, second)
    assert len(joined) == a + b - 1
    assert np.array_equal(joined[a - 1 :], second)


def test_then_refuses_a_jump() -> None:
    first = path.dolly(np.eye(4), 1.0, frames=5)
    with pytest.raises(ValueError, match="path 1 must begin at the last pose"):
        path.then(first, first)


@steady
@given(start=pose, size=amount, frames=frame_count)
def test_there_and_back_returns_bit_for_bit(start: F64, size: float, frames: int) -> None:
    loop = path.there_and_back(path.pan(start, size, frames=frames))
    assert len(loop) == 2 * frames - 1
    assert np.array_equal(loop, loop[::-1])


@steady
@given(start=pose, frames=st.integers(2, 40), count=st.integers(2, 90))
def test_resampling_keeps_both_ends_and_stays_rigid(start: F64, frames: int, count: int) -> None:
    walk = around(start, 2.0, frames=frames)
    poses = path.resample(walk, count)
    assert len(check_poses(poses)) == count
    assert np.array_equal(poses[0], walk[0]) and np.array_equal(poses[-1], walk[-1])
    assert np.array_equal(path.resample(walk, frames), walk)


@steady
@given(start=pose, walk_start=pose)
def test_a_placed_path_begins_at_the_start_with_the_same_steps(start: F64, walk_start: F64) -> None:
    walk = around(walk_start, 1.0, frames=8)
    poses = path.placed(walk, start)
    assert np.array_equal(poses[0], start)
    assert np.allclose(np.linalg.inv(poses[0]) @ poses, np.linalg.inv(walk[0]) @ walk, atol=1e-9)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: path.dolly(np.eye(4), 1.0, frames=1), "at least 2 frames"),
        (lambda: path.hold(np.eye(4), frames=0), "at least 1 frames"),
        (lambda: path.hold(np.eye(3), frames=2), "shape"),
        (lambda: path.pan(np.eye(4), math.nan, frames=4), "finite"),
        (lambda: path.orbit(np.eye(4), 1.0, target=(0, 0), frames=4), "3 finite numbers"),
        (
            lambda: path.spiral(np.eye(4), 1.0, target=(0, 0, 1), rise_m=0, radius_scale=0, frames=4),
            "radius_scale must be positive",
        ),
        (lambda: path.keyframes(np.eye(4)[None], frames=4), "K >= 2"),
        (lambda: path.keyframes(np.stack([np.eye(4)] * 4), frames=3), "at least 4 frames"),
        (lambda: path.resample(path.hold(np.eye(4), frames=3), 1), "count >= 2"),
    ],
)
def test_wrong_arguments_say_what_is_wanted(wrong: Callable[[], F64], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrong()
