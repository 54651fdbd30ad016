"""How alike views look if the world were a plane: the cost volume of a plane sweep. Torch; any thread, any device.

For each plane of constant depth before the reference, each source is warped onto it and compared with the reference by
normalised cross-correlation over a window, which ignores exposure. The warped picture's own deviation is taken: warping
between pixels blurs, and a norm that did not know would draw depths to where pixels fall on pixels. A place that some
sources do not see is judged by the best few of those that do.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from spatia.geom.camera import Intrinsics
from spatia.records.arrays import F32, F64

QUANTUM_LEVEL = 0.3  # of 255: the deviation that rounding alone leaves
NOISE_LEVEL = 2.5  # of 255: a window of the reference whose deviation is below this says little
NEAREST = 1e-4  # depth in a source, as a part of the plane's: what is nearer, or behind, is not seen
UNSEEN = -2.0  # below every correlation
PLANES_AT_ONCE = 8  # what fits into a core's cache


def box_mean(pictures: Tensor, radius_px: int) -> Tensor:
    """[..., H, W] mean over windows of `2 * radius_px + 1`, edge pixels repeated beyond the edge."""
    side = 2 * radius_px + 1
    flat = pictures.reshape(-1, 1, *pictures.shape[-2:])
    padded = functional.pad(flat, (radius_px,) * 4, mode="replicate")
    total = _sums(_sums(padded, side, dim=3), side, dim=2)
    return total.div_(side**2).reshape(pictures.shape)


def _sums(values: Tensor, side: int, *, dim: int) -> Tensor:
    """Of every `side` neighbours along `dim`, from sums of 1, 2, 4, ... of them: a logarithm of the additions."""
    count = values.shape[dim] - side + 1
    total, taken, length = torch.zeros_like(values.narrow(dim, 0, count)), 0, 1
    while length <= side:
        if side & length:
            total += values.narrow(dim, taken, count)
            taken += length
        rest = values.shape[dim] - length
        values = values.narrow(dim, 0, rest) + values.narrow(dim, length, rest)
        length *= 2
    return total


def window_statistics(pictures: Tensor, radius_px: int) -> tuple[Tensor, Tensor]:
    """[..., H, W] mean, and one over deviation, of each window."""
    mean = box_mean(pictures, radius_px)
    variance = (box_mean(pictures * pictures, radius_px) - mean * mean).clamp(min=0)
    return mean, (variance + QUANTUM_LEVEL**2).rsqrt()


def alikeness(
    reference: Tensor,  # [H, W] in 0..255
    sources: Tensor,  # [S, H, W]
    source_from_reference: F64,  # [S, 4, 4]
    inverse_depths: F32,  # [D] per metre
    *,
    lens: Intrinsics,
    radius_px: int,
    best: int,
) -> Tensor:
    """[D, H, W] in -1..1: mean correlation of the `best` sources among those that see the place; 0 where none does."""
    out = torch.empty((len(inverse_depths), *reference.shape), device=reference.device)
    middle = reference.mean()  # taken from all pictures: squares of small numbers lose fewer digits
    reference, sources = reference - middle, sources - middle
    mean, sharpness = window_statistics(reference, radius_px)
    warps = [_warp(pose, lens, reference) for pose in source_from_reference]
    for start in range(0, len(inverse_depths), PLANES_AT_ONCE):
        planes = torch.from_numpy(inverse_depths[start : start + PLANES_AT_ONCE]).to(reference.device)
        ranked: list[Tensor] = []
        for source, (far, shift) in zip(sources, warps, strict=True):
            warped, inside = _warped(source, far, shift, planes)
            warped_mean, warped_sharpness = window_statistics(warped, radius_px)
            covariance = box_mean(reference * warped, radius_px) - mean * warped_mean
            correlation = (covariance * sharpness * warped_sharpness).clamp(-1, 1)
            _insert(ranked, torch.where(inside, correlation, UNSEEN), best)
        scores = torch.stack(ranked)
        seen = scores > UNSEEN
        out[start : start + len(planes)] = torch.where(seen, scores, 0.0).sum(dim=0) / seen.sum(dim=0).clamp(min=1)
    # Weighed by the reference's texture alone: it is the same for all planes and moves no peak.
    return out / (1 + (NOISE_LEVEL * sharpness) ** 2)


def _warp(source_from_reference: F64, lens: Intrinsics, like: Tensor) -> tuple[Tensor, Tensor]:
    """Where the reference's pixels lie in the source: [3, H, W] at infinity, and [3] more per unit of inverse depth.

    Homogeneous, scaled to -1..1 over the picture as `grid_sample` wants it.
    """
    scaled = np.diag([2 / lens.width_px, 2 / lens.height_px, 1.0]) @ lens.matrix
    scaled[:2] -= scaled[2]
    rays = lens.rays_in_camera().astype(np.float64)
    far = np.einsum("ij,hwj->ihw", scaled @ source_from_reference[:3, :3], rays)
    shift = scaled @ source_from_reference[:3, 3]
    return torch.from_numpy(far).to(like), torch.from_numpy(shift).to(like)


def _warped(source: Tensor, far: Tensor, shift: Tensor, planes: Tensor) -> tuple[Tensor, Tensor]:
    """[P, H, W] the source as the reference would see it were all on one plane, and where it sees it at all."""
    p, h, w = len(planes), *source.shape
    depth = far[2] + shift[2] * planes[:, None, None]  # in the source, in units of the plane's
    ahead, depth = depth > NEAREST, depth.clamp(min=NEAREST)
    grid = torch.empty((p, h, w, 2), device=source.device)
    for axis in range(2):
        torch.div(far[axis] + shift[axis] * planes[:, None, None], depth, out=grid[..., axis])
    # Planes stand below each other in one tall picture: the source need not be repeated.
    warped = functional.grid_sample(
        source[None, None], grid.view(1, p * h, w, 2), mode="bilinear", padding_mode="border", align_corners=False
    )
    return warped.view(p, h, w), ahead & (grid[..., 0].abs() < 1) & (grid[..., 1].abs() < 1)


def _insert(ranked: list[Tensor], score: Tensor, best: int) -> None:
    """Keep the highest `best` scores of each element, highest first."""
    for rank, held in enumerate(ranked):
        ranked[rank], score = torch.maximum(held, score), torch.minimum(held, score)
    if len(ranked) < best:
        ranked.append(score)


def reference_alikeness(
    reference: F32,  # [H, W]
    sources: F32,  # [S, H, W]
    source_from_reference: F64,
    inverse_depths: F32,
    *,
    lens: Intrinsics,
    radius_px: int,
    best: int,
) -> F64:
    """As `alikeness`, from pictures, in plain numpy, a plane at a time."""
    middle = reference.mean()
    value, pictures = reference.astype(np.float64) - middle, sources.astype(np.float64) - middle
    mean, sharpness = _reference_statistics(value, radius_px)
    rays = lens.rays_in_camera().astype(np.float64)
    planes = []
    for inverse_depth in inverse_depths:
        scores = []
        for picture, pose in zip(pictures, source_from_reference, strict=True):
            places = rays @ pose[:3, :3].T + pose[:3, 3] * float(inverse_depth)
            ahead = places[..., 2] > NEAREST
            z = np.where(ahead, places[..., 2], 1)
            u = lens.fx_px * places[..., 0] / z + lens.cx_px
            v = lens.fy_px * places[..., 1] / z + lens.cy_px
            seen = ahead & (u > 0) & (v > 0) & (u < lens.width_px) & (v < lens.height_px)
            warped = _reference_sampled(picture, u, v)
            warped_mean, warped_sharpness = _reference_statistics(warped, radius_px)
            covariance = _reference_box(value * warped, radius_px) - mean * warped_mean
            scores.append(np.where(seen, np.clip(covariance * sharpness * warped_sharpness, -1, 1), UNSEEN))
        ranked = np.sort(scores, axis=0)[-best:]
        seen = ranked > UNSEEN
        planes.append(np.where(seen, ranked, 0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1))
    return np.array(planes) / (1 + (NOISE_LEVEL * sharpness) ** 2)


def _reference_statistics(picture: F64, radius_px: int) -> tuple[F64, F64]:
    mean = _reference_box(picture, radius_px)
    variance = np.maximum(_reference_box(picture**2, radius_px) - mean**2, 0)
    return mean, 1 / np.sqrt(variance + QUANTUM_LEVEL**2)


def _reference_box(picture: F64, radius_px: int) -> F64:
    padded = np.pad(picture, radius_px, mode="edge")
    side = 2 * radius_px + 1
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, (side, side)).mean(axis=(2, 3)))


def _reference_sampled(picture: F64, u: F64, v: F64) -> F64:
    h, w = picture.shape
    x, y = np.clip(u - 0.5, 0, w - 1), np.clip(v - 0.5, 0, h - 1)
    left, top = np.minimum(x.astype(int), w - 2), np.minimum(y.astype(int), h - 2)
    right, below = x - left, y - top
    upper = picture[top, left] * (1 - right) + picture[top, left + 1] * right
    lower = picture[top + 1, left] * (1 - right) + picture[top + 1, left + 1] * right
    return np.asarray(upper * (1 - below) + lower * below)
