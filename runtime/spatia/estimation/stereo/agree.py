"""Cross-view checks: a depth stays where other views, each with depth of its own, saw the same place. Torch."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from spatia.geom.camera import Intrinsics
from spatia.records.arrays import F64

SPECK_RADIUS_PX = 3  # of the window in which a surface must go on
SPECK_LEAST = 0.3  # of the window
SPECK_REACH = 0.1  # part of the depth: how far a slanted surface may go within the window


def seen_alike(
    depth_m: Tensor,  # [H, W] of the reference, 0 where unknown
    other_m: Tensor,  # [H, W] of the other view
    other_from_reference: F64,  # [4, 4]
    *,
    lens: Intrinsics,
    tolerance: float,
) -> Tensor:
    """[H, W] the reference's depth as the other view has it, 0 where it has none or another one.

    Each place is looked up in the other view; where that view's depth differs by no more than a part `tolerance`, its
    own place is carried back along the reference's +z.
    """
    rays = torch.from_numpy(lens.rays_in_camera()).to(depth_m)
    pose = torch.from_numpy(other_from_reference).to(depth_m)
    places = (rays * depth_m[..., None]) @ pose[:3, :3].T + pose[:3, 3]
    z = places[..., 2].clamp(min=1e-6)
    u = torch.floor(lens.fx_px * places[..., 0] / z + lens.cx_px)
    v = torch.floor(lens.fy_px * places[..., 1] / z + lens.cy_px)
    inside = (depth_m > 0) & (places[..., 2] > 0) & (u >= 0) & (v >= 0) & (u < lens.width_px) & (v < lens.height_px)
    found = other_m[torch.where(inside, v, 0).long(), torch.where(inside, u, 0).long()]
    alike = inside & (found > 0) & ((found - z).abs() <= tolerance * z)
    # Along the other view's ray the place moves by (found / z - 1) of its vector; the reference sees its +z part.
    moved = places * (found / z)[..., None] - pose[:3, 3]
    return torch.where(alike, moved @ pose[:3, 2], 0.0)


def agreed(
    depth_m: Tensor, others: list[tuple[Tensor, F64]], *, lens: Intrinsics, tolerance: float
) -> tuple[Tensor, Tensor]:
    """[H, W] the mean of a depth and of those that other views have for it, and how many views these are.

    `others` are depth [H, W] and other_from_reference [4, 4] of each, see `seen_alike`.
    """
    total, votes = depth_m.clone(), torch.zeros_like(depth_m)
    for other_m, other_from_reference in others:
        found = seen_alike(depth_m, other_m, other_from_reference, lens=lens, tolerance=tolerance)
        total += found
        votes += found > 0
    return total / (1 + votes), votes


def without_specks(depth_m: Tensor) -> Tensor:
    """[H, W] 0 where too little of the window around a pixel is known and near its depth."""
    side = 2 * SPECK_RADIUS_PX + 1
    padded = functional.pad(depth_m[None, None], (SPECK_RADIUS_PX,) * 4)[0, 0]
    h, w = depth_m.shape
    count = torch.zeros_like(depth_m)
    for dy in range(side):
        for dx in range(side):
            around = padded[dy : dy + h, dx : dx + w]
            count += (around > 0) & ((around - depth_m).abs() <= SPECK_REACH * depth_m)
    return torch.where(count >= SPECK_LEAST * side**2, depth_m, 0.0)


def reference_seen_alike(
    depth_m: np.ndarray, other_m: np.ndarray, other_from_reference: F64, *, lens: Intrinsics, tolerance: float
) -> F64:
    """As `seen_alike`, in plain numpy, pixel by pixel."""
    out = np.zeros(depth_m.shape)
    rays = lens.rays_in_camera().astype(np.float64)
    rotation, translation = other_from_reference[:3, :3], other_from_reference[:3, 3]
    for y, x in np.argwhere(depth_m > 0):
        place = rotation @ (rays[y, x] * depth_m[y, x]) + translation
        if place[2] <= 0:
            continue
        u = int(np.floor(lens.fx_px * place[0] / place[2] + lens.cx_px))
        v = int(np.floor(lens.fy_px * place[1] / place[2] + lens.cy_px))
        if 0 <= u < lens.width_px and 0 <= v < lens.height_px and other_m[v, u] > 0:
            ratio = float(other_m[v, u]) / place[2]
            if abs(ratio - 1) <= tolerance:
                out[y, x] = (rotation.T @ (place * ratio - translation))[2]
    return out
