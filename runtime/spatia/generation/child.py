"""The generator's end of a process worker: runs in the child, on its main thread; a second thread reads requests.

When the parent goes away, its end of our standard input closes and this process ends at once.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from spatia.generation.job import Event, StopSign, serve_jobs
from spatia.generation.messages import message_of_event, read_message, request_of_message, write_message
from spatia.inbox import Inbox
from spatia.records.generation import ClipRequest, Generator

Spec = dict[str, Any]


def serve_standard_streams(build: Callable[[Spec], Generator]) -> None:
    """Serve the parent until it goes away. What the generator prints goes to standard error."""
    stdin = os.fdopen(os.dup(0), "rb")
    stdout = os.fdopen(os.dup(1), "wb")
    _rank_the_session()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    serve(build, stdin=stdin, stdout=stdout)


def _rank_the_session() -> None:
    """Where Linux schedules by session, ours counts as much as the parent's, however nice this process is; say it."""
    with contextlib.suppress(OSError):  # a system without
        Path("/proc/self/autogroup").write_text(str(os.nice(0)), encoding="ascii")


def serve(build: Callable[[Spec], Generator], *, stdin: IO[bytes], stdout: IO[bytes]) -> None:
    """The first message says what to build; every later one is a request or asks to stop one."""
    hello = read_message(stdin)
    if hello is None:
        return
    requests: Inbox[ClipRequest] = Inbox(max_items=1, when_full="block")
    stop = StopSign()
    one_writer = threading.Lock()

    def listen() -> None:
        try:
            while (message := read_message(stdin)) is not None:
                if message.kind == "stop":
                    stop.stop(message.fields["request_id"])
                else:
                    stop.clear()
                    requests.put(request_of_message(message))
        except BaseException:  # noqa: BLE001 - without a listener this process would never end
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)

    def tell(event: Event) -> None:
        with one_writer:
            write_message(stdout, message_of_event(event))

    threading.Thread(target=listen, name="spatia-listener", daemon=True).start()
    serve_jobs(lambda: build(hello.fields), requests=requests, stop=stop, tell=tell)
