"""One round off the main thread: project the memory, generate the clip, estimate its geometry, make points of it.

`Production` owns its thread and, on it, the projector, the generation worker and the estimators. The main thread hands
in a frozen `RoundOrder` and takes back a `RoundResult` or a `Failure`; neither side locks anything of the other.
"""

import hashlib
import threading
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from spatia.clock import Clock
from spatia.errors import SpatiaError
from spatia.estimation.fuse import points_of_geometry
from spatia.estimation.latent_points import latent_points
from spatia.generation.worker import Worker
from spatia.geom.camera import Cameras
from spatia.geom.pose import transform
from spatia.inbox import Inbox, InboxClosed
from spatia.memory.frames import ArchivedClip
from spatia.memory.voxel_set import VoxelSet
from spatia.projection.latent_readout import read_latents
from spatia.records.arrays import F32, U8, Bool
from spatia.records.cloud import CloudSnapshot, Points
from spatia.records.frames import Frames
from spatia.records.generation import Cancelled, Clip, ClipLatents, ClipRequest, Failure, Progress
from spatia.records.geometry import DynamicSegmenter, Geometry, Report, SceneEstimator, Sighting
from spatia.records.latents import FRAMES_A_LATENT, LatentPoints, LatentReadout, LatentSnapshot
from spatia.records.projection import Look, Projection, Projector

R = TypeVar("R")

ANSWER_POLL_S = 0.1
TAIL_LATENTS = 3  # those of nine frames
VOXEL_STRIDE_PX = 4  # pixels skipped when a frame's visible voxels are collected


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RoundOrder:
    """What PROJECT froze: everything one round may know."""

    request_id: int
    epoch: int
    clip: int  # number of the clip in the world
    seed: int
    cameras: Cameras  # preceding + new + padding poses, 4k + 1 of them
    time_s: F32  # [T]
    new_frame_count: int  # padding left out
    snapshot: CloudSnapshot
    latents: LatentSnapshot | None  # None for a world that keeps none
    preceding_latents: ClipLatents | None  # of the last frames, where they are kept
    preceding: Frames
    context: Frames  # archived frames that overlap the new ones, the last of the walk last
    context_moving: Bool  # [C, H, W]
    references: Frames
    reference_numbers: tuple[int, ...]
    prompt: str
    deadline_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RoundResult:
    """What COMMIT merges. Arrays cover the new frames only."""

    order: RoundOrder
    archived: ArchivedClip  # T new frames, with the estimated depth of the keyframes
    projection_rgb: U8  # [T, H, W, 3] what the memory knew
    coverage: float  # share of the new frames' pixels that the memory knew
    points: Points
    latents: ClipLatents | None  # of the new frames, padding left out
    latent_points: LatentPoints | None
    frame_sha256: tuple[str, ...]  # of every new frame's raw RGB
    projection_sha256: tuple[str, ...]  # of every new frame's projection: colour, depth and index
    stage_s: dict[str, float]
    notes: tuple[str, ...] = ()  # the generator's and the estimator's, see `Clip` and `Geometry`

    @property
    def latent_tail(self) -> ClipLatents | None:
        """The last of `latents`, where the last frame ends one: what the next clip may begin with."""
        walked = len(self.order.preceding) + self.order.new_frame_count
        if self.latents is None or walked % FRAMES_A_LATENT != 1:
            return None
        return ClipLatents(
            latents=self.latents.latents[:, -TAIL_LATENTS:],
            fingerprint=self.latents.fingerprint,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductionSettings:
    look: Look
    keyframe_stride: int = 4
    preceding_frames: int = 9
    max_depth_m: float = 20.0
    retrieval_voxel_m: float = 0.05


class Production:
    """The round worker. `submit`, `take`, `cancel` and `close` belong to the main thread."""

    def __init__(
        self,
        *,
        worker: Worker,
        open_projector: Callable[[], Projector],
        open_estimator: Callable[[Projector], SceneEstimator],
        open_segmenter: Callable[[Projector], DynamicSegmenter],
        settings: ProductionSettings,
        clock: Clock,
        preview: Callable[[RoundResult], None],
    ) -> None:
        """`preview` is called on the production thread with each round before it is handed over."""
        self._worker = worker
        self._open_projector = open_projector
        self._open_estimator = open_estimator
        self._open_segmenter = open_segmenter
        self._settings = settings
        self._clock = clock
        self._preview = preview
        self._orders: Inbox[RoundOrder] = Inbox(max_items=2, when_full="reject")
        self._results: Inbox[RoundResult | Failure] = Inbox(max_items=4, when_full="block")
        self._stage = "waiting"
        self._done = (0, 1)  # of the stage, and out of how much
        self._cancelled_id = -1
        self._thread = threading.Thread(target=self._run, name="spatia-production", daemon=True)
        self._thread.start()

    def submit(self, order: RoundOrder) -> bool:
        return self._orders.put(order)

    def take(self, *, timeout_s: float | None) -> RoundResult | Failure | None:
        return self._results.take(timeout_s=timeout_s)

    def progress(self, request_id: int) -> Progress:
        """The generator's own progress while it runs, and the stage's name before and after."""
        generated = self._worker.progress()
        if self._stage == "generate" and generated is not None and generated.request_id == request_id:
            return generated
        done, total = self._done
        return Progress(request_id=request_id, stage=self._stage, done=done, total=total)

    def cancel(self, request_id: int) -> None:
        """Ask for a failure of kind "cancelled": after the stage that runs, or within one step of a generator."""
        self._cancelled_id = request_id
        self._worker.cancel(request_id)

    def close(self, *, deadline_s: float = 10.0) -> None:
        self._orders.close()
        self._worker.close(deadline_s=deadline_s)
        self._results.close()
        self._thread.join(deadline_s)

    def _run(self) -> None:
        with ExitStack() as opened:
            self._serve(opened)

    def _open(self, opened: ExitStack) -> None:
        """Here and not before: a GL context belongs to the thread that makes it, and a failure needs an order."""
        self._projector = self._open_projector()
        opened.callback(self._projector.close)
        self._estimator = self._open_estimator(self._projector)
        opened.callback(self._estimator.close)
        self._segmenter = self._open_segmenter(self._projector)
        opened.callback(self._segmenter.close)

    def _serve(self, opened: ExitStack) -> None:
        ready = False
        while True:
            try:
                order = self._orders.take()
            except InboxClosed:
                return
            if order is None:
                continue
            try:
                if not ready:
                    self._open(opened)
                    ready = True
                answer: RoundResult | Failure = self._produce(order)
            except Cancelled:
                answer = Failure(
                    request_id=order.request_id, epoch=order.epoch, kind="cancelled", message="it was no longer wanted"
                )
            except Exception as error:  # noqa: BLE001 - a worker's failure is data until COLLECT looks at it
                answer = Failure(
                    request_id=order.request_id,
                    epoch=order.epoch,
                    kind="raised",
                    message=str(error) if isinstance(error, SpatiaError) else f"{type(error).__name__}: {error}",
                    detail=traceback.format_exc(),
                )
            self._stage = "waiting"
            try:
                self._results.put(answer)
            except InboxClosed:
                return

    def _produce(self, order: RoundOrder) -> RoundResult | Failure:
        stage_s: dict[str, float] = {}
        projection = self._timed(order, stage_s, "project", lambda: self._project(order))
        request = ClipRequest(
            request_id=order.request_id,
            epoch=order.epoch,
            base_version=order.snapshot.version,
            seed=order.seed,
            cameras=order.cameras,
            time_s=order.time_s,
            projection=projection,
            preceding=order.preceding,
            references=order.references,
            prompt=order.prompt,
            latents=None if order.latents is None else self._read_latents(order, order.latents),
            latents_fingerprint="" if order.latents is None else order.latents.fingerprint,
            preceding_latents=order.preceding_latents,
            deadline_s=order.deadline_s,
        )
        clip = self._timed(order, stage_s, "generate", lambda: self._generate(request))
        if isinstance(clip, Failure):
            return clip
        first = len(order.preceding)
        new = slice(first, first + order.new_frame_count)
        frames = Frames(rgb=clip.rgb[: order.new_frame_count], cameras=order.cameras[new], time_s=order.time_s[new])
        return self._remember(order, clip, frames, projection, new, stage_s)

    def _project(self, order: RoundOrder) -> Projection:
        return self._projector.project(order.snapshot, order.cameras, look=self._settings.look)

    def _read_latents(self, order: RoundOrder, latents: LatentSnapshot) -> LatentReadout:
        return read_latents(latents, order.cameras[::FRAMES_A_LATENT], grid=latents.grid)

    def _generate(self, request: ClipRequest) -> Clip | Failure:
        if not self._worker.submit(request):
            raise RuntimeError("the generation worker already has a request; one round at a time")
        while True:
            if self._cancelled_id == request.request_id:
                self._worker.cancel(request.request_id)  # again: the worker may not have had it the first time
            answer = self._worker.take(timeout_s=ANSWER_POLL_S)
            if isinstance(answer, Failure):
                return answer
            if answer is not None:
                return answer.clip

    def _remember(
        self,
        order: RoundOrder,
        clip: Clip,
        frames: Frames,
        projection: Projection,
        new: slice,
        stage_s: dict[str, float],
    ) -> RoundResult:
        count = len(frames)
        stride, tail = self._settings.keyframe_stride, self._settings.preceding_frames
        # The last frames precede the next clip and need depth as well; they are not fused twice.
        # So do those that a latent frame ends with, where latents are kept.
        ends = range(-new.start % FRAMES_A_LATENT, count, FRAMES_A_LATENT) if clip.latents is not None else range(0)
        estimated = sorted({*range(0, count, stride), *range(max(0, count - tail), count), *ends})
        chosen = np.array(estimated, dtype=np.int32)
        sighting = Sighting(frames=frames, keyframes=chosen, context=order.context, context_moving=order.context_moving)
        seen = sighting.seen
        cloud, report = order.snapshot, self._reporter(order)
        geometry = self._timed(
            order, stage_s, "estimate", lambda: self._estimator.estimate(sighting, cloud=cloud, report=report)
        )
        moving = self._timed(
            order, stage_s, "segment", lambda: self._segmenter.segment(sighting, geometry, cloud=cloud, report=report)
        )
        static_depth_m = np.where(moving, np.float32(0), geometry.depth_m)
        fused = [i for i, frame in enumerate(estimated) if frame % stride == 0]
        points = self._timed(
            order, stage_s, "unproject", lambda: self._points(seen, geometry, moving, fused, order.clip)
        )
        latents, in_world = None, None
        if clip.latents is not None and order.latents is not None:
            # What a padded round gives beyond its last new frame is left out.
            latents = replace(clip.latents, latents=clip.latents.latents[:, : len(ends)])
            at = np.array([estimated.index(frame) for frame in ends], dtype=np.intp)
            grid, kept = order.latents.grid, latents.latents
            in_world = self._timed(
                order,
                stage_s,
                "unproject latents",
                lambda: latent_points(
                    np.moveaxis(kept, 0, 1),
                    geometry.depth_m[at],
                    geometry.cameras[at],
                    grid=grid,
                    clip=order.clip,
                    exclude=moving[at],
                    label=None if geometry.label is None else geometry.label[at],
                    max_depth_m=self._settings.max_depth_m,
                ),
            )
        nothing = VoxelSet.empty(voxel_m=self._settings.retrieval_voxel_m)
        visible = [nothing] * count
        for i in fused:
            visible[estimated[i]] = visible_voxels(
                static_depth_m[i], geometry.cameras[i : i + 1], voxel_m=self._settings.retrieval_voxel_m
            )
        frame_sha256, projection_sha256 = self._timed(order, stage_s, "hash", lambda: _hashes(frames, projection, new))
        result = RoundResult(
            order=order,
            archived=ArchivedClip(
                clip=order.clip,
                frames=frames,
                visible=tuple(visible),
                keyframes=chosen,
                keyframe_depth_m=static_depth_m,
                keyframe_moving=moving,
            ),
            projection_rgb=projection.rgb[new],
            coverage=float((projection.index[new] >= 0).mean()),
            points=points,
            latents=latents,
            latent_points=in_world,
            frame_sha256=frame_sha256,
            projection_sha256=projection_sha256,
            stage_s=stage_s,
            notes=clip.notes + geometry.notes,
        )
        self._timed(order, stage_s, "preview", lambda: self._preview(result))
        return result

    def _points(self, seen: Frames, geometry: Geometry, moving: Bool, fused: list[int], clip: int) -> Points:
        at = np.array(fused, dtype=np.intp)
        return points_of_geometry(
            Frames(rgb=seen.rgb[at], cameras=seen.cameras[at], time_s=seen.time_s[at]),
            Geometry(
                cameras=geometry.cameras[at],
                depth_m=geometry.depth_m[at],
                confidence=geometry.confidence[at],
                label=None if geometry.label is None else geometry.label[at],
            ),
            moving=moving[at],
            clip=clip,
            max_depth_m=self._settings.max_depth_m,
        )

    def _reporter(self, order: RoundOrder) -> Report:
        def report(done: int, total: int) -> None:
            if self._cancelled_id == order.request_id:
                raise Cancelled
            self._done = (done, total)

        return report

    def _timed(self, order: RoundOrder, stage_s: dict[str, float], stage: str, work: Callable[[], R]) -> R:
        if self._cancelled_id == order.request_id:
            raise Cancelled
        self._stage, self._done = stage, (0, 1)
        started_s = self._clock.now_s()
        done = work()
        stage_s[stage] = self._clock.now_s() - started_s
        return done


def visible_voxels(depth_m: F32, camera: Cameras, *, voxel_m: float, stride_px: int = VOXEL_STRIDE_PX) -> VoxelSet:
    """The voxels that one frame [H, W] shows, from pixels of known depth: its view-specific scene cloud."""
    rays = camera.intrinsics.rays_in_camera()[::stride_px, ::stride_px]
    depth = depth_m[::stride_px, ::stride_px]
    known = depth > 0
    in_world = transform(camera.world_from_camera[0], rays[known] * depth[known][:, None])
    return VoxelSet.of_positions(in_world.astype(np.float32), voxel_m=voxel_m)


def _hashes(frames: Frames, projection: Projection, new: slice) -> tuple[tuple[str, ...], tuple[str, ...]]:
    of_frames = tuple(hashlib.sha256(np.ascontiguousarray(frame).data).hexdigest() for frame in frames.rgb)
    of_projections = []
    for t in range(new.start, new.stop):
        digest = hashlib.sha256()
        for channel in (projection.rgb, projection.depth_m, projection.index):
            digest.update(np.ascontiguousarray(channel[t]).data)
        of_projections.append(digest.hexdigest())
    return of_frames, tuple(of_projections)
