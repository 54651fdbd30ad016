"""Input and control as data: what devices said, and how the walker is to move."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSnapshot:
    """One tick of input, already freed of the device: axes in -1..1, buttons by name."""

    forward: float = 0.0
    right: float = 0.0
    up: float = 0.0
    yaw_rad: float = 0.0  # turn to the right, about the world's down axis
    pitch_rad: float = 0.0  # look up
    speed: float = 1.0  # multiple of the walking speed
    pressed: tuple[str, ...] = ()  # actions that went down in this tick, sorted
