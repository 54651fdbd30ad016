"""From a clip to what the world takes of it: geometry, what moves, points, votes on old points, what each frame saw.

On production's thread.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from spatia.app.round import KeyframePoses, PastKeyframes, RoundOrder, RoundResult
from spatia.app.stages import Stages
from spatia.errors import EstimateRejectedError, EstimationError
from spatia.estimation.free_space import sight_votes, undisputed
from spatia.estimation.fuse import points_of_geometry
from spatia.estimation.latent_points import latent_points
from spatia.evaluation.pose_recovery import recover_path
from spatia.geom.camera import Cameras
from spatia.geom.pose import transform
from spatia.memory.frames import ArchivedClip
from spatia.memory.voxel_set import VoxelSet
from spatia.records.arrays import F32, I32, Bool
from spatia.records.cloud import CloudSnapshot, Points
from spatia.records.frames import Frames
from spatia.records.generation import Clip, ClipLatents
from spatia.records.geometry import DynamicSegmenter, Geometry, Report, SceneEstimator, Sighting
from spatia.records.latents import FRAMES_A_LATENT, LatentGrid, LatentPoints
from spatia.records.projection import Projection, Projector

POSES_A_CLIP = 7  # found again at most
VOXEL_STRIDE_PX = 4  # pixels skipped when a frame's visible voxels are collected


@dataclass(frozen=True, slots=True, kw_only=True)
class PerceptionSettings:
    keyframe_stride: int = 4  # every n-th frame is merged
    depth_frames: int = 1  # of the last frames, which precede the next clip and need depth as well
    max_depth_m: float = 20.0
    retrieval_voxel_m: float = 0.05
    check_poses: bool = True


class Perception:
    """See the module."""

    def __init__(
        self,
        *,
        projector: Projector,
        estimator: SceneEstimator,
        segmenter: DynamicSegmenter,
        settings: PerceptionSettings,
    ) -> None:
        self._projector = projector
        self._estimator = estimator
        self._segmenter = segmenter
        self._settings = settings

    def perceive(self, order: RoundOrder, clip: Clip, projection: Projection, stages: Stages) -> RoundResult:
        """Raises `EstimationError` where there is no geometry to be had.

        Geometry that disagrees with the memory is left out: the frames are kept, the points are not.
        """
        settings, cloud = self._settings, order.snapshot
        new = slice(len(order.preceding), len(order.preceding) + order.new_frame_count)
        frames = Frames(rgb=clip.rgb[: order.new_frame_count], cameras=order.cameras[new], time_s=order.time_s[new])
        count = len(frames)
        # Where latents are kept, the frames that a latent frame ends with need depth too.
        ends = range(-new.start % FRAMES_A_LATENT, count, FRAMES_A_LATENT) if clip.latents is not None else range(0)
        merged = range(0, count, settings.keyframe_stride)
        last = range(max(0, count - settings.depth_frames), count)
        keyframes = sorted({*merged, *last, *ends})
        sighting = Sighting(
            frames=frames,
            keyframes=np.array(keyframes, dtype=np.int32),
            context=order.surroundings.context,
            context_moving=order.surroundings.context_moving,
        )
        history = order.surroundings.history
        whole = sighting if history is None else history.before(sighting)
        estimated = stages.timed("estimate", lambda: self._estimate(whole, order, stages))
        geometry = part(estimated, np.arange(len(estimated.cameras))[-len(keyframes) :])
        moving = stages.timed(
            "segment", lambda: self._segmenter.segment(sighting, geometry, cloud=cloud, report=stages.report)
        )
        at = np.flatnonzero(np.isin(keyframes, merged))
        seen, measured, moved = sighting.seen[at], part(geometry, at), moving[at]
        points = stages.timed("unproject", lambda: self._points(seen, measured, moved, order.clip))
        votes = None
        if history is not None:
            points = Points.joined(*self._points_of_history(history, estimated), points)
        else:
            votes = stages.timed(
                "vote", lambda: sight_votes(measured, cloud=cloud, moving=moved, moving_lens=frames.cameras.intrinsics)
            )
        poses = stages.timed("find poses", lambda: self._poses(frames, sighting.keyframes[at], cloud, stages.report))
        latents, in_world = None, None
        if clip.latents is not None and order.latents is not None:
            # What a padded round gives beyond its last new frame is left out.
            latents = kept = replace(clip.latents, latents=clip.latents.latents[:, : len(ends)])
            there, grid = np.flatnonzero(np.isin(keyframes, ends)), order.latents.grid
            in_world = stages.timed(
                "unproject latents",
                lambda: self._latent_points(order.clip, kept, part(geometry, there), moving[there], grid),
            )
        static_depth_m = np.where(moving, np.float32(0), geometry.depth_m)
        visible = [VoxelSet.empty(voxel_m=settings.retrieval_voxel_m)] * count
        for i in at:
            visible[keyframes[i]] = visible_voxels(
                static_depth_m[i], geometry.cameras[i : i + 1], voxel_m=settings.retrieval_voxel_m
            )
        frame_sha256, projection_sha256 = stages.timed("hash", lambda: _hashes(frames, projection, new))
        return RoundResult(
            order=order,
            archived=ArchivedClip(
                clip=order.clip,
                frames=frames,
                visible=tuple(visible),
                keyframes=sighting.keyframes,
                keyframe_depth_m=static_depth_m,
                keyframe_moving=moving,
            ),
            projection_rgb=projection.rgb[new],
            coverage=float((projection.index[new] >= 0).mean()),
            points=points,
            votes=votes,
            poses=poses,
            latents=latents,
            latent_points=in_world,
            frame_sha256=frame_sha256,
            projection_sha256=projection_sha256,
            stage_s=stages.seconds,
            notes=clip.notes + estimated.notes,
        )

    def _estimate(self, sighting: Sighting, order: RoundOrder, stages: Stages) -> Geometry:
        try:
            geometry = self._estimator.estimate(sighting, cloud=order.snapshot, report=stages.report)
        except EstimateRejectedError as error:
            unknown = np.zeros((len(sighting.keyframes), *sighting.frames.rgb.shape[1:3]), dtype=np.float32)
            return Geometry(
                cameras=sighting.seen.cameras,
                depth_m=unknown,
                confidence=unknown,
                notes=(f"nothing of this clip enters the memory: {error.problem}",),
            )
        if not (np.isfinite(geometry.depth_m).all() and np.isfinite(geometry.confidence).all()):
            raise EstimationError(
                "the estimated depth holds values that are not finite",
                where=f"estimator {self._estimator.name!r}",
                fix="choose another estimator, or ask for the clip again",
            )
        return geometry

    def _poses(self, frames: Frames, keyframes: I32, cloud: CloudSnapshot, report: Report) -> KeyframePoses | None:
        """Of a few keyframes, evenly spread: a generator that misses its path misses it smoothly."""
        if not self._settings.check_poses:
            return None
        spread = np.linspace(0, len(keyframes) - 1, min(POSES_A_CLIP, len(keyframes))).round().astype(np.intp)
        checked = keyframes[spread]
        # The cloud that holds the clip itself would find each frame where it was asked for.
        recovered = recover_path(frames[checked], cloud=cloud, projector=self._projector, report=report)
        return KeyframePoses(frames=checked, recovered=recovered)

    def _points(self, seen: Frames, geometry: Geometry, moving: Bool, clip: int) -> Points:
        points = points_of_geometry(seen, geometry, moving=moving, clip=clip, max_depth_m=self._settings.max_depth_m)
        return undisputed(points, geometry, moving=moving, moving_lens=seen.cameras.intrinsics)

    def _points_of_history(self, history: PastKeyframes, geometry: Geometry) -> Iterator[Points]:
        """Clip by clip; `geometry` begins with that of the history."""
        for clip in np.unique(history.clips):
            at = np.flatnonzero(history.clips == clip)
            yield self._points(history.frames[at], part(geometry, at), history.moving[at], int(clip))

    def _latent_points(
        self, clip: int, latents: ClipLatents, geometry: Geometry, moving: Bool, grid: LatentGrid
    ) -> LatentPoints:
        return latent_points(
            np.moveaxis(latents.latents, 0, 1),
            geometry.depth_m,
            geometry.cameras,
            grid=grid,
            clip=clip,
            exclude=moving,
            label=geometry.label,
            max_depth_m=self._settings.max_depth_m,
        )


def part(geometry: Geometry, keyframes: npt.NDArray[np.intp]) -> Geometry:
    """The geometry of some of its keyframes."""
    return Geometry(
        cameras=geometry.cameras[keyframes],
        depth_m=geometry.depth_m[keyframes],
        confidence=geometry.confidence[keyframes],
        label=None if geometry.label is None else geometry.label[keyframes],
    )


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
