"""A clip that lands: merged on another thread while the walk goes on. The fake keeper merges when it is let."""

import threading
from collections.abc import Iterable, Iterator
from typing import cast

import pytest

from spatia.app.landing import Landing
from spatia.app.round import RoundResult
from spatia.errors import StoreError
from spatia.memory.cloud import PointMemory
from spatia.records.cloud import CloudSnapshot
from spatia.store.protocol import JournalEvent

A_RESULT = cast(RoundResult, object())  # nothing looks into it
SNAPSHOT = PointMemory().snapshot()


class HeldKeeper:
    def __init__(self) -> None:
        self.go = threading.Event()
        self.full = False
        self.told: list[str] = []

    def merge(self, result: RoundResult, *, tick: int, lands_tick: int) -> CloudSnapshot:
        assert self.go.wait(30.0)
        if self.full:
            raise StoreError("No space left", where="world")
        self.told.append(f"clip of {tick}, seen at {lands_tick}")
        return SNAPSHOT

    def append_events(self, events: Iterable[JournalEvent]) -> None:
        self.told += [f"event of {tick}" for tick, _, _ in events]


@pytest.fixture
def keeper() -> Iterator[HeldKeeper]:
    held = HeldKeeper()
    yield held
    held.go.set()


@pytest.fixture
def landing(keeper: HeldKeeper) -> Iterator[Landing[HeldKeeper]]:
    made = Landing(keeper, in_background=False)
    yield made
    keeper.go.set()
    made.close()


def event(tick: int) -> list[JournalEvent]:
    return [(tick, "order", b"")]


def test_events_go_to_the_journal_at_once_while_nothing_lands(landing: Landing[HeldKeeper], keeper: HeldKeeper) -> None:
    landing.append_events(event(1))
    assert keeper.told == ["event of 1"]


def test_the_walk_goes_on_meanwhile_and_its_events_come_after_the_clip(
    landing: Landing[HeldKeeper], keeper: HeldKeeper
) -> None:
    landing.begin(A_RESULT, tick=3, lands_tick=9)
    landing.append_events(event(3))
    landing.append_events(event(4))
    assert landing.is_merging and keeper.told == []
    keeper.go.set()
    assert landing.land() is SNAPSHOT
    landing.append_events(event(9))
    assert keeper.told == ["clip of 3, seen at 9", "event of 3", "event of 4", "event of 9"]


def test_who_asks_for_the_keeper_waits_for_it_and_the_clip_still_lands(
    landing: Landing[HeldKeeper], keeper: HeldKeeper
) -> None:
    landing.begin(A_RESULT, tick=3, lands_tick=9)
    landing.append_events(event(4))
    threading.Timer(0.01, keeper.go.set).start()
    assert landing.keeper.told == ["clip of 3, seen at 9", "event of 4"]
    assert landing.land() is SNAPSHOT


def test_what_kept_a_clip_out_is_told_when_it_should_land(landing: Landing[HeldKeeper], keeper: HeldKeeper) -> None:
    keeper.full = True
    keeper.go.set()
    landing.begin(A_RESULT, tick=3, lands_tick=9)
    assert landing.keeper is keeper, "the keeper can be used"
    with pytest.raises(StoreError, match="No space left"):
        landing.land()
    keeper.full = False
    landing.begin(A_RESULT, tick=12, lands_tick=12)
    assert landing.land() is SNAPSHOT


def test_closing_waits_and_loses_no_event(landing: Landing[HeldKeeper], keeper: HeldKeeper) -> None:
    landing.begin(A_RESULT, tick=3, lands_tick=9)
    landing.append_events(event(4))
    keeper.go.set()
    landing.close()
    assert keeper.told == ["clip of 3, seen at 9", "event of 4"]
