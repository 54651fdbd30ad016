"""A recorded run walked again from its orders alone: does the same world come out, byte for byte? Main thread.

A journal holds every order with its tick; results are committed at the ticks at which they once were, so a live run
repeats as a lockstep one does. Where a run was cut short and gone on with, so is its replay. A clip that was cancelled
or failed is not made this time either: what stopped it came from outside, as an order does.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import typer

from spatia.app.failures import failures_of
from spatia.app.fingerprint import fingerprint
from spatia.app.keeper import commit_ticks_of
from spatia.app.round import CommitTicks
from spatia.app.run import round_poses
from spatia.app.session import Session
from spatia.app.sources import world_folder
from spatia.ecs import Frame
from spatia.errors import SpatiaError, StoreError
from spatia.geom.pose import F64
from spatia.records import edits
from spatia.records.control import ApplyEdit, FollowPath, Generate, Motion, Order
from spatia.scene.load import saved_scene
from spatia.store.canonical import unpack_plain
from spatia.store.folder import create, open_store
from spatia.store.protocol import CommitInfo, Event, WorldStore

NEVER = 1 << 62  # the tick at which a clip is committed that was not committed then

_RECORDS: dict[str, type[Any]] = {
    record.__name__: record
    for record in (
        *(Motion, Generate, ApplyEdit),
        *(edits.Remove, edits.Recolor, edits.Move, edits.AddPrimitive, edits.AddCloud, edits.Undo, edits.Redo),
        *(edits.Box, edits.Sphere, edits.OfLabel, edits.OfClip, edits.OfVoxels),
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
    run: Path,
    *,
    out: Path | None = None,
    said: Callable[[CommitInfo], None] = lambda commit: None,
    watched: Callable[[Session, Frame], None] = lambda session, mail: None,
) -> Replayed:
    """Walk a run's orders again, and compare commits, frames and journal; stops at the first commit that differs.

    `run` is a run folder or a saved world; `out` keeps the world that comes out, in a new folder. `said` hears of every
    commit that is the same, `watched` sees every tick. Raises `StoreError` for a folder that holds no run, or one that
    cannot be walked again.
    """
    with open_store(world_folder(run), read_only=True) as recorded, TemporaryDirectory() as scratch:
        folder = Path(scratch) / "world" if out is None else out
        return _Replay(recorded, name=str(run), folder=folder, said=said, watched=watched).run()


class _Given:
    """A source that gives all it has at once: when it was given, each order has waited for its turn already."""

    def __init__(self) -> None:
        self._orders: list[Order] = []

    def push(self, *orders: Order) -> None:
        self._orders += orders

    def clear(self) -> None:
        self._orders.clear()

    def poll(self, tick: int, *, idle: bool) -> tuple[Order, ...]:
        orders, self._orders = tuple(self._orders), []
        return orders

    @property
    def exhausted(self) -> bool:
        return not self._orders


class _Replay:
    """One replay. The world is opened anew for each session that the run was walked in."""

    def __init__(
        self,
        recorded: WorldStore,
        *,
        name: str,
        folder: Path,
        said: Callable[[CommitInfo], None],
        watched: Callable[[Session, Frame], None],
    ) -> None:
        self._recorded = recorded
        self._name = name
        self._folder = folder
        self._said = said
        self._watched = watched
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
        source = _Given()
        commit_ticks = self._commit_ticks() if self._scene.generation.commit == "live" else None
        orders = self._orders_by_tick(events)
        last_tick = max((event.tick for event in events), default=-1)
        with (
            open_store(self._folder) as store,
            Session(
                self._scene,
                store=store,
                commit_ticks=commit_ticks,
                failures=failures_of(events, where=self._name),
                source=source,
            ) as session,
        ):
            while session.world.tick <= last_tick:
                polls = orders.get(session.world.tick)
                given = polls.popleft() if polls else []
                source.push(*given)
                self._orders += len(given)
                try:
                    mail = session.tick()
                except SpatiaError:  # as then: the tick was begun again, with the next orders
                    if not given:
                        raise
                else:
                    self._watched(session, mail)
                if difference := self._different_commit(session.store):
                    return difference
            return self._different_commit(session.store)

    # -- the recording --------------------------------------------------------------------------------------------

    def _sessions(self) -> Iterator[list[Event]]:
        """The events of each session that the run was walked in; one begins by putting its first epoch."""
        session: list[Event] = []
        for event in self._events:
            for epoch in self._put(event, "Epoch"):
                if epoch["value"] != 0:
                    raise self._unwalkable("its world was begun again by a reset", fix="replay the run before it")
                if session:
                    yield session
                session = []
            session.append(event)
        if session:
            yield session

    def _put(self, event: Event, kind: str) -> list[dict[str, Any]]:
        """The resources of a kind that an event put."""
        if event.kind != "changes":
            return []
        changes = unpack_plain(event.payload, where=f"{self._name}: tick {event.tick}")
        try:
            resources = [change["resource"] for change in changes if change["kind"] == "Put"]
            return [resource for resource in resources if resource["kind"] == kind]
        except (KeyError, TypeError) as error:
            raise self._unwalkable(f"the changes of tick {event.tick} cannot be read: {error}") from error

    def _commit_ticks(self) -> dict[int, CommitTicks]:
        """When each request of a live run is committed: as then, or never."""
        requests = max((put["requests"] for event in self._events for put in self._put(event, "Counts")), default=0)
        return dict.fromkeys(range(requests), CommitTicks(NEVER, NEVER)) | commit_ticks_of(self._recorded)

    def _orders_by_tick(self, events: list[Event]) -> dict[int, deque[list[Order]]]:
        """The orders of each poll. A tick has several polls only where an edit could not be done, which ends one."""
        by_tick: dict[int, deque[list[Order]]] = {}
        for event in events:
            if event.kind == "order":
                order = self._order(event)
                polls = by_tick.setdefault(event.tick, deque())
                if not polls or isinstance(polls[-1][-1], ApplyEdit):
                    polls.append([])
                polls[-1].append(order)
        return by_tick

    def _order(self, event: Event) -> Order:
        data = unpack_plain(event.payload, where=f"{self._name}: tick {event.tick}")
        try:
            if data["kind"] == "FollowPath":
                poses = self._poses(data["world_from_camera"])
                return FollowPath(world_from_camera=poses, prompt=data["prompt"])
            order: Order = _record(data)
        except (KeyError, TypeError, ValueError) as error:
            raise self._unwalkable(f"the order of tick {event.tick} cannot be read: {error}") from error
        return order

    def _poses(self, data: Any) -> F64:
        """The path of an order. A journal keeps a long one as its hash; its poses are those that were walked."""
        if isinstance(data, list):
            return np.array(data, dtype=np.float64)
        count = data["shape"][0]
        for poses in self._known:
            for start in range(len(poses) - count + 1):
                if hashlib.sha256(poses[start : start + count].tobytes()).hexdigest() == data["sha256"]:
                    return poses[start : start + count]
        raise self._unwalkable(
            f"a path of {count} poses was not walked to its end, and its scene does not say it",
            fix="finish the run with `spatia run --resume`, then replay it",
        )

    def _known_poses(self) -> Iterator[F64]:
        """All poses that clips cover; then those of the scene, for a walk that was not finished."""
        clips = [info.number for info in self._commits if info.kind == "clip"]
        name = "world_from_camera"
        walked = [self._recorded.load_arrays(number, names=[name])[name] for number in clips]
        yield np.concatenate([np.empty((0, 4, 4)), *walked])
        with suppress(SpatiaError):  # such as a recording that is gone by now
            yield np.concatenate(list(round_poses(self._scene, start=np.array(self._commits[0].payload["start"]))))

    def _unwalkable(self, problem: str, *, fix: str = "") -> StoreError:
        return StoreError(f"cannot be walked again: {problem}", where=self._name, fix=fix)

    # -- the comparison -------------------------------------------------------------------------------------------

    def _different_commit(self, replayed: WorldStore) -> Difference | None:
        """Compares the commits that came since the last time."""
        if replayed.head is None or replayed.head.number < self._same:
            return None
        for new in list(replayed.log())[self._same :]:
            where = f"commit {new.number}"
            if new.number >= len(self._commits):
                return Difference(where=where, recorded="nothing", replayed=new.kind)
            old = self._commits[new.number]
            if old.hash != new.hash:
                return _difference(old, new, where=where)
            self._said(new)
            self._same += 1
        return None

    def _different_journal(self, replayed: WorldStore) -> Difference | None:
        """Compares what no commit's hash covers."""
        if self._same < len(self._commits):
            missing = self._commits[self._same]
            return Difference(where=f"commit {self._same}", recorded=missing.kind, replayed="nothing")
        events = [event for event in replayed.events() if event.kind != "timings"]
        for number, (old, new) in enumerate(zip_longest(self._events, events)):
            if old != new:
                where = f"event {number} of the journal"
                return Difference(where=where, recorded=_summary(old), replayed=_summary(new))
        return None


def _record(data: Any) -> Any:
    """The order or edit that `journal.plain` made this of. Raises `KeyError`, `TypeError` or `ValueError`."""
    if isinstance(data, list):
        return tuple(map(_record, data))
    if not isinstance(data, dict):
        return data
    return _RECORDS[data["kind"]](**{name: _record(value) for name, value in data.items() if name != "kind"})


def _difference(old: CommitInfo, new: CommitInfo, *, where: str) -> Difference:
    """What of a commit is not the same: a frame where it is one, else the first entry of the payload."""
    if old.kind != new.kind:
        return Difference(where=where, recorded=old.kind, replayed=new.kind)
    for key in sorted(old.payload.keys() | new.payload.keys(), key=lambda key: (key != "frame_sha256", key)):
        one, other = old.payload.get(key), new.payload.get(key)
        if one == other:
            continue
        if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
            at = next(i for i, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1])
            return Difference(where=f"{where}, {key} {at}", recorded=_short(one[at]), replayed=_short(other[at]))
        return Difference(where=f"{where}, {key}", recorded=_short(one), replayed=_short(other))
    return Difference(where=f"{where}, points and arrays", recorded=_short(old.hash), replayed=_short(new.hash))


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:16]}…"


def _summary(event: Event | None) -> str:
    if event is None:
        return "nothing"
    return f"{event.kind} of tick {event.tick} ({hashlib.sha256(event.payload).hexdigest()[:12]})"


def print_replay(run: Path, *, out: Path | None, film: Path | None, size: str) -> bool:
    """What `spatia replay` prints; whether the same came out, and was filmed where a film was wanted."""

    def said(commit: CommitInfo) -> None:
        typer.echo(f"commit {commit.number} ({commit.kind}): the same")

    if film is None:
        return _print_replayed(replay(run, out=out, said=said))
    from spatia.app.replay_film import ReplayFilm, parsed_size  # OpenGL

    filming = ReplayFilm(film, size_px=parsed_size(size))
    try:
        found = replay(run, out=out, said=said, watched=filming.watch)
    finally:
        problem = filming.close()
    typer.echo(problem or f"film {film}")
    return _print_replayed(found) and not problem


def _print_replayed(found: Replayed) -> bool:
    if found.difference is None:
        typer.echo(
            f"the same: {found.orders} orders gave {found.commits} commits, {found.frames} frames and "
            f"{found.events} events of the journal again, byte for byte"
        )
        return True
    typer.echo(f"not the same: {found.difference}")
    for version in found.versions:
        typer.echo(f"  recorded with {version}")
    return False
