"""A recorded run walked again from its orders alone: does the same world come out, byte for byte? Main thread.

A journal holds every order with its tick; results are committed at the ticks at which they once were, so a live run
repeats as a lockstep one does. Where a run was cut short and gone on with, so is its replay. What was not ordered is not
repeated: a clip that somebody cancelled, or that failed for want of memory, is made this time, and told as a difference.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from spatia.app.fingerprint import fingerprint
from spatia.app.keeper import commit_ticks_of
from spatia.app.run import round_poses
from spatia.app.session import Session
from spatia.app.sources import world_folder
from spatia.errors import SpatiaError, StoreError
from spatia.geom.pose import F64
from spatia.input.script import ScriptSource
from spatia.records import edits
from spatia.records.control import ApplyEdit, FollowPath, Generate, Motion, Order
from spatia.scene.load import saved_scene
from spatia.scene.schema import Scene
from spatia.store.canonical import unpack_plain
from spatia.store.folder import create, open_store
from spatia.store.protocol import CommitInfo, Event, WorldStore

NEVER = 1 << 62  # the tick at which a clip is committed that was not committed then

_RECORDS: dict[str, type[Any]] = {
    record.__name__: record
    for record in (
        *(Motion, Generate, ApplyEdit),
        *(edits.Remove, edits.Recolor, edits.Move, edits.AddPrimitive, edits.AddCloud, edits.Undo, edits.Redo),
        *(edits.Box, edits.Sphere, edits.OfLabel, edits.OfClip),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The first thing that came out otherwise."""

    where: str
    recorded: str
    replayed: str

    def __str__(self) -> str:
        return f"{self.where}: recorded {self.recorded}, replayed {self.replayed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What a replay went through, and the first difference if there is one."""

    orders: int
    commits: int
    frames: int
    events: int
    difference: Difference | None
    versions: tuple[str, ...]  # what ran in another version then: ``numpy 1.26.4, now 2.1.0``


def replay(
    run: Path, *, out: Path | None = None, said: Callable[[CommitInfo], None] = lambda commit: None
) -> Replayed:
    """Walk a run's orders again, and compare commits, frames and journal; stops at the first commit that differs.

    `run` is a run folder or a saved world; `out` keeps the world that comes out, in a new folder. `said` hears of every
    commit that is the same. Raises `StoreError` for a folder that holds no run, or one that cannot be walked again.
    """
    with open_store(world_folder(run), read_only=True) as recorded, TemporaryDirectory() as scratch:
        return _Replay(recorded, name=str(run), folder=Path(scratch) / "world" if out is None else out, said=said).run()


class _Replay:
    """One replay. The world is opened anew for each session that the run was walked in."""

    def __init__(self, recorded: WorldStore, *, name: str, folder: Path, said: Callable[[CommitInfo], None]) -> None:
        self._recorded = recorded
        self._name = name
        self._folder = folder
        self._said = said
        self._commits = list(recorded.log())
        self._events = [event for event in recorded.events() if event.kind != "timings"]
        if not self._commits or "scene" not in recorded.settings:
            raise StoreError("holds no run: no scene was walked in it", where=name, fix="name the folder of a run")
        self._scene = saved_scene(recorded.settings["scene"], where=name)
        self._known = list(self._known_poses())
        self._marks = fingerprint(projector=recorded.fingerprint["projector"])
        self._orders = 0
        self._same = 0  # commits so far

    def run(self) -> Replayed:
        sessions = list(self._sessions())
        create(self._folder, settings=self._recorded.settings, fingerprint=self._marks).close()
        difference = None
        for events in sessions or [[]]:
            difference = difference or self._walk(events)
        if difference is None:
            with open_store(self._folder, read_only=True) as replayed:
                difference = self._different_journal(replayed)
        return Replayed(
            orders=self._orders,
            commits=self._same,
            frames=sum(len(info.payload.get("frame_sha256", ())) for info in self._commits[: self._same]),
            events=len(self._events),
            difference=difference,
            versions=tuple(
                f"{name} {then}, now {self._marks.get(name, 'missing')}"
                for name, then in self._recorded.fingerprint.items()
                if self._marks.get(name) != then
            ),
        )

    def _walk(self, events: list[Event]) -> Difference | None:
        """One session, up to its last commit."""
        source = ScriptSource()
        live = self._scene.generation.commit == "live"
        with Session(
            self._scene,
            store=open_store(self._folder),
            commit_ticks=self._commit_ticks() if live else None,
            source=source,
        ) as session:
            orders: dict[int, list[Order]] = {}
            for event in events:
                if event.kind == "order":
                    orders.setdefault(event.tick, []).append(self._order(event))
            last_tick = max((event.tick for event in events), default=-1)
            while session.world.tick <= last_tick:
                # Of two orders of one tick the first could not be carried out, and the tick was begun again.
                due = orders.get(session.world.tick, [])[:1]
                del orders.get(session.world.tick, [])[:1]
                source.push(*due)
                self._orders += len(due)
                try:
                    session.tick()
                except SpatiaError:
                    if not due:
                        raise
                if difference := self._different_commit(session.store):
                    return difference
            return self._different_commit(session.store)

    # -- the recording --------------------------------------------------------------------------------------------

    def _sessions(self) -> Iterator[list[Event]]:
        """The events of each session that the run was walked in: one begins by putting the first epoch."""
        session: list[Event] = []
        for event in self._events:
            if any(_record(change.get("resource"), "Epoch") for change in self._changes(event)):
                if session:
                    yield session
                session = []
            elif not session and not self._changes(event):
                raise self._not_whole("its journal does not begin with a session")
            session.append(event)
        if session:
            yield session

    def _changes(self, event: Event) -> list[dict[str, Any]]:
        changes = unpack_plain(event.payload, where=f"{self._name}: tick {event.tick}")
        return [change for change in changes if isinstance(change, dict)] if event.kind == "changes" else []
