"""`Session`: the runtime embedded in a program. The caller owns the loop; everything here is the main thread's."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from spatia.app.build import build_parts
from spatia.app.failures import Failed
from spatia.app.fingerprint import fingerprint
from spatia.app.journal import packed
from spatia.app.keeper import WorldKeeper
from spatia.app.landing import Landing
from spatia.app.round import CommitTicks, RoundResult
from spatia.app.state import Cloud, Counts, Epoch, InFlight, Trajectory, Walker
from spatia.app.systems import Committed, Remembering, Rounds, RoundSettings, Walking, is_idle
from spatia.clock import Clock, WallClock
from spatia.control.walk import WALKING_SPEED_M_PER_S
from spatia.ecs import App, Change, Commands, Frame, Stage, World
from spatia.errors import GenerationError, StoreError
from spatia.geom.camera import Cameras, Intrinsics
from spatia.geom.pose import F64
from spatia.input.script import ScriptSource
from spatia.memory.edits import EditResult
from spatia.records.arrays import F32, U8
from spatia.records.cloud import CloudSnapshot
from spatia.records.control import ApplyEdit, FollowPath, Generate, InputSource, Motion, Order, ResetTo
from spatia.records.edits import Edit
from spatia.records.frames import Frames
from spatia.records.generation import Failure, Progress
from spatia.records.latents import LatentSnapshot
from spatia.records.projection import MetricSplat
from spatia.scene.load import load_scene, saved_scene
from spatia.scene.schema import Scene
from spatia.store.copy import copy_world
from spatia.store.folder import create, open_store
from spatia.store.in_memory import MemoryStore
from spatia.store.protocol import WorldStore
from spatia.streams import Streams

LANDING_S = 0.5  # for merging a live clip while the walk goes on; where it takes longer the walk waits
REMEMBER = "remember"  # the stage of a clip that is made and lands: it can no longer be given up
COVERAGE_SHRINK = 8  # as many pixels each way share one: a point a voxel fills it from across a room


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Observation:
    """The memory as the walker sees it now. The arrays are the caller's own."""

    rgb: U8  # [H, W, 3] sRGB, black where nothing is known
    depth_m: F32  # [H, W] along +z, 0 where nothing is known
    coverage: F32  # [H, W] 0 or 1
    world_from_camera: F64  # [4, 4]


class OrderQueue(InputSource, Protocol):
    """An input source that a program fills."""

    def push(self, *orders: Order) -> None: ...

    def clear(self) -> None: ...


class Session:
    """One world, one walker. Two sessions in one process share nothing.

    with Session.open("scenes/room_loop.yaml") as session:
        session.walk(path)
        seen = session.step(Motion(forward=1.0))
    """

    def __init__(
        self,
        scene: Scene,
        *,
        store: WorldStore | None = None,
        clock: Clock | None = None,
        while_waiting: Callable[[Progress], None] = lambda progress: None,
        preview: Callable[[RoundResult], None] = lambda result: None,
        commit_ticks: Mapping[int, CommitTicks] | None = None,
        failures: Mapping[int, Failed] | None = None,
        source: OrderQueue | None = None,
        live_wait_s: float | None = None,
        in_background: bool = False,
    ) -> None:
        """A store with commits is resumed. Raises `SpatiaError` for a world or a device that is not to be had.

        `while_waiting` hears of progress on the calling thread; `preview` sees each round on the production thread
        before it is committed. With `commit_ticks` (see `commit_ticks_of`) a replay commits when a live run did,
        and with `failures` (see `failures_of`) it goes without the clips that the run went without.
        `source` is what orders go through, a script by default; `live_wait_s` paces a live session that nothing else
        paces, one tick of the walk by default. `in_background` workers yield the processor to the calling thread.
        """
        self._scene = scene
        if store is None:
            store = MemoryStore(
                settings=scene_settings(scene), fingerprint=fingerprint(projector=scene.projection.projector)
            )
        self._parts = build_parts(
            scene, store=store, clock=clock or WallClock(), preview=preview, in_background=in_background
        )
        self._landing = Landing(self._parts.keeper, in_background=in_background)
        self._source: OrderQueue = ScriptSource() if source is None else source
        keeper = self._parts.keeper
        self._app = App(journal=self._journal).add(Stage.POLL, self._set_out)
        self._last = self._app.simulate()
        self._app.install(
            Walking(self._source, fps=scene.fps, speed_m_per_s=WALKING_SPEED_M_PER_S, record=self._record),
            Rounds(
                self._parts.production,
                settings=RoundSettings(
                    first_frames=scene.generation.first_frames,
                    clip_frames=scene.generation.clip_frames,
                    preceding_frames=scene.generation.preceding_frames,
                    fps=scene.fps,
                    commit=scene.generation.commit,
                    landing_ticks=round(LANDING_S * scene.fps) if scene.generation.commit == "live" else 0,
                    live_wait_s=1.0 / scene.fps if live_wait_s is None else live_wait_s,
                    deadline_s=scene.generation.deadline_s,
                    places=scene.prompts,
                    automatic=scene.generation.policy == "continuous",
                ),
                retrieve=keeper.retrieve,
                preceding=keeper.preceding,
                surroundings=keeper.surroundings,
                latents=lambda: (keeper.latents(), keeper.preceding_latents()),
                commit_ticks=commit_ticks,
                failures=failures,
                while_waiting=while_waiting,
            ),
            Remembering(self._landing),
        )

    @classmethod
    def open(cls, scene: Scene | Path | str, *, out: Path | str | None = None, overrides: tuple[str, ...] = ()) -> Self:
        """A session on a scene or a scene file; with `out` its world is kept in that new folder as it grows."""
        if not isinstance(scene, Scene):
            scene = load_scene(Path(scene), overrides, allow_outside=True).scene
        if out is None:
            return cls(scene)
        marks = fingerprint(projector=scene.projection.projector)
        return cls._on(create(Path(out), settings=scene_settings(scene), fingerprint=marks), scene)

    @classmethod
    def reopen(cls, world: Path | str) -> Self:
        """Go on with a world that `save` or ``open(out=…)`` wrote. Raises `StoreError` for a folder that is none."""
        store = open_store(Path(world))
        try:
            scene = saved_scene(store.settings["scene"], where=str(world))
        except BaseException:
            store.close()
            raise
        return cls._on(store, scene)

    @classmethod
    def _on(cls, store: WorldStore, scene: Scene) -> Self:
        try:
            return cls(scene, store=store)
        except BaseException:
            store.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the workers and give the world back. What was committed stays; closing twice is harmless."""
        with ExitStack() as closing:
            closing.callback(self._parts.keeper.close)
            closing.callback(self._landing.close)
            closing.callback(self._parts.projector.close)
            closing.callback(self._parts.production.close)

    # -- what an agent does ---------------------------------------------------------------------------------------

    def reset(self, seed: int | None = None) -> Observation:
        """Back to the world as the scene begins it, with the scene's seed or another.

        A clip still in the making is dropped and counted. Raises `StoreError` for a session whose world is kept in a
        folder: what is on disk is not taken back.
        """
        if not isinstance(self.store, MemoryStore):
            raise StoreError(
                "a world kept in a folder cannot be reset", where="Session.reset", fix="open the session without out="
            )
        self._source.clear()
        self.cancel()
        self._carry_out(ResetTo(seed=self._scene.seed if seed is None else seed))
        return self.observe()

    def step(self, action: Motion, *, generate: bool = False, prompt: str = "") -> Observation:
        """Move for one tick of 1 / fps seconds. The poses walked become a clip when there are enough of them, or now.

        In lockstep a clip is committed as many ticks after its request as it has new frames.
        """
        self._carry_out(action)
        if generate:
            self.generate(prompt=prompt)
        return self.observe()

    def generate(self, *, prompt: str = "") -> Frames:
        """Make clips of all poses walked so far and wait for them. Returns the new frames."""
        return self._collect(Generate(prompt=prompt))

    def walk(self, path: Cameras | npt.ArrayLike, *, prompt: str = "") -> Frames:
        """Walk along poses [T, 4, 4], generate all of them and remember what was seen. Returns the new frames.

        A first pose that is where the walker stands is not generated twice. Raises `GenerationError` with the cause
        when a clip fails; the clips before it are kept, and its poses wait for the next `generate`.
        """
        poses = path.world_from_camera if isinstance(path, Cameras) else np.asarray(path, dtype=np.float64)
        return self._collect(FollowPath(world_from_camera=poses, prompt=prompt))

    def edit(self, edit: Edit) -> EditResult:
        """Change the memory by hand; seen in the next projection and in all later clips."""
        self.finish()
        self._carry_out(ApplyEdit(edit=edit))
        return self._keeper.last_edit

    def observe(self) -> Observation:
        """What the walker sees now, without a tick."""
        _, walker = next(self._app.world.query(Walker))
        pose = walker.world_from_camera
        seen = self._parts.projector.project(
            self.snapshot(),
            Cameras(world_from_camera=pose[None], intrinsics=walker.intrinsics),
            look=MetricSplat(radius_m=self._scene.memory.rgb.voxel_m),
        )
        return Observation(
            rgb=seen.rgb[0].copy(),
            depth_m=seen.depth_m[0].copy(),
            coverage=seen.coverage[0].copy(),
            world_from_camera=pose.copy(),
        )

    def save(self, path: Path | str) -> str:
        """Write the whole world, every commit of it, to a new folder. Returns the SHA-256 of its head."""
        with create(Path(path), settings=self.store.settings, fingerprint=self.store.fingerprint) as target:
            copy_world(self.store, target)
            return target.head.hash if target.head else ""

    # -- what a runner needs --------------------------------------------------------------------------------------

    def carry_out(self, order: Order) -> Iterator[RoundResult]:
        """Tick until the order is done; yields each clip as it is committed. Raises `GenerationError`."""
        self._source.push(order)
        while not (self._source.exhausted and is_idle(self._app.world)):
            self.tick()
            yield from (committed.result for committed in self._last.read(Committed))
            self._raise_failure()

    def push(self, *orders: Order) -> None:
        """Orders for the coming ticks."""
        self._source.push(*orders)

    def tick(self) -> Frame:
        """One fixed step of the walk. Returns its mail: what was committed, what failed."""
        self._last = self._app.step()
        return self._last

    @property
    def is_idle(self) -> bool:
        """No clip is in the making or owed."""
        return is_idle(self._app.world)

    def progress(self) -> Progress | None:
        """How far the clip in the making is; None when there is none."""
        for _, request in self._app.world.query(InFlight):
            if self._landing.is_under_way:
                done = 0 if self._landing.is_merging else 1
                return Progress(request_id=request.request_id, stage=REMEMBER, done=done, total=1)
            return self._parts.production.progress(request.request_id)
        return None

    def finish(self) -> None:
        """Tick until nothing is in flight or owed. Raises `GenerationError` for a clip that failed meanwhile."""
        while not is_idle(self._app.world):
            self.tick()
            self._raise_failure()

    def cancel(self) -> None:
        """Ask for the clip in the making to be given up; it comes back as a failure."""
        self._parts.production.cancel(self._app.world.resource(Counts).requests - 1)

    @property
    def scene(self) -> Scene:
        return self._scene

    @property
    def store(self) -> WorldStore:
        return self._keeper.store

    @property
    def stage_s(self) -> dict[int, dict[str, float]]:
        """Seconds by stage of the clips made in this session, by clip number."""
        return self._keeper.stage_s

    @property
    def generator_name(self) -> str:
        return self._scene.generation.generator.name

    def snapshot(self) -> CloudSnapshot:
        """The cloud as of the last commit."""
        return self._app.world.resource(Cloud).snapshot

    def coverage(self, cameras: Cameras) -> float:
        """The share of some views that the memory knows, seen small."""
        lens = cameras.intrinsics
        small = cameras.resized(
            width_px=max(1, lens.width_px // COVERAGE_SHRINK), height_px=max(1, lens.height_px // COVERAGE_SHRINK)
        )
        seen = self._parts.projector.project(self.snapshot(), small, look=MetricSplat(radius_m=0.0))
        return float((seen.index >= 0).mean())

    def latents(self) -> LatentSnapshot | None:
        """The latent cloud as of the last commit; None for a world that keeps none."""
        return self._keeper.latents()

    @property
    def world(self) -> World:
        """The ECS world, to look at."""
        return self._app.world

    @property
    def labels(self) -> dict[str, int]:
        """The world's objects by name."""
        return self._parts.labels

    @property
    def covered_frames(self) -> int:
        """Frames of the walk that clips cover."""
        return self._app.world.resource(Trajectory).covered

    @property
    def intrinsics(self) -> Intrinsics:
        return self._parts.intrinsics

    @property
    def start(self) -> F64:
        """[4, 4] where the walk began."""
        return self._parts.start

    # -- inside ---------------------------------------------------------------------------------------------------

    @property
    def _keeper(self) -> WorldKeeper:
        """Ours alone, once a clip that is being merged is through."""
        return self._landing.keeper

    def _collect(self, order: Order) -> Frames:
        before = self.covered_frames
        for _ in self.carry_out(order):
            pass
        return self._keeper.walked(before, self.covered_frames)

    def _carry_out(self, order: Order) -> None:
        self._source.push(order)
        while not self._source.exhausted:
            self.tick()
        self._raise_failure()

    def _raise_failure(self) -> None:
        failure = self._last.last(Failure)
        if failure is not None:
            raise _error_of(failure)

    def _set_out(self, world: World, frame: Frame, commands: Commands) -> None:
        """In the first tick, put the resources and the walker where the world has them."""
        if world.has_resource(Epoch):
            return
        begun = self._keeper.begun()
        world.tick = begun.tick
        commands.put(Epoch())
        commands.put(Counts(requests=begun.requests))
        commands.put(Streams(seed=self._scene.seed))
        commands.put(Cloud(snapshot=self._keeper.snapshot()))
        shown = len(begun.pending)
        commands.put(Trajectory(poses=begun.pending, covered=begun.covered, clips=begun.clips, shown=shown))
        commands.spawn(Walker(world_from_camera=begun.pose, intrinsics=self._parts.intrinsics))

    def _journal(self, tick: int, changes: tuple[Change, ...]) -> None:
        if changes:
            self._landing.append_events([(tick, "changes", packed(list(changes)))])

    def _record(self, tick: int, order: Order) -> None:
        self._landing.append_events([(tick, "order", packed(order))])


def scene_settings(scene: Scene) -> dict[str, Any]:
    """What a world is created with: the scene itself, so that a run can be resumed from its folder alone."""
    return {"scene": scene.model_dump_json()}


def _error_of(failure: Failure) -> GenerationError:
    error = GenerationError(
        f"the clip was not generated ({failure.kind}): {failure.message}",
        where=f"request {failure.request_id}",
        fix="the world is as it was before the clip; mend the cause and go on with `spatia run --resume`",
    )
    if failure.detail:
        error.add_note(failure.detail)
    return error
