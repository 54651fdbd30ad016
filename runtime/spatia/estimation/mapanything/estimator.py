"""Depth of new keyframes by MapAnything, in the world's frame. Runs on the thread that estimates, which waits.

It is shown the new keyframes and the overlapping frames before them, with their lenses and poses in metres: what a
round costs depends on the new frames alone, whatever has been walked before. It answers in the frame of its first view
and with poses of its own opinion; depth along a camera's axis depends on neither, so depth is taken and the given
poses stay. How far its poses are off is said in the notes; its scale is another one's business.
"""

import math

import numpy as np

from spatia.clock import Clock
from spatia.errors import EstimationError
from spatia.estimation.mapanything.install import require
from spatia.estimation.mapanything.raster import back, model_lens, model_matrix, resized
from spatia.estimation.mapanything.worker import WHERE, MapAnythingSettings, MapAnythingWorker, Patience
from spatia.geom.pose import inverse
from spatia.records.arrays import F32, F64, Bool
from spatia.records.cloud import CloudSnapshot
from spatia.records.frames import Frames
from spatia.records.geometry import Geometry, Report, Sighting, ignore

MAX_VIEWS = 2000  # what its authors say goes into 140 GB


class MapAnythingEstimator:
    """See `SceneEstimator`."""

    name = "mapanything"

    def __init__(self, settings: MapAnythingSettings, *, clock: Clock, patience: Patience | None = None) -> None:
        """Raises `DeviceError` where MapAnything is not installed. The process starts with the first estimate."""
        require(settings.python, weights=settings.weights)
        self.worker = MapAnythingWorker(settings, clock=clock, patience=patience or Patience())

    def estimate(self, sighting: Sighting, *, cloud: CloudSnapshot, report: Report = ignore) -> Geometry:
        """On the raster of the frames. Where MapAnything's own mask is False, depth is 0.

        Confidence is ``1 - 1 / conf``: the network's ``conf`` is 1 where it knows nothing and grows without bound, as
        the inverse of the error that it expects (its loss weighs the error by ``conf`` and subtracts ``log conf``).
        """
        seen, context = sighting.seen, sighting.context
        if len(seen) == 0:
            none = np.zeros((0, *seen.rgb.shape[1:3]), dtype=np.float32)
            return Geometry(cameras=seen.cameras, depth_m=none, confidence=none)
        if len(context) + len(seen) > MAX_VIEWS:
            raise EstimationError(
                f"{len(context) + len(seen)} views are more than the {MAX_VIEWS} that it takes at once",
                where=WHERE,
                fix="estimation: {rebuild: new}, or a larger estimation.keyframe_stride",
            )
        parts = (context, seen) if len(context) else (seen,)
        lens = model_lens(seen.cameras.intrinsics)
        height, width = lens.height_px, lens.width_px
        poses = np.concatenate([part.cameras.world_from_camera for part in parts])
        views = {
            "rgb": np.concatenate([resized(part.rgb, lens) for part in parts]),
            "intrinsics": np.concatenate([_matrices(part, width, height) for part in parts]),
            "world_from_camera": poses.astype(np.float32),
        }
        rows = (len(seen), height, width)
        wanted = {
            "depth_m": ("float32", rows),
            "confidence": ("float32", rows),
            "mask": ("uint8", rows),
            "camera_poses": ("float32", (len(poses), 4, 4)),
        }
        answer = self.worker.infer(views, wanted, first_wanted=len(context), report=report)
        known = answer["mask"] != 0
        self._check(answer["depth_m"], answer["confidence"], known, answer["camera_poses"])
        depth_m = np.where(known, answer["depth_m"], np.float32(0))
        confidence = _confidence(answer["confidence"])
        raster = seen.cameras.intrinsics
        ours = [
            back(one, sure, width_px=raster.width_px, height_px=raster.height_px)
            for one, sure in zip(depth_m, confidence, strict=True)
        ]
        return Geometry(
            cameras=seen.cameras,
            depth_m=np.stack([one for one, _ in ours]),
            confidence=np.stack([sure for _, sure in ours]),
            notes=(_note(poses, answer["camera_poses"].astype(np.float64)),),
        )

    def close(self) -> None:
        self.worker.end()

    def _check(self, depth_m: F32, conf: F32, known: Bool, poses: F32) -> None:
        """What its mask lets through must be geometry; the rest may hold anything."""
        good = np.isfinite(depth_m) & (depth_m > 0) & np.isfinite(conf)
        bad = int((known & ~good).sum())
        if bad:
            problem = f"it answered with no number or no distance at {bad} of {known.size} pixels that it calls known"
        elif not np.isfinite(poses).all():
            problem = "it answered with poses that are not finite"
        else:
            return
        self.worker.end()
        raise EstimationError(
            problem,
            where=WHERE,
            fix="the next clip asks it anew; if it happens again, look at the frames, or run it on another device",
        )


def _matrices(frames: Frames, width_px: int, height_px: int) -> F32:
    """[T, 3, 3] as MapAnything wants them, on its raster."""
    lens = frames.cameras.intrinsics.resized(width_px=width_px, height_px=height_px)
    return np.repeat(model_matrix(lens)[None].astype(np.float32), len(frames), axis=0)


def _confidence(conf: F32) -> F32:
    """Into 0..1; see `MapAnythingEstimator.estimate`."""
    with np.errstate(invalid="ignore"):  # masked pixels may hold anything
        return np.nan_to_num(1 - 1 / np.maximum(conf, np.float32(1)), nan=0.0).astype(np.float32)


def _note(ours: F64, theirs: F64) -> str:
    """How far the poses that it found [V, 4, 4], in the frame of its first view, are from those that it was given."""
    given = inverse(ours[0]) @ ours
    between = np.swapaxes(given[:, :3, :3], -1, -2) @ theirs[:, :3, :3]
    cosine = np.clip((np.trace(between, axis1=-2, axis2=-1) - 1) / 2, -1, 1)
    turned_deg = math.degrees(float(np.arccos(cosine).max()))
    moved_m = float(np.linalg.norm(given[:, :3, 3] - theirs[:, :3, 3], axis=-1).max())
    return (
        f"mapanything: of {len(ours)} views; its own poses differ by up to {turned_deg:.1f} degrees and {moved_m:.2f} m"
    )
