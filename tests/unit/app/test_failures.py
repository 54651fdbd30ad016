import pytest

from spatia.app.failures import Failed, failed_event, failures_of
from spatia.app.journal import packed
from spatia.errors import StoreError
from spatia.records.generation import Failure
from spatia.store.protocol import Event


def test_a_failure_is_read_back_from_the_journal() -> None:
    failure = Failure(request_id=3, epoch=0, kind="killed", message="the worker is gone")
    tick, kind, payload = failed_event(7, failure)
    assert failures_of([Event(tick=tick, kind=kind, payload=payload, commit=0)], where="run") == {
        3: Failed(tick=7, failure=failure)
    }


def test_a_failure_that_cannot_be_read_is_refused() -> None:
    event = Event(tick=7, kind="failed", payload=packed({"request_id": 3}), commit=0)
    with pytest.raises(StoreError, match="the failure of tick 7 cannot be read"):
        failures_of([event], where="run")
