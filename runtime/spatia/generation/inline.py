"""The worker without a thread: `take` generates on the caller's thread. For tests, replays and scripts.

It cannot outlive a generator that hangs or kills the process; deadlines are kept at the generator's own steps.
"""

from spatia.clock import Clock
from spatia.generation.job import Build, Event, failure_of, raised, run_job
from spatia.generation.ledger import Front, Ledger
from spatia.generation.worker import MAX_OPEN, ClipResult, Outcome
from spatia.inbox import InboxClosed
from spatia.records.generation import Cancelled, Clip, ClipRequest, Generator, Progress


class InlineWorker(Front):
    """See `Worker`; everything happens inside `take`."""

    def __init__(self, build: Build, *, clock: Clock, max_open: int = MAX_OPEN) -> None:
        self._build = build
        self._clock = clock
        super().__init__(max_open=max_open)
        self._generator: Generator | None = None

    def take(self, *, timeout_s: float | None = None) -> Outcome | None:
        """The outcome of the oldest request. Never waits: None at once when nothing is open."""
        try:
            request = self._ledger.requests.take(timeout_s=0.0)
        except InboxClosed:
            self._ledger.outcomes.close()
            request = None
        if request is not None:
            self._ledger.settle(self._outcome(request))
        return self._ledger.take(timeout_s=0.0)

    def close(self, *, deadline_s: float = 5.0) -> None:
        self._ledger.close()

    def _outcome(self, request: ClipRequest) -> Outcome:
        start_s = self._clock.now_s()
        watch = _Watch(request, ledger=self._ledger, clock=self._clock, start_s=start_s)
        if self._ledger.is_cancelled(request.request_id):
            return failure_of(request, kind="cancelled", message="cancelled before it began")
        if self._generator is None:
            self._ledger.count_opened()
            try:
                self._generator = self._build()
            except Exception as problem:  # noqa: BLE001 - a failed build is the request's failure
                return raised(request, problem)
        result = run_job(request, generator=self._generator, cancel=watch, tell=self._hear)
        if isinstance(result, Clip):
            return ClipResult.of(request, result, duration_s=self._clock.now_s() - start_s)
        if result.kind == "raised":
            self._generator = None
        if result.kind == "cancelled" and not self._ledger.is_cancelled(request.request_id):
            return failure_of(request, kind="deadline", message=f"no clip within {request.deadline_s:g} s")
        return result

    def _hear(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._progress = event


class _Watch:
    def __init__(self, request: ClipRequest, *, ledger: Ledger, clock: Clock, start_s: float) -> None:
        self._request = request
        self._ledger = ledger
        self._clock = clock
        self._start_s = start_s

    def check(self) -> None:
        deadline_s = self._request.deadline_s
        late = deadline_s is not None and self._clock.now_s() - self._start_s > deadline_s
        if late or self._ledger.is_cancelled(self._request.request_id):
            raise Cancelled
