"""Edits made by hand: what is pointed at becomes orders of the session. Main thread.

Each action returns what to say of it; an empty text says nothing.
"""

import os
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import numpy as np

from spatia.app.pointing import Pointing
from spatia.app.session import Session
from spatia.app.sources import file_sha256
from spatia.app.things import read_thing
from spatia.errors import SpatiaError
from spatia.geom.pose import F64
from spatia.memory.picking import colors_of, positions_of, select
from spatia.records.cloud import Points
from spatia.records.control import ApplyEdit
from spatia.records.edits import AddCloud, AddPrimitive, Edit, Move, Recolor, Redo, Remove, Undo, Vec3
from spatia.worlds.ply import write_ply

PAINT = (230, 90, 40)
THING_M = 0.3  # a ball to insert
SELECT_FIRST = "look at something and select it first"
NOTHING_THERE = "there is nothing there to put it on"


class Editing:
    """A person's tool, selection, and the edits that are not in the scene file yet."""

    def __init__(
        self,
        session: Session,
        *,
        folder: Path,
        save: Callable[[Sequence[Edit]], None] | None,
        things: Sequence[Path] = (),
    ) -> None:
        """`folder` takes the copies that edits name; `save` writes edits into the scene file, where there is one.

        `things` are PLY files that can be inserted beside the ball.
        """
        self._session = session
        self._folder = folder
        self._save = save
        self._unsaved: list[Edit] = []
        self._undone: list[Edit] = []
        self._things: tuple[Path | None, ...] = (*things, None)  # the next one first; None is the ball
        self.pointing = Pointing(session.labels)

    def do(self, edit: Edit) -> None:
        self._unsaved.append(edit)
        self._undone.clear()
        self._session.push(ApplyEdit(edit=edit))

    def select(self, world_from_camera: F64) -> str:
        """By what stands in the middle of the view."""
        return self.pointing.point(self._session.snapshot(), world_from_camera)

    def delete(self) -> str:
        if self.pointing.selection is None:
            return SELECT_FIRST
        self.do(Remove(where=self.pointing.selection))
        self.pointing.clear()
        return ""

    def recolor(self) -> str:
        if self.pointing.selection is None:
            return SELECT_FIRST
        self.do(Recolor(where=self.pointing.selection, color=PAINT, strength=0.8))
        self.pointing.unmark()
        return ""

    def next_thing(self) -> str:
        """What `insert` puts there: a file, the next one, and at last the ball."""
        self._things = (*self._things[1:], self._things[0])
        thing = self._things[0]
        return f"to insert: {'a ball' if thing is None else thing.name}"

    def name_thing(self, typed: str) -> str:
        """A PLY file by its path, which is what `insert` puts there next; nothing typed changes nothing."""
        if not typed:
            return ""
        path = Path(os.path.expanduser(typed))  # which leaves the ~ of nobody as it is
        try:
            points = read_thing(path, max_points=self._session.scene.memory.rgb.max_points)
        except SpatiaError as error:
            return one_line(error)
        path = path.absolute()
        self._things = (path, *(thing for thing in self._things if thing != path))
        return f"to insert: {path.name}, {len(points):,} points; point at a place and press I"

    def insert(self) -> str:
        """A thing to stand on what was pointed at."""
        if self.pointing.at is None:
            return "point at a place first"
        if self._things[0] is not None:
            return self._insert_cloud(self._things[0], self.pointing.at)
        x, y, z = self.pointing.at
        center_m = (x, y - THING_M / 2, z)
        self.do(AddPrimitive(shape="sphere", center_m=center_m, size_m=(THING_M,) * 3, color=PAINT))
        return ""

    def _insert_cloud(self, path: Path, at: Vec3) -> str:
        """The middle of the cloud's underside comes to lie there; y points down."""
        try:
            points = read_thing(path, max_points=self._session.scene.memory.rgb.max_points)
            low, high = points.positions_in_world.min(axis=0), points.positions_in_world.max(axis=0)
            x, y, z = (float(v) for v in at - np.array([(low[0] + high[0]) / 2, high[1], (low[2] + high[2]) / 2]))
            self.do(AddCloud(path=str(path), sha256=file_sha256(path), offset_m=(x, y, z)))
        except SpatiaError as error:
            return one_line(error)
        except OSError as error:
            return f"{path.name} cannot be read: {error.strerror}"
        return f"{path.name} put there"

    def move(self, world_from_camera: F64) -> str:
        """The selection to what stands in the middle of the view now."""
        if self.pointing.selection is None:
            return SELECT_FIRST
        way_m = self._way(world_from_camera)
        if way_m is None:
            return NOTHING_THERE
        self.do(Move(where=self.pointing.selection, offset_m=way_m))
        self.pointing.clear()
        return ""

    def duplicate(self, world_from_camera: F64) -> str:
        """A copy of the selection there; it goes through a PLY file in the run's folder, which the edit names."""
        if self.pointing.selection is None:
            return SELECT_FIRST
        way_m = self._way(world_from_camera)
        if way_m is None:
            return NOTHING_THERE
        snapshot = self._session.snapshot()
        rows = select(snapshot, self.pointing.selection)
        try:
            path = next_file(self._folder, "copy", "ply")
            write_ply(path, Points.of(positions_of(snapshot, rows), colors_of(snapshot, rows)))
            self.do(AddCloud(path=str(path), sha256=file_sha256(path), offset_m=way_m))
        except OSError as error:
            return f"no copy: {error.strerror}"
        return f"{path.name} put there"

    def undo(self) -> None:
        if self._unsaved:
            self._undone.append(self._unsaved.pop())
        self._session.push(ApplyEdit(edit=Undo()))

    def redo(self) -> None:
        if self._undone:
            self._unsaved.append(self._undone.pop())
        self._session.push(ApplyEdit(edit=Redo()))

    def save(self) -> str:
        """The world is saved as it grows; edits go into the scene file."""
        if self._save is None:
            return "the world is saved; there is no scene file for the edits to go to"
        try:
            self._save(self._unsaved)
        except SpatiaError as error:
            return one_line(error)
        saved = len(self._unsaved)
        self._unsaved, self._undone = [], []
        return f"the world is saved, and {saved} edits in the scene file"

    def _way(self, world_from_camera: F64) -> Vec3 | None:
        """From where the selection was pointed at to what stands in the middle of the view now."""
        start, end = self.pointing.at, self.pointing.place(self._session.snapshot(), world_from_camera)
        if start is None or end is None:
            return None
        x, y, z = (after - before for before, after in zip(start, end, strict=True))
        return x, y, z


def one_line(error: SpatiaError) -> str:
    return " ".join(str(error).split())


def next_file(folder: Path, name: str, ending: str) -> Path:
    """``name_000.ending``, or the first number that is free: a picture or a copy that an edit names is never lost."""
    folder.mkdir(parents=True, exist_ok=True)
    return next(path for n in count() if not (path := folder / f"{name}_{n:03d}.{ending}").exists())
