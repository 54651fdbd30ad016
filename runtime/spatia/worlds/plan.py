"""What a scene file of this package writes down: solids, light, where to start, and what moves when."""

from collections.abc import Callable
from dataclasses import dataclass

from spatia.geom.pose import F64
from spatia.worlds.blueprint import Blueprint
from spatia.worlds.light import Lights


def nothing_moves(movers: Blueprint, time_s: float) -> None:
    """The `move` of a still life."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenePlan:
    """A procedural world before it is lit. `move` adds the solids that move, where they are at a time."""

    name: str
    still: Blueprint
    lights: Lights
    exposure: float
    start_pose: F64  # [4, 4] world_from_camera
    bounds_m: F64  # [2, 3] lowest and highest corner of where one may walk
    texel_m: float = 0.05  # of the kept light
    move: Callable[[Blueprint, float], None] = nothing_moves
