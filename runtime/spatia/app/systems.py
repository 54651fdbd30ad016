"""The systems of the walk, stage by stage, as methods of three plugins. All run on the main thread.

POLL     Walking.poll        orders from the input source
CONTROL  Walking.move        motion and paths -> the walker's pose, the trajectory
PLAN     Rounds.plan         trajectory -> the next round, when there is enough of it
PROJECT  Rounds.freeze       snapshot, preceding and reference frames for that round
DISPATCH Rounds.submit       to the production thread
COLLECT  Rounds.collect      results that are due
COMMIT   Remembering.commit  clip and edits -> memory, archive, store, World

A live clip is merged while the walk goes on: COMMIT begins it when the result has come, and the World has it some ticks
later.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np

from spatia.app.failures import Failed, failed_event
from spatia.app.landing import Landing, Merger
from spatia.app.places import instruction_at
from spatia.app.production import Production
from spatia.app.round import CommitTicks, RoundOrder, RoundResult, Surroundings
from spatia.app.state import Cloud, Counts, Epoch, InFlight, Trajectory, Walker
from spatia.control.walk import step_pose
from spatia.ecs import App, Commands, Frame, Stage, World
from spatia.errors import GenerationError, SpatiaError
from spatia.geom.camera import Cameras
from spatia.geom.pose import F64
from spatia.records.cloud import CloudSnapshot
from spatia.records.control import ApplyEdit, FollowPath, Generate, InputSource, Motion, Order, ResetTo
from spatia.records.edits import Edit
from spatia.records.frames import Frames
from spatia.records.generation import ClipLatents, Failure, Progress
from spatia.records.latents import LatentSnapshot
from spatia.scene.schema import PlacePrompt
from spatia.streams import Streams
from spatia.trajectory.rounds import Round, next_round

WAIT_S = 0.1  # between two reports of progress while a due result is awaited

Retrieve = Callable[[Cameras], tuple[Frames, tuple[int, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RoundDue:
    """Mail from PLAN to PROJECT."""

    round: Round
    new_poses: F64  # [n, 4, 4] of the new frames, unpadded


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Taken:
    """Mail from COLLECT to COMMIT: a clip to be merged."""

    result: RoundResult
    lands_tick: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Due:
    """Mail from COLLECT to COMMIT: the clip that was taken is part of the World from this tick on."""

    result: RoundResult


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Committed:
    """Mail from COMMIT to whoever looks at the tick: a clip that the world now holds."""

    result: RoundResult


class Walking:
    """Orders in, poses out. `record` is told every order and its tick."""

    def __init__(
        self, source: InputSource, *, fps: float, speed_m_per_s: float, record: Callable[[int, Order], None]
    ) -> None:
        self._source = source
        self._dt_s = 1.0 / fps
        self._speed_m_per_s = speed_m_per_s
        self._record = record

    def __call__(self, app: App) -> None:
        app.add(Stage.POLL, self.poll)
        app.add(Stage.CONTROL, self.move)

    def poll(self, world: World, frame: Frame, commands: Commands) -> None:
        for order in self._source.poll(world.tick, idle=is_idle(world)):
            self._record(world.tick, order)
            frame.send(order)

    def move(self, world: World, frame: Frame, commands: Commands) -> None:
        entity, walker = next(world.query(Walker))
        before = trajectory = world.resource(Trajectory)
        pose = walker.world_from_camera
        for order in frame.read(Motion):
            pose = step_pose(pose, order, dt_s=self._dt_s, speed_m_per_s=self._speed_m_per_s)
            poses = np.concatenate([trajectory.poses, pose[None]])
            trajectory = replace(trajectory, poses=poses, shown=len(poses))
        for path in frame.read(FollowPath):
            trajectory = _extended(trajectory, path, last=pose)
        for generate in frame.read(Generate):
            owed, typed = len(trajectory.poses), bool(generate.prompt)
            trajectory = replace(trajectory, owed=owed, prompt=generate.prompt, typed=typed)
        if not frame.read(Motion) and trajectory.shown < len(trajectory.poses):
            pose = trajectory.poses[trajectory.shown]
            trajectory = replace(trajectory, shown=trajectory.shown + 1)
        if pose is not walker.world_from_camera:
            commands.insert(entity, replace(walker, world_from_camera=pose))
        # Later stages of this tick see the trajectory by mail; the World still holds that of the last commit.
        frame.send(trajectory)
        if trajectory is not before:
            commands.put(trajectory)


def _extended(trajectory: Trajectory, path: FollowPath, *, last: F64) -> Trajectory:
    """The trajectory with a path behind it.

    A first pose that repeats where the walker stands is left out; a walk that has not begun begins with the path.
    """
    begun = trajectory.covered > 0 or len(trajectory.poses) > 1
    before = trajectory.poses if begun else trajectory.poses[:0]
    repeats = begun and np.array_equal(path.world_from_camera[0], before[-1] if len(before) else last)
    new = path.world_from_camera[1:] if repeats else path.world_from_camera
    return replace(
        trajectory,
        poses=np.concatenate([before, new]),
        shown=min(trajectory.shown, len(before)),
        owed=len(before) + len(new),
        prompt=path.prompt,
        typed=False,
    )


def is_idle(world: World) -> bool:
    """True when no round is under way or owed."""
    return not any(world.query(InFlight)) and not world.resource(Trajectory).owed


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundSettings:
    first_frames: int = 81
    clip_frames: int = 81
    preceding_frames: int = 9
    fps: float = 24.0
    commit: Literal["lockstep", "live"] = "lockstep"
    landing_ticks: int = 0  # from a live clip's coming until the walk sees it
    live_wait_s: float = 0.0  # how long a live COLLECT waits for a result: paces a loop that has nothing else to do
    deadline_s: float | None = None
    places: tuple[PlacePrompt, ...] = ()  # instructions at places of the world
    automatic: bool = True  # a clip as soon as there are poses enough; else only when somebody asks


class Rounds:
    """From trajectory to results. One round is in flight at a time, since the next needs its last frames.

    A result is committed at its due tick (lockstep), or taken when it is ready and seen `landing_ticks` later (live).
    `commit_ticks` holds the ticks of an earlier live run by request id; a replay commits at those. What is among
    `failures` is not made at all.
    """

    def __init__(
        self,
        production: Production,
        *,
        settings: RoundSettings,
        retrieve: Retrieve,
        preceding: Callable[[int], Frames],
        surroundings: Callable[[tuple[int, ...]], Surroundings],
        latents: Callable[[], tuple[LatentSnapshot | None, ClipLatents | None]],
        commit_ticks: Mapping[int, CommitTicks] | None = None,
        failures: Mapping[int, Failed] | None = None,
        while_waiting: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        self._production = production
        self._settings = settings
        self._retrieve = retrieve
        self._preceding = preceding
        self._surroundings = surroundings
        self._latents = latents
        self._commit_ticks = commit_ticks or {}
        self._failures = failures or {}
        self._while_waiting = while_waiting
        self._landing: Taken | None = None  # of the request in flight

    def __call__(self, app: App) -> None:
        app.add(Stage.PLAN, self.plan)
        app.add(Stage.PROJECT, self.freeze)
        app.add(Stage.DISPATCH, self.submit)
        app.add(Stage.COLLECT, self.collect)

    def plan(self, world: World, frame: Frame, commands: Commands) -> None:
        trajectory = frame.last(Trajectory) or world.resource(Trajectory)
        # An edit or a reset of this tick is in the World only after COMMIT: the round can wait for it.
        changing = frame.last(ApplyEdit) is not None or frame.last(ResetTo) is not None
        if changing or any(world.query(InFlight)):
            return
        if not len(trajectory.poses):
            return
        settings = self._settings
        round_ = next_round(
            trajectory.covered,
            trajectory.covered + len(trajectory.poses),
            index=trajectory.clips,
            first=settings.first_frames,
            later=settings.clip_frames,
            preceding=settings.preceding_frames,
        )
        full = settings.clip_frames if trajectory.covered else settings.first_frames
        if trajectory.owed or (settings.automatic and round_.stop - round_.start == full):
            frame.send(RoundDue(round=round_, new_poses=trajectory.poses[: round_.new_frame_count]))

    def freeze(self, world: World, frame: Frame, commands: Commands) -> None:
        due = frame.last(RoundDue)
        if due is None:
            return
        round_, trajectory = due.round, frame.last(Trajectory) or world.resource(Trajectory)
        intrinsics = next(world.query(Walker))[1].intrinsics
        preceding = self._preceding(round_.preceding)
        padding = np.repeat(
            due.new_poses[-1:], round_.padded_frames - round_.preceding - round_.new_frame_count, axis=0
        )
        poses = np.concatenate([preceding.cameras.world_from_camera, due.new_poses, padding])
        cameras = Cameras(world_from_camera=poses, intrinsics=intrinsics)
        new = slice(round_.preceding, round_.preceding + round_.new_frame_count)
        references, numbers = self._retrieve(cameras[new])
        latents, preceding_latents = self._latents()
        counts = world.resource(Counts)
        frame.send(
            RoundOrder(
                request_id=counts.requests,
                epoch=world.resource(Epoch).value,
                clip=trajectory.clips,
                seed=world.resource(Streams).child_seed("generation", trajectory.clips),
                cameras=cameras,
                time_s=((round_.start + np.arange(len(cameras))) / self._settings.fps).astype(np.float32),
                new_frame_count=round_.new_frame_count,
                snapshot=world.resource(Cloud).snapshot,
                latents=latents,
                preceding_latents=preceding_latents,
                preceding=preceding,
                surroundings=self._surroundings(numbers),
                references=references,
                reference_numbers=numbers,
                prompt=self._prompt(trajectory, due.new_poses[-1]),
                deadline_s=self._settings.deadline_s,
            )
        )
        frame.send(Counts(requests=1))

    def _prompt(self, trajectory: Trajectory, last_pose: F64) -> str:
        """The place that the clip ends in has its say where nobody typed anything."""
        if trajectory.typed:
            return trajectory.prompt
        there = instruction_at(self._settings.places, last_pose)
        return trajectory.prompt if there is None else there

    def submit(self, world: World, frame: Frame, commands: Commands) -> None:
        for order in frame.read(RoundOrder):
            if order.request_id not in self._failures and not self._production.submit(order):
                raise GenerationError("the production queue is full", fix="wait for the round in flight")
            commands.spawn(InFlight(request_id=order.request_id, due_tick=world.tick + order.new_frame_count))

    def collect(self, world: World, frame: Frame, commands: Commands) -> None:
        for entity, request in world.query(InFlight):
            if failed := self._failures.get(request.request_id):
                if world.tick >= failed.tick:
                    commands.despawn(entity)
                    frame.send(failed.failure)
                continue
            if self._landing is None:
                answer = self._answer(world, request)
                if answer is None:
                    continue
                stale = answer.epoch != world.resource(Epoch).value
                if stale or isinstance(answer, Failure):
                    commands.despawn(entity)
                    frame.send(Counts(stale_results=1) if stale else answer)
                    continue
                self._landing = Taken(result=answer, lands_tick=self._lands_tick(world.tick, request))
                frame.send(self._landing)
            if world.tick >= self._landing.lands_tick:
                commands.despawn(entity)
                stale = self._landing.result.epoch != world.resource(Epoch).value
                frame.send(Counts(stale_results=1) if stale else Due(result=self._landing.result))
                self._landing = None

    def _answer(self, world: World, request: InFlight) -> RoundResult | Failure | None:
        """What has come of a request; None while it need not have."""
        recorded = self._commit_ticks.get(request.request_id)
        if self._settings.commit == "live" and recorded is None:
            return self._production.take(timeout_s=self._settings.live_wait_s)
        if world.tick < (request.due_tick if recorded is None else recorded.taken):
            return None
        while (answer := self._production.take(timeout_s=WAIT_S)) is None:
            self._while_waiting(self._production.progress(request.request_id))
        return answer

    def _lands_tick(self, tick: int, request: InFlight) -> int:
        recorded = self._commit_ticks.get(request.request_id)
        return tick + self._settings.landing_ticks if recorded is None else recorded.landed


class Keeper(Merger, Protocol):
    """What Remembering drives: the owner of memory, archive and store."""

    def edit(self, edit: Edit) -> CloudSnapshot: ...

    def reset(self, seed: int) -> tuple[CloudSnapshot, F64]:
        """The cloud and the first pose of the world begun again."""
        ...


class Remembering:
    """The only writer of the memory, the archive, the store and the World's resources."""

    def __init__(self, landing: Landing[Keeper]) -> None:
        self._landing = landing

    def __call__(self, app: App) -> None:
        app.add(Stage.COMMIT, self.commit)

    def commit(self, world: World, frame: Frame, commands: Commands) -> None:
        trajectory = frame.last(Trajectory) or world.resource(Trajectory)
        for taken in frame.read(Taken):
            self._landing.begin(taken.result, tick=world.tick, lands_tick=taken.lands_tick)
        for result in (due.result for due in frame.read(Due)):
            try:
                snapshot = self._landing.land()
            except SpatiaError as error:
                frame.send(_not_kept(result.order, error))
                continue
            frame.send(Committed(result=result))
            commands.put(Cloud(snapshot=snapshot))
            new = result.order.new_frame_count
            left = trajectory.poses[new:]
            trajectory = replace(
                trajectory,
                poses=left,
                covered=trajectory.covered + new,
                clips=trajectory.clips + 1,
                shown=max(0, trajectory.shown - new),
                owed=min(max(0, trajectory.owed - new), len(left)),
            )
            commands.put(trajectory)
            frame.send(Counts(clips=1))
        for failure in frame.read(Failure):
            self._landing.append_events([failed_event(world.tick, failure)])
            # The poses stay; nothing is tried again before somebody asks.
            commands.put(replace(trajectory, owed=0))
            frame.send(Counts(failures=1))
        for order in frame.read(ApplyEdit):
            commands.put(Cloud(snapshot=self._landing.keeper.edit(order.edit)))
            frame.send(Counts(edits=1))
        for reset in frame.read(ResetTo):
            snapshot, start = self._landing.keeper.reset(reset.seed)
            self._landing.forget()
            commands.put(Cloud(snapshot=snapshot))
            commands.put(Trajectory(poses=start[None], shown=1))
            commands.put(Streams(seed=reset.seed))
            commands.put(Epoch(value=world.resource(Epoch).value + 1))
            for entity, walker in world.query(Walker):
                commands.insert(entity, replace(walker, world_from_camera=start))
        if tallies := frame.read(Counts):
            commands.put(sum(tallies, start=world.resource(Counts)))


def _not_kept(order: RoundOrder, error: SpatiaError) -> Failure:
    return Failure(request_id=order.request_id, epoch=order.epoch, kind="not kept", message=str(error))
