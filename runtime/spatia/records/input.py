"""What a person did between two shown frames, freed of any device: the seam between windows, recordings and steering.

A snapshot is plain data. Written with `to_plain` and read with `of_plain`, it replays a walk without a window.
"""

from dataclasses import dataclass, fields
from math import isfinite
from typing import Any

from spatia.errors import InputError, near_miss

# While a person types, these stand in `typed` for the keys that are no letters, as they do on a terminal.
BACKSPACE, ENTER, ESCAPE = "\b", "\n", "\x1b"
EARLIER, LATER = "\x10", "\x0e"  # in the history of what was typed
COMPLETE = "\t"  # what was begun

MAX_NAMES = 256  # in one field of a snapshot that is read from a file
MAX_TEXT = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSnapshot:
    """One poll of the devices. Names in `held`, `pressed` and `pushed` are those of actions, not of keys."""

    held: tuple[str, ...] = ()  # down at any time since the last poll, sorted
    pressed: tuple[str, ...] = ()  # went down since the last poll, in order; repeats are no presses
    pushed: tuple[tuple[str, float], ...] = ()  # how far by sticks and triggers, 0 < amount <= 1, sorted
    look_px: tuple[float, float] = (0.0, 0.0)  # right and down, of a captured mouse
    pointer_px: tuple[float, float] | None = None  # in the framebuffer, of a free mouse
    wheel: float = 0.0  # notches away from the person
    typing: bool = False  # keys are letters now
    typed: str = ""
    focused: bool = True
    size_px: tuple[int, int] = (0, 0)  # of the framebuffer; (0, 0) while minimised
    closing: bool = False  # the window was asked to close
    notes: tuple[str, ...] = ()  # for the person to read, such as a gamepad that is gone

    def __post_init__(self) -> None:
        numbers = (*self.look_px, *(self.pointer_px or ()), self.wheel, *(amount for _, amount in self.pushed))
        if not all(isfinite(number) for number in numbers):
            raise ValueError(f"an input snapshot holds finite numbers; got {numbers}")

    def amount(self, action: str) -> float:
        """How much of an action is wanted, 0 to 1, whatever the device."""
        return 1.0 if action in self.held else dict(self.pushed).get(action, 0.0)


def to_plain(snapshot: InputSnapshot) -> dict[str, Any]:
    """The fields that differ from a poll in which nothing happened, for JSON or msgpack."""
    return {
        field.name: _lists(value)
        for field in fields(InputSnapshot)
        if (value := getattr(snapshot, field.name)) != field.default
    }


def of_plain(data: object, *, where: str) -> InputSnapshot:
    """The inverse of `to_plain`. Raises `InputError` at `where` for anything else."""
    if not isinstance(data, dict):
        raise _wrong("an input snapshot is a mapping", data, where)
    known = [field.name for field in fields(InputSnapshot)]
    for name in data:
        if name not in known:
            raise InputError(
                f"unknown input {name!r:.40}{near_miss(str(name)[:40], known)}",
                where=where,
                fix=f"use {', '.join(known)}",
            )
    read: dict[str, Any] = {name: _READERS[name](value, f"{where}: {name}") for name, value in data.items()}
    return InputSnapshot(**read)


def _lists(value: Any) -> Any:
    return [_lists(item) for item in value] if isinstance(value, tuple) else value


def _wrong(wanted: str, found: object, where: str) -> InputError:
    return InputError(f"{wanted}; found {found!r:.60}", where=where, fix="record the walk anew")


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise _wrong(f"wanted text of at most {MAX_TEXT} characters", value, where)
    return value


def _texts(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MAX_NAMES:
        raise _wrong(f"wanted a list of at most {MAX_NAMES} texts", value, where)
    return tuple(_text(item, where) for item in value)


def _number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= 1e6:
        raise _wrong("wanted a number within a million of 0", value, where)
    return float(value)


def _pair(value: object, where: str) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise _wrong("wanted two numbers", value, where)
    return _number(value[0], where), _number(value[1], where)


def _pushed(value: object, where: str) -> tuple[tuple[str, float], ...]:
    if not isinstance(value, list) or len(value) > MAX_NAMES:
        raise _wrong("wanted a list of actions and amounts", value, where)
    pushed = []
    for item in value:
        if not isinstance(item, list) or len(item) != 2:
            raise _wrong("wanted an action and its amount", item, where)
        action, amount = _text(item[0], where), _number(item[1], where)
        if not 0 < amount <= 1:
            raise _wrong("wanted an amount above 0, up to 1", amount, where)
        pushed.append((action, amount))
    return tuple(pushed)


def _size(value: object, where: str) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2 or not all(type(n) is int and 0 <= n <= 65_536 for n in value):
        raise _wrong("wanted a width and a height in pixels", value, where)
    return value[0], value[1]


def _truth(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong("wanted true or false", value, where)
    return value


_READERS = {
    "held": _texts,
    "pressed": _texts,
    "pushed": _pushed,
    "look_px": _pair,
    "pointer_px": _pair,
    "wheel": _number,
    "typing": _truth,
    "typed": _text,
    "focused": _truth,
    "size_px": _size,
    "closing": _truth,
    "notes": _texts,
}
