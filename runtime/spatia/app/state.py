"""Components and resources of the walk: what COMMIT keeps in the World. Frozen; arrays read-only."""

from dataclasses import dataclass, fields

import numpy as np

from spatia.geom.camera import Intrinsics
from spatia.geom.pose import F64
from spatia.records.cloud import CloudSnapshot


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Walker:
    """Component: the camera that walks."""

    world_from_camera: F64  # [4, 4]
    intrinsics: Intrinsics


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlight:
    """Component of a request that a worker has."""

    request_id: int
    due_tick: int  # when a lockstep run waits for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """Resource: bumped by a reset; results of an earlier epoch are dropped and counted."""

    value: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cloud:
    """Resource: the static cloud as of the last commit."""

    snapshot: CloudSnapshot


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trajectory:
    """Resource: the poses that no clip covers yet, in the order of the walk."""

    poses: F64  # [n, 4, 4] of frames covered, covered + 1, …
    covered: int = 0  # frames of the walk that clips cover
    clips: int = 0  # clips of this world so far
    shown: int = 0  # how many of `poses` the walker has walked along
    owed: int = 0  # how many of `poses` somebody has asked clips of, however short the last clip is
    prompt: str = ""
    typed: bool = False  # `prompt` was asked for by itself, and no place changes it

    def __post_init__(self) -> None:
        view = np.asarray(self.poses, dtype=np.float64).reshape(-1, 4, 4).view()
        view.flags.writeable = False
        object.__setattr__(self, "poses", view)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Resource: what has happened so far. As mail: what happened in this tick, which COMMIT adds up."""

    requests: int = 0
    clips: int = 0
    edits: int = 0
    stale_results: int = 0
    failures: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(**{field.name: getattr(self, field.name) + getattr(other, field.name) for field in fields(self)})
