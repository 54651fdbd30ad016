"""What a worker has been asked and what became of it. Locked; any thread.

Admission bounds the open requests, so that neither the queue of requests nor that of outcomes can overflow.
"""

import threading

from spatia.generation.worker import ClipResult, Outcome, WorkerStatistics
from spatia.inbox import Inbox
from spatia.records.generation import ClipRequest, Progress


class Ledger:
    """Requests waiting, outcomes waiting, and the counts."""

    def __init__(self, *, max_open: int) -> None:
        self.requests: Inbox[ClipRequest] = Inbox(max_items=max_open, when_full="reject")
        self.outcomes: Inbox[Outcome] = Inbox(max_items=max_open, when_full="reject")
        self._lock = threading.Lock()
        self._max_open = max_open
        self._cancelled_by_id: dict[int, bool] = {}
        self._accepted = self._rejected = self._clips = self._opened = 0
        self._failures: dict[str, int] = {}

    def admit(self, request: ClipRequest) -> bool:
        """Queue the request, unless too many are open. Raises `ValueError` for an id that is open already."""
        with self._lock:
            if request.request_id in self._cancelled_by_id:
                raise ValueError(f"request_id {request.request_id} is open already")
            if len(self._cancelled_by_id) >= self._max_open:
                self._rejected += 1
                return False
            self.requests.put(request)
            self._cancelled_by_id[request.request_id] = False
            self._accepted += 1
            return True

    def cancel(self, request_id: int) -> None:
        with self._lock:
            if request_id in self._cancelled_by_id:
                self._cancelled_by_id[request_id] = True

    def close(self) -> None:
        """Take no more requests and cancel those that are open."""
        with self._lock:
            self.requests.close()
            for request_id in self._cancelled_by_id:
                self._cancelled_by_id[request_id] = True

    def is_cancelled(self, request_id: int) -> bool:
        with self._lock:
            return self._cancelled_by_id.get(request_id, False)

    def count_opened(self) -> None:
        """A generator was built for this worker."""
        with self._lock:
            self._opened += 1

    def settle(self, outcome: Outcome) -> None:
        with self._lock:
            if isinstance(outcome, ClipResult):
                self._clips += 1
            else:
                self._failures[outcome.kind] = self._failures.get(outcome.kind, 0) + 1
        self.outcomes.put(outcome)

    def take(self, *, timeout_s: float | None) -> Outcome | None:
        outcome = self.outcomes.take(timeout_s=timeout_s)
        if outcome is not None:
            with self._lock:
                del self._cancelled_by_id[outcome.request_id]
        return outcome

    def statistics(self) -> WorkerStatistics:
        with self._lock:
            return WorkerStatistics(
                accepted=self._accepted,
                rejected=self._rejected,
                clips=self._clips,
                failures=tuple(sorted(self._failures.items())),
                restarts=max(0, self._opened - 1),
                open_requests=len(self._cancelled_by_id),
            )


class Front:
    """What every worker does alike with its ledger; see `Worker`."""

    def __init__(self, *, max_open: int) -> None:
        self._ledger = Ledger(max_open=max_open)
        self._progress: Progress | None = None

    def submit(self, request: ClipRequest) -> bool:
        return self._ledger.admit(request)

    def progress(self) -> Progress | None:
        return self._progress

    def cancel(self, request_id: int) -> None:
        self._ledger.cancel(request_id)

    def statistics(self) -> WorkerStatistics:
        return self._ledger.statistics()
