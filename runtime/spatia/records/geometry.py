"""The estimation seam: from new frames to depth, confidence and masks of what moves."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from spatia.geom.camera import Cameras
from spatia.records.arrays import F32, I32, Bool, frozen
from spatia.records.cloud import CloudSnapshot
from spatia.records.frames import Frames

# Hears how much of the work is done, as (done, total), and raises `Cancelled` where nobody waits for it any more.
Report = Callable[[int, int], None]


def ignore(done: int, total: int) -> None:
    """A `Report` for callers that wait in any case."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sighting:
    """What came to be seen: the new frames of a clip, and what was seen before around them."""

    frames: Frames  # T new frames in order
    keyframes: I32  # [K] increasing numbers of those among them whose geometry is wanted
    context: Frames  # C earlier frames that overlap the new ones, the one just before them last; may be empty.
    # Their depth is what was estimated for them, 0 where unknown or moving
    context_moving: Bool  # [C, H, W] True where something was found moving in them

    def __post_init__(self) -> None:
        object.__setattr__(self, "keyframes", frozen(self.keyframes, "keyframes", np.int32, (None,)))
        shape = self.context.rgb.shape[:3]
        object.__setattr__(self, "context_moving", frozen(self.context_moving, "context_moving", np.bool_, shape))

    @classmethod
    def of(cls, frames: Frames) -> "Sighting":
        """All frames are keyframes and nothing was seen before."""
        return cls(
            frames=frames,
            keyframes=np.arange(len(frames), dtype=np.int32),
            context=frames[:0],
            context_moving=np.zeros((0, *frames.rgb.shape[1:3]), dtype=np.bool_),
        )

    def only(self, keyframes: npt.NDArray[np.integer]) -> "Sighting":
        """The same with other keyframes."""
        return replace(self, keyframes=keyframes.astype(np.int32))

    @property
    def seen(self) -> Frames:
        """The K keyframes."""
        return self.frames[self.keyframes]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Geometry:
    """Depth of K keyframes in the world's frame, ready to be merged into the cloud."""

    cameras: Cameras  # K poses, as estimated or as given; intrinsics of the *depth* raster
    depth_m: F32  # [K, H, W] along +z, 0 where unknown
    confidence: F32  # [K, H, W] in 0..1; the weight with which a pixel enters the memory
    label: I32 | None = None  # [K, H, W] object labels, where known
    notes: tuple[str, ...] = ()  # what a reader of the run should know, such as the scale that was found

    def __post_init__(self) -> None:
        k = len(self.cameras)
        shape = (k, self.cameras.intrinsics.height_px, self.cameras.intrinsics.width_px)
        object.__setattr__(self, "depth_m", frozen(self.depth_m, "depth_m", np.float32, shape))
        object.__setattr__(self, "confidence", frozen(self.confidence, "confidence", np.float32, shape))
        if self.label is not None:
            object.__setattr__(self, "label", frozen(self.label, "label", np.int32, shape))


class SceneEstimator(Protocol):
    """The seam. One instance belongs to one thread."""

    @property
    def name(self) -> str: ...

    def estimate(self, sighting: Sighting, *, cloud: CloudSnapshot, report: Report = ignore) -> Geometry:
        """Depth of the K keyframes; `cloud` is what the memory already knows.

        Raises `EstimationError` when there is none to be had, and `EstimateRejectedError` when it disagrees with the
        memory too much to be merged.
        """
        ...

    def close(self) -> None:
        """Release processes and devices, if there are any."""
        ...


class DynamicSegmenter(Protocol):
    """The seam for what must stay out of the memory. One instance belongs to one thread, as above."""

    @property
    def name(self) -> str: ...

    def segment(self, sighting: Sighting, geometry: Geometry, *, cloud: CloudSnapshot, report: Report = ignore) -> Bool:
        """[K, H, W] True where something moves in the keyframes, on the raster of the frames.

        `geometry` is that of the keyframes. Raises `EstimationError` when it cannot be said.
        """
        ...

    def close(self) -> None: ...
