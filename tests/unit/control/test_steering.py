import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatia.control.steering import AT_REST, FASTEST, LONGEST_FRAME_S, SLOWEST, Steering
from spatia.control.walk import MAX_PITCH_RAD, step_pose
from spatia.records.control import Motion
from spatia.records.input import InputSnapshot

TICK_S = 1 / 24
NOTHING = InputSnapshot()
FORWARD = InputSnapshot(held=("forward",))


def walked(
    steering: Steering, snapshot: InputSnapshot, frames_s: list[float], *, pitch_rad: float = 0.0
) -> tuple[Steering, list[Motion]]:
    """The motions of frames in which the same is held; the mouse moves in the first."""
    motions: list[Motion] = []
    for dt_s in frames_s:
        steering, ended = steering.advance(snapshot, dt_s, pitch_rad=pitch_rad + sum(m.pitch_rad for m in motions))
        motions += ended
        snapshot = replace(snapshot, look_px=(0.0, 0.0), pressed=(), wheel=0.0)
    return steering, motions


def totals(motions: list[Motion]) -> Motion:
    axes = ("forward", "right", "up", "yaw_rad", "pitch_rad")
    return Motion(**{axis: sum(getattr(motion, axis) for motion in motions) for axis in axes})


# Cuts of one second into frames of whole microseconds, none so long that it counts as a stall.
CUTS = st.lists(st.integers(1, 999_999), min_size=4, max_size=40, unique=True).map(
    lambda cuts: [
        (b - a) * 1e-6 for a, b in pairwise([0, *sorted({*cuts, 200_000, 400_000, 600_000, 800_000}), 1_000_000])
    ]
)
HELD = st.sets(st.sampled_from(["forward", "back", "right", "up", "faster", "look_left", "look_up"])).map(
    lambda held: tuple(sorted(held))
)


@settings(derandomize=True, max_examples=60)
@given(CUTS, HELD, st.sampled_from(["walk", "fly"]), st.floats(-1, 1))
def test_the_same_keys_make_the_same_motion_whatever_the_frames(
    frames_s: list[float], held: tuple[str, ...], mode: str, pitch_rad: float
) -> None:
    begun = Steering(tick_s=TICK_S, mode="fly" if mode == "fly" else "walk")
    snapshot = InputSnapshot(held=held)
    one = walked(begun, snapshot, [0.2] * 5, pitch_rad=pitch_rad)
    other = walked(begun, snapshot, frames_s, pitch_rad=pitch_rad)
    assert len(one[1]) == len(other[1])
    for a, b in zip(one[1], other[1], strict=True):
        assert (a.forward, a.right, a.up, a.yaw_rad) == pytest.approx((b.forward, b.right, b.up, b.yaw_rad), abs=1e-9)
    assert (one[0].steps_done, one[0].owed_ns) == (other[0].steps_done, other[0].owed_ns)
    assert one[0].velocity == other[0].velocity


@pytest.mark.parametrize("frames_a_second", [30, 60, 144, 1000])
def test_a_walk_and_its_stop_are_the_same_at_any_number_of_frames_a_second(frames_a_second: int) -> None:
    def way(rate: int) -> Motion:
        steering, motions = walked(Steering(tick_s=TICK_S), FORWARD, [1 / rate] * rate)
        _, stopping = walked(steering, NOTHING, [1 / rate] * rate)
        return totals(motions + stopping)

    assert way(frames_a_second).forward == pytest.approx(way(24).forward, rel=0.005)


@settings(derandomize=True, max_examples=60)
@given(CUTS, st.floats(-400, 400), st.floats(-400, 400))
def test_the_mouse_turns_as_far_whatever_the_frames(frames_s: list[float], right_px: float, down_px: float) -> None:
    snapshot = InputSnapshot(look_px=(right_px, down_px))
    one = totals(walked(Steering(tick_s=TICK_S), snapshot, [0.2] * 5)[1])
    other = totals(walked(Steering(tick_s=TICK_S), snapshot, frames_s)[1])
    assert (one.yaw_rad, one.pitch_rad) == pytest.approx((other.yaw_rad, other.pitch_rad), abs=1e-9)
    assert math.copysign(1, one.yaw_rad) == math.copysign(1, right_px) or one.yaw_rad == 0


def test_standing_still_is_at_rest_and_walking_comes_to_rest() -> None:
    steering, motions = walked(Steering(tick_s=TICK_S), NOTHING, [0.1] * 10)
    assert motions == [AT_REST] * len(motions)
    steering, _ = walked(steering, FORWARD, [0.1] * 10)
    _, motions = walked(steering, NOTHING, [0.1] * 10)
    assert motions[0] != AT_REST
    assert motions[-1] == AT_REST


def test_speed_rises_smoothly_to_that_of_walking_and_never_over_it() -> None:
    _, motions = walked(Steering(tick_s=TICK_S), FORWARD, [0.1] * 10)
    speeds = [motion.forward for motion in motions]
    assert speeds == sorted(speeds)
    assert 0 < speeds[0] < 0.5
    assert speeds[-1] == pytest.approx(1.0, abs=1e-3)
    assert speeds[-1] <= 1.0


def test_two_keys_are_no_faster_than_one() -> None:
    _, motions = walked(Steering(tick_s=TICK_S), InputSnapshot(held=("forward", "right")), [0.1] * 10)
    assert math.hypot(motions[-1].forward, motions[-1].right) == pytest.approx(1.0, abs=1e-3)


def test_opposite_keys_cancel_and_half_a_stick_is_half_as_fast() -> None:
    _, motions = walked(Steering(tick_s=TICK_S), InputSnapshot(held=("back", "forward")), [0.1] * 5)
    assert motions == [AT_REST] * len(motions)
    _, motions = walked(Steering(tick_s=TICK_S), InputSnapshot(pushed=(("right", 0.5),)), [0.1] * 10)
    assert motions[-1].right == pytest.approx(0.5, abs=1e-3)


def test_shift_and_wheel_make_it_faster_within_bounds() -> None:
    _, hasty = walked(Steering(tick_s=TICK_S), InputSnapshot(held=("faster", "forward")), [0.1] * 10)
    assert hasty[-1].forward == pytest.approx(3.0, abs=0.01)
    assert walked(Steering(tick_s=TICK_S), InputSnapshot(wheel=1.0), [0.0])[0].pace == pytest.approx(1.2)
    assert walked(Steering(tick_s=TICK_S), InputSnapshot(wheel=1000.0), [0.0])[0].pace == FASTEST
    assert walked(Steering(tick_s=TICK_S), InputSnapshot(wheel=-1000.0), [0.0])[0].pace == SLOWEST


def test_walking_keeps_its_height_and_flying_goes_where_one_looks() -> None:
    rising = InputSnapshot(held=("forward", "up"))
    _, motions = walked(Steering(tick_s=TICK_S), rising, [0.1] * 10, pitch_rad=0.5)
    assert all(motion.up == 0 for motion in motions)
    _, motions = walked(Steering(tick_s=TICK_S, mode="fly"), FORWARD, [0.1] * 10, pitch_rad=0.5)
    assert motions[-1].up == pytest.approx(math.sin(0.5), abs=2e-3)
    assert motions[-1].forward == pytest.approx(math.cos(0.5), abs=2e-3)
    _, motions = walked(Steering(tick_s=TICK_S, mode="fly"), InputSnapshot(held=("down",)), [0.1] * 10)
    assert motions[-1].up == pytest.approx(-1.0, abs=1e-3)


def test_each_press_changes_between_walking_and_flying() -> None:
    once = InputSnapshot(pressed=("mode_fly_walk",))
    steering = walked(Steering(tick_s=TICK_S), once, [0.0])[0]
    assert steering.mode == "fly"
    assert walked(steering, once, [0.0])[0].mode == "walk"
    assert walked(steering, InputSnapshot(pressed=("mode_fly_walk",) * 2), [0.0])[0].mode == "fly"


@settings(derandomize=True, max_examples=60)
@given(st.floats(-MAX_PITCH_RAD, MAX_PITCH_RAD), st.floats(-5000, 5000), st.sampled_from(["look_up", "look_down"]))
def test_nobody_looks_further_up_or_down_than_a_walker_can(pitch_rad: float, down_px: float, held: str) -> None:
    snapshot = InputSnapshot(held=(held,), look_px=(0.0, down_px))
    steering, motions = walked(Steering(tick_s=TICK_S), snapshot, [0.25] * 8, pitch_rad=pitch_rad)
    assert abs(pitch_rad + totals(motions).pitch_rad + steering.ahead.pitch_rad) <= MAX_PITCH_RAD + 1e-9


def test_the_view_goes_on_without_a_jump_when_a_tick_ends() -> None:
    steering, pose = Steering(tick_s=TICK_S, mode="fly"), np.eye(4)
    snapshot = InputSnapshot(held=("faster", "forward", "look_left", "look_up"))
    views = []
    for _ in range(200):
        pitch_rad = math.asin(-pose[1, 2])
        steering, motions = steering.advance(snapshot, 1 / 240, pitch_rad=pitch_rad)
        for motion in motions:
            pose = step_pose(pose, motion, dt_s=TICK_S)
        views.append(step_pose(pose, steering.ahead, dt_s=TICK_S)[:3, 3])
    steps = np.linalg.norm(np.diff(views, axis=0), axis=1)
    assert steps.max() < 1.2 * 3 * 1.4 / 240


def test_a_stall_is_not_caught_up() -> None:
    _, motions = walked(Steering(tick_s=TICK_S), FORWARD, [60.0])
    assert 1 <= len(motions) <= LONGEST_FRAME_S / TICK_S


def test_a_turn_by_more_than_half_a_circle_is_the_shorter_one() -> None:
    _, motions = walked(Steering(tick_s=TICK_S), InputSnapshot(look_px=(2000.0, 0.0)), [0.05])
    assert abs(motions[0].yaw_rad) <= math.pi
    assert math.cos(motions[0].yaw_rad) == pytest.approx(math.cos(0.0022 * 2000))


@pytest.mark.parametrize("tick_s", [0.0, -1.0, 100.0, math.nan])
def test_a_tick_has_a_length(tick_s: float) -> None:
    with pytest.raises(ValueError, match="tick_s"):
        Steering(tick_s=tick_s)
