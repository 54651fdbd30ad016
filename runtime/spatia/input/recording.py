"""Orders at the ticks at which they were once given, and the text file that keeps such a recording.

The file is JSON lines, ``{"tick": 12, "forward": 1.0}`` a line: small, readable, and diffable. It holds motion alone,
since a path is written in the scene file itself.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, fields
from math import pi
from pathlib import Path

from spatia.errors import InputError, near_miss
from spatia.records.control import Motion, Order

MAX_RECORDING_BYTES = 64 * 1024 * 1024
MAX_RECORDING_TICKS = 100_000  # from the first to the last: over an hour at 24 a second
MAX_HASTE = 32.0  # times the walking speed
_AXES = tuple(field.name for field in fields(Motion))


class RecordingSource:
    """Plays orders back, tick by tick."""

    def __init__(self, recording: Iterable[tuple[int, Order]]) -> None:
        self._by_tick: dict[int, list[Order]] = {}
        for tick, order in recording:
            self._by_tick.setdefault(tick, []).append(order)

    def poll(self, tick: int, *, idle: bool) -> tuple[Order, ...]:
        return tuple(self._by_tick.pop(tick, ()))

    @property
    def exhausted(self) -> bool:
        return not self._by_tick


def write_motions(path: Path, motions: Iterable[tuple[int, Motion]]) -> None:
    """Save a recording of motion; axes at rest are left out."""
    lines = []
    for tick, motion in motions:
        moved = {axis: value for axis, value in asdict(motion).items() if value}
        lines.append(json.dumps({"tick": tick, **moved}))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_motions(path: Path) -> list[tuple[int, Motion]]:
    """A recording of motion. Raises `InputError` with ``file:line`` for anything but lines as `write_motions` makes."""
    try:
        if path.stat().st_size > MAX_RECORDING_BYTES:
            raise InputError(f"a recording has at most {MAX_RECORDING_BYTES} bytes", where=str(path), fix="split it")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read this recording: {error}", where=str(path), fix="check the path") from error
    motions: list[tuple[int, Motion]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            motions.append(_motion(line, where=f"{path}:{number}"))
        if len(motions) > 1 and motions[-1][0] <= motions[-2][0]:
            raise InputError("ticks must increase", where=f"{path}:{number}", fix="sort the lines by tick")
        if motions and motions[-1][0] - motions[0][0] >= MAX_RECORDING_TICKS:
            raise InputError(
                f"tick {motions[-1][0]} is {motions[-1][0] - motions[0][0]} after the first; "
                f"a recording spans at most {MAX_RECORDING_TICKS} ticks",
                where=f"{path}:{number}",
                fix="split the recording into rounds, each with its own file",
            )
    if not motions:
        raise InputError("the recording is empty", where=str(path), fix='write lines such as {"tick": 0, "forward": 1}')
    return motions


def _motion(line: str, *, where: str) -> tuple[int, Motion]:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON: {error}", where=where, fix='write {"tick": 0, "forward": 1.0}') from error
    if not isinstance(data, dict) or type(data.get("tick")) is not int or data["tick"] < 0:
        raise InputError("every line needs a tick >= 0", where=where, fix='write {"tick": 0, "forward": 1.0}')
    tick = data.pop("tick")
    for axis, value in data.items():
        if axis not in _AXES:
            raise InputError(f"unknown axis {axis!r}{near_miss(axis, _AXES)}", where=where, fix=f"use {_AXES}")
        limit = pi if axis.endswith("_rad") else MAX_HASTE
        if isinstance(value, bool) or not isinstance(value, int | float) or not -limit <= value <= limit:
            raise InputError(
                f"{axis} must be a number from {-limit:.5g} to {limit:.5g}; got {value!r:.40}",
                where=where,
                fix="write what is walked and turned in one tick",
            )
    return tick, Motion(**data)
