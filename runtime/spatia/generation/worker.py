"""The worker seam: generation off the main thread, with every way to fail reported as data.

All methods of a `Worker` may be called from the thread that owns it; none of them locks the world.
"""

from dataclasses import dataclass
from typing import Protocol

from spatia.records.generation import Clip, ClipRequest, Failure, Progress

MAX_OPEN = 2  # one being generated and one waiting: more would only grow stale


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClipResult:
    """A clip with what the scheduler needs to know whether it still fits the world."""

    request_id: int
    epoch: int
    base_version: int
    clip: Clip
    duration_s: float

    @classmethod
    def of(cls, request: ClipRequest, clip: Clip, *, duration_s: float) -> "ClipResult":
        return cls(
            request_id=request.request_id,
            epoch=request.epoch,
            base_version=request.base_version,
            clip=clip,
            duration_s=duration_s,
        )


Outcome = ClipResult | Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatistics:
    """Counts since the worker was made."""

    accepted: int
    rejected: int
    clips: int
    failures: tuple[tuple[str, int], ...]  # by kind, in alphabetical order
    restarts: int  # generators opened anew after the first one failed
    open_requests: int  # accepted and not yet taken


class Worker(Protocol):
    """The seam. Requests come back in the order in which they were accepted, each exactly once."""

    def submit(self, request: ClipRequest) -> bool:
        """False when `MAX_OPEN` requests are open already. Raises `InboxClosed` after `close`."""
        ...

    def take(self, *, timeout_s: float | None = None) -> Outcome | None:
        """The next outcome, or None after the timeout (None waits). Raises `InboxClosed` when no more can come."""
        ...

    def progress(self) -> Progress | None:
        """The latest report of the request that is being generated."""
        ...

    def cancel(self, request_id: int) -> None:
        """Ask for a `Failure` of kind "cancelled"; nothing happens for a request that is not open."""
        ...

    def statistics(self) -> WorkerStatistics: ...

    def close(self, *, deadline_s: float = 5.0) -> None:
        """Cancel what is open and stop within the deadline, by force if need be. Outcomes can still be taken."""
        ...
