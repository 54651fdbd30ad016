"""`spatia walk`: opens the window and the session on a world that is kept in a run folder."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from spatia.app.fingerprint import fingerprint
from spatia.app.run_folder import RunFolder
from spatia.app.session import Session, scene_settings
from spatia.app.walk import Walk
from spatia.app.walk_source import walk_scene
from spatia.clock import WallClock
from spatia.input.bindings import Bindings
from spatia.input.live import LiveSource
from spatia.input.window import Window
from spatia.records.arrays import U8
from spatia.render.renderer import Renderer
from spatia.render.view import Drawn, View
from spatia.store.folder import create

WINDOW_PX = (1280, 720)


class WindowPainter:
    """Draws into the window's framebuffer, and reads from it."""

    def __init__(self, window: Window) -> None:
        self._context = window.context
        self._renderer = Renderer(window.context)

    def draw(self, view: View, *, size_px: tuple[int, int]) -> Drawn:
        self._context.screen.use()
        return self._renderer.draw(view, size_px=size_px)

    def read_pixels(self, *, size_px: tuple[int, int]) -> U8:
        """What was drawn last, top row first."""
        width_px, height_px = size_px
        data = self._context.screen.read(viewport=(0, 0, width_px, height_px), components=3, alignment=1)
        return np.frombuffer(data, dtype=np.uint8).reshape(height_px, width_px, 3)[::-1]

    def release(self) -> None:
        self._renderer.release()


def walk_in_window(
    path: Path, *, open_folder: Callable[[], RunFolder], overrides: Sequence[str], size: tuple[int, int] = WINDOW_PX
) -> RunFolder:
    """Until the person leaves. Raises `SpatiaError` before anything is made where there is no world or no window."""
    scene_file = walk_scene(path, overrides)
    scene, bindings, source = scene_file.scene, Bindings.of(), LiveSource()
    with Window(f"spatia: {scene.name}", size, bindings=bindings) as window:
        folder = open_folder()
        with folder.disk_errors_told():
            folder.scene.write_bytes(scene_file.text)
        store = create(
            folder.world,
            settings=scene_settings(scene),
            fingerprint=fingerprint(projector=scene.projection.projector),
        )
        painter = WindowPainter(window)
        try:
            with Session(scene, store=store, source=source, live_wait_s=0.0) as session:
                walk = Walk(session, source, window, painter, bindings=bindings, clock=WallClock(), folder=folder.path)
                walk.run()
        finally:
            painter.release()
    return folder
