"""The camera of a frame as the shaders want it. Pure functions, any thread."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from spatia.geom.camera import Intrinsics
from spatia.geom.pose import F64, inverse
from spatia.records.arrays import F32

NEAR_M = 0.02  # as in shaders/include/eye.glsl


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Eye:
    """A pose and a pinhole."""

    world_from_camera: F64  # [4, 4]
    camera_from_world: F32  # [3, 4]
    intrinsics: Intrinsics

    @classmethod
    def of(cls, world_from_camera: F64, intrinsics: Intrinsics) -> Self:
        rows = inverse(world_from_camera)[:3].astype(np.float32)
        return cls(world_from_camera=world_from_camera, camera_from_world=rows, intrinsics=intrinsics)

    @property
    def uniforms(self) -> dict[str, Any]:
        k = self.intrinsics
        return {
            "camera": [tuple(row) for row in self.camera_from_world.tolist()],
            "pinhole": (k.fx_px, k.fy_px, k.cx_px, k.cy_px),
            "size": (k.width_px, k.height_px),
            "axes": [tuple(row) for row in self.world_from_camera[:3, :3].tolist()],
            "eye": tuple(self.world_from_camera[:3, 3].tolist()),
        }
