"""The front surface of a projected point cloud: gaps between points closed, points behind them taken out.

Pure; any thread. In the spirit of the visibility operators of Pintus et al. 2011, on eight directions.
"""

import numpy as np
from numba import njit

from spatia.records.arrays import F32, F64

RADIUS_PX = 3
LAYER_RATIO = 0.05  # depths within this part of the front one belong to the same surface
_DIRECTIONS = ((1, 0), (0, 1), (1, 1), (1, -1))  # one of each opposite pair


@njit(cache=True, nogil=True)
def closed_surface(depth_m: F32) -> F32:
    """[H, W] depth with 0 where unknown, made whole.

    Along each of four lines through a pixel, both sides are asked for the nearest depth within `RADIUS_PX`; the
    farther of the two is what encloses the pixel on this line, and the nearest over the lines is the front. A known
    pixel behind the front on all four lines shines through a gap. It, and a hole enclosed on at least two lines, take
    the mean of the depths that belong to the front.
    """
    height, width = depth_m.shape
    out = np.empty_like(depth_m)
    sides = np.empty(8, dtype=np.float32)
    for y in range(height):
        for x in range(width):
            front = np.float32(np.inf)
            back = np.float32(0)
            enclosed = 0
            for line in range(4):
                dy, dx = _DIRECTIONS[line]
                for side in range(2):
                    nearest = np.float32(np.inf)
                    for step in range(1, RADIUS_PX + 1):
                        v = y + step * dy * (1 - 2 * side)
                        u = x + step * dx * (1 - 2 * side)
                        if 0 <= v < height and 0 <= u < width and 0 < depth_m[v, u] < nearest:
                            nearest = depth_m[v, u]
                    sides[2 * line + side] = nearest
                around = max(sides[2 * line], sides[2 * line + 1])
                front = min(front, around)
                back = max(back, around)
                if around < np.inf:
                    enclosed += 1
            limit = front * np.float32(1 + LAYER_RATIO)
            z = depth_m[y, x]
            if (z > 0 and not (z > limit and back <= limit)) or (z == 0 and enclosed < 2):
                out[y, x] = z
                continue
            total = np.float32(0)
            count = 0
            for i in range(8):
                if sides[i] <= limit:
                    total += sides[i]
                    count += 1
            out[y, x] = total / np.float32(count)
    return out


def reference_closed_surface(depth_m: F32) -> F64:
    """As `closed_surface`, in plain numpy."""
    height, width = depth_m.shape
    padded = np.pad(np.where(depth_m > 0, depth_m, np.inf), RADIUS_PX, constant_values=np.inf)

    def nearest(dy: int, dx: int) -> F64:
        shifted = [padded[RADIUS_PX + s * dy :, RADIUS_PX + s * dx :][:height, :width] for s in range(1, RADIUS_PX + 1)]
        return np.asarray(np.min(shifted, axis=0), dtype=np.float64)

    sides = np.stack([[nearest(dy, dx), nearest(-dy, -dx)] for dy, dx in _DIRECTIONS])  # [4, 2, H, W]
    around = sides.max(axis=1)
    limit = around.min(axis=0) * (1 + LAYER_RATIO)
    of_front = (sides <= limit) & np.isfinite(sides)
    mean = np.where(of_front, sides, 0).sum(axis=(0, 1)) / np.maximum(of_front.sum(axis=(0, 1)), 1)
    through = (depth_m > limit) & (around.max(axis=0) <= limit)
    closed = (depth_m == 0) & (np.isfinite(around).sum(axis=0) >= 2)
    return np.where(through | closed, mean, depth_m)
