"""What MapAnything's worker makes of a process that misbehaves; the process is played by small programs."""

import json
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest

from spatia.clock import ManualClock
from spatia.errors import EstimationError
from spatia.estimation.mapanything.install import install_words
from spatia.estimation.mapanything.worker import MapAnythingSettings, MapAnythingWorker, Patience
from spatia.records.geometry import Report, ignore

PROTOCOL = """
import json, os, struct, sys, time
def say(**message):
    text = json.dumps(message).encode()
    os.write(1, struct.pack(">I", len(text)) + text)
def hear():
    head = os.read(0, 4)
    if not head:
        sys.exit()
    return json.loads(os.read(0, struct.unpack(">I", head)[0]))
shared = int(sys.argv[2])
hello = hear()
"""
LOADED = """
say(kind="stage", stage="load")
say(kind="done")
asked = hear()
say(kind="stage", stage="infer")
"""
VIEWS = {"rgb": np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)}
WANTED = {"depth_m": ("float32", (1, 2, 2)), "mask": ("uint8", (1, 2, 2))}


class Play(Protocol):
    def __call__(self, *script: str, silent_for_s: float = 100.0) -> MapAnythingWorker: ...


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def play(tmp_path: Path, clock: ManualClock) -> Iterator[Play]:
    """A worker whose interpreter is a program that plays the script, whatever it is asked to run."""
    with ExitStack() as cleanup:

        def make(*script: str, silent_for_s: float = 100.0) -> MapAnythingWorker:
            python = tmp_path / "python"
            python.write_text(f"#!{sys.executable}\n{PROTOCOL}\n" + "\n".join(textwrap.dedent(part) for part in script))
            python.chmod(0o755)
            settings = MapAnythingSettings(python=str(python), weights="some/weights")
            patience = Patience(open_within_s=1000.0, answer_within_s=500.0, silent_for_s=silent_for_s)
            worker = MapAnythingWorker(settings, clock=clock, patience=patience)
            cleanup.callback(worker.end)
            return worker

        yield make


def failure(worker: MapAnythingWorker, *, report: Report = ignore) -> EstimationError:
    with pytest.raises(EstimationError) as caught:
        worker.infer(VIEWS, WANTED, first_wanted=1, report=report)
    assert worker.pid is None
    assert caught.value.where == "estimator 'mapanything'"
    assert caught.value.fix
    return caught.value


def test_arrays_go_there_and_back_through_the_shared_file(play: Play) -> None:
    worker = play(
        LOADED,
        """
        dtype, shape, offset = asked["arrays"]["rgb"]
        assert (dtype, shape, asked["first_wanted"]) == ("uint8", [2, 2, 2, 3], 1)
        rgb = os.pread(shared, 24, offset)
        os.pwrite(shared, struct.pack("4f", *rgb[:4]), asked["arrays"]["depth_m"][2])
        os.pwrite(shared, rgb[20:], asked["arrays"]["mask"][2])
        say(kind="done")
        hear()
        """,
    )
    answer = worker.infer(VIEWS, WANTED, first_wanted=1, report=ignore)
    np.testing.assert_array_equal(answer["depth_m"], np.array([[[0, 1], [2, 3]]], dtype=np.float32))
    np.testing.assert_array_equal(answer["mask"], np.array([[[20, 21], [22, 23]]], dtype=np.uint8))


def test_it_is_told_what_to_load(play: Play) -> None:
    error = failure(play("say(kind='failed', stage='start', problem=json.dumps(hello)); hear()"))
    raised = error.problem.removeprefix("at 'start' it raised ").removesuffix("; it was ended and wrote nothing")
    wanted = {"kind": "load", "weights": "some/weights", "device": "auto"}
    assert json.loads(raised) == wanted


def test_one_who_works_slowly_and_says_so_is_waited_for(play: Play, clock: ManualClock, tmp_path: Path) -> None:
    tick = tmp_path / "tick"
    worker = play(
        LOADED,
        f"""
        for _ in range(5):
            while not os.path.exists({str(tick)!r}):
                time.sleep(0.001)
            say(kind="sign")
            os.remove({str(tick)!r})
        say(kind="done")
        hear()
        """,
    )
    heard: list[tuple[int, int]] = []

    def report(done: int, total: int) -> None:
        heard.append((done, total))
        if done == 3 and not tick.exists():  # so the last sign is on its way
            clock.advance(60.0)
            tick.touch()

    worker.infer(VIEWS, WANTED, first_wanted=1, report=report)
    assert clock.now_s() >= 300.0
    assert heard == sorted(heard)
    assert heard[0] == (0, 4)


def test_signs_of_life_do_not_buy_time_without_end(play: Play, clock: ManualClock) -> None:
    worker = play(LOADED, "while True: say(kind='sign'); time.sleep(0.001)", silent_for_s=1e6)

    def report(done: int, total: int) -> None:
        clock.advance(40.0 if done == 3 else 0.0)

    assert "no answer within 500 s; it was at 'infer'" in failure(worker, report=report).problem


def test_one_who_says_nothing_is_given_up(play: Play, clock: ManualClock) -> None:
    error = failure(play("time.sleep(1000)"), report=lambda done, total: clock.advance(30.0))
    assert "no sign of life for 100 s; it was at 'start'; it was ended and wrote nothing" in error.problem


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("os.write(1, b'x' * 64)", "a message that begins with b'xxxxxxxxxxxxxxxx'"),
        ("os.write(1, struct.pack('>I', 4) + b'{]]]')", "a message that is no JSON: b'{]]]'"),
        ("os.write(1, struct.pack('>I', 2) + b'[]')", "a message that is no object: b'[]'"),
        ("say(kind='hello')", "a message of kind 'hello'"),
        ("say(kind='stage', stage=['infer'])", "a message of kind 'stage'"),
    ],
)
def test_nonsense_is_refused(play: Play, script: str, problem: str) -> None:
    assert f"its process sent {problem}" in failure(play(script, "time.sleep(1000)")).problem


def test_a_file_that_was_cut_off_is_no_crash(play: Play) -> None:
    worker = play(LOADED, "os.ftruncate(shared, 70); say(kind='done'); hear()")
    assert "a shared file that ends inside 'depth_m'" in failure(worker).problem


def test_last_words_and_how_it_ended_are_told(play: Play) -> None:
    worker = play("print('x' * 30000 + ' the end of it', file=sys.stderr)", "sys.exit(3)")
    problem = failure(worker).problem
    assert problem.startswith("its process is gone; it ended with exit status 3; it last wrote:\nxxx")
    assert problem.endswith("x the end of it")
    assert len(problem) < 3000


@pytest.mark.parametrize(
    ("stage", "problem", "fix"),
    [
        ("infer", "OutOfMemoryError: CUDA out of memory. Tried to allocate 3 GiB", "fewer views"),
        ("load", "OSError: no such repository", "check that weights 'some/weights' and device 'auto' are there"),
        ("infer", "ValueError: something", "the next clip starts it again"),
    ],
)
def test_what_it_raised_comes_with_what_to_do(play: Play, stage: str, problem: str, fix: str) -> None:
    error = failure(play(f"say(kind='failed', stage={stage!r}, problem={problem!r}); hear()"))
    assert error.problem.startswith(f"at {stage!r} it raised {problem}")
    assert error.fix.startswith(fix)


def test_a_package_that_cannot_be_imported_is_told_how_to_install(play: Play, tmp_path: Path) -> None:
    error = failure(play("say(kind='failed', stage='import', problem='ImportError: libcudart.so'); hear()"))
    assert error.fix == install_words(str(tmp_path / "python"), weights="some/weights")


def test_one_that_dies_between_two_clips_is_started_again(play: Play) -> None:
    worker = play(LOADED, "say(kind='done')")
    worker.infer(VIEWS, WANTED, first_wanted=1, report=ignore)
    assert worker._process is not None
    assert worker._process.is_dead(within_s=60.0)
    worker.infer(VIEWS, WANTED, first_wanted=1, report=ignore)


def test_an_interpreter_that_is_gone_is_told(play: Play, tmp_path: Path) -> None:
    worker = play(LOADED)
    (tmp_path / "python").unlink()
    assert "cannot be started: [Errno 2] No such file or directory" in failure(worker).problem
