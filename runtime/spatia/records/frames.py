"""Frames that have been seen or generated, with their cameras."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spatia.geom.camera import Cameras
from spatia.records.arrays import F32, U8, frozen


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frames:
    """T consecutive or chosen frames of the walk, all from one pinhole camera."""

    rgb: U8  # [T, H, W, 3] sRGB
    cameras: Cameras  # T poses
    time_s: F32  # [T] scene time, for what moves
    depth_m: F32 | None = None  # [T, H, W] along +z, 0 where unknown

    def __post_init__(self) -> None:
        t = len(self.cameras)
        height, width = self.cameras.intrinsics.height_px, self.cameras.intrinsics.width_px
        object.__setattr__(self, "rgb", frozen(self.rgb, "rgb", np.uint8, (t, height, width, 3)))
        object.__setattr__(self, "time_s", frozen(self.time_s, "time_s", np.float32, (t,)))
        if self.depth_m is not None:
            object.__setattr__(self, "depth_m", frozen(self.depth_m, "depth_m", np.float32, (t, height, width)))

    def __len__(self) -> int:
        return len(self.cameras)

    def __getitem__(self, frames: slice | npt.NDArray[np.integer]) -> "Frames":
        return Frames(
            rgb=self.rgb[frames],
            cameras=self.cameras[frames],
            time_s=self.time_s[frames],
            depth_m=None if self.depth_m is None else self.depth_m[frames],
        )
