"""A film of what the window shows, written while the walk goes on. Its own thread encodes."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from spatia.app.video import write_video
from spatia.errors import SpatiaError
from spatia.inbox import Inbox, InboxClosed
from spatia.records.arrays import U8

MAX_WAITING = 48  # frames; two seconds of a slow disk


class Film:
    """`put` and `close` belong to the main thread. What the disk refuses is told in `problem`, and the walk goes on."""

    def __init__(self, path: Path, *, fps: float, waits: bool = False) -> None:
        """`waits`: `put` waits for the disk, and no frame is left out."""
        self.path = path
        self.problem = ""
        self._frames: Inbox[U8] = Inbox(max_items=MAX_WAITING, when_full="block" if waits else "reject")
        self._dropped = 0
        self._thread = threading.Thread(target=self._write, args=(fps,), name="spatia-film", daemon=True)
        self._thread.start()

    def put(self, frame: U8) -> None:
        """A frame that finds no room in a film that does not wait is left out and counted."""
        with suppress(InboxClosed):  # the disk has refused meanwhile
            self._dropped += not self._frames.put(frame)

    def close(self) -> str:
        """Finish the file. Returns what to say of it."""
        self._frames.close()
        self._thread.join()
        if self.problem:
            return f"no film: {self.problem}"
        return f"{self.path.name} written" + (f", {self._dropped} frames left out" if self._dropped else "")

    def _write(self, fps: float) -> None:
        try:
            write_video(self.path, self._arriving(), fps=fps)
        except SpatiaError as error:
            self.problem = error.problem
            self._frames.close()

    def _arriving(self) -> Iterator[U8]:
        while True:
            try:
                frame = self._frames.take()
            except InboxClosed:
                return
            if frame is not None:
                yield frame
