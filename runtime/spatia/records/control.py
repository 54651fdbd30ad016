"""Orders to the runtime as data: what a person, a script or an agent wants in a tick. A run is replayed from these."""

from dataclasses import dataclass
from math import isfinite
from typing import Protocol

import numpy as np

from spatia.geom.pose import F64, check_poses
from spatia.records.edits import Edit


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """One tick of movement, relative to where the walker looks; already freed of any device."""

    forward: float = 0.0  # times the walking speed: 1 walks, -1 goes back as fast, 3 runs
    right: float = 0.0
    up: float = 0.0
    yaw_rad: float = 0.0  # turn to the right in this tick, about the vertical
    pitch_rad: float = 0.0  # look up in this tick

    def __post_init__(self) -> None:
        for axis in ("forward", "right", "up", "yaw_rad", "pitch_rad"):
            if not isfinite(getattr(self, axis)):
                raise ValueError(f"{axis} must be a finite number; got {getattr(self, axis)}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FollowPath:
    """Walk these poses, one a tick, and generate all of them."""

    world_from_camera: F64  # [T, 4, 4]
    prompt: str = ""

    def __post_init__(self) -> None:
        poses = np.array(check_poses(self.world_from_camera), order="C")
        if poses.ndim != 3 or not len(poses):
            raise ValueError(f"a path must have shape (T, 4, 4) with T >= 1; got {poses.shape}")
        poses.flags.writeable = False
        object.__setattr__(self, "world_from_camera", poses)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyEdit:
    """Change the memory by hand."""

    edit: Edit


@dataclass(frozen=True, slots=True, kw_only=True)
class Generate:
    """Turn the poses walked since the last clip into a clip, however few they are."""

    prompt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetTo:
    """Begin the world again, with this seed; what is in the making is dropped and counted."""

    seed: int


Order = Motion | FollowPath | ApplyEdit | Generate | ResetTo


class InputSource(Protocol):
    """The seam between whoever decides and the runtime. Polled on the main thread, once a tick."""

    def poll(self, tick: int, *, idle: bool) -> tuple[Order, ...]:
        """Orders for this tick. `idle` says that all earlier orders are carried out and committed."""
        ...

    @property
    def exhausted(self) -> bool:
        """True when nothing more will come."""
        ...
