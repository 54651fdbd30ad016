"""Work in the background is nicer than who started it, and so is all that it starts."""

import os
import subprocess
import sys
import threading

import pytest

from spatia.app.background import NICENESS, started_in_background

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a niceness a thread")


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_threads_and_processes_started_in_the_background_are_nice_and_the_caller_stays_as_it_was() -> None:
    before, seen = niceness(), []

    def start() -> threading.Thread:
        thread = threading.Thread(target=lambda: seen.append(niceness()))
        thread.start()
        child = subprocess.run([sys.executable, "-c", "import os; print(os.nice(0))"], capture_output=True, check=True)
        seen.append(int(child.stdout))
        return thread

    started_in_background(start).join()
    assert seen == [NICENESS, NICENESS]
    assert niceness() == before


def test_what_goes_wrong_at_the_start_is_raised_to_the_caller() -> None:
    def start() -> None:
        raise ValueError("no such generator")

    with pytest.raises(ValueError, match="no such generator"):
        started_in_background(start)
