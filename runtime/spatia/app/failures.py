"""Clips that were not made are part of what happened: the journal says when and why, and a replay goes without them.

What kills a worker or makes a person cancel comes from outside, as an order does, so it cannot be computed again.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from spatia.app.journal import packed
from spatia.errors import StoreError
from spatia.records.generation import Failure
from spatia.store.canonical import unpack_plain
from spatia.store.protocol import Event, JournalEvent

FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A request that a recorded run got no clip of, and the tick in which it learned so."""

    tick: int
    failure: Failure


def failed_event(tick: int, failure: Failure) -> JournalEvent:
    """For the journal. A traceback is for whoever sees it happen."""
    told = {"request_id": failure.request_id, "failure": failure.kind, "message": failure.message}
    return tick, FAILED, packed(told)


def failures_of(events: Iterable[Event], *, where: str) -> dict[int, Failed]:
    """By request id. Raises `StoreError` for events that cannot be read."""
    found: dict[int, Failed] = {}
    for event in events:
        if event.kind == FAILED:
            told = unpack_plain(event.payload, where=where)
            try:
                failure = Failure(
                    request_id=int(told["request_id"]), epoch=0, kind=str(told["failure"]), message=str(told["message"])
                )
            except (KeyError, TypeError, ValueError) as error:
                raise StoreError(f"the failure of tick {event.tick} cannot be read: {error!r}", where=where) from error
            found[failure.request_id] = Failed(tick=event.tick, failure=failure)
    return found
