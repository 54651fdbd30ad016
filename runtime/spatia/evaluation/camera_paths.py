"""The camera paths that WorldScore asks of a generator, and the closed loop that Spatia is measured on. Pure.

OpenCV axes: the first camera is the identity, +x right, +y down, +z forward. `blender_axes` gives the same cameras in
the axes that WorldScore writes them in. Errors between two paths are the same in either.
"""

from collections.abc import Sequence
from typing import Literal, assert_never

import numpy as np

from spatia.geom.path import dolly, orbit, pan, resample, then, truck
from spatia.geom.pose import F64, check_poses, gl_from_camera

Move = Literal[
    "fixed",
    "push_in",
    "pull_out",
    "move_left",
    "move_right",
    "pan_left",
    "pan_right",
    "orbit_left",
    "orbit_right",
]

PUSH_M = 1.0  # times the sample's camera speed, as are all lengths
MOVE_M = 0.5
TURN_RAD = np.pi / 6
ORBIT_RADIUS_M = 1.0  # how far ahead the pivot lies: the benchmark's description leaves it open


def worldscore_path(moves: Sequence[Move], *, frames: int, speed: float = 1.0) -> F64:
    """world_from_camera [1 + len(moves) * (frames - 1), 4, 4]: one move after another, `frames` poses each.

    WorldScore's camera generator (Duan et al., 2025): a key camera after every move, linear positions and slerped
    rotations between them. So an orbit's eye follows the chord, not the arc.
    """
    parts, start = [], np.eye(4)
    for move in moves:
        end = key_camera(start, move, speed=speed)
        parts.append(resample(np.stack([start, end]), frames))
        start = end
    return then(np.eye(4)[None], *parts)


def key_camera(start: F64, move: Move, *, speed: float = 1.0) -> F64:
    """The pose [4, 4] that a move ends with."""
    match move:
        case "fixed":
            path = start[None]
        case "push_in" | "pull_out":
            path = dolly(start, PUSH_M * speed * (1 if move == "push_in" else -1), frames=2)
        case "move_left" | "move_right":
            path = truck(start, MOVE_M * speed * (1 if move == "move_right" else -1), frames=2)
        case "pan_left" | "pan_right":
            path = pan(start, TURN_RAD * (1 if move == "pan_right" else -1), frames=2)
        case "orbit_left" | "orbit_right":
            pivot = start[:3, 3] + ORBIT_RADIUS_M * speed * start[:3, 2]
            path = orbit(start, TURN_RAD * (1 if move == "orbit_left" else -1), target=pivot, frames=2)
        case _:
            assert_never(move)
    return np.asarray(path[-1], dtype=np.float64)


def closed_loop(*, frames: int, distance_m: float = MOVE_M) -> F64:
    """world_from_camera [frames, 4, 4]: left, right past the start, and back to the very first pose, at one speed.

    The path on which Spatia compares the last frame with the first picture (section 4.1 of its paper, which gives
    neither lengths nor whether the camera turns).
    """
    start = np.eye(4)
    left, right = (truck(start, distance, frames=2)[-1] for distance in (-distance_m, distance_m))
    return resample(np.stack([start, left, start, right, start]), frames)


def blender_axes(poses: F64) -> F64:
    """Cameras [..., 4, 4] with +y up and looking along -z, in a world turned likewise; its own inverse.

    The first camera stays the identity. Where only cameras are to be turned and the world is left, multiply by
    `gl_from_camera()` from the right alone.
    """
    return np.asarray(gl_from_camera() @ check_poses(poses) @ gl_from_camera(), dtype=np.float64)
