"""A pinhole and a look, made into the numbers that every projector shares. Pure functions, any thread."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from spatia.geom.camera import Cameras, Intrinsics
from spatia.records.arrays import F32
from spatia.records.projection import Look, MetricSplat, ReleaseSplat

NEAR_M = 0.001  # points nearer than this along +z, or behind, are not drawn: 1 / z would leave float32's useful range
MAX_LAYERS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Optics:
    """u = fx x / z + cx, v = fy y / z + cy; a point at depth z covers a disc of `radius_px` around (u, v).

    radius_px = clamp(radius_px_m / z, min_radius_px, max_radius_px). Of the points over a pixel the `layers` nearest
    count, ordered by (depth, row). With `composited` they are blended, 1 - (d / radius)^2 being a point's alpha and
    the disc open; without, the nearest stands alone, the disc is closed and the point's own pixel always belongs to it.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width_px: int
    height_px: int
    radius_px_m: float
    min_radius_px: float
    max_radius_px: float
    layers: int
    composited: bool

    @classmethod
    def of(cls, intrinsics: Intrinsics, look: Look) -> Self:
        """Raises `ValueError` for an unknown look or one whose numbers make no disc."""
        match look:
            case MetricSplat():
                return cls._metric(intrinsics, look)
            case ReleaseSplat():
                return cls._release(intrinsics, look)
            case _:
                raise ValueError(f"look must be a MetricSplat or a ReleaseSplat; got {look!r}")

    @classmethod
    def _metric(cls, k: Intrinsics, look: MetricSplat) -> Self:
        if not (math.isfinite(look.radius_m) and look.radius_m >= 0):
            raise ValueError(f"radius_m must be finite and >= 0; got {look.radius_m}")
        if not (0 <= look.min_radius_px <= look.max_radius_px and math.isfinite(look.max_radius_px)):
            raise ValueError(
                "radii must satisfy 0 <= min_radius_px <= max_radius_px < inf; "
                f"got {look.min_radius_px} and {look.max_radius_px}"
            )
        return cls(
            fx=k.fx_px,
            fy=k.fy_px,
            cx=k.cx_px,
            cy=k.cy_px,
            width_px=k.width_px,
            height_px=k.height_px,
            radius_px_m=k.fx_px * look.radius_m,
            min_radius_px=look.min_radius_px,
            max_radius_px=look.max_radius_px if look.radius_m > 0 else look.min_radius_px,
            layers=1,
            composited=False,
        )

    @classmethod
    def _release(cls, k: Intrinsics, look: ReleaseSplat) -> Self:
        """The release hands PyTorch3D focal 2 f / (s - 1) and centre +2 (c - (side - 1) / 2) / (s - 1), s = min(H, W).

        PyTorch3D's NDC runs left and up, s pixels to 2 units, the image's middle at 0. Back in pixels that is the
        pinhole below: everything s / (s - 1) too large, and the principal point on the wrong side of the middle. The
        published weights learned from pictures made so.
        """
        shorter = min(k.width_px, k.height_px)
        if shorter < 2:
            raise ValueError(f"the release's splat needs pictures of at least 2x2 px; got {k.width_px}x{k.height_px}")
        if not (math.isfinite(look.radius_ndc) and look.radius_ndc > 0):
            raise ValueError(f"radius_ndc must be finite and > 0; got {look.radius_ndc}")
        if not 1 <= look.points_per_pixel <= MAX_LAYERS:
            raise ValueError(f"points_per_pixel must lie in 1..{MAX_LAYERS}; got {look.points_per_pixel}")
        stretch = shorter / (shorter - 1)
        radius_px = look.radius_ndc * shorter / 2
        return cls(
            fx=k.fx_px * stretch,
            fy=k.fy_px * stretch,
            cx=k.width_px / 2 - stretch * (k.cx_px - (k.width_px - 1) / 2),
            cy=k.height_px / 2 - stretch * (k.cy_px - (k.height_px - 1) / 2),
            width_px=k.width_px,
            height_px=k.height_px,
            radius_px_m=0.0,
            min_radius_px=radius_px,
            max_radius_px=radius_px,
            layers=look.points_per_pixel,
            composited=True,
        )

    @property
    def pinhole(self) -> F32:
        """[fx, fy, cx, cy]"""
        return np.array([self.fx, self.fy, self.cx, self.cy], dtype=np.float32)

    @property
    def radii(self) -> F32:
        """[radius_px_m, min_radius_px, max_radius_px]"""
        return np.array([self.radius_px_m, self.min_radius_px, self.max_radius_px], dtype=np.float32)

    @property
    def single_pixels(self) -> bool:
        """No disc reaches beyond the pixel that its point falls into."""
        return not self.composited and self.max_radius_px < 0.5


def camera_rows(cameras: Cameras) -> F32:
    """[T, 3, 4] float32 camera_from_world without its last row."""
    return np.ascontiguousarray(cameras.camera_from_world[:, :3], dtype=np.float32)
