"""A window whose person is a script, and a painter that only remembers."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from spatia.app.fingerprint import fingerprint
from spatia.app.session import Session, scene_settings
from spatia.app.walk import Walk
from spatia.input.bindings import Bindings
from spatia.input.live import LiveSource
from spatia.records.arrays import U8
from spatia.records.edits import Edit
from spatia.records.input import ENTER, ESCAPE, InputSnapshot
from spatia.render.view import Drawn, View
from spatia.store.folder import create
from support.scenes_small import small_room

SIZE_PX = (96, 64)
NOTHING = InputSnapshot()


class ScriptedWindow:
    """Gives its snapshots one a frame, and nothing after them."""

    def __init__(self, size_px: tuple[int, int] = SIZE_PX) -> None:
        self.size_px = size_px
        self.captured: list[bool] = []
        self._coming: deque[InputSnapshot] = deque()

    def then(self, snapshots: Iterable[InputSnapshot]) -> None:
        self._coming.extend(snapshots)

    def poll(self) -> InputSnapshot:
        return self._coming.popleft() if self._coming else NOTHING

    def swap(self) -> None:
        pass

    def capture_mouse(self, captured: bool) -> None:
        self.captured.append(captured)


class RememberingPainter:
    def __init__(self) -> None:
        self.views: list[View] = []

    def draw(self, view: View, *, size_px: tuple[int, int]) -> Drawn:
        self.views = [*self.views[-1:], view]  # each holds on to its cloud
        return Drawn(points_drawn=0, bytes_uploaded=0, pages_waiting=0)

    def read_pixels(self, *, size_px: tuple[int, int]) -> U8:
        return np.zeros((size_px[1], size_px[0], 3), np.uint8)


class SteppedClock:
    """Each frame takes one tick of the walk."""

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s
        self._at_s = 0.0

    def now_s(self) -> float:
        self._at_s += self._step_s
        return self._at_s


class Scripted:
    """A walk in the small room with a scripted person."""

    def __init__(
        self,
        folder: Path,
        *overrides: str,
        world: Path | None = None,
        film: Path | None = None,
        live_wait_s: float = 0.0,
        things: Sequence[Path] = (),
        save_edits: Callable[[Sequence[Edit]], None] | None = None,
    ) -> None:
        self.scene = small_room("generation.policy=on_demand", *overrides)
        self.source = LiveSource()
        store = None
        if world is not None:
            marks = fingerprint(projector=self.scene.projection.projector)
            store = create(world, settings=scene_settings(self.scene), fingerprint=marks)
        self.session = Session(self.scene, store=store, source=self.source, live_wait_s=live_wait_s)
        self.window, self.painter = ScriptedWindow(), RememberingPainter()
        self.saved: list[Edit] = []
        self.walk = Walk(
            self.session,
            self.source,
            self.window,
            self.painter,
            bindings=Bindings.of(),
            clock=SteppedClock(1.0 / self.scene.fps),
            folder=folder,
            film=film,
            save_edits=save_edits or self.saved.extend,
            things=things,
        )

    def __enter__(self) -> "Scripted":
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def hold(self, *actions: str, frames: int) -> None:
        self.frames(InputSnapshot(held=tuple(sorted(actions))), frames)

    def press(self, *actions: str) -> None:
        for action in actions:
            self.frames(InputSnapshot(pressed=(action,)), 1)

    def type(self, text: str, *, into: str = "") -> None:
        """`into` is the action that begins the line; without one it goes on."""
        typing = not text.endswith((ENTER, ESCAPE))
        self.frames(InputSnapshot(pressed=(into,) if into else (), typed=text, typing=typing), 1)

    def frames(self, snapshot: InputSnapshot, count: int) -> None:
        self.window.then([snapshot] * count)
        for _ in range(count):
            self.walk.frame()

    def until_idle(self, most: int = 2000) -> None:
        """Frames until no clip is in the making and nothing waits."""
        for _ in range(most):
            self.walk.frame()
            if self.walk.at_rest:
                return
        raise AssertionError("the walk never came to rest")

    @property
    def hud(self) -> str:
        return "\n".join(self.painter.views[-1].hud)
