"""Holes in a picture filled from coarser and coarser averages of what is around them. Pure; any thread.

The push-pull of Gortler et al. 1996, "The Lumigraph", with a box filter on the way down and bilinear on the way up.
"""

import numpy as np
from numba import njit

from spatia.records.arrays import F32


def fill_holes(colors: F32, weights: F32) -> F32:
    """Colours [H, W, 3] where `weights` [H, W] is 0 replaced by a smooth guess; the others stay as they are.

    A weight in 0..1 says how much a known pixel counts in the guess. A picture without any known pixel stays 0.
    """
    levels = [(colors * (weights > 0)[..., None], weights)]
    while max(levels[-1][1].shape) > 1:
        levels.append(_pushed(*levels[-1]))
    filled = levels.pop()[0]
    while levels:
        filled = _pulled(filled, *levels.pop())
    return filled


@njit(cache=True, nogil=True)
def _pushed(colors: F32, weights: F32) -> tuple[F32, F32]:
    """Half the size: weighted means, and the sum of the weights where it is below 1."""
    height, width = weights.shape
    half_height, half_width = (height + 1) // 2, (width + 1) // 2
    half = np.zeros((half_height, half_width, 3), dtype=np.float32)
    half_weights = np.zeros((half_height, half_width), dtype=np.float32)
    for y in range(half_height):
        for x in range(half_width):
            total = np.float32(0)
            for v in range(2 * y, min(2 * y + 2, height)):
                for u in range(2 * x, min(2 * x + 2, width)):
                    weight = weights[v, u]
                    total += weight
                    for c in range(3):
                        half[y, x, c] += weight * colors[v, u, c]
            if total > 0:
                for c in range(3):
                    half[y, x, c] /= total
                half_weights[y, x] = min(total, np.float32(1))
    return half, half_weights


@njit(cache=True, nogil=True)
def _pulled(coarse: F32, colors: F32, weights: F32) -> F32:
    """`colors` where it is known, elsewhere `coarse` of half the size, bilinearly."""
    height, width = weights.shape
    half_height, half_width = coarse.shape[:2]
    out = np.empty((height, width, 3), dtype=np.float32)
    for y in range(height):
        top = min(max((y + 0.5) / 2 - 0.5, 0.0), half_height - 1.0)
        y0 = int(top)
        y1 = min(y0 + 1, half_height - 1)
        below = np.float32(top - y0)
        for x in range(width):
            if weights[y, x] > 0:
                for c in range(3):
                    out[y, x, c] = colors[y, x, c]
                continue
            left = min(max((x + 0.5) / 2 - 0.5, 0.0), half_width - 1.0)
            x0 = int(left)
            x1 = min(x0 + 1, half_width - 1)
            right = np.float32(left - x0)
            for c in range(3):
                upper = coarse[y0, x0, c] * (1 - right) + coarse[y0, x1, c] * right
                lower = coarse[y1, x0, c] * (1 - right) + coarse[y1, x1, c] * right
                out[y, x, c] = upper * (1 - below) + lower * below
    return out


def reference_fill_holes(colors: F32, weights: F32) -> F32:
    """As `fill_holes`, in plain numpy."""
    known = (weights > 0)[..., None]
    if max(weights.shape) == 1:
        return np.asarray(colors * known, dtype=np.float32)
    height, width = weights.shape
    even = ((0, height % 2), (0, width % 2))
    blocks = (-(-height // 2), 2, -(-width // 2), 2)
    weight = np.pad(weights, even).reshape(blocks)
    total = weight.sum(axis=(1, 3))
    color = (np.pad(colors * known, (*even, (0, 0))).reshape(*blocks, 3) * weight[..., None]).sum(axis=(1, 3))
    half = color / np.where(total > 0, total, 1)[..., None]
    coarse = reference_fill_holes(half.astype(np.float32), np.minimum(total, 1))
    for axis, length in enumerate((height, width)):
        at = np.clip((np.arange(length) + 0.5) / 2 - 0.5, 0, coarse.shape[axis] - 1)
        low = at.astype(int)
        part = (at - low).reshape([-1 if a == axis else 1 for a in range(3)])
        high = np.minimum(low + 1, coarse.shape[axis] - 1)
        coarse = coarse.take(low, axis) * (1 - part) + coarse.take(high, axis) * part
    return np.asarray(np.where(known, colors, coarse), dtype=np.float32)
