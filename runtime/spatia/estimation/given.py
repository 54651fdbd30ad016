"""Depth that came with the frames, as an RGB-D camera measures it."""

import numpy as np

from spatia.errors import InputError
from spatia.geom.camera import Cameras, Intrinsics
from spatia.records.arrays import F32
from spatia.records.cloud import CloudSnapshot
from spatia.records.geometry import Geometry, Report, Sighting, ignore


class GivenDepth:
    """See `SceneEstimator`. All known depth is trusted alike."""

    name = "given"

    def __init__(self, depth_m: F32 | None = None, *, depth_intrinsics: Intrinsics | None = None) -> None:
        """`depth_m` [T, H, W] is depth on a raster of its own, where it has not been registered to the colours.

        `depth_intrinsics` is then the lens of the depth camera. Without, the frames carry their depth.
        """
        self._depth_m = depth_m
        self._depth_intrinsics = depth_intrinsics

    def estimate(self, sighting: Sighting, *, cloud: CloudSnapshot, report: Report = ignore) -> Geometry:
        """Raises `InputError` for frames without depth, or of another size than the depth camera's."""
        frames = sighting.seen
        depth_m = frames.depth_m if self._depth_m is None else self._depth_m
        if depth_m is None or len(depth_m) != len(frames):
            raise InputError(
                "the frames carry no depth, or not one for each",
                where="estimator 'given'",
                fix="give frames with depth, or use another estimator",
            )
        lens = self._depth_intrinsics or frames.cameras.intrinsics
        if depth_m.shape[1:] != (lens.height_px, lens.width_px):
            raise InputError(
                f"the depth is {depth_m.shape[2]}x{depth_m.shape[1]}, its camera {lens.width_px}x{lens.height_px}",
                where="depth_intrinsics",
                fix="give the intrinsics of the depth images",
            )
        known = np.isfinite(depth_m) & (depth_m > 0)
        return Geometry(
            cameras=Cameras(world_from_camera=frames.cameras.world_from_camera, intrinsics=lens),
            depth_m=np.where(known, depth_m, np.float32(0)),
            confidence=known.astype(np.float32),
        )

    def close(self) -> None:
        pass
