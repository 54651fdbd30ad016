"""A clip on its way into the world, on a thread of its own: the walk goes on in the world as it was, until it lands.

Merging a clip and writing it to disk takes some tenths of a second, which a person would see as a halt. While a
`Landing` has a clip the keeper is its thread's alone, and what the journal is told waits. All methods belong to the
main thread.
"""

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, Protocol, TypeVar

from spatia.app.background import stand_back
from spatia.app.round import RoundResult
from spatia.records.cloud import CloudSnapshot
from spatia.store.protocol import JournalEvent


class Merger(Protocol):
    """What a landing needs of the keeper."""

    def merge(self, result: RoundResult, *, tick: int, lands_tick: int) -> CloudSnapshot: ...

    def append_events(self, events: Iterable[JournalEvent]) -> None: ...


K = TypeVar("K", bound=Merger, covariant=True)


class Landing(Generic[K]):
    """One clip at a time: `begin`, then `land`."""

    def __init__(self, keeper: K, *, in_background: bool) -> None:
        """`in_background` the thread yields the processor to the calling one."""
        self._keeper = keeper
        self._thread = ThreadPoolExecutor(1, "spatia-landing", stand_back if in_background else None)
        self._merging: Future[CloudSnapshot] | None = None
        self._waiting: list[JournalEvent] = []

    def begin(self, result: RoundResult, *, tick: int, lands_tick: int) -> None:
        """Merge the clip that came at `tick`."""
        self._merging = self._thread.submit(self.keeper.merge, result, tick=tick, lands_tick=lands_tick)

    @property
    def is_under_way(self) -> bool:
        """A clip has come and not landed."""
        return self._merging is not None

    @property
    def is_merging(self) -> bool:
        return self._merging is not None and not self._merging.done()

    @property
    def keeper(self) -> K:
        """The keeper, the caller's alone: waits for a clip that is being merged. That one can still land."""
        if self._merging is not None:
            self._merging.exception()
        self._tell()
        return self._keeper

    def land(self) -> CloudSnapshot:
        """The world with the clip. Waits where it is not ready; raises the `SpatiaError` that kept it out."""
        merging, self._merging = self._merging, None
        if merging is None:
            raise RuntimeError("no clip is on its way")
        return merging.result()

    def forget(self) -> None:
        """Nobody waits for the clip any more: the world was begun again."""
        self._merging = None

    def append_events(self, events: Iterable[JournalEvent]) -> None:
        """Into the journal, in order: at once, or after the commit that is being made."""
        self._waiting += events
        if not self.is_merging:
            self._tell()

    def close(self) -> None:
        """Wait, and end the thread."""
        self._thread.shutdown()
        self._tell()

    def _tell(self) -> None:
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            self._keeper.append_events(waiting)
