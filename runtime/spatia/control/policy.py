"""When a walk asks for its next clip. Pure: what is known in a tick goes in, a decision and the next state come out.

| policy      | asks                                                                             |
|-------------|----------------------------------------------------------------------------------|
| on_demand   | when a person does                                                               |
| on_coverage | and when the memory knows too little of what lies ahead if the walk goes on as it does |
| continuous  | and as soon as the last clip is in                                                |

One clip is in the making at a time. What a person asks for meanwhile waits; of several wishes the newest alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from spatia.geom.camera import Cameras
from spatia.geom.pose import inverse
from spatia.records.control import Generate

Policy = Literal["on_demand", "on_coverage", "continuous"]
POLICIES: tuple[Policy, ...] = ("on_demand", "on_coverage", "continuous")

LEAST_FRAMES = 4  # new ones that a clip is begun for unasked: they fill one latent of the autoencoder
LOOKS_AHEAD = 4
LOOK_EVERY_TICKS = 6  # a look ahead costs a projection


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyState:
    """What a policy remembers from tick to tick."""

    policy: Policy = "on_demand"
    wish: Generate | None = None  # of a person, not yet granted
    prompt: str = ""  # of the last clip that a person asked for; clips begun unasked go on with it
    look_tick: int = 0  # when the next look ahead is due

    def wishing(self, wish: Generate) -> "PolicyState":
        """A person asks; whatever was asked for before and not begun is forgotten."""
        return replace(self, wish=wish)

    def switched(self) -> "PolicyState":
        """The next policy of the three; a wish stays."""
        return replace(self, policy=POLICIES[(POLICIES.index(self.policy) + 1) % len(POLICIES)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do in this tick."""

    state: PolicyState
    generate: Generate | None = None
    coverage: float | None = None  # of the view ahead, where it was looked at


def decide(
    state: PolicyState,
    *,
    tick: int,
    walked_frames: int,
    in_flight: bool,
    recent: Cameras,
    clip_frames: int,
    coverage: Callable[[Cameras], float],
    least_coverage: float = 0.75,
) -> Decision:
    """Whether a clip is asked for now.

    `walked_frames` are those that no clip covers; `recent` are the last poses of the walk, the newest last, one a tick;
    `coverage` says how much of some views the memory knows, 0..1, and is asked as rarely as can be.
    """
    if in_flight or walked_frames < 1:
        return Decision(state=state)
    if state.wish is not None:
        return Decision(state=replace(state, wish=None, prompt=state.wish.prompt), generate=state.wish)
    if walked_frames < LEAST_FRAMES:
        return Decision(state=state)
    go_on = Generate(prompt=state.prompt)
    match state.policy:
        case "on_demand":
            return Decision(state=state)
        case "continuous":
            return Decision(state=state, generate=go_on)
        case "on_coverage":
            if tick < state.look_tick:
                return Decision(state=state)
            known = coverage(views_ahead(recent, frames=clip_frames))
            looked = replace(state, look_tick=tick + LOOK_EVERY_TICKS)
            return Decision(state=looked, generate=go_on if known < least_coverage else None, coverage=known)


def views_ahead(recent: Cameras, *, frames: int) -> Cameras:
    """Up to `LOOKS_AHEAD` cameras, spread over the next `frames` ticks of a walk that goes on as it does.

    The motion of the last ticks, turns included, is repeated; what was watched for a short time alone is not trusted
    for a long one. A walk of one pose looks at where it stands.
    """
    poses = recent.world_from_camera
    if not len(poses):
        raise ValueError("recent must hold at least one pose")
    watched = min(len(poses) - 1, max(1, frames // LOOKS_AHEAD))
    if watched == 0:
        return recent
    moved = inverse(poses[-1 - watched]) @ poses[-1]  # the later camera, seen from the earlier
    ahead = [poses[-1]]
    for _ in range(LOOKS_AHEAD):
        ahead.append(ahead[-1] @ moved)
    return Cameras(world_from_camera=np.stack(ahead[1:]), intrinsics=recent.intrinsics)
