"""The worker on a thread of this process: nothing is copied, but a generator that hangs can only be left behind."""

import sys
import threading
import traceback

from spatia.clock import Clock
from spatia.generation.job import Build, Event, StopSign, serve_jobs
from spatia.generation.supervised import MAX_EVENTS, LastWords, Patience, SupervisedWorker
from spatia.generation.worker import MAX_OPEN
from spatia.inbox import Inbox, InboxClosed
from spatia.records.generation import ClipRequest


def threaded_worker(
    build: Build, *, clock: Clock, patience: Patience | None = None, max_open: int = MAX_OPEN
) -> SupervisedWorker:
    """`build` is called on the generator's own thread, and again after a failure."""
    return SupervisedWorker(lambda: ThreadLane(build), clock=clock, patience=patience or Patience(), max_open=max_open)


class ThreadLane:
    """See `Lane`. The thread is a daemon, so one that hangs does not keep the program from ending."""

    def __init__(self, build: Build) -> None:
        self.events: Inbox[Event] = Inbox(max_items=MAX_EVENTS, when_full="block")
        self._requests: Inbox[ClipRequest] = Inbox(max_items=1, when_full="reject")
        self._stop = StopSign()
        self._build = build
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="spatia-generator", daemon=True)
        self._thread.start()

    def is_alive(self) -> bool:
        return not self._ended

    def start(self, request: ClipRequest) -> None:
        self._stop.clear()
        self._requests.put(request)

    def stop(self, request_id: int) -> None:
        self._stop.stop(request_id)

    def end(self) -> LastWords:
        """The thread ends by itself at the generator's next step, if there is one."""
        self._ended = True
        self._stop.stop_all()
        self._requests.close()
        self.events.close()
        return LastWords(message="its thread was left behind", detail=self._where_it_stands())

    def _run(self) -> None:
        try:
            serve_jobs(self._build, requests=self._requests, stop=self._stop, tell=self._tell)
        except InboxClosed:
            return  # left behind while it was working

    def _tell(self, event: Event) -> None:
        self.events.put(event)

    def _where_it_stands(self) -> str:
        frames = sys._current_frames()  # noqa: SLF001 - the documented way to see where another thread stands
        frame = frames.get(self._thread.ident or 0)
        return "".join(traceback.format_stack(frame)) if frame is not None else ""
