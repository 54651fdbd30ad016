"""The estimation seam: from frames to depth, confidence and masks of what moves."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from spatia.geom.camera import Cameras
from spatia.records.arrays import F32, I32, Bool, frozen
from spatia.records.cloud import CloudSnapshot
from spatia.records.frames import Frames


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Geometry:
    """Depth of T keyframes in the world's frame, ready to be merged into the cloud."""

    cameras: Cameras  # T poses, as estimated or as given; intrinsics of the *depth* raster
    depth_m: F32  # [T, H, W] along +z, 0 where unknown
    confidence: F32  # [T, H, W] in 0..1; the weight with which a pixel enters the memory
    label: I32 | None = None  # [T, H, W] object labels, where known

    def __post_init__(self) -> None:
        t = len(self.cameras)
        shape = (t, self.cameras.intrinsics.height_px, self.cameras.intrinsics.width_px)
        object.__setattr__(self, "depth_m", frozen(self.depth_m, "depth_m", np.float32, shape))
        object.__setattr__(self, "confidence", frozen(self.confidence, "confidence", np.float32, shape))
        if self.label is not None:
            object.__setattr__(self, "label", frozen(self.label, "label", np.int32, shape))


class SceneEstimator(Protocol):
    """The seam. Called on the worker's thread."""

    @property
    def name(self) -> str: ...

    def estimate(self, frames: Frames, *, cloud: CloudSnapshot) -> Geometry:
        """Depth for all the frames; `cloud` is what the memory already knows."""
        ...


class DynamicSegmenter(Protocol):
    """The seam for what must stay out of the memory."""

    @property
    def name(self) -> str: ...

    def segment(self, frames: Frames, *, cloud: CloudSnapshot) -> Bool:
        """[T, H, W] True where something moves."""
        ...
