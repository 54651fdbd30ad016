"""Every worker gives each accepted request back once, in order, as a clip or as a failure with its cause."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from spatia.clock import Clock, ManualClock, WallClock
from spatia.generation.inline import InlineWorker
from spatia.generation.process import process_worker
from spatia.generation.supervised import Patience
from spatia.generation.threaded import threaded_worker
from spatia.generation.worker import ClipResult, Outcome, Worker
from spatia.inbox import InboxClosed
from spatia.records.generation import Failure
from support.generators import failing_build, obedient_build, request_for

CHILD = (sys.executable, str(Path(__file__).resolve().parents[1] / "support" / "generation_child.py"))
PATIENCE = Patience(open_within_s=1000.0, hang_after_s=100.0, stop_within_s=50.0)
LONG_S = 60.0  # a bound for tests that would otherwise wait for ever

Open = Callable[..., Worker]


@pytest.fixture(params=["inline", "threaded", "process"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def open_worker(kind: str) -> Iterator[Open]:
    """A function that makes workers of one kind; they are closed, and hung threads let go, at the end."""
    release = threading.Event()
    with ExitStack() as cleanup:
        cleanup.callback(release.set)

        def make(*, clock: Clock | None = None, can_build: bool = True) -> Worker:
            clock = clock or WallClock()
            build = obedient_build(release) if can_build else failing_build
            worker: Worker
            if kind == "inline":
                worker = InlineWorker(build, clock=clock)
            elif kind == "threaded":
                worker = threaded_worker(build, clock=clock, patience=PATIENCE)
            else:
                worker = process_worker(
                    CHILD, {"build": "obey" if can_build else "fail"}, clock=clock, patience=PATIENCE
                )
            cleanup.callback(lambda: worker.close(deadline_s=LONG_S))
            return worker

        yield make


isolated = pytest.mark.parametrize("kind", ["threaded", "process"], indirect=True)
only_process = pytest.mark.parametrize("kind", ["process"], indirect=True)


@pytest.fixture
def worker(open_worker: Open) -> Worker:
    return open_worker()


def outcome_of(worker: Worker) -> Outcome:
    outcome = worker.take(timeout_s=LONG_S)
    assert outcome is not None
    return outcome


def failure_of(worker: Worker) -> Failure:
    outcome = outcome_of(worker)
    assert isinstance(outcome, Failure)
    return outcome


def assert_paints(worker: Worker, request_id: int) -> None:
    assert worker.submit(request_for(request_id=request_id))
    assert isinstance(outcome_of(worker), ClipResult)


def pid_at_work(worker: Worker, request_id: int) -> int:
    """Wait until the generator has begun, and say in which process."""
    pause = threading.Event()
    for _ in range(int(LONG_S / 0.002)):
        progress = worker.progress()
        if progress is not None and progress.request_id == request_id:
            return int(progress.stage.removeprefix("pid "))
        pause.wait(0.002)
    raise AssertionError("the generator never began")


def is_running(pid: int) -> bool:
    """False once every thread of the process has ended, whether or not somebody has asked for its status."""
    process = Path(f"/proc/{pid}")
    try:
        return " Z " not in (process / "stat").read_text() or len(list((process / "task").iterdir())) > 1
    except FileNotFoundError:
        return False


def test_clips_come_back_in_order_with_epoch_and_version(worker: Worker) -> None:
    assert worker.submit(request_for(request_id=1, seed=10))
    assert worker.submit(request_for(request_id=2, seed=20))
    first, second = outcome_of(worker), outcome_of(worker)
    assert isinstance(first, ClipResult)
    assert isinstance(second, ClipResult)
    assert (first.request_id, first.epoch, first.base_version) == (1, 101, 201)
    assert first.clip.rgb.shape == (5, 12, 16, 3)
    assert (first.clip.rgb == 10).all()
    assert (second.clip.rgb == 20).all()
    assert first.duration_s >= 0
    assert not first.clip.rgb.flags.writeable


def test_progress_is_the_latest_report(worker: Worker) -> None:
    assert worker.progress() is None
    assert_paints(worker, 1)
    progress = worker.progress()
    assert progress is not None
    assert (progress.request_id, progress.stage, progress.done, progress.total) == (1, "paint", 3, 3)


def test_a_third_open_request_is_rejected_and_counted(worker: Worker) -> None:
    assert worker.submit(request_for(request_id=1))
    assert worker.submit(request_for(request_id=2))
    assert not worker.submit(request_for(request_id=3))
    outcome_of(worker)
    assert worker.submit(request_for(request_id=3))
    statistics = worker.statistics()
    assert (statistics.accepted, statistics.rejected, statistics.open_requests) == (3, 1, 2)


def test_an_open_request_cannot_be_submitted_again(worker: Worker) -> None:
    worker.submit(request_for(request_id=1))
    with pytest.raises(ValueError, match="open already"):
        worker.submit(request_for(request_id=1))


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("raise", "RuntimeError: the paint is dry"),
        ("exit", "SystemExit: 3"),
        ("shrink", "ValueError: the clip's rgb must have shape"),
    ],
)
def test_a_generator_that_fails_is_reported_and_replaced(worker: Worker, prompt: str, message: str) -> None:
    assert worker.submit(request_for(prompt, request_id=1))
    failure = failure_of(worker)
    assert (failure.request_id, failure.epoch, failure.kind) == (1, 101, "raised")
    assert failure.message.startswith(message)
    assert "Traceback" in failure.detail
    assert_paints(worker, 2)
    statistics = worker.statistics()
    assert (statistics.clips, statistics.failures, statistics.restarts) == (1, (("raised", 1),), 1)


def test_a_generator_that_cannot_be_built_fails_the_request(open_worker: Open) -> None:
    worker = open_worker(can_build=False)
    assert worker.submit(request_for())
    failure = failure_of(worker)
    assert (failure.kind, failure.message) == ("raised", "FileNotFoundError: no weights here")


def test_a_waiting_request_can_be_cancelled(worker: Worker) -> None:
    assert worker.submit(request_for("raise", request_id=1))
    assert worker.submit(request_for(request_id=2))
    worker.cancel(2)
    assert failure_of(worker).kind == "raised"
    assert failure_of(worker).kind == "cancelled"


def test_to_cancel_what_is_not_open_changes_nothing(worker: Worker) -> None:
    worker.cancel(1)
    assert_paints(worker, 1)


def test_nothing_is_taken_after_close_and_what_was_open_comes_back(worker: Worker) -> None:
    assert worker.submit(request_for(request_id=1))
    worker.close(deadline_s=LONG_S)
    assert outcome_of(worker).request_id == 1
    with pytest.raises(InboxClosed):
        worker.take(timeout_s=LONG_S)
    with pytest.raises(InboxClosed):
        worker.submit(request_for(request_id=2))
    worker.close(deadline_s=LONG_S)


def test_a_request_past_its_deadline_is_stopped_and_named(open_worker: Open, kind: str) -> None:
    clock = LeapingClock() if kind == "inline" else ManualClock()
    worker = open_worker(clock=clock)
    assert worker.submit(request_for("linger", request_id=1, deadline_s=8.0))
    if isinstance(clock, ManualClock):
        pid_at_work(worker, 1)
        clock.advance(9.0)
    failure = failure_of(worker)
    assert (failure.kind, failure.message) == ("deadline", "no clip within 8 s")
    assert_paints(worker, 2)
    assert worker.statistics().restarts == 0


@isolated
def test_a_cancel_stops_the_generator_at_its_next_step_and_keeps_it(worker: Worker) -> None:
    assert worker.submit(request_for("linger", request_id=1))
    pid_at_work(worker, 1)
    worker.cancel(1)
    assert failure_of(worker).kind == "cancelled"
    assert_paints(worker, 1)  # tried again under the same number
    assert worker.statistics().restarts == 0


@isolated
def test_a_generator_that_hangs_is_left_and_replaced(open_worker: Open, kind: str) -> None:
    clock = ManualClock()
    worker = open_worker(clock=clock)
    assert worker.submit(request_for("hang", request_id=1))
    pid = pid_at_work(worker, 1)
    clock.advance(PATIENCE.hang_after_s + PATIENCE.open_within_s)
    failure = failure_of(worker)
    assert failure.kind == "hung"
    assert "no sign of life" in failure.message
    if kind == "threaded":
        assert "self._release.wait()" in failure.detail
    else:
        assert not is_running(pid)
    assert_paints(worker, 2)
    assert worker.statistics().restarts == 1


@isolated
def test_a_generator_that_ignores_a_cancel_is_left(open_worker: Open) -> None:
    clock = ManualClock()
    worker = open_worker(clock=clock)
    assert worker.submit(request_for("hang", request_id=1))
    pid_at_work(worker, 1)
    worker.cancel(1)
    while worker.statistics().open_requests and not worker.statistics().failures:
        clock.advance(10.0)
    assert failure_of(worker).kind == "cancelled"
    assert_paints(worker, 2)


@isolated
def test_close_does_not_wait_for_a_generator_that_hangs(worker: Worker) -> None:
    assert worker.submit(request_for("hang", request_id=1))
    pid_at_work(worker, 1)
    worker.close(deadline_s=0.0)
    assert failure_of(worker).kind == "cancelled"


@only_process
def test_a_child_that_kills_itself_is_named_with_its_signal_and_last_words(worker: Worker) -> None:
    assert worker.submit(request_for("die", request_id=1))
    failure = failure_of(worker)
    assert (failure.kind, failure.message) == ("killed", "its process ended with signal SIGKILL")
    assert "about to die" in failure.detail
    assert_paints(worker, 2)


@only_process
def test_five_kills_in_mid_clip_cost_five_requests_and_nothing_else(worker: Worker) -> None:
    for request_id in range(5):
        assert worker.submit(request_for("linger", request_id=request_id))
        pid = pid_at_work(worker, request_id)
        os.kill(pid, signal.SIGKILL)
        failure = failure_of(worker)
        assert (failure.request_id, failure.kind) == (request_id, "killed")
        assert not is_running(pid)
    assert_paints(worker, 5)
    assert worker.statistics().failures == (("killed", 5),)
    assert worker.statistics().restarts == 5


@only_process
def test_a_child_that_is_killed_while_idle_costs_no_request(worker: Worker) -> None:
    assert worker.submit(request_for("linger", request_id=1))
    pid = pid_at_work(worker, 1)
    worker.cancel(1)
    assert failure_of(worker).kind == "cancelled"
    os.kill(pid, signal.SIGKILL)
    pause = threading.Event()
    while is_running(pid):
        pause.wait(0.002)
    assert_paints(worker, 2)
    assert worker.statistics().restarts == 1


@only_process
def test_no_child_is_left_after_close(worker: Worker) -> None:
    assert worker.submit(request_for("hang", request_id=1))
    pid = pid_at_work(worker, 1)
    worker.close(deadline_s=0.0)
    assert not is_running(pid)


@only_process
def test_a_child_ends_when_its_parent_is_killed(kind: str) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, *CHILD], stdout=subprocess.PIPE, text=True, cwd=Path(CHILD[1]).parents[1]
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_running(pid)
        parent.kill()
    pause = threading.Event()
    while is_running(pid):
        pause.wait(0.002)


def test_a_program_that_cannot_be_started_fails_the_request() -> None:
    worker = process_worker(["/no/such/program"], {}, clock=WallClock())
    assert worker.submit(request_for())
    assert failure_of(worker).message.startswith("FileNotFoundError")
    worker.close()


class LeapingClock:
    """Each look at it finds a second gone."""

    def __init__(self) -> None:
        self._now_s = 0.0

    def now_s(self) -> float:
        self._now_s += 1.0
        return self._now_s


PARENT = """
import sys
from spatia.clock import WallClock
from spatia.generation.process import process_worker
from support.generators import request_for

worker = process_worker(sys.argv[1:], {"build": "obey"}, clock=WallClock())
worker.submit(request_for("hang", request_id=1))
while worker.progress() is None:
    worker.take(timeout_s=0.01)
print(worker.progress().stage.removeprefix("pid "), flush=True)
worker.take()
"""
