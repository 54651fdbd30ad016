"""Depth of frames from what the memory already knows, carried into its holes along the picture's edges.

A hole lies between known places. Around a silhouette, and beyond the frontier of what has been seen, nothing is
guessed: a surface that grew there would hide the world from the next view. Runs on the thread that owns the projector.
"""

import numpy as np
from numba import njit

from spatia.records.arrays import F32, F64, I32, U8, Bool
from spatia.records.cloud import LABEL, CloudSnapshot
from spatia.records.geometry import Geometry, Report, Sighting, ignore
from spatia.records.projection import MetricSplat, Projector

REACH_PX = 24  # geodesic; beyond it a guess would be an invention
FAR_PX = 1 << 20  # stands for no known pixel at all
EDGE_COST_PX = 40.0  # what crossing from black to white costs in pixels of reach
EDGE_SHARPNESS = 12.0  # in the smoothing: how fast a neighbour of another colour loses its say
KNOWN_CONFIDENCE = 0.5  # the memory's own depth says nothing new about places, only about colours
GUESS_CONFIDENCE = 0.1


class CompletionEstimator:
    """See `SceneEstimator`. Poses are taken as they are."""

    name = "completion"

    def __init__(self, projector: Projector) -> None:
        self._projector = projector

    def estimate(self, sighting: Sighting, *, cloud: CloudSnapshot, report: Report = ignore) -> Geometry:
        frames = sighting.seen
        projection = self._projector.project(cloud, frames.cameras, look=MetricSplat(radius_m=cloud.voxel_m))
        depth_m = np.empty(projection.depth_m.shape, dtype=np.float32)
        confidence = np.empty_like(depth_m)
        label = np.empty(depth_m.shape, dtype=np.int32)
        labels = np.append(cloud.field_i32(LABEL), np.int32(0))  # row -1, where nothing is, reads the appended 0
        for t in range(len(frames)):
            report(t, len(frames))
            depth_m[t], confidence[t], origin = completed(projection.depth_m[t], frames.rgb[t])
            label[t] = labels[projection.index[t]].ravel()[origin]
        return Geometry(cameras=frames.cameras, depth_m=depth_m, confidence=confidence, label=label)

    def close(self) -> None:
        pass


def completed(depth_m: F32, rgb: U8) -> tuple[F32, F32, I32]:
    """Depth [H, W] with the holes near known depth filled, confidence [H, W], and the pixel that each was filled from.

    That pixel is a flat index into the raster: itself where depth is known, and where none came within reach.

    Inverse depth, which is linear on planes, first walks from each known pixel along the cheapest path, where crossing
    an edge of the picture costs; then it is smoothed within the holes, hardly across such edges.
    """
    known = depth_m > 0
    inverse = np.divide(1, depth_m, out=np.zeros_like(depth_m), where=known)
    distance = np.where(known, np.float32(0), np.float32(np.inf))
    down, right = _color_steps(rgb)
    origin = np.arange(depth_m.size, dtype=np.int32).reshape(depth_m.shape)
    _walk(origin, distance, down, right, REACH_PX, EDGE_COST_PX)
    reached = (distance <= REACH_PX) & enclosed(known, reach_px=REACH_PX)
    origin = np.where(reached, origin, np.arange(depth_m.size, dtype=np.int32).reshape(depth_m.shape))
    inverse = np.where(reached, inverse.ravel()[origin], np.float32(0))
    _smooth(inverse, known, np.exp(-EDGE_SHARPNESS * down), np.exp(-EDGE_SHARPNESS * right), 2 * REACH_PX)
    guess = np.float32(GUESS_CONFIDENCE) * (1 - np.minimum(distance, REACH_PX) / np.float32(REACH_PX + 1))
    confidence = np.where(known, np.float32(KNOWN_CONFIDENCE), np.where(reached, guess, np.float32(0)))
    filled = np.divide(1, inverse, out=np.zeros_like(inverse), where=inverse > 0)
    return np.where(known, depth_m, filled), confidence.astype(np.float32), origin


def enclosed(known: Bool, *, reach_px: int) -> Bool:
    """[H, W] True where known pixels lie within reach on both sides, along the row or along the column."""
    sides = [_gap(known), _gap(known[:, ::-1])[:, ::-1], _gap(known.T).T, _gap(known.T[:, ::-1])[:, ::-1].T]
    left, right, above, below = (gap <= reach_px for gap in sides)
    return np.asarray((left & right) | (above & below))


def _gap(known: Bool) -> I32:
    """[H, W] pixels back to the last known one in the row."""
    column = np.arange(known.shape[1], dtype=np.int32)
    last = np.maximum.accumulate(np.where(known, column, np.int32(-FAR_PX)), axis=1)
    return np.asarray(column - last, dtype=np.int32)


def _color_steps(rgb: U8) -> tuple[F32, F32]:
    """Largest change of a channel in 0..1 to the pixel below [H - 1, W] and to the right [H, W - 1]."""
    color = rgb.astype(np.int16)
    steps = [np.abs(np.diff(color, axis=axis)).max(axis=-1).astype(np.float32) / np.float32(255) for axis in (0, 1)]
    return steps[0], steps[1]


@njit(cache=True, nogil=True)
def _walk(origin: I32, distance: F32, down: F32, right: F32, reach_px: int, edge_cost_px: float) -> None:
    """`reach_px` rounds in which each pixel takes the origin of the neighbour over which its distance is least.

    Every step costs at least 1, so that paths within reach are complete. All pixels move at once: no order shows.
    """
    height, width = distance.shape
    for _ in range(reach_px):
        old_origin, old_distance = origin.copy(), distance.copy()
        for y in range(height):
            for x in range(width):
                if distance[y, x] == 0:
                    continue
                for side in range(4):
                    v = y + (side == 1) - (side == 0)
                    u = x + (side == 3) - (side == 2)
                    if not (0 <= v < height and 0 <= u < width):
                        continue
                    color = down[min(y, v), x] if side < 2 else right[y, min(x, u)]
                    via = np.float32(old_distance[v, u] + np.float32(1 + edge_cost_px * color))
                    if via < distance[y, x]:
                        distance[y, x] = via
                        origin[y, x] = old_origin[v, u]


@njit(cache=True, nogil=True)
def _smooth(inverse: F32, known: Bool, down: F32, right: F32, rounds: int) -> None:
    """Jacobi steps of a diffusion with the given weights between neighbours; known and empty (0) pixels stay."""
    height, width = inverse.shape
    for _ in range(rounds):
        old = inverse.copy()
        for y in range(height):
            for x in range(width):
                if known[y, x] or old[y, x] == 0:
                    continue
                total = np.float64(0)
                weights = np.float64(0)
                for side in range(4):
                    v = y + (side == 1) - (side == 0)
                    u = x + (side == 3) - (side == 2)
                    if not (0 <= v < height and 0 <= u < width) or old[v, u] == 0:
                        continue
                    weight = down[min(y, v), x] if side < 2 else right[y, min(x, u)]
                    total += weight * old[v, u]
                    weights += weight
                if weights > 0:
                    inverse[y, x] = total / weights


def reference_completed(depth_m: F32, rgb: U8) -> F64:
    """Depth as `completed` gives it, in plain numpy."""
    known = depth_m > 0
    value = np.where(known, 1 / np.where(known, depth_m, 1), 0).astype(np.float64)
    distance = np.where(known, 0, np.inf).astype(np.float32)
    color = np.pad(rgb.astype(np.int16), ((1, 1), (1, 1), (0, 0)), mode="edge")
    height, width = depth_m.shape
    shifts = [(0, 1), (2, 1), (1, 0), (1, 2)]
    steps = [np.abs(color[v : v + height, u : u + width] - rgb).max(axis=-1) / np.float32(255) for v, u in shifts]
    steps = [step.astype(np.float32) for step in steps]

    def neighbours(array: F64, outside: float) -> list[F64]:
        padded = np.pad(array, 1, constant_values=outside)
        return [padded[v : v + height, u : u + width] for v, u in shifts]

    for _ in range(REACH_PX):
        values = [value, *neighbours(value, 0)]
        ways = [distance]
        for way, step in zip(neighbours(distance.astype(np.float64), np.inf), steps, strict=True):
            ways.append(way.astype(np.float32) + (1 + EDGE_COST_PX * step.astype(np.float64)).astype(np.float32))
        best = np.argmin(ways, axis=0)[None]
        value = np.take_along_axis(np.stack(values), best, axis=0)[0]
        distance = np.take_along_axis(np.stack(ways), best, axis=0)[0]
    value = np.where((distance <= REACH_PX) & enclosed(known, reach_px=REACH_PX), value, 0)
    for _ in range(2 * REACH_PX):
        around = neighbours(value, 0)
        weights = [np.exp(-EDGE_SHARPNESS * step) * (v > 0) for v, step in zip(around, steps, strict=True)]
        total = np.sum(weights, axis=0)
        mean = np.sum(np.multiply(weights, around), axis=0) / np.where(total > 0, total, 1)
        value = np.where(known | (value == 0) | (total == 0), value, mean)
    return np.where(value > 0, 1 / np.where(value > 0, value, 1), 0)
