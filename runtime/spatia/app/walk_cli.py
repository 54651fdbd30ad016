"""`spatia walk`: opens the window and the session on a world that is kept in a run folder."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import typer

from spatia.app.fingerprint import fingerprint
from spatia.app.run_folder import RunFolder
from spatia.app.session import Session, scene_settings
from spatia.app.things import read_thing
from spatia.app.walk import Walk
from spatia.clock import WallClock
from spatia.errors import InputError, SceneError
from spatia.geom.camera import Intrinsics
from spatia.input.bindings import Bindings
from spatia.input.gamepad_mappings import read_mappings
from spatia.input.live import LiveSource
from spatia.input.window import Window
from spatia.records.arrays import U8
from spatia.records.edits import Edit
from spatia.render.renderer import Renderer
from spatia.render.view import Drawn, View
from spatia.scene.append_edits import append_edits
from spatia.scene.guarded_yaml import parse
from spatia.scene.load import SceneFile, saved_scene
from spatia.scene.schema import Scene
from spatia.store.folder import create, open_store
from spatia.store.protocol import WorldStore

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


class EditSaver:
    """Writes edits into the scene file that the walk began with."""

    def __init__(self, scene_file: SceneFile, labels: Mapping[str, int]) -> None:
        self._scene_file = scene_file
        self._labels = labels

    def __call__(self, edits: Sequence[Edit]) -> None:
        """Raises `SceneError` with the file as it was."""
        self._scene_file = append_edits(self._scene_file, edits, labels=self._labels)


def bindings_of(scene: Scene, path: Path | None) -> Bindings:
    """The default keys, with what the scene and then a YAML file override. Raises `SceneError` with the place."""
    overrides: dict[str, object] = dict(scene.controls.bindings)
    places: dict[str, str] = {}
    if path is not None:
        try:
            document = parse(path.read_bytes(), name=str(path))
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", where=str(path), fix="check the path") from error
        if not isinstance(document.data, dict):
            raise SceneError("must map actions to keys", where=f"{path}:1:1", fix="such as `forward: [w, up]`")
        overrides |= document.data
        places = {str(at[0]): f"{path}:{mark[0]}:{mark[1]}" for at, mark in document.values.items() if len(at) == 1}
    return Bindings.of(overrides, place=lambda action: places.get(action, f"controls.bindings.{action}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """A new walk in a world of its own, kept in a new folder."""

    scene_file: SceneFile
    open_folder: Callable[[], RunFolder]

    @property
    def scene(self) -> Scene:
        return self.scene_file.scene

    def open_store(self) -> tuple[RunFolder, WorldStore]:
        folder = self.open_folder()
        with folder.disk_errors_told():
            folder.scene.write_bytes(self.scene_file.text)
        marks = fingerprint(projector=self.scene.projection.projector)
        return folder, create(folder.world, settings=scene_settings(self.scene), fingerprint=marks)

    def saver(self, labels: Mapping[str, int]) -> EditSaver | None:
        """None where the scene was made for other data, and no file waits for edits."""
        is_file = self.scene_file.name.endswith((".yaml", ".yml"))
        return EditSaver(self.scene_file, labels) if is_file else None


class GoOn:
    """A run that is walked on where it stands. Raises `StoreError` for a folder that is none."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._store = open_store(folder.world)
        try:
            saved = saved_scene(self._store.settings["scene"], where=str(folder.world))
        except BaseException:
            self._store.close()
            raise
        # Whatever the run did, at a window clips are taken when they are ready.
        live = saved.generation.model_copy(update={"commit": "live"})
        self.scene = saved.model_copy(update={"generation": live})

    def open_store(self) -> tuple[RunFolder, WorldStore]:
        return self._folder, self._store

    def saver(self, labels: Mapping[str, int]) -> None:
        return None


def walk_in_window(
    world: Begin | GoOn,
    *,
    film: Path | None,
    bindings_file: Path | None,
    gamepads_file: Path | None,
    things: Sequence[Path] = (),
    size: tuple[int, int] = WINDOW_PX,
) -> RunFolder:
    """Until the person leaves. `things` are PLY files to insert.

    Raises `SpatiaError` before anything is made where there is no world or no window, or a file is no PLY.
    """
    source, bindings = LiveSource(), bindings_of(world.scene, bindings_file)
    for thing in things:
        read_thing(thing, max_points=world.scene.memory.rgb.max_points)
    named = gamepads_file or world.scene.controls.gamepads
    gamepads = () if named is None else read_mappings(named)
    with Window(f"spatia: {world.scene.name}", size, bindings=bindings) as window:
        window.add_gamepads(gamepads)
        folder, store = world.open_store()
        painter = WindowPainter(window)
        try:
            _announce(window, painter)
            with Session(world.scene, store=store, source=source, live_wait_s=0.0, in_background=True) as session:
                walk = Walk(
                    session,
                    source,
                    window,
                    painter,
                    bindings=bindings,
                    clock=WallClock(),
                    folder=folder.path,
                    film=film,
                    save_edits=world.saver(session.labels),
                    things=[thing.resolve() for thing in things],
                    log=lambda text: typer.echo(text, err=True),
                )
                walk.run()
        finally:
            painter.release()
    return folder


def _announce(window: Window, painter: WindowPainter) -> None:
    """A picture before there is a world: opening one takes a while."""
    width_px, height_px = window.size_px
    if width_px and height_px:
        lens = Intrinsics.from_fov(fov_y_rad=1.0, width_px=width_px, height_px=height_px)
        view = View(cloud=None, world_from_camera=np.eye(4), intrinsics=lens, panel=("opening the world",))
        painter.draw(view, size_px=(width_px, height_px))
        window.swap()
