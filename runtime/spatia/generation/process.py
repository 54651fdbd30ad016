"""The worker in a process of its own: survives a generator that crashes, is killed or holds the interpreter lock.

Not `multiprocessing`, which would import the user's main program again. The child is started from a command, told
what to build as plain data, and spoken to through its standard streams; each has a thread here.
"""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from typing import Any

from spatia.clock import Clock
from spatia.errors import GenerationError
from spatia.generation.job import Event
from spatia.generation.messages import Message, event_of_message, message_of_request, read_message, write_message
from spatia.generation.supervised import MAX_EVENTS, LastWords, Patience, SupervisedWorker
from spatia.generation.worker import MAX_OPEN
from spatia.inbox import Inbox, InboxClosed
from spatia.records.generation import ClipRequest

MAX_STDERR_BYTES = 16384
MAX_OUTGOING = 8  # the spec, a request and words to stop it
LAST_BYTES_WITHIN_S = 1.0  # a grandchild may keep a stream open


def process_worker(
    command: Sequence[str],
    spec: dict[str, Any],
    *,
    clock: Clock,
    patience: Patience | None = None,
    max_open: int = MAX_OPEN,
) -> SupervisedWorker:
    """`command` starts a program that calls `child.serve_standard_streams`; `spec` (JSON data) says what it builds."""
    return SupervisedWorker(
        lambda: ProcessLane(command, spec), clock=clock, patience=patience or Patience(), max_open=max_open
    )


class ProcessLane:
    """See `Lane`. Raises `OSError` when the command cannot be started."""

    def __init__(self, command: Sequence[str], spec: dict[str, Any]) -> None:
        self.events: Inbox[Event] = Inbox(max_items=MAX_EVENTS, when_full="block")
        self._outgoing: Inbox[Message] = Inbox(max_items=MAX_OUTGOING, when_full="block")
        self._outgoing.put(Message(kind="spec", fields=spec))
        self._silent = threading.Event()  # the child's standard output has ended
        self._complaint = ""
        self._stderr_tail = b""
        self._words: LastWords | None = None
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is ours to handle, and the whole group can be killed
        )
        jobs = {"writer": self._write, "reader": self._read, "stderr": self._listen_to_stderr}
        self._threads = [
            threading.Thread(target=job, name=f"spatia-generator-{name}", daemon=True) for name, job in jobs.items()
        ]
        for thread in self._threads:
            thread.start()

    def is_alive(self) -> bool:
        if self._words is not None or self._silent.is_set():
            return False
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def start(self, request: ClipRequest) -> None:
        self._send(message_of_request(request))

    def stop(self, request_id: int) -> None:
        self._send(Message(kind="stop", fields={"request_id": request_id}))

    def end(self) -> LastWords:
        """Kill the child and all that it started. A second call says the same."""
        if self._words is not None:
            return self._words
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # not yet waited for, so the number is still its own
        status = self._process.wait()
        self.events.close()
        self._outgoing.close()
        for thread in self._threads:
            thread.join(LAST_BYTES_WITHIN_S)
        died = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        self._words = LastWords(
            message=self._complaint or f"its process ended with {died}",
            detail=self._stderr_tail.decode(errors="replace"),
        )
        return self._words

    def _send(self, message: Message) -> None:
        with contextlib.suppress(InboxClosed):  # the child is gone, which the reader reports
            self._outgoing.put(message)

    def _write(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(InboxClosed, BrokenPipeError), self._process.stdin as stdin:
            while True:
                message = self._outgoing.take()
                if message is not None:
                    write_message(stdin, message)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(InboxClosed), self._process.stdout as stdout:
            try:
                while (message := read_message(stdout)) is not None:
                    self.events.put(event_of_message(message))
            except (GenerationError, ValueError, KeyError, TypeError) as problem:
                self._complaint = f"its process sent nonsense: {problem}"
        self._silent.set()
        self._outgoing.close()
        self.events.close()

    def _listen_to_stderr(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stderr:
            while data := os.read(stderr.fileno(), 4096):
                self._stderr_tail = (self._stderr_tail + data)[-MAX_STDERR_BYTES:]
