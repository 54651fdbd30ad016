"""From what a person does to how the walker moves: smooth, and the same at any number of frames a second. Pure.

Time is cut into ticks, which the session takes, and ticks into steps short enough to look smooth. What is left of a
frame's time waits for the next frame. So the motion depends on how long a key was held, not on how many frames that
was.
"""

from dataclasses import dataclass, replace
from math import cos, exp, hypot, pi, remainder, sin
from typing import Literal

from spatia.control.walk import MAX_PITCH_RAD
from spatia.records.control import Motion
from spatia.records.input import InputSnapshot

STEP_S = 1 / 240  # about; a tick has a whole number of steps
LONGEST_FRAME_S = 0.25  # after a stall the walk goes on from where it is, it does not catch up
EASE_S = 0.09  # time in which speed comes within 1/e of what is asked for
REST = 0.005  # slower than this share of the walking speed is standing
MOUSE_RAD_PER_PX = 0.0022
TURN_RAD_PER_S = 1.7
WHEEL_FACTOR = 1.2
SLOWEST, FASTEST = 0.1, 10.0  # times the walking speed, by wheel
FASTER = 3.0

Mode = Literal["walk", "fly"]
Velocity = tuple[float, float, float, float, float]  # forward, right, up in walking speeds; yaw, pitch in rad/s
STANDING: Velocity = (0.0, 0.0, 0.0, 0.0, 0.0)
AT_REST = Motion()


@dataclass(frozen=True, slots=True, kw_only=True)
class Steering:
    """All that the next moment of a walk depends on, beside what the person does.

    Walking keeps the height of the eyes; flying goes where one looks. Forward, right and up in the motions are
    multiples of the walking speed, so that haste makes them larger than 1.
    """

    tick_s: float
    mode: Mode = "walk"
    pace: float = 1.0  # times the walking speed, by wheel
    velocity: Velocity = STANDING
    ahead: Motion = AT_REST  # of the tick that is not over, for the view: `step_pose(pose, ahead, dt_s=tick_s)`
    steps_done: int = 0  # of that tick
    owed_ns: int = 0  # time that has passed and is no whole step; whole numbers add up the same in any order

    def __post_init__(self) -> None:
        if not 0 < self.tick_s < 10:
            raise ValueError(f"tick_s must be above 0 and below 10; got {self.tick_s}")

    @property
    def steps_a_tick(self) -> int:
        return max(1, round(self.tick_s / STEP_S))

    def advance(
        self, snapshot: InputSnapshot, dt_s: float, *, pitch_rad: float
    ) -> tuple["Steering", tuple[Motion, ...]]:
        """The steering after a frame of `dt_s`, and a motion for each tick that ended in it, `AT_REST` where none was.

        `pitch_rad` is how far up the walker looked at the end of the last tick.
        """
        now = _looked(_switched(self, snapshot), snapshot, pitch_rad)
        step_ns = round(1e9 * self.tick_s / self.steps_a_tick)
        owed_ns = self.owed_ns + round(1e9 * min(max(dt_s, 0.0), LONGEST_FRAME_S))
        motions = []
        for _ in range(owed_ns // step_ns):
            now = _stepped(now, snapshot, pitch_rad)
            if now.steps_done == now.steps_a_tick:
                motions.append(_whole(now.ahead))
                pitch_rad += now.ahead.pitch_rad
                now = replace(now, ahead=AT_REST, steps_done=0)
        return replace(now, owed_ns=owed_ns % step_ns), tuple(motions)


def _switched(steering: Steering, snapshot: InputSnapshot) -> Steering:
    mode = steering.mode
    if snapshot.pressed.count("mode_fly_walk") % 2 == 1:
        mode = "fly" if mode == "walk" else "walk"
    pace = min(max(steering.pace * WHEEL_FACTOR**snapshot.wheel, SLOWEST), FASTEST)
    return replace(steering, mode=mode, pace=pace)


def _looked(steering: Steering, snapshot: InputSnapshot, pitch_rad: float) -> Steering:
    """The mouse turns the head at once: a view that drags behind the hand makes ill."""
    yaw_rad, rise_rad = MOUSE_RAD_PER_PX * snapshot.look_px[0], -MOUSE_RAD_PER_PX * snapshot.look_px[1]
    return replace(steering, ahead=_turned(steering.ahead, yaw_rad, rise_rad, pitch_rad))


def _stepped(steering: Steering, snapshot: InputSnapshot, pitch_rad: float) -> Steering:
    share = 1 / steering.steps_a_tick
    step_s = share * steering.tick_s
    velocity = _eased(steering.velocity, _wanted(steering, snapshot), 1 - exp(-step_s / EASE_S))
    forward, right, up, yaw_rad_per_s, pitch_rad_per_s = velocity
    ahead = _turned(steering.ahead, yaw_rad_per_s * step_s, pitch_rad_per_s * step_s, pitch_rad)
    climb_rad = pitch_rad + ahead.pitch_rad if steering.mode == "fly" else 0.0
    ahead = replace(
        ahead,
        forward=ahead.forward + share * forward * cos(climb_rad),
        right=ahead.right + share * right,
        up=ahead.up + share * (up + forward * sin(climb_rad)),
    )
    return replace(steering, velocity=velocity, ahead=ahead, steps_done=steering.steps_done + 1)


def _wanted(steering: Steering, snapshot: InputSnapshot) -> Velocity:
    def axis(more: str, less: str) -> float:
        return snapshot.amount(more) - snapshot.amount(less)

    forward, right = axis("forward", "back"), axis("right", "left")
    up = axis("up", "down") if steering.mode == "fly" else 0.0
    # Two keys at once are no faster than one.
    speed = steering.pace * (1 + (FASTER - 1) * snapshot.amount("faster")) / max(1.0, hypot(forward, right, up))
    yaw, pitch = axis("look_right", "look_left"), axis("look_up", "look_down")
    return speed * forward, speed * right, speed * up, TURN_RAD_PER_S * yaw, TURN_RAD_PER_S * pitch


def _eased(velocity: Velocity, wanted: Velocity, share: float) -> Velocity:
    def eased(now: float, goal: float) -> float:
        then = now + share * (goal - now)
        return 0.0 if goal == 0 and abs(then) < REST else then

    forward, right, up, yaw, pitch = (eased(now, goal) for now, goal in zip(velocity, wanted, strict=True))
    return forward, right, up, yaw, pitch


def _turned(ahead: Motion, yaw_rad: float, pitch_rad: float, walker_pitch_rad: float) -> Motion:
    """No further up or down than a walker can look."""
    lowest_rad, highest_rad = min(-MAX_PITCH_RAD - walker_pitch_rad, 0.0), max(MAX_PITCH_RAD - walker_pitch_rad, 0.0)
    pitch_rad = min(max(ahead.pitch_rad + pitch_rad, lowest_rad), highest_rad)
    return replace(ahead, yaw_rad=ahead.yaw_rad + yaw_rad, pitch_rad=pitch_rad)


def _whole(ahead: Motion) -> Motion:
    """A turn by more than half a circle is the shorter one to the other side."""
    return replace(ahead, yaw_rad=remainder(ahead.yaw_rad, 2 * pi))
