"""How a walker moves in one tick. Pure: pose and motion in, pose out."""

import math

import numpy as np

from spatia.geom.pose import F64, from_rotation_translation, rotation_about
from spatia.records.control import Motion

WALKING_SPEED_M_PER_S = 1.4
MAX_PITCH_RAD = math.radians(85)

_DOWN = np.array([0.0, 1.0, 0.0])


def step_pose(
    world_from_camera: F64,  # [4, 4]
    motion: Motion,
    *,
    dt_s: float,
    speed_m_per_s: float = WALKING_SPEED_M_PER_S,
) -> F64:
    """The pose one tick later: turn first, then move over the ground in the new direction.

    Forward and right stay level whatever the pitch, so that looking at the floor does not walk into it. The pitch
    is held within 85 degrees of level; the roll is left as it is.
    """
    rotation = rotation_about(_DOWN, motion.yaw_rad) @ world_from_camera[:3, :3]
    pitch_rad = math.asin(float(np.clip(-rotation[1, 2], -1.0, 1.0)))
    allowed_rad = min(max(pitch_rad + motion.pitch_rad, -MAX_PITCH_RAD), MAX_PITCH_RAD) - pitch_rad
    rotation = rotation @ rotation_about([1.0, 0.0, 0.0], allowed_rad)
    ahead = _level(rotation[:, 2], fallback=rotation[:, 1])
    aside = np.cross(_DOWN, ahead)
    direction = motion.forward * ahead + motion.right * aside - motion.up * _DOWN
    return from_rotation_translation(rotation, world_from_camera[:3, 3] + speed_m_per_s * dt_s * direction)


def _level(direction: F64, *, fallback: F64) -> F64:
    for candidate in (direction, fallback):
        level = np.array([candidate[0], 0.0, candidate[2]])
        length = float(np.linalg.norm(level))
        if length > 1e-6:
            return level / length
    return np.array([0.0, 0.0, 1.0])
