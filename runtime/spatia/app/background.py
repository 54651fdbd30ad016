"""Work that nobody at a window waits for yields the processor to what is drawn. Any thread.

Linux gives each thread a niceness of its own, and threads and processes inherit it from the one that starts them. It
cannot be taken back without privileges, so a thread of its own does the starting.
"""

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

R = TypeVar("R")

NICENESS = 5  # a third of the weight of a thread that draws; with 10, other programs starved the work for minutes


def started_in_background(start: Callable[[], R]) -> R:
    """What `start` returns. What it starts, threads and processes, yields to all others; on Linux only."""
    with ThreadPoolExecutor(1, initializer=stand_back) as starter:
        return starter.submit(start).result()


def stand_back() -> None:
    """Make the calling thread yield to all others; on Linux only."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
