"""The plain projector: what the fast ones must equal, written to be read. Runs on the caller's thread."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from spatia.geom.camera import Cameras
from spatia.projection.optics import NEAR_M, Optics, camera_rows
from spatia.records.arrays import F32, I32, U8
from spatia.records.cloud import CloudSnapshot
from spatia.records.projection import Look, Projection

I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]

BLOCK_PAIRS = 1 << 21  # (point, pixel) pairs alive at once


class NumpyProjector:
    """Spreads every point over the pixels of its disc and lets each pixel keep its nearest few."""

    name = "numpy"

    def project(self, cloud: CloudSnapshot, cameras: Cameras, *, look: Look) -> Projection:
        optics = Optics.of(cameras.intrinsics, look)
        rows = np.flatnonzero(cloud.alive())
        points, colors = cloud.positions_in_world()[rows], cloud.colors()
        block_points = max(1, BLOCK_PAIRS // (2 * _reach(optics) + 1) ** 2)
        shape = (len(cameras), optics.height_px, optics.width_px)
        rgb, depth_m = np.zeros((*shape, 3), np.uint8), np.zeros(shape, np.float32)
        index, alpha = np.full(shape, -1, np.int32), np.zeros(shape, np.float32)
        for t, camera in enumerate(camera_rows(cameras)):
            pairs = _Pairs.none()
            for start in range(0, len(rows), block_points):
                block = slice(start, start + block_points)
                pairs = _Pairs.joined(pairs, _discs(points[block], rows[block], camera, optics)).nearest(optics.layers)
            _resolve(pairs, colors, rgb[t], depth_m[t], index[t], alpha[t])
        return Projection(rgb=rgb, depth_m=depth_m, index=index, alpha=alpha if optics.composited else None)

    def close(self) -> None:
        """Nothing to release."""


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Which points lie over which pixels."""

    pixel: I64  # [M] y * width + x
    key: U64  # [M] bits of the depth, then the row: positive floats sort as their bits do
    alpha: F32  # [M]

    @classmethod
    def none(cls) -> Self:
        return cls(np.empty(0, np.int64), np.empty(0, np.uint64), np.empty(0, np.float32))

    @classmethod
    def joined(cls, a: Self, b: Self) -> Self:
        pixel = np.concatenate([a.pixel, b.pixel])
        return cls(pixel, np.concatenate([a.key, b.key]), np.concatenate([a.alpha, b.alpha]))

    def nearest(self, layers: int) -> "_Pairs":
        """The `layers` smallest keys of each pixel, sorted by (pixel, key)."""
        order = np.lexsort((self.key, self.pixel))
        kept = order[_rank_in_group(self.pixel[order]) < layers]
        return _Pairs(self.pixel[kept], self.key[kept], self.alpha[kept])


def _rank_in_group(sorted_groups: I64) -> I64:
    """[M] 0, 1, 2, ... counted anew wherever the value changes."""
    place = np.arange(len(sorted_groups))
    starts = np.concatenate([[True], sorted_groups[1:] != sorted_groups[:-1]])[: len(sorted_groups)]
    return np.asarray(place - np.maximum.accumulate(np.where(starts, place, 0)), dtype=np.int64)


def _discs(points_in_world: F32, rows: I64, camera: F32, optics: Optics) -> _Pairs:
    """The pixels whose centres lie in the points' discs; float32, with the kernels' operations in their order."""
    x, y, z = points_in_world.T
    fx, fy, cx, cy = optics.pinhole
    radius_px_m, min_radius_px, max_radius_px = optics.radii
    along = [r[0] * x + r[1] * y + r[2] * z + r[3] for r in camera]
    seen = along[2] >= np.float32(NEAR_M)
    x, y, z, rows = along[0][seen], along[1][seen], along[2][seen], rows[seen]
    inverse = np.float32(1) / z
    u, v = x * inverse * fx + cx, y * inverse * fy + cy
    radius = np.minimum(np.maximum(radius_px_m * inverse, min_radius_px), max_radius_px)

    near = (
        (u > -max_radius_px - 1) & (u < optics.width_px + max_radius_px + 1)
        & (v > -max_radius_px - 1) & (v < optics.height_px + max_radius_px + 1)
    )  # fmt: skip
    u, v, z, rows, radius = u[near], v[near], z[near], rows[near], radius[near]
    offset = np.arange(-_reach(optics), _reach(optics) + 1)
    px = np.floor(u).astype(np.int64)[:, None, None] + offset[None, None, :]  # [M, 1, B]
    py = np.floor(v).astype(np.int64)[:, None, None] + offset[None, :, None]  # [M, B, 1]
    dx = px.astype(np.float32) + np.float32(0.5) - u[:, None, None]
    dy = py.astype(np.float32) + np.float32(0.5) - v[:, None, None]
    squared, radius_squared = dx * dx + dy * dy, (radius * radius)[:, None, None]
    if optics.composited:
        inside = squared < radius_squared
        alpha = np.float32(1) - squared / radius_squared
    else:
        own = (offset[:, None] == 0) & (offset[None, :] == 0)
        inside = (squared <= radius_squared) | own
        alpha = np.ones_like(squared)
    inside &= (px >= 0) & (px < optics.width_px) & (py >= 0) & (py < optics.height_px)
    key = (z.view(np.uint32).astype(np.uint64) << np.uint64(32)) | rows.astype(np.uint64)
    spread = np.broadcast_to(key[:, None, None], inside.shape)
    return _Pairs((py * optics.width_px + px)[inside], spread[inside], alpha[inside])


def _reach(optics: Optics) -> int:
    """How many pixels to each side of its own a point's disc can touch."""
    return int(optics.max_radius_px + 0.5)


def _resolve(
    pairs: _Pairs,
    colors: F32,  # [N, 3] in 0..255
    rgb: U8,  # [H, W, 3]
    depth_m: F32,  # [H, W]
    index: I32,  # [H, W]
    alpha: F32,  # [H, W]
) -> None:
    """Blends each pixel's pairs, nearest first, into the pictures."""
    rank = _rank_in_group(pairs.pixel)
    row = (pairs.key & np.uint64(0xFFFFFFFF)).astype(np.int64)
    front = rank == 0
    at = np.unravel_index(pairs.pixel[front], index.shape)
    index[at] = row[front]
    depth_m[at] = (pairs.key[front] >> np.uint64(32)).astype(np.uint32).view(np.float32)

    blended = np.zeros((index.size, 3), np.float32)
    total, clear = np.zeros(index.size, np.float32), np.ones(index.size, np.float32)
    for layer in range(int(rank.max(initial=-1)) + 1):
        chosen = rank == layer
        pixel = pairs.pixel[chosen]
        weight = clear[pixel] * pairs.alpha[chosen]
        blended[pixel] += weight[:, None] * colors[row[chosen]]
        total[pixel] += weight
        clear[pixel] *= np.float32(1) - pairs.alpha[chosen]
    rgb[:] = np.floor(np.minimum(blended, np.float32(255)) + np.float32(0.5)).astype(np.uint8).reshape(rgb.shape)
    alpha[:] = np.minimum(total, np.float32(1)).reshape(alpha.shape)
