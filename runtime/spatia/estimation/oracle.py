"""Geometry and movers from a scene that knows itself; the measure of every other estimator."""

import numpy as np

from spatia.records.arrays import Bool
from spatia.records.cloud import CloudSnapshot
from spatia.records.geometry import Geometry, Report, Sighting, ignore
from spatia.records.truth import TrueScene


class OracleEstimator:
    """See `SceneEstimator`. Exact depth and labels at the frames' poses and times."""

    name = "oracle"

    def __init__(self, scene: TrueScene) -> None:
        self._scene = scene

    def estimate(self, sighting: Sighting, *, cloud: CloudSnapshot, report: Report = ignore) -> Geometry:
        frames = sighting.seen
        true = self._scene.measure(frames.cameras, frames.time_s)
        return Geometry(
            cameras=frames.cameras,
            depth_m=true.depth_m,
            confidence=(true.depth_m > 0).astype(np.float32),
            label=true.label,
        )

    def close(self) -> None:
        pass


class OracleSegmenter:
    """See `DynamicSegmenter`. Knows the scene's movers."""

    name = "oracle"

    def __init__(self, scene: TrueScene) -> None:
        self._scene = scene

    def segment(self, sighting: Sighting, geometry: Geometry, *, cloud: CloudSnapshot, report: Report = ignore) -> Bool:
        frames = sighting.seen
        return self._scene.measure(frames.cameras, frames.time_s).moving

    def close(self) -> None:
        pass
