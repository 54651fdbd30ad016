"""What a projector gives back, and the two looks that it can be asked for."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from spatia.geom.camera import Cameras
from spatia.records.arrays import F32, I32, U8, Bool, frozen
from spatia.records.cloud import CloudSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSplat:
    """For people: each point is a disc of `radius_m` facing the camera, nearest wins, hard edges.

    Its radius on screen is ``fx_px * radius_m / z``, held between `min_radius_px` and `max_radius_px`. A pixel is
    inside when its centre is no further than that radius from the projected point; the pixel that the point itself
    falls into is always inside, so a radius of 0 draws one pixel a point.
    """

    radius_m: float = 0.01
    min_radius_px: float = 0.0
    max_radius_px: float = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseSplat:
    """For the released weights: discs of fixed radius on screen, several a pixel, alpha composited nearest first.

    Numbers and quirks are those of spec/spatia_release.md 1.10.
    """

    radius_ndc: float = 0.01
    points_per_pixel: int = 5


Look = MetricSplat | ReleaseSplat


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Projection:
    """The cloud seen by T cameras."""

    rgb: U8  # [T, H, W, 3] sRGB, black where nothing is
    depth_m: F32  # [T, H, W] along +z of the nearest point, 0 where nothing is
    index: I32  # [T, H, W] row of the nearest point in the snapshot, -1 where nothing is
    alpha: F32 | None = None  # [T, H, W] in 0..1, accumulated by `ReleaseSplat`; a `MetricSplat` is all or nothing

    def __post_init__(self) -> None:
        t, h, w = self.depth_m.shape
        object.__setattr__(self, "rgb", frozen(self.rgb, "rgb", np.uint8, (t, h, w, 3)))
        object.__setattr__(self, "depth_m", frozen(self.depth_m, "depth_m", np.float32, (t, h, w)))
        object.__setattr__(self, "index", frozen(self.index, "index", np.int32, (t, h, w)))
        if self.alpha is not None:
            object.__setattr__(self, "alpha", frozen(self.alpha, "alpha", np.float32, (t, h, w)))

    def __len__(self) -> int:
        return len(self.depth_m)

    @property
    def coverage(self) -> F32:
        """[T, H, W] `alpha`, or 0 and 1 where there is none."""
        return (self.index >= 0).astype(np.float32) if self.alpha is None else self.alpha

    @property
    def hole_mask(self) -> Bool:
        """[T, H, W] True where the memory knows nothing."""
        return self.index < 0


class Projector(Protocol):
    """The seam between memory and pictures. One instance belongs to one thread."""

    @property
    def name(self) -> str: ...

    def project(self, cloud: CloudSnapshot, cameras: Cameras, *, look: Look) -> Projection:
        """Raises `ValueError` for a look it does not know. The same input gives the same bytes on any thread count."""
        ...

    def close(self) -> None:
        """Release the device, if there is one."""
        ...
