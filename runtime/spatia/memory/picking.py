"""Which points of a cloud are meant: by a ray, a region, a name, or as the surface connected to one. Any thread.

Everything reads a `CloudSnapshot` and costs time in proportion to the pages in reach. `picking_reference` says the same
in plain numpy.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from spatia.memory.page_scan import rows_in_box, rows_where
from spatia.memory.voxel_grid import COORDINATE_OFFSET, I64, key_coordinate, packed, voxel_corners_m, voxel_keys
from spatia.records.arrays import F32, F64, I32, U32
from spatia.records.cloud import (
    BLUE,
    CLIP,
    LABEL,
    PAGE_POINTS,
    RED_GREEN,
    WEIGHT,
    CloudSnapshot,
    X,
    Y,
    Z,
    unpack_colors,
)
from spatia.records.edits import MAX_VOXELS, Box, OfClip, OfLabel, OfVoxels, Selection, Sphere, Vec3

LINK_VOXELS = 2  # points so many voxels apart are connected: one empty voxel between two sightings is no edge


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """The point that a ray met."""

    row: int
    position_in_world: Vec3
    distance_m: float  # along the ray
    label: int
    clip: int


def pick(snapshot: CloudSnapshot, origin: npt.ArrayLike, direction: npt.ArrayLike, *, radius_m: float) -> Picked | None:
    """The first living point along a ray, of those within `radius_m` of it; the lowest row of several as near.

    Take about a voxel for the radius: less falls through a surface. Raises `ValueError` for a ray that leads nowhere.
    """
    start, ahead = ray(origin, direction)
    entry_m = _entries(snapshot.bounds_in_world_m, start, ahead, margin_m=radius_m)
    nearest_first = np.argsort(entry_m, kind="stable")[: int(np.isfinite(entry_m).sum())]
    floats = snapshot.arena.view(np.float32)
    row, distance_m = _first_along(
        floats, snapshot.pages, nearest_first, entry_m, snapshot.row_count, start, ahead, radius_m
    )
    if row < 0:
        return None
    page, slot = snapshot.pages[row // PAGE_POINTS], row % PAGE_POINTS
    x, y, z = floats[page, X : Z + 1, slot].tolist()
    ints = snapshot.arena[page, :, slot].view(np.int32)
    return Picked(
        row=row, position_in_world=(x, y, z), distance_m=distance_m, label=int(ints[LABEL]), clip=int(ints[CLIP])
    )


def in_box(snapshot: CloudSnapshot, low_m: npt.ArrayLike, high_m: npt.ArrayLike) -> I32:
    """Rows of the living points in a box, both corners included, ascending."""
    low, high = np.asarray(low_m, np.float64), np.asarray(high_m, np.float64)
    bounds = snapshot.bounds_in_world_m
    touched = np.flatnonzero((bounds[:, 0] <= high).all(axis=1) & (bounds[:, 1] >= low).all(axis=1))
    return np.asarray(
        rows_in_box(snapshot.arena.view(np.float32), snapshot.pages, touched, snapshot.row_count, low, high)
    )


def brush(snapshot: CloudSnapshot, center: npt.ArrayLike, radius_m: float) -> I32:
    """Rows of the living points within a ball, ascending."""
    middle = np.asarray(center, np.float64)
    rows = in_box(snapshot, middle - radius_m, middle + radius_m)
    offset = positions_of(snapshot, rows).astype(np.float64) - middle
    inside: I32 = rows[(offset**2).sum(axis=1) <= radius_m**2]
    return inside


def of_label(snapshot: CloudSnapshot, label: int) -> I32:
    """Rows of the living points of one object, ascending."""
    return _where(snapshot, LABEL, label)


def select(snapshot: CloudSnapshot, where: Selection) -> I32:
    """Rows of the living points that a selection means, ascending."""
    match where:
        case Box():
            return in_box(snapshot, where.low_m, where.high_m)
        case Sphere():
            return brush(snapshot, where.center_m, where.radius_m)
        case OfLabel():
            return of_label(snapshot, where.label)
        case OfClip():
            return _where(snapshot, CLIP, where.clip)
        case OfVoxels():
            keys = np.array(where.keys, np.int64)
            low, high = voxel_corners_m(keys, where.voxel_m)
            rows = in_box(snapshot, low - where.voxel_m, high + where.voxel_m)
            inside: I32 = rows[np.isin(voxel_keys(positions_of(snapshot, rows), where.voxel_m), keys)]
            return inside


def grow(
    snapshot: CloudSnapshot, row: int, *, reach_m: float, max_points: int, color_tolerance: float | None = None
) -> I32:
    """Rows of the surface that is connected to a living point, ascending.

    Goes from voxel to voxel, breadth first, over points within `reach_m` of the first one, and stops at `max_points`.
    With a tolerance, only colours at most so far from that of the first point count, by their distance in sRGB 0..255.
    Raises `ValueError` for a row that is no living point.
    """
    if max_points < 1:
        raise ValueError(f"max_points must be at least 1; got {max_points}")
    if not (0 <= row < snapshot.row_count and snapshot.arena[_at(snapshot, WEIGHT, row)].view(np.float32) > 0):
        raise ValueError(f"row {row} holds no living point")
    seed = np.array([row], np.int32)
    rows = brush(snapshot, positions_of(snapshot, seed)[0], reach_m)
    if color_tolerance is not None:
        offset = colors_of(snapshot, rows).astype(np.float64) - colors_of(snapshot, seed)
        rows = rows[(offset**2).sum(axis=1) <= color_tolerance**2]
    keys = voxel_keys(positions_of(snapshot, rows), snapshot.voxel_m)
    order = np.argsort(keys, kind="stable")
    first = int(np.flatnonzero(rows[order] == row)[0])
    grown: I32 = rows[order[_connected(keys[order], first, max_points)]]
    return np.sort(grown)


def voxels_of(snapshot: CloudSnapshot, rows: I32) -> OfVoxels:
    """Some rows as a selection for edits: their voxels, doubled in size until there are few enough to be kept.

    Voxels of the cloud's own size hold no other point than these. Raises `ValueError` for no rows.
    """
    if not len(rows):
        raise ValueError("a selection needs at least one row")
    positions, voxel_m = positions_of(snapshot, rows), snapshot.voxel_m
    while len(keys := np.unique(voxel_keys(positions, voxel_m))) > MAX_VOXELS:
        voxel_m *= 2
    return OfVoxels(voxel_m=voxel_m, keys=tuple(keys.tolist()))


def positions_of(snapshot: CloudSnapshot, rows: I32) -> F32:
    """[K, 3] of some rows; a copy."""
    return np.stack([snapshot.arena[_at(snapshot, axis, rows)].view(np.float32) for axis in (X, Y, Z)], axis=-1)


def colors_of(snapshot: CloudSnapshot, rows: I32) -> F32:
    """[K, 3] of some rows, in 0..255 with fractions."""
    words: tuple[U32, U32] = (
        snapshot.arena[_at(snapshot, RED_GREEN, rows)],
        snapshot.arena[_at(snapshot, BLUE, rows)],
    )
    return unpack_colors(*words)


def ray(origin: npt.ArrayLike, direction: npt.ArrayLike) -> tuple[F64, F64]:
    """A ray as double precision, its direction of length 1. Raises `ValueError` for one that leads nowhere."""
    start, ahead = np.asarray(origin, np.float64), np.asarray(direction, np.float64)
    length = float(np.linalg.norm(ahead))
    if not (np.isfinite(start).all() and np.isfinite(length) and length > 0):
        raise ValueError(f"a ray needs a finite origin and direction; got {start} and {ahead}")
    return start, ahead / length


def _where(snapshot: CloudSnapshot, field: int, value: int) -> I32:
    floats, ints = snapshot.arena.view(np.float32), snapshot.arena.view(np.int32)
    return np.asarray(rows_where(floats, ints, snapshot.pages, snapshot.row_count, field, value))


def _at(snapshot: CloudSnapshot, field: int, rows: I32 | int) -> tuple[I32, int, I32 | int]:
    """Where a field of some rows stands in the arena."""
    return snapshot.pages[rows // PAGE_POINTS], field, rows % PAGE_POINTS


def _entries(bounds_m: F32, start: F64, ahead: F64, *, margin_m: float) -> F64:
    """[P] how far along the ray each page begins (0 for one around its origin); infinite for one that it misses."""
    low, high = bounds_m[:, 0] - start - margin_m, bounds_m[:, 1] - start + margin_m
    with np.errstate(divide="ignore", invalid="ignore"):
        one, other = low / ahead, high / ahead
    # Along an axis that the ray does not move on, a page is met always or never.
    still = ahead == 0
    inside = (low <= 0) & (high >= 0)
    near = np.where(still, np.where(inside, -np.inf, np.inf), np.minimum(one, other)).max(axis=1)
    far = np.where(still, np.where(inside, np.inf, -np.inf), np.maximum(one, other)).min(axis=1)
    return np.where((near <= far) & (far >= 0), np.maximum(near, 0.0), np.inf)


@njit(cache=True, nogil=True)
def _first_along(
    floats: F32,
    table: I32,
    pages: npt.NDArray[np.intp],  # nearest first
    entry_m: F64,
    row_count: int,
    start: F64,
    ahead: F64,
    radius_m: float,
) -> tuple[int, float]:
    """The row and its distance along the ray; -1 where there is none."""
    best_row, best_m = -1, np.inf
    for logical in pages:
        if entry_m[logical] > best_m:
            break
        page = floats[table[logical]]
        for slot in range(min(PAGE_POINTS, row_count - logical * PAGE_POINTS)):
            if not page[WEIGHT, slot] > 0.0:
                continue
            x, y, z = page[X, slot] - start[0], page[Y, slot] - start[1], page[Z, slot] - start[2]
            along_m = x * ahead[0] + y * ahead[1] + z * ahead[2]
            if not 0.0 <= along_m <= best_m:
                continue
            x, y, z = x - along_m * ahead[0], y - along_m * ahead[1], z - along_m * ahead[2]
            row = logical * PAGE_POINTS + slot
            if x * x + y * y + z * z <= radius_m * radius_m and (along_m < best_m or row < best_row):
                best_row, best_m = row, along_m
    return best_row, best_m


@njit(cache=True, nogil=True)
def _connected(keys: I64, first: int, max_points: int) -> I32:
    """Positions in the ascending `keys` that a flood from `first` reaches, in the order in which it does.

    The last coordinate has the lowest bits of a key, so a line of neighbours along it is one stretch of `keys`.
    """
    reached = np.zeros(len(keys), np.bool_)
    queue = np.empty(min(len(keys), max_points), np.int32)
    queue[0], count, at = first, 1, 0
    reached[first] = True
    while at < count and count < len(queue):
        key = keys[queue[at]]
        at += 1
        x, y, z = key_coordinate(key, 0), key_coordinate(key, 1), key_coordinate(key, 2)
        low_z, high_z = max(z - LINK_VOXELS, -COORDINATE_OFFSET), min(z + LINK_VOXELS, COORDINATE_OFFSET - 1)
        for near_x in range(max(x - LINK_VOXELS, -COORDINATE_OFFSET), min(x + LINK_VOXELS, COORDINATE_OFFSET - 1) + 1):
            for near_y in range(
                max(y - LINK_VOXELS, -COORDINATE_OFFSET), min(y + LINK_VOXELS, COORDINATE_OFFSET - 1) + 1
            ):
                last = packed(near_x, near_y, high_z)
                i = np.searchsorted(keys, packed(near_x, near_y, low_z))
                while i < len(keys) and keys[i] <= last and count < len(queue):
                    if not reached[i]:
                        reached[i] = True
                        queue[count] = i
                        count += 1
                    i += 1
    return queue[:count]
