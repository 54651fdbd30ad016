"""Depth on a larger raster that keeps its edges where the picture has them. Torch; any thread, any device."""

import torch
from torch import Tensor

SAME_SURFACE = 0.04  # part of the depth: corners nearer than this to the chosen one are blended with it
COLOR_LEVELS = 12.0  # of 255: how fast a corner of another colour loses its say


def enlarged(depth_m: Tensor, confidence: Tensor, small: Tensor, large: Tensor) -> tuple[Tensor, Tensor]:
    """Depth and confidence [h, w], with the picture [3, h, w] they belong to, on the raster of a picture [3, H, W].

    A pixel chooses among the four around it the one that is nearest and most of its colour, and blends it with those
    of the four that lie on the same surface: nothing comes to hang between two surfaces. Unknown stays unknown.
    """
    h, w = depth_m.shape
    height, width = large.shape[1:]
    if (h, w) == (height, width):
        return depth_m, confidence
    y, x = (
        ((torch.arange(side, device=depth_m.device) + 0.5) * little / side - 0.5).clamp(0, little - 1)
        for side, little in ((height, h), (width, w))
    )
    top, left = y.floor().long().clamp(max=h - 2), x.floor().long().clamp(max=w - 2)
    below, right = y - top, x - left
    corners, weights, trust = [], [], []
    for dy in (0, 1):
        for dx in (0, 1):
            row, column = (top + dy)[:, None], (left + dx)[None]
            share = (below if dy else 1 - below)[:, None] * (right if dx else 1 - right)[None]
            change = (small[:, row, column] - large).abs().amax(dim=0)
            corners.append(depth_m[row, column])
            trust.append(confidence[row, column])
            weights.append((share + 1e-3) * torch.exp(-change / COLOR_LEVELS))
    corner, weight = torch.stack(corners), torch.stack(weights)
    chosen = corner.gather(0, weight.argmax(dim=0, keepdim=True))
    with_it = weight * ((corner > 0) & ((corner - chosen).abs() <= SAME_SURFACE * chosen))
    total = with_it.sum(dim=0)
    known = total > 0
    divisor = torch.where(known, total, 1.0)
    inverse = (with_it / torch.where(corner > 0, corner, 1.0)).sum(dim=0) / divisor
    depth = torch.where(known, 1 / torch.where(known, inverse, 1.0), 0.0)
    return depth, torch.where(known, (with_it * torch.stack(trust)).sum(dim=0) / divisor, 0.0)
