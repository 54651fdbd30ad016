"""The other process as the runtime holds it: started, spoken to, listened to, ended. One thread, that of its owner.

No thread of its own and nothing with a name: messages go through pipes that are looked at when somebody waits, arrays
through a file in memory that ends with the last process holding it, however that ends.
"""

import contextlib
import json
import math
import os
import selectors
import signal
import struct
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Message = dict[str, Any]
Array = npt.NDArray[Any]
Shapes = Mapping[str, tuple[str, tuple[int, ...]]]  # dtype and shape by name

LENGTH = struct.Struct(">I")
MAX_MESSAGE_BYTES = 1 << 20
MAX_STDERR_BYTES = 16384
READ_BYTES = 65536
ALIGNMENT_BYTES = 64
LAST_BYTES_WITHIN_S = 0.2
MAX_TAIL_CHARS = 2000
DIES_WITHIN_S = 1.0  # after it has closed its standard output
LOOK_EVERY_S = 0.01


class ProcessEnded(Exception):  # noqa: N818 - what it means is for the one who waits to say
    """The process has closed its side, or is gone."""


class Nonsense(Exception):  # noqa: N818 - as above
    """The process sent what is no message, or files that are too short."""


class OtherProcess:
    """Started on construction, which raises `OSError`, or `ValueError`, when the command cannot be run."""

    def __init__(self, command: Sequence[str]) -> None:
        """The number of the shared file's descriptor is appended to `command`."""
        self._stderr_tail = b""
        self._unread = b""
        self._places: dict[str, tuple[str, tuple[int, ...], int]] = {}
        self._words = ""
        self._has_left = False  # its standard output has ended
        self._shared = os.memfd_create("spatia-arrays")
        try:
            self._process = subprocess.Popen(
                [*command, str(self._shared)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,  # Ctrl-C is ours to handle, and the whole group can be killed
                pass_fds=(self._shared,),
            )
        except BaseException:
            os.close(self._shared)
            raise
        self._streams = selectors.DefaultSelector()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            self._streams.register(stream, selectors.EVENT_READ)

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, message: Message) -> None:
        """Raises `ProcessEnded`. Messages are small: a pipe holds them, so that this never waits."""
        text = json.dumps(message).encode()
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(LENGTH.pack(len(text)) + text)
        except BrokenPipeError:
            raise ProcessEnded from None

    def hear(self, *, timeout_s: float) -> list[Message]:
        """What has come, waiting for it no longer than that. Raises `ProcessEnded`, and `Nonsense`."""
        self._read(timeout_s)
        messages = self._complete_messages()
        if self._has_left and not messages:
            raise ProcessEnded
        return messages

    def _read(self, timeout_s: float) -> bool:
        """Take what the streams hold; whether there was anything, if only their end."""
        ready = self._streams.select(timeout_s) if self._streams.get_map() else []
        for key, _ in ready:
            data = os.read(key.fd, READ_BYTES)
            is_stderr = key.fileobj is self._process.stderr
            if is_stderr:
                self._stderr_tail = (self._stderr_tail + data)[-MAX_STDERR_BYTES:]
            else:
                self._unread += data
            if not data:
                self._streams.unregister(key.fileobj)
                self._has_left = self._has_left or not is_stderr
        return bool(ready)

    def _complete_messages(self) -> list[Message]:
        messages = []
        while len(self._unread) >= LENGTH.size:
            (size,) = LENGTH.unpack_from(self._unread)
            if size > MAX_MESSAGE_BYTES:
                raise Nonsense(f"a message that begins with {self._unread[:16]!r}")
            end = LENGTH.size + size
            if len(self._unread) < end:
                break
            text, self._unread = self._unread[LENGTH.size : end], self._unread[end:]
            try:
                message = json.loads(text)
            except (ValueError, RecursionError):
                raise Nonsense(f"a message that is no JSON: {text[:60]!r}") from None
            if not isinstance(message, dict):
                raise Nonsense(f"a message that is no object: {text[:60]!r}")
            messages.append(message)
        return messages

    def share(self, given: Mapping[str, Array], wanted: Shapes) -> Message:
        """Write `given` into the shared file, keep room for `wanted`, and say where all of them lie."""
        shapes = {name: (array.dtype.name, array.shape) for name, array in given.items()} | dict(wanted)
        self._places, size = {}, 0
        for name, (dtype, shape) in shapes.items():
            self._places[name] = (dtype, shape, size)
            size += -(-np.dtype(dtype).itemsize * math.prod(shape) // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
        os.ftruncate(self._shared, 0)
        os.ftruncate(self._shared, size)
        for name, array in given.items():
            data, at = np.ascontiguousarray(array).data.cast("B"), 0
            while at < len(data):
                at += os.pwrite(self._shared, data[at:], self._places[name][2] + at)
        return {name: list(place) for name, place in self._places.items()}

    def fetch(self, name: str) -> Array:
        """A copy of a shared array. Raises `Nonsense` where the other side has cut the file off."""
        dtype, shape, offset = self._places[name]
        array = np.empty(shape, dtype=dtype)
        into, at = array.data.cast("B"), 0
        while at < len(into):
            count = os.preadv(self._shared, [into[at:]], offset + at)
            if count == 0:
                raise Nonsense(f"a shared file that ends inside {name!r}")
            at += count
        return array

    def forget(self) -> None:
        """Give the shared memory back until it is needed again."""
        os.ftruncate(self._shared, 0)

    def is_dead(self, *, within_s: float = 0) -> bool:
        """Whether it has ended by itself. It is not waited for, so that its number stays its own until `end`."""
        pause = threading.Event()
        for _ in range(1 + int(within_s / LOOK_EVERY_S)):
            if os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                return True
            if within_s:
                pause.wait(LOOK_EVERY_S)
        return False

    def end(self) -> str:
        """Kill the process and all that it started; how it ended, in words. A second call says the same."""
        if self._words:
            return self._words
        died = self.is_dead(within_s=DIES_WITHIN_S if self._has_left else 0)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # not yet waited for, so the number is still its own
        status = self._process.wait()
        while self._read(LAST_BYTES_WITHIN_S):
            pass
        self._streams.close()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):
                stream.close()
        os.close(self._shared)
        how = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        tail = self._stderr_tail.decode(errors="replace").strip()
        last = f"; it last wrote:\n{tail[-MAX_TAIL_CHARS:]}" if tail else " and wrote nothing"
        self._words = (f"it ended with {how}" if died else "it was ended") + last
        return self._words
