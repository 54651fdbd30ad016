"""The only module that reads the wall clock. Everything else is handed a `Clock`."""

import time
from typing import Protocol


class Clock(Protocol):
    """Seconds that only go forward; the zero point means nothing."""

    def now_s(self) -> float: ...


class WallClock:
    """Real time."""

    def now_s(self) -> float:
        return time.perf_counter()  # noqa: TID251 - this is the one place


class ManualClock:
    """Time that stands still until it is told to move; for tests and replays."""

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s

    def now_s(self) -> float:
        return self._now_s

    def advance(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError(f"seconds must be >= 0; got {seconds}")
        self._now_s += seconds
