"""What a round is at: its stage, how much of it is done, how long each took. Production's thread; progress on any."""

from collections.abc import Callable
from typing import TypeVar

from spatia.clock import Clock
from spatia.records.generation import Cancelled, Progress

R = TypeVar("R")

WAITING = "waiting"


class Stages:
    """The stages of one round."""

    def __init__(self, request_id: int, *, clock: Clock, is_cancelled: Callable[[], bool]) -> None:
        self.seconds: dict[str, float] = {}
        self._request_id = request_id
        self._clock = clock
        self._is_cancelled = is_cancelled
        self._now = Progress(request_id=request_id, stage=WAITING, done=0, total=1)

    @property
    def progress(self) -> Progress:
        return self._now

    def timed(self, stage: str, work: Callable[[], R]) -> R:
        """Do this stage's work. Raises `Cancelled` in place of it where nobody waits for the round any more."""
        self._now = Progress(request_id=self._request_id, stage=stage, done=0, total=1)
        self._heed()
        started_s = self._clock.now_s()
        done = work()
        self.seconds[stage] = self._clock.now_s() - started_s
        return done

    def report(self, done: int, total: int) -> None:
        """See `Report`: the stage's own progress."""
        self._heed()
        self._now = Progress(request_id=self._request_id, stage=self._now.stage, done=done, total=total)

    def _heed(self) -> None:
        if self._is_cancelled():
            raise Cancelled
