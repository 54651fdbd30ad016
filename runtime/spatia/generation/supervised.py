"""A worker whose generator runs elsewhere and may fail in any way. One supervising thread owns the lanes.

A *lane* is a generator on a thread or in a process of its own. Every report and every question "shall I go on?" is a
sign of life; a lane that gives none for too long, or ends, is replaced before the next request.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from spatia.clock import Clock
from spatia.generation.job import Event, Sign, failure_of, raised
from spatia.generation.ledger import Front
from spatia.generation.worker import MAX_OPEN, ClipResult, Outcome
from spatia.inbox import Inbox, InboxClosed
from spatia.records.generation import Clip, ClipRequest, Failure, Progress

POLL_S = 0.02  # how soon a cancel, a deadline or a hang is noticed
MAX_EVENTS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a lane may be silent."""

    open_within_s: float = 900.0  # weights come from a cold disk
    hang_after_s: float = 300.0  # one step of a large model on a slow device takes minutes
    stop_within_s: float = 30.0  # after a cancel; then the lane is ended


@dataclass(frozen=True, slots=True, kw_only=True)
class LastWords:
    """What a lane left behind when it ended."""

    message: str
    detail: str


class Lane(Protocol):
    """One generator elsewhere, one request at a time."""

    @property
    def events(self) -> Inbox[Event]:
        """Closed once the lane has ended."""
        ...

    def is_alive(self) -> bool: ...

    def start(self, request: ClipRequest) -> None:
        """Begin; returns at once."""
        ...

    def stop(self, request_id: int) -> None:
        """Ask the generator to stop at its next step."""
        ...

    def end(self) -> LastWords:
        """Leave or kill the generator; returns at once."""
        ...


class SupervisedWorker(Front):
    """See `Worker`."""

    def __init__(
        self,
        open_lane: Callable[[], Lane],
        *,
        clock: Clock,
        patience: Patience,
        max_open: int = MAX_OPEN,
    ) -> None:
        self._open_lane = open_lane
        self._clock = clock
        self._patience = patience
        super().__init__(max_open=max_open)
        self._force = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name="spatia-generation", daemon=True)
        self._thread.start()

    def take(self, *, timeout_s: float | None = None) -> Outcome | None:
        return self._ledger.take(timeout_s=timeout_s)

    def close(self, *, deadline_s: float = 5.0) -> None:
        self._ledger.close()
        self._thread.join(deadline_s)
        self._force.set()
        self._thread.join()

    def _supervise(self) -> None:
        try:
            self._serve()
        finally:
            self._ledger.outcomes.close()

    def _serve(self) -> None:
        lane: Lane | None = None
        while (request := self._next_request()) is not None:
            if self._ledger.is_cancelled(request.request_id):
                self._ledger.settle(failure_of(request, kind="cancelled", message="cancelled before it began"))
                continue
            silence_s = self._patience.hang_after_s
            if lane is None or not lane.is_alive():
                silence_s = self._patience.open_within_s
                try:
                    lane = self._replaced(lane)
                except OSError as problem:
                    self._ledger.settle(raised(request, problem))
                    continue
            self._ledger.settle(self._attempt(request, lane, silence_s=silence_s))
        if lane is not None:
            lane.end()

    def _next_request(self) -> ClipRequest | None:
        try:
            return self._ledger.requests.take()
        except InboxClosed:
            return None

    def _replaced(self, lane: Lane | None) -> Lane:
        if lane is not None:
            lane.end()
        self._ledger.count_opened()
        return self._open_lane()

    def _attempt(self, request: ClipRequest, lane: Lane, *, silence_s: float) -> Outcome:
        """Follow one request to its end. A lane that cannot be trusted with another one has been ended."""
        start_s = sign_s = stop_s = self._clock.now_s()
        stopped: Failure | None = None
        lane.start(request)
        while True:
            try:
                event = lane.events.take(timeout_s=POLL_S)
            except InboxClosed:
                words = lane.end()
                return failure_of(request, kind="killed", message=words.message, detail=words.detail)
            now_s = self._clock.now_s()
            if event is not None:
                sign_s = now_s
            if isinstance(event, Clip):
                return ClipResult.of(request, event, duration_s=now_s - start_s)
            if isinstance(event, Failure):
                if event.kind == "cancelled":
                    return stopped or event
                lane.end()
                return event
            if isinstance(event, Progress):
                self._progress = event
            elif event is Sign.READY:
                silence_s = self._patience.hang_after_s

            if stopped is not None:
                if self._force.is_set() or now_s - stop_s > self._patience.stop_within_s:
                    lane.end()
                    return stopped
                continue
            stopped = self._reason_to_stop(request, elapsed_s=now_s - start_s)
            if stopped is not None:
                stop_s = now_s
                lane.stop(request.request_id)
            elif now_s - sign_s > silence_s:
                words = lane.end()
                message = f"no sign of life for {silence_s:g} s; {words.message}"
                return failure_of(request, kind="hung", message=message, detail=words.detail)

    def _reason_to_stop(self, request: ClipRequest, *, elapsed_s: float) -> Failure | None:
        if self._ledger.is_cancelled(request.request_id):
            return failure_of(request, kind="cancelled", message="the clip was no longer wanted")
        if request.deadline_s is not None and elapsed_s > request.deadline_s:
            return failure_of(request, kind="deadline", message=f"no clip within {request.deadline_s:g} s")
        return None
