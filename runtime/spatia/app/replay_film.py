"""`spatia replay --record`: the walk as its window showed it, filmed again without a window. Main thread.

A frame a tick, from where the walker stood, with the clip playing beside it. What only the person saw is left out: the
corner's text, selections, and whether they had turned the clip off.
"""

import re
from pathlib import Path

from spatia.app.film import Film
from spatia.app.off_screen import OffScreen
from spatia.app.session import Session
from spatia.app.state import Walker
from spatia.app.systems import Committed
from spatia.ecs import Frame
from spatia.errors import InputError
from spatia.records.arrays import U8
from spatia.render.view import View, window_lens

LEAST_SIDE_PX, MOST_SIDE_PX = 16, 4096


class ReplayFilm:
    """Watches the sessions of one replay."""

    def __init__(self, path: Path, *, size_px: tuple[int, int]) -> None:
        """Raises `DeviceError` where there is no OpenGL 4.3, with or without a display."""
        self._path = path
        self._size_px = size_px
        self._painter = OffScreen(size_px)
        self._film: Film | None = None
        self._clip: tuple[U8, int] | None = None  # the last clip's frames, and the tick it came in

    def watch(self, session: Session, mail: Frame) -> None:
        """After each tick."""
        tick = session.world.tick
        for committed in mail.read(Committed):
            self._clip = committed.result.archived.frames.rgb, tick
        picture = None
        if self._clip is not None:
            frames, since = self._clip
            picture = frames[(tick - since) % len(frames)]
        _, walker = next(session.world.query(Walker))
        view = View(
            cloud=session.snapshot(),
            world_from_camera=walker.world_from_camera,
            intrinsics=window_lens(session.intrinsics, self._size_px),
            picture=picture,
            picture_mode="beside",
        )
        while self._painter.draw(view, size_px=self._size_px).pages_waiting:  # nobody waits for the next frame
            pass
        if self._film is None:
            self._film = Film(self._path, fps=session.scene.fps, waits=True)
        self._film.put(self._painter.read_pixels(size_px=self._size_px))

    def close(self) -> str:
        """Finish the file. Returns what is wrong with it; an empty text where nothing is."""
        self._painter.close()
        if self._film is None:
            return "no film: nothing was walked"
        self._film.close()
        return f"no film: {self._film.problem}" if self._film.problem else ""


def parsed_size(text: str) -> tuple[int, int]:
    """``1280x720`` as numbers. Raises `InputError`."""
    found = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text)
    sides = (0, 0) if found is None else (int(found[1]), int(found[2]))
    if not all(LEAST_SIDE_PX <= side <= MOST_SIDE_PX for side in sides):
        raise InputError(
            f"{text!r:.40} is no size of a film",
            where="--size",
            fix=f"width and height in pixels, {LEAST_SIDE_PX} to {MOST_SIDE_PX}, such as 1280x720",
        )
    return sides
