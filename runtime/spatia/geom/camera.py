"""Pinhole cameras in pixels. Pixel (0, 0) covers [0, 1) x [0, 1); its centre is (0.5, 0.5)."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spatia.geom.pose import F64, check_poses, inverse

F32 = npt.NDArray[np.float32]

MAX_SIDE_PX = 16384
SAME_POSE = 1e-6  # on each entry of two world_from_camera


@dataclass(frozen=True, slots=True, kw_only=True)
class Intrinsics:
    """u_px = fx_px * x / z + cx_px, v_px = fy_px * y / z + cy_px for a point (x, y, z) in the camera's space."""

    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float
    width_px: int
    height_px: int

    def __post_init__(self) -> None:
        for side in ("width_px", "height_px"):
            value = getattr(self, side)
            if not 1 <= value <= MAX_SIDE_PX:
                raise ValueError(f"{side} must lie in 1..{MAX_SIDE_PX}; got {value}")
        for focal in ("fx_px", "fy_px"):
            value = getattr(self, focal)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{focal} must be a positive number of pixels; got {value}")
        if not (math.isfinite(self.cx_px) and math.isfinite(self.cy_px)):
            raise ValueError(f"the principal point must be finite; got ({self.cx_px}, {self.cy_px})")

    @classmethod
    def from_fov(cls, *, fov_y_rad: float, width_px: int, height_px: int) -> "Intrinsics":
        """Square pixels, principal point in the middle."""
        if not 0 < fov_y_rad < math.pi:
            raise ValueError(f"fov_y_rad must lie in (0, pi); got {fov_y_rad}")
        focal_px = 0.5 * height_px / math.tan(0.5 * fov_y_rad)
        return cls(
            fx_px=focal_px,
            fy_px=focal_px,
            cx_px=0.5 * width_px,
            cy_px=0.5 * height_px,
            width_px=width_px,
            height_px=height_px,
        )

    @property
    def matrix(self) -> F64:
        """[3, 3] in pixels."""
        return np.array([[self.fx_px, 0, self.cx_px], [0, self.fy_px, self.cy_px], [0, 0, 1]], dtype=np.float64)

    @property
    def pinhole(self) -> F64:
        """[4] fx, fy, cx, cy in pixels, as kernels take a lens."""
        return np.array([self.fx_px, self.fy_px, self.cx_px, self.cy_px])

    @property
    def fov_y_rad(self) -> float:
        return 2 * math.atan2(0.5 * self.height_px, self.fy_px)

    def resized(self, *, width_px: int, height_px: int) -> "Intrinsics":
        """The same view on another raster. With centres at +0.5 everything scales, the principal point too."""
        sx, sy = width_px / self.width_px, height_px / self.height_px
        return Intrinsics(
            fx_px=self.fx_px * sx,
            fy_px=self.fy_px * sy,
            cx_px=self.cx_px * sx,
            cy_px=self.cy_px * sy,
            width_px=width_px,
            height_px=height_px,
        )

    def rays_in_camera(self) -> F32:
        """[H, W, 3] float32 directions through the pixel centres, with z = 1: multiply by depth to unproject."""
        u = (np.arange(self.width_px) + 0.5 - self.cx_px) / self.fx_px
        v = (np.arange(self.height_px) + 0.5 - self.cy_px) / self.fy_px
        rays = np.ones((self.height_px, self.width_px, 3), dtype=np.float32)
        rays[..., 0] = u[None, :]
        rays[..., 1] = v[:, None]
        return rays


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cameras:
    """T poses of one pinhole camera: a trajectory, or the views of a clip."""

    world_from_camera: F64  # [T, 4, 4]
    intrinsics: Intrinsics

    def __post_init__(self) -> None:
        poses = np.array(check_poses(self.world_from_camera), dtype=np.float64, order="C")
        if poses.ndim != 3:
            raise ValueError(f"world_from_camera must have shape (T, 4, 4); got {poses.shape}")
        poses.flags.writeable = False
        object.__setattr__(self, "world_from_camera", poses)

    def __len__(self) -> int:
        return len(self.world_from_camera)

    def __getitem__(self, frames: slice | npt.NDArray[np.integer]) -> "Cameras":
        return Cameras(world_from_camera=self.world_from_camera[frames], intrinsics=self.intrinsics)

    @property
    def camera_from_world(self) -> F64:
        """[T, 4, 4]"""
        return inverse(self.world_from_camera)

    def taken_from(self, world_from_camera: F64) -> list[int]:
        """Positions of those that stand at a pose [4, 4], but for rounding."""
        apart = np.abs(self.world_from_camera - world_from_camera).max(axis=(1, 2), initial=0)
        return [int(position) for position in np.flatnonzero(apart <= SAME_POSE)]

    def resized(self, *, width_px: int, height_px: int) -> "Cameras":
        return Cameras(
            world_from_camera=self.world_from_camera,
            intrinsics=self.intrinsics.resized(width_px=width_px, height_px=height_px),
        )

    @staticmethod
    def joined(*parts: "Cameras") -> "Cameras":
        """The poses of all parts in order. Raises `ValueError` where their intrinsics differ."""
        if len({part.intrinsics for part in parts}) != 1:
            raise ValueError(f"cameras to join must share one intrinsics; got {[part.intrinsics for part in parts]}")
        return Cameras(
            world_from_camera=np.concatenate([part.world_from_camera for part in parts]),
            intrinsics=parts[0].intrinsics,
        )
