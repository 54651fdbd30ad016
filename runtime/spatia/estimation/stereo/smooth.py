"""Semi-global matching (Hirschmueller 2008): neighbours want near planes unless the picture has an edge between them.

Eight directions. A step of one plane costs `small`, of more planes `large`, less where brightness changes. Torch; any
thread, any device.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from spatia.records.arrays import F32, F64

EDGE_LEVELS = 10.0  # of 255: a change of brightness by this halves the cost of a jump


def smoothed(cost: Tensor, gray: Tensor, *, small: float, large: float) -> Tensor:
    """[H, W, D] mean over the directions of the least cost of a path that ends at a pixel and plane.

    `cost` is [H, W, D], `gray` [H, W] in 0..255; `small` <= `large`.
    """
    total = torch.zeros_like(cost)
    across = cost.transpose(0, 1), total.transpose(0, 1), gray.T
    for backward in (False, True):
        for sideways in (-1, 0, 1):
            _add_paths(cost, total, gray, backward, sideways, small, large)
        _add_paths(*across, backward, 0, small, large)
    return total / 8


def _add_paths(
    cost: Tensor, total: Tensor, gray: Tensor, backward: bool, sideways: int, small: float, large: float
) -> None:
    """Paths from line to line [H] that move `sideways` a line, added to `total`. A path starts where it enters."""
    lines = range(len(cost))
    path = torch.zeros_like(cost[0])
    before = gray[-1 if backward else 0]
    for y in reversed(lines) if backward else lines:
        path, brightness = _moved(path, sideways), _moved(before, sideways)
        jump = torch.clamp(large / (1 + (gray[y] - brightness).abs() / EDGE_LEVELS), min=small)[:, None]
        least = path.amin(dim=1, keepdim=True)
        steps = functional.pad(path, (1, 1), value=float("inf"))
        near = torch.minimum(steps[:, :-2], steps[:, 2:]).add_(small)
        path = torch.minimum(torch.minimum(path, near), least + jump).sub_(least).add_(cost[y])
        total[y] += path
        before = gray[y]


def _moved(line: Tensor, by: int) -> Tensor:
    """[W, ...] moved along its first axis; zeros come in."""
    if by == 0:
        return line
    out = torch.zeros_like(line)
    if by > 0:
        out[by:] = line[:-by]
    else:
        out[:by] = line[-by:]
    return out


def reference_smoothed(cost: F32, gray: F32, *, small: float, large: float) -> F64:
    """As `smoothed`, in plain numpy, pixel by pixel."""
    h, w, planes = cost.shape
    total = np.zeros(cost.shape)
    steps = np.abs(np.subtract.outer(np.arange(planes), np.arange(planes)))
    for dy, dx in ((1, -1), (1, 0), (1, 1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (0, -1)):
        path = np.zeros(cost.shape)
        for y in range(h)[:: dy or 1]:
            for x in range(w)[:: dx or 1]:
                v, u = y - dy, x - dx
                path[y, x] = cost[y, x]
                if 0 <= v < h and 0 <= u < w:
                    jump = max(small, large / (1 + abs(float(gray[y, x]) - float(gray[v, u])) / EDGE_LEVELS))
                    penalty = np.select([steps == 0, steps == 1], [0, small], jump)
                    path[y, x] += (path[v, u] + penalty).min(axis=1) - path[v, u].min()
        total += path
    return total / 8
