"""Brings estimates to the scale and place of what the memory knows, and turns away those that disagree with it.

An estimate that was not measured is off: by some scale, by a small motion where cameras drifted, by a scale and an
offset of inverse depth where a network knows no unit at all. Where the memory covers the keyframes it says what the
depth must be; the rest of the estimate follows. Runs on the thread that owns the projector.
"""

from dataclasses import dataclass, replace
from math import acos, degrees, radians
from typing import Literal

import numpy as np

from spatia.errors import EstimateRejectedError, EstimationError
from spatia.estimation.depth_fit import fitted
from spatia.estimation.rigid_fit import rigid_fit
from spatia.geom.camera import Cameras
from spatia.geom.pose import F64
from spatia.records.arrays import F32, Bool
from spatia.records.cloud import CloudSnapshot
from spatia.records.geometry import Geometry, Report, SceneEstimator, Sighting, ignore
from spatia.records.projection import MetricSplat, Projector

# What an estimate leaves open: the scale of a whole clip; that of each frame; or of each frame a scale and an offset of
# inverse depth, where `1 / depth_m` is a network's answer and has no unit.
Unknown = Literal["clip scale", "frame scale", "frame affine"]

FARTHEST_M = 1000.0  # what an offset carries beyond is sky
ROUNDS = 2  # of projecting and moving
LEAST_CONTEXT = 0.05  # of the earlier frames' pixels; fewer say nothing about the memory
NEAREST = 0.95  # thicker than this no surface is


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What an estimate must keep to once it is aligned."""

    within: float = 0.1  # of depth: so close a pixel agrees with the memory
    least_share: float = 0.6  # of the covered pixels must agree
    least_covered: float = 0.02  # of all pixels; with fewer there is nothing to align to
    least_scale: float = 0.2
    most_scale: float = 5.0
    most_turn_rad: float = radians(5)
    most_shift: float = 0.1  # of the typical depth


class AlignedEstimator:
    """See `SceneEstimator`: what another one estimates, in the memory's world."""

    def __init__(
        self,
        inner: SceneEstimator,
        projector: Projector,
        *,
        unknown: Unknown = "clip scale",
        moves: bool = False,
        gate: Gate | None = None,
    ) -> None:
        """`moves`: the cameras of a clip are also moved, all as one rigid body, to where it agrees best.

        For frames that need not have been taken where they were asked for, as generated ones.
        """
        if moves and unknown != "clip scale":
            raise ValueError(f"only a clip that shares one scale moves as one; got unknown={unknown!r}")
        self._inner = inner
        self._projector = projector
        self._unknown = unknown
        self._moves = moves
        self._gate = gate or Gate()

    @property
    def name(self) -> str:
        return self._inner.name

    def estimate(self, sighting: Sighting, *, cloud: CloudSnapshot, report: Report = ignore) -> Geometry:
        """Raises `EstimationError` for depth that is not finite, `EstimateRejectedError` for what fails the gate.

        Where the memory covers too little to align to, metric depth is taken as it is, with a note.
        """
        geometry = self._inner.estimate(sighting, cloud=cloud, report=report)
        _check_finite(geometry, self.name)
        memory = _Memory.beside(sighting, cloud, self._projector)
        known_m = memory.depth_m(geometry.cameras)
        covered = _overlap(geometry, known_m).mean(axis=(1, 2))  # [K]
        if not covered.size or covered.mean() < self._gate.least_covered:
            return self._as_it_is(geometry, float(covered.mean()) if covered.size else 0.0)
        enough = covered >= self._gate.least_covered
        if self._unknown == "frame affine":
            aligned, note = _affine_aligned(geometry, known_m, enough), "inverse depth fitted to the memory"
        elif self._unknown == "frame scale":
            aligned, note = self._frames_scaled(geometry, known_m, enough)
        else:
            aligned, note = self._clip_aligned(geometry, known_m, memory)
        if aligned.cameras is not geometry.cameras:
            known_m = memory.depth_m(aligned.cameras)
        note = f"{note}, {self._agreement(aligned, known_m)}"
        if not enough.all() and self._unknown != "clip scale":
            fate = "left out" if self._unknown == "frame affine" else "scaled as the others"
            note += f"; {np.sum(~enough)} of {len(enough)} frames see too little of it and are {fate}"
        return replace(aligned, notes=(*geometry.notes, note))

    def close(self) -> None:
        self._inner.close()

    def _as_it_is(self, geometry: Geometry, covered: float) -> Geometry:
        found = f"the memory covers {covered:.1%} of the keyframes"
        if self._unknown == "frame affine":
            raise self._rejected(f"{found}, and depth without a unit needs {self._gate.least_covered:.0%}")
        return replace(geometry, notes=(*geometry.notes, f"{found}: the scale is taken as it is"))

    def _frames_scaled(self, geometry: Geometry, known_m: F32, enough: Bool) -> tuple[Geometry, str]:
        overlap = _overlap(geometry, known_m)
        scales = np.full(len(enough), np.nan)
        for t in np.flatnonzero(enough):
            scales[t] = self._checked(_scale(geometry, known_m, overlap, slice(t, t + 1)))
        scales[~enough] = np.median(scales[enough])
        note = f"scales {scales.min():.2f} to {scales.max():.2f} against the memory"
        return _scaled(geometry, scales[:, None, None]), note

    def _clip_aligned(self, geometry: Geometry, known_m: F32, memory: "_Memory") -> tuple[Geometry, str]:
        scale = self._checked(_scale(geometry, known_m, _overlap(geometry, known_m), slice(None)))
        aligned = _scaled(geometry, scale)
        if not self._moves:
            return aligned, f"scale {scale:.2f} against the memory"
        motion = np.eye(4)
        for _ in range(ROUNDS):
            known_m = memory.depth_m(aligned.cameras)
            step, factor = rigid_fit(aligned.depth_m, aligned.confidence, aligned.cameras, known_m)
            aligned = _moved(_scaled(aligned, factor), step)
            motion, scale = step @ motion, scale * factor
        self._checked(scale)
        turn_rad = acos(float(np.clip((np.trace(motion[:3, :3]) - 1) / 2, -1, 1)))
        shifts_m = (aligned.cameras.world_from_camera - geometry.cameras.world_from_camera)[:, :3, 3]
        shift_m = float(np.linalg.norm(shifts_m, axis=1).max())
        note = f"scale {scale:.2f}, turn {degrees(turn_rad):.2f} degrees, shift {shift_m:.3f} m"
        most_m = self._gate.most_shift * float(np.median(aligned.depth_m[aligned.depth_m > 0]))
        if turn_rad > self._gate.most_turn_rad or shift_m > most_m:
            most = f"{degrees(self._gate.most_turn_rad):.1f} degrees and {most_m:.2f} m are allowed"
            raise self._rejected(f"it fits the memory only by {note}; {most}")
        return aligned, f"{note} against the memory"

    def _checked(self, scale: float) -> float:
        low, high = self._gate.least_scale, self._gate.most_scale
        if not low <= scale <= high:
            raise self._rejected(f"its scale against the memory is {scale:.3g}; {low:g} to {high:g} are allowed")
        return scale

    def _agreement(self, aligned: Geometry, known_m: F32) -> str:
        overlap = _overlap(aligned, known_m)
        count, within = int(overlap.sum()), self._gate.within
        agreeing = int((np.abs(aligned.depth_m - known_m)[overlap] <= within * known_m[overlap]).sum())
        found = f"{agreeing / max(count, 1):.0%} of {count:,} pixels agree within {within:.0%}"
        if agreeing < self._gate.least_share * count or not count:
            raise self._rejected(f"only {found} once it is aligned; {self._gate.least_share:.0%} must")
        return found

    def _rejected(self, why: str) -> EstimateRejectedError:
        return EstimateRejectedError(
            f"the estimate does not fit the memory: {why}; the world is as it was",
            where=f"estimator {self.name!r}",
            fix="generate the clip anew; if the clip is right, what the memory holds there is wrong: remove it",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Memory:
    """Depth that the memory predicts. Of a surface that several sightings made thick it shows the nearest points; by
    how much they are nearer is told by earlier frames, whose own depth is what the memory was made of.
    """

    cloud: CloudSnapshot
    projector: Projector
    nearness: float = 1.0  # of what is shown, as a part of the depth

    @classmethod
    def beside(cls, sighting: Sighting, cloud: CloudSnapshot, projector: Projector) -> "_Memory":
        memory = cls(cloud=cloud, projector=projector)
        context = sighting.context
        if context.depth_m is None or not len(context):
            return memory
        shown_m = memory.depth_m(context.cameras)
        both = (shown_m > 0) & (context.depth_m > 0) & ~sighting.context_moving
        if both.mean() < LEAST_CONTEXT:
            return memory
        known, seen = 1 / shown_m[both], 1 / context.depth_m[both]
        scale, _ = fitted(known, seen, np.ones_like(seen), with_offset=False)
        return replace(memory, nearness=float(np.clip(1 / scale, NEAREST, 1)))

    def depth_m(self, cameras: Cameras) -> F32:
        """[K, H, W], 0 where nothing is known."""
        shown = self.projector.project(self.cloud, cameras, look=MetricSplat(radius_m=self.cloud.voxel_m))
        return (shown.depth_m / self.nearness).astype(np.float32)


def _check_finite(geometry: Geometry, name: str) -> None:
    for what, field in (("depth", geometry.depth_m), ("confidence", geometry.confidence)):
        wrong = ~(np.isfinite(field) & (field >= 0))
        if wrong.any():
            frames = int(wrong.any(axis=(1, 2)).sum())
            raise EstimationError(
                f"{what} is negative or not finite at {wrong.sum():,} pixels of {frames} of {len(field)} frames",
                where=f"estimator {name!r}",
                fix="use another precision or another estimator; the world is as it was",
            )


def _overlap(geometry: Geometry, known_m: F32) -> Bool:
    """[K, H, W]"""
    return (geometry.depth_m > 0) & (geometry.confidence > 0) & (known_m > 0)


def _scale(geometry: Geometry, known_m: F32, overlap: Bool, frames: slice) -> float:
    used = overlap[frames]
    known, seen = 1 / known_m[frames][used], 1 / geometry.depth_m[frames][used]
    scale, _ = fitted(known, seen, geometry.confidence[frames][used], with_offset=False)
    return 1 / scale


def _affine_aligned(geometry: Geometry, known_m: F32, enough: Bool) -> Geometry:
    overlap = _overlap(geometry, known_m)
    depth_m = np.zeros_like(geometry.depth_m)
    for t in np.flatnonzero(enough):
        used, seen = overlap[t], geometry.depth_m[t] > 0
        inverse = np.divide(1.0, geometry.depth_m[t], out=np.zeros(seen.shape), where=seen)
        weight = geometry.confidence[t][used]
        scale, offset = fitted(1 / known_m[t][used], inverse[used], weight, with_offset=True)
        inverse = scale * inverse + offset
        np.divide(1.0, inverse, out=depth_m[t], where=seen & (inverse > 1 / FARTHEST_M), casting="same_kind")
    return replace(geometry, depth_m=depth_m, confidence=np.where(depth_m > 0, geometry.confidence, np.float32(0)))


def _scaled(geometry: Geometry, scale: float | F64) -> Geometry:
    return replace(geometry, depth_m=(geometry.depth_m * scale).astype(np.float32))


def _moved(geometry: Geometry, motion: F64) -> Geometry:
    cameras = geometry.cameras
    moved = Cameras(world_from_camera=motion @ cameras.world_from_camera, intrinsics=cameras.intrinsics)
    return replace(geometry, cameras=moved)
