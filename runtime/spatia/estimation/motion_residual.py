"""What moves, found without any weights: what other views of the same places contradict for long enough.

A pixel of a keyframe stands for a place in the world. Every other keyframe, every earlier frame around them and the
memory is asked about that place:

- it sees something clearly farther there: the place was *seen through*, whatever stood there has come or gone;
- it sees the place, in another colour: something *differs*, such as a mover that the estimated depth knows nothing of;
- it sees the place as the pixel shows it: this *supports* that it stands still;
- it sees something nearer, or does not see there: it says nothing.

A pixel moves when enough views contradict it, and more than support it. So a still thing that comes into view is kept
as soon as its own keyframes agree about it, and what is seen once is believed. Runs on the thread that owns the
projector; the kernels release the GIL. `motion_reference.py` says the same in plain numpy.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from spatia.estimation.segment import grown
from spatia.geom.camera import Cameras
from spatia.records.arrays import F32, F64, I32, U8, Bool
from spatia.records.cloud import CloudSnapshot
from spatia.records.geometry import Geometry, Report, Sighting, ignore
from spatia.records.projection import MetricSplat, Projection, Projector

SEEN_THROUGH, DIFFERS, SUPPORTS = range(3)
DARK = 16  # of 255; a ratio of darker colours is noise
FEW = 64  # samples: fewer say nothing about exposure

AnyArray = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionSettings:
    """When a contradiction counts, and how many make a mover."""

    seen_through: int = 2  # keyframes or earlier frames, at least
    through_share: float = 0.25  # of the views that saw through a place or support it, at least
    differs: int = 3  # views that show another colour there, saw through it, or know something behind it; at least
    differs_share: float = 0.6  # of all views that say anything, at least
    depth_tolerance: float = 0.03  # of the depth; what estimated depth is off by, and more
    color_tolerance: float = 36.0  # of 255, in the channel that differs most from all colours around the pixel
    sample_px: int = 8  # every so many pixels along rows and columns, exposures are compared
    speck_px: int = 12  # smaller patches are noise
    hole_px: int = 60  # smaller gaps in a mover are part of it
    margin_px: int = 2


class MotionResidual:
    """See `DynamicSegmenter`."""

    name = "motion_residual"

    def __init__(self, projector: Projector, *, settings: MotionSettings | None = None) -> None:
        self._projector = projector
        self._settings = settings or MotionSettings()

    def segment(self, sighting: Sighting, geometry: Geometry, *, cloud: CloudSnapshot, report: Report = ignore) -> Bool:
        """`geometry` has the frames' own raster; its poses are believed."""
        frames, cameras, settings = sighting.seen, geometry.cameras, self._settings
        if cameras.intrinsics != frames.cameras.intrinsics:
            raise ValueError("geometry must be on the raster of the frames")
        known = self._projector.project(cloud, cameras, look=MetricSplat(radius_m=cloud.voxel_m))
        # Where the estimate knows no depth the memory's stands in: whatever hides it has another colour.
        views = views_of(sighting, cameras, np.where(geometry.depth_m > 0, geometry.depth_m, known.depth_m))
        moving = np.zeros(frames.rgb.shape[:3], dtype=np.bool_)
        for k in range(len(frames)):
            report(k, len(frames))
            moving[k] = cleaned(decided(votes(k, views, known, settings), settings), settings)
        return grown(moving, margin_px=settings.margin_px)

    def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Views:
    """The K keyframes and, after them, the C earlier frames, with the ranges of depth and colour around each pixel."""

    depth_m: F32  # [V, H, W] 0 where unknown
    nearest_m: F32  # [V, H, W] of the known depths around the pixel, itself included; 0 where none is known
    farthest_m: F32  # [V, H, W]
    rgb: U8  # [V, H, W, 3]
    darkest: U8  # [V, H, W, 3] by channel
    brightest: U8  # [V, H, W, 3]
    mute: Bool  # [V, H, W] where something is known to have moved: says nothing about what stands there
    world_from_camera: F64  # [V, 4, 4]
    lens: F64  # [4] fx, fy, cx, cy


def views_of(sighting: Sighting, cameras: Cameras, depth_m: F32) -> Views:
    """`cameras` and `depth_m` are the keyframes'."""
    frames, context = sighting.seen, sighting.context
    earlier = np.zeros(context.rgb.shape[:3], dtype=np.float32) if context.depth_m is None else context.depth_m
    depth_m = np.concatenate([depth_m, earlier])
    rgb = np.concatenate([frames.rgb, context.rgb])
    nearest_m, farthest_m = depth_range(depth_m)
    darkest, brightest = color_range(rgb)
    lens = cameras.intrinsics
    return Views(
        depth_m=depth_m,
        nearest_m=nearest_m,
        farthest_m=farthest_m,
        rgb=rgb,
        darkest=darkest,
        brightest=brightest,
        mute=np.concatenate([np.zeros(frames.rgb.shape[:3], dtype=np.bool_), sighting.context_moving]),
        world_from_camera=np.concatenate([cameras.world_from_camera, context.cameras.world_from_camera]),
        lens=lens.pinhole,
    )


def depth_range(depth_m: F32) -> tuple[F32, F32]:
    """[V, H, W] the least and the greatest known depth among each pixel and its eight neighbours, 0 where none is."""
    unknown = np.where(depth_m > 0, depth_m, np.float32(np.inf))
    nearest = _around(unknown, np.minimum)
    return np.where(np.isinf(nearest), np.float32(0), nearest), _around(depth_m, np.maximum)


def color_range(rgb: U8) -> tuple[U8, U8]:
    """[V, H, W, 3] the least and the greatest value of each channel among each pixel and its eight neighbours."""
    return _around(rgb, np.minimum), _around(rgb, np.maximum)


def _around(array: AnyArray, extreme: np.ufunc) -> AnyArray:
    for axis in (1, 2):
        low: list[slice] = [slice(None)] * array.ndim
        high = list(low)
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        wide = array.copy()
        wide[tuple(low)] = extreme(wide[tuple(low)], array[tuple(high)])
        wide[tuple(high)] = extreme(wide[tuple(high)], array[tuple(low)])
        array = wide
    return array


def votes(k: int, views: Views, known: Projection, settings: MotionSettings) -> I32:
    """[H, W, 3] how many views saw through what keyframe k shows, saw it differ, and support it."""
    counts = votes_of_views(k, views, settings)
    _ask_memory(k, views, known, settings, counts)
    return counts


def votes_of_views(k: int, views: Views, settings: MotionSettings) -> I32:
    """The same without the memory."""
    counts = np.zeros((*views.depth_m.shape[1:], 3), dtype=np.int32)
    camera_from_world = np.linalg.inv(views.world_from_camera)
    for v in range(len(views.depth_m)):
        if v != k:
            _ask(
                views.depth_m[k],
                views.rgb[k],
                camera_from_world[v] @ views.world_from_camera[k],
                views.lens,
                views.nearest_m[v],
                views.farthest_m[v],
                views.darkest[v],
                views.brightest[v],
                exposure(k, v, views, settings),
                views.mute[v],
                settings.depth_tolerance,
                settings.color_tolerance,
                counts,
            )
    return counts


def _ask_memory(k: int, views: Views, known: Projection, settings: MotionSettings, counts: I32) -> None:
    """The memory is a view from the same place. That it knows something farther behind the pixel only hints at motion.

    A still thing may stand before what was seen from elsewhere, so this counts as a difference.
    """
    depth_m = views.depth_m[k]
    nearest_m, farthest_m = (bound[0] for bound in depth_range(known.depth_m[k : k + 1]))
    asked = (depth_m > 0) & (known.depth_m[k] > 0)
    before = asked & (nearest_m > depth_m * (1 + settings.depth_tolerance))
    there = asked & ~before & (farthest_m >= depth_m * (1 - settings.depth_tolerance))
    color = views.rgb[k].astype(np.float64)
    gain = _gain(color[there], known.rgb[k][there])
    darkest, brightest = (gain * bound[0] for bound in color_range(known.rgb[k : k + 1]))
    off = np.maximum(darkest - color, color - brightest).max(axis=-1) > settings.color_tolerance
    counts[..., DIFFERS] += before | (there & off)
    counts[..., SUPPORTS] += there & ~off


def exposure(k: int, v: int, views: Views, settings: MotionSettings) -> F64:
    """[3] by what the colours of view `v` are to be multiplied to look like keyframe `k`."""
    height, width = views.depth_m.shape[1:]
    row, column = np.mgrid[0 : height : settings.sample_px, 0 : width : settings.sample_px]
    z = views.depth_m[k][row, column].astype(np.float64)
    fx, fy, cx, cy = views.lens
    at = np.stack([(column + 0.5 - cx) / fx * z, (row + 0.5 - cy) / fy * z, z], axis=-1)[z > 0]
    pose = np.linalg.inv(views.world_from_camera[v]) @ views.world_from_camera[k]
    x, y, depth = (at @ pose[:3, :3].T + pose[:3, 3]).T
    ahead = np.where(depth > 0, depth, 1.0)
    u, w = np.floor(fx * x / ahead + cx), np.floor(fy * y / ahead + cy)
    inside = (depth > 0) & (u >= 0) & (u < width) & (w >= 0) & (w < height)
    place = w[inside].astype(np.intp), u[inside].astype(np.intp)
    same = np.abs(views.depth_m[v][place] - depth[inside]) <= settings.depth_tolerance * depth[inside]
    return _gain(views.rgb[k][row, column][z > 0][inside][same], views.rgb[v][place][same])


def _gain(shown: AnyArray, seen: AnyArray) -> F64:
    """[3] the middle of the ratios between colours [N, 3] of the same places; 1 where too few are known."""
    lit = (shown >= DARK).all(axis=-1) & (seen >= DARK).all(axis=-1)
    if lit.sum() < FEW:
        return np.ones(3)
    return np.asarray(np.median(shown[lit].astype(np.float64) / seen[lit], axis=0))


@njit(cache=True, nogil=True)
def _ask(
    depth_m: F32,
    rgb: U8,
    view_from_keyframe: F64,
    lens: F64,
    nearest_m: F32,
    farthest_m: F32,
    darkest: U8,
    brightest: U8,
    gain: F64,
    mute: Bool,
    depth_tolerance: float,
    color_tolerance: float,
    counts: I32,
) -> None:
    height, width = depth_m.shape
    pose = view_from_keyframe
    for y in range(height):
        ray_y = (y + 0.5 - lens[3]) / lens[1]
        for x in range(width):
            z = float(depth_m[y, x])
            if z <= 0.0:
                continue
            ray_x = (x + 0.5 - lens[2]) / lens[0]
            in_view_z = z * (pose[2, 0] * ray_x + pose[2, 1] * ray_y + pose[2, 2]) + pose[2, 3]
            if in_view_z <= 0.0:
                continue
            in_view_x = z * (pose[0, 0] * ray_x + pose[0, 1] * ray_y + pose[0, 2]) + pose[0, 3]
            in_view_y = z * (pose[1, 0] * ray_x + pose[1, 1] * ray_y + pose[1, 2]) + pose[1, 3]
            u = lens[0] * in_view_x / in_view_z + lens[2]
            v = lens[1] * in_view_y / in_view_z + lens[3]
            if not (0.0 <= u < width and 0.0 <= v < height):
                continue
            column, row = int(u), int(v)
            if mute[row, column]:
                continue
            near = float(nearest_m[row, column])
            if near > in_view_z * (1.0 + depth_tolerance):
                counts[y, x, SEEN_THROUGH] += 1
                continue
            if near > 0.0 and float(farthest_m[row, column]) < in_view_z * (1.0 - depth_tolerance):
                continue
            differs = False
            for c in range(3):
                shown = float(rgb[y, x, c])
                low, high = gain[c] * darkest[row, column, c], gain[c] * brightest[row, column, c]
                differs |= low - shown > color_tolerance or shown - high > color_tolerance
            if differs:
                counts[y, x, DIFFERS] += 1
            elif near > 0.0:
                counts[y, x, SUPPORTS] += 1


def decided(counts: I32, settings: MotionSettings) -> Bool:
    """[H, W] True where enough of the votes [H, W, 3] are for motion."""
    through, differs, supports = (counts[..., vote] for vote in (SEEN_THROUGH, DIFFERS, SUPPORTS))
    gone = (through >= settings.seen_through) & (through >= settings.through_share * (through + supports))
    against = through + differs
    other = (against >= settings.differs) & (against >= settings.differs_share * (against + supports))
    return np.asarray(gone | other)


def cleaned(mask: Bool, settings: MotionSettings) -> Bool:
    """[H, W] without specks, its small holes filled."""
    return ~without_small(~without_small(mask, settings.speck_px), settings.hole_px)


@njit(cache=True, nogil=True)
def without_small(mask: Bool, least_px: int) -> Bool:
    """[H, W] the patches, joined along rows and columns, of at least so many pixels."""
    height, width = mask.shape
    kept = mask.copy()
    seen = np.zeros(mask.shape, dtype=np.bool_)
    patch = np.empty((height * width, 2), dtype=np.int32)
    for y in range(height):
        for x in range(width):
            if not mask[y, x] or seen[y, x]:
                continue
            seen[y, x] = True
            patch[0, 0], patch[0, 1] = y, x
            count, at = 1, 0
            while at < count:
                for side in range(4):
                    v = patch[at, 0] + (side == 1) - (side == 0)
                    u = patch[at, 1] + (side == 3) - (side == 2)
                    if 0 <= v < height and 0 <= u < width and mask[v, u] and not seen[v, u]:
                        seen[v, u] = True
                        patch[count, 0], patch[count, 1] = v, u
                        count += 1
                at += 1
            if count < least_px:
                for i in range(count):
                    kept[patch[i, 0], patch[i, 1]] = False
    return kept
