"""When clips are asked for, and where a walk looks to be going."""

import math

import numpy as np
import pytest

from spatia.control.policy import (
    LEAST_FRAMES,
    LOOK_EVERY_TICKS,
    LOOKS_AHEAD,
    POLICIES,
    Decision,
    Policy,
    PolicyState,
    decide,
    views_ahead,
)
from spatia.control.walk import step_pose
from spatia.geom.camera import Cameras, Intrinsics
from spatia.records.control import Generate, Motion

LENS = Intrinsics.from_fov(fov_y_rad=1.0, width_px=32, height_px=16)


def walk(motion: Motion, *, ticks: int) -> Cameras:
    poses = [np.eye(4)]
    for _ in range(ticks):
        poses.append(step_pose(poses[-1], motion, dt_s=1 / 24))
    return Cameras(world_from_camera=np.stack(poses), intrinsics=LENS)


def ask(
    state: PolicyState, *, known: float = 1.0, tick: int = 0, walked: int = 40, in_flight: bool = False
) -> Decision:
    recent = walk(Motion(forward=1.0), ticks=20)
    return decide(
        state,
        tick=tick,
        walked_frames=walked,
        in_flight=in_flight,
        recent=recent,
        clip_frames=72,
        coverage=lambda cameras: known,
    )


def never(cameras: Cameras) -> float:
    raise AssertionError("a look ahead was not needed")


@pytest.mark.parametrize("policy", POLICIES)
def test_a_wish_is_granted_whatever_the_policy_and_its_prompt_stays(policy: Policy) -> None:
    decided = ask(PolicyState(policy=policy).wishing(Generate(prompt="a red sofa")), walked=1)
    assert decided.generate == Generate(prompt="a red sofa")
    assert decided.state.wish is None
    assert decided.state.prompt == "a red sofa"


@pytest.mark.parametrize("policy", POLICIES)
def test_nothing_is_asked_while_a_clip_is_made_or_nothing_was_walked(policy: Policy) -> None:
    state = PolicyState(policy=policy).wishing(Generate())
    assert ask(state, known=0.0, in_flight=True) == Decision(state=state)
    assert ask(state, known=0.0, walked=0) == Decision(state=state)


def test_of_several_wishes_the_newest_is_granted_once() -> None:
    state = PolicyState().wishing(Generate(prompt="old")).wishing(Generate(prompt="new"))
    waited = ask(state, in_flight=True).state
    granted = ask(waited)
    assert granted.generate == Generate(prompt="new")
    assert ask(granted.state).generate is None


def test_on_demand_never_asks_by_itself() -> None:
    assert ask(PolicyState(), known=0.0).generate is None


def test_continuous_asks_as_soon_as_there_is_a_latent_to_fill() -> None:
    state = PolicyState(policy="continuous", prompt="a garden")
    assert ask(state, walked=LEAST_FRAMES - 1).generate is None
    assert ask(state, walked=LEAST_FRAMES).generate == Generate(prompt="a garden")


def test_on_coverage_asks_where_too_little_is_known() -> None:
    state = PolicyState(policy="on_coverage")
    assert ask(state, known=0.74).generate == Generate()
    assert ask(state, known=0.75).generate is None
    assert ask(state, known=0.75).coverage == 0.75


def test_on_coverage_looks_once_in_a_while_and_only_when_it_matters() -> None:
    looked = ask(PolicyState(policy="on_coverage"), tick=10).state
    recent = walk(Motion(), ticks=1)
    for tick in range(11, 10 + LOOK_EVERY_TICKS):
        decided = decide(
            looked, tick=tick, walked_frames=40, in_flight=False, recent=recent, clip_frames=72, coverage=never
        )
        assert decided == Decision(state=looked)
    assert ask(looked, tick=10 + LOOK_EVERY_TICKS).coverage == 1.0


def test_policies_are_gone_through_in_turn() -> None:
    state = PolicyState().wishing(Generate(prompt="kept"))
    seen = [state.policy]
    for _ in POLICIES:
        state = state.switched()
        seen.append(state.policy)
    assert tuple(seen) == (*POLICIES, POLICIES[0])
    assert state.wish == Generate(prompt="kept")


def test_a_straight_walk_is_expected_to_go_straight_on() -> None:
    ahead = views_ahead(walk(Motion(forward=1.0), ticks=30), frames=72)
    assert ahead.world_from_camera[:, 2, 3] == pytest.approx([(30 + 18 * i) * 1.4 / 24 for i in range(1, 5)])


def test_a_turn_is_expected_to_go_on() -> None:
    turning = Motion(forward=1.0, yaw_rad=math.radians(2))
    ahead = views_ahead(walk(turning, ticks=20), frames=72)
    true = walk(turning, ticks=20 + 72).world_from_camera[20 + 18 :: 18]
    assert np.allclose(ahead.world_from_camera, true, atol=1e-9)


def test_a_motion_seen_for_two_ticks_is_trusted_for_eight() -> None:
    ahead = views_ahead(walk(Motion(forward=1.0), ticks=2), frames=72)
    assert len(ahead) == LOOKS_AHEAD
    assert ahead.world_from_camera[-1, 2, 3] == pytest.approx(10 * 1.4 / 24)


def test_who_stands_looks_at_where_they_stand() -> None:
    recent = walk(Motion(), ticks=0)
    assert np.array_equal(views_ahead(recent, frames=72).world_from_camera, recent.world_from_camera)
    with pytest.raises(ValueError, match="at least one pose"):
        views_ahead(recent[:0], frames=72)
