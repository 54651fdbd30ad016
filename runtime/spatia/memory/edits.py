"""Edits as changes of rows: what each does to points, and the history that takes them back.

Pure functions; `PointMemory.apply` calls them. A `Patch` holds whole rows before and after, so that undo and redo know
nothing about kinds of edits. Undoing puts the touched rows back as they were when the edit was made: what later
sightings added to those very voxels goes with it.
"""

import math
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from spatia.errors import SceneError, SpatiaError, unknown_name
from spatia.geom.pose import rotation_from_quaternion
from spatia.records.arrays import F32, I32, U32
from spatia.records.cloud import (
    BLUE,
    CLIP,
    EDIT_CLIP,
    LABEL,
    RED_GREEN,
    WEIGHT,
    Points,
    X,
    Z,
    pack_colors,
    unpack_colors,
)
from spatia.records.edits import (
    MAX_VOXELS,
    AddCloud,
    AddPrimitive,
    Box,
    Edit,
    Move,
    OfVoxels,
    Recolor,
    Redo,
    Remove,
    Selection,
    Sphere,
    Undo,
)

HISTORY_EDITS = 64
HISTORY_ROWS = 1 << 23  # over all patches; 512 MiB

SHAPES = ("box", "cylinder", "sphere")

NO_POINTS = Points.of(np.empty((0, 3)), (0, 0, 0))


class NothingToUndoError(SpatiaError):
    """Undo or redo was asked for more often than there is history."""

    code = "E601"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Patch:
    """Rows as an edit found and left them."""

    rows: I32  # [K] ascending
    before_words: U32  # [K, words a point]; a row that the edit appended is a tombstone before
    after_words: U32  # [K, words a point]

    def __post_init__(self) -> None:
        for name, array in (("before_words", self.before_words), ("after_words", self.after_words)):
            if array.shape != (len(self.rows), self.before_words.shape[-1]):
                raise ValueError(f"{name} must hold {len(self.rows)} rows of one length; got {array.shape}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EditResult:
    """What an edit did. A selection that met nothing is a result with `touched_count` 0, not an error."""

    edit: Edit
    version: int
    touched_count: int  # points selected, voxels added to, or rows put back
    dropped_count: int  # points that could not be placed: not finite, or too far out
    patch: Patch


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class History:
    """Edits that can be taken back and done again, oldest first. A new edit ends what could be redone."""

    done: tuple[Patch, ...] = field(default=())
    taken_back: tuple[Patch, ...] = field(default=())

    def with_edit(self, patch: Patch) -> "History":
        """Forgets the oldest edits beyond `HISTORY_EDITS` and `HISTORY_ROWS`, but never this one."""
        done = (*self.done, patch)[-HISTORY_EDITS:]
        while len(done) > 1 and sum(len(kept.rows) for kept in done) > HISTORY_ROWS:
            done = done[1:]
        return History(done=done)

    def undone(self) -> tuple[Patch, "History"]:
        if not self.done:
            raise NothingToUndoError(
                "there is no edit to undo", where="undo", fix=f"the last {HISTORY_EDITS} edits are kept, no more"
            )
        patch = self.done[-1]
        return patch, History(done=self.done[:-1], taken_back=(*self.taken_back, patch))

    def redone(self) -> tuple[Patch, "History"]:
        if not self.taken_back:
            raise NothingToUndoError(
                "there is no undone edit to redo", where="redo", fix="redo follows undo, with no other edit between"
            )
        patch = self.taken_back[-1]
        return patch, History(done=(*self.done, patch), taken_back=self.taken_back[:-1])

    def patches(self) -> tuple[Patch, ...]:
        return self.done + self.taken_back


def check(edit: Edit) -> None:
    """Raises `SceneError` for an edit whose numbers mean nothing."""
    match edit:
        case Remove():
            _check_selection(edit.where)
        case Recolor():
            _check_selection(edit.where)
            _demand(0 <= edit.strength <= 1, "recolor.strength", edit.strength, "0..1")
            _demand(all(0 <= c <= 255 for c in edit.color), "recolor.color", edit.color, "three numbers in 0..255")
        case Move():
            _check_selection(edit.where)
            _check_placement("move", edit.offset_m, edit.rotation_wxyz)
        case AddPrimitive():
            if edit.shape not in SHAPES:
                raise unknown_name("shape", edit.shape, SHAPES, where="add_primitive.shape")
            _demand(_finite(edit.center_m), "add_primitive.center_m", edit.center_m, "three finite numbers")
            sized = _finite(edit.size_m) and min(edit.size_m) > 0
            _demand(sized, "add_primitive.size_m", edit.size_m, "three lengths above 0")
            _demand(abs(edit.label) < 2**31, "add_primitive.label", edit.label, "a 32-bit number")
            _demand(
                all(0 <= c <= 255 for c in edit.color), "add_primitive.color", edit.color, "three numbers in 0..255"
            )
        case AddCloud():
            _check_placement("add_cloud", edit.offset_m, edit.rotation_wxyz)
            _demand(math.isfinite(edit.scale) and edit.scale > 0, "add_cloud.scale", edit.scale, "a number above 0")
            _demand(abs(edit.label) < 2**31, "add_cloud.label", edit.label, "a 32-bit number")
        case Undo() | Redo():
            pass


def points_of(words: U32) -> Points:
    """Rows of words [K, FIELDS] as points."""
    return Points(
        positions_in_world=np.ascontiguousarray(words[:, X : Z + 1]).view(np.float32),
        colors=unpack_colors(words[:, RED_GREEN], words[:, BLUE]),
        weights=np.ascontiguousarray(words[:, WEIGHT]).view(np.float32),
        clips=np.ascontiguousarray(words[:, CLIP]).view(np.int32),
        labels=np.ascontiguousarray(words[:, LABEL]).view(np.int32),
    )


def recolored(words: U32, edit: Recolor) -> U32:
    """Rows [K, FIELDS] blended towards the edit's colour; their counters stay."""
    old = unpack_colors(words[:, RED_GREEN], words[:, BLUE]).astype(np.float64)
    blended = old + edit.strength * (np.asarray(edit.color, np.float64) - old)
    after = words.copy()
    after[:, RED_GREEN], blue = pack_colors(blended)
    after[:, BLUE] = blue | (words[:, BLUE] & 0xFFFF)
    return after


def moved(points: Points, edit: Move) -> Points:
    """Rotated about their centroid, then shifted; weights, clips and labels stay."""
    if not len(points):
        return points
    positions = points.positions_in_world.astype(np.float64)
    centroid = positions.mean(axis=0)
    rotation = rotation_from_quaternion(edit.rotation_wxyz)
    return _at(points, (positions - centroid) @ rotation.T + centroid + np.asarray(edit.offset_m))


def placed(points: Points, edit: AddCloud) -> Points:
    """A file's points, scaled and rotated about their origin, then shifted. They belong to the edit from now on."""
    rotation = rotation_from_quaternion(edit.rotation_wxyz)
    positions = points.positions_in_world.astype(np.float64) * edit.scale
    entered = _at(points, positions @ rotation.T + np.asarray(edit.offset_m))
    return Points.of(
        entered.positions_in_world,
        points.colors,
        weights=points.weights,
        clips=EDIT_CLIP,
        labels=edit.label or points.labels,
    )


def _at(points: Points, positions: np.ndarray) -> Points:
    with np.errstate(over="ignore"):  # too far for a float: not finite, dropped and counted on insertion
        positions_f32: F32 = positions.astype(np.float32)
    return Points(
        positions_in_world=positions_f32,
        colors=points.colors,
        weights=points.weights,
        clips=points.clips,
        labels=points.labels,
    )


def _check_selection(where: Selection) -> None:
    match where:
        case Box():
            _demand(_finite(where.low_m) and _finite(where.high_m), "box", where, "finite corners")
            ordered = all(low <= high for low, high in zip(where.low_m, where.high_m, strict=True))
            _demand(ordered, "box", where, "low_m <= high_m on every axis")
        case Sphere():
            _demand(_finite(where.center_m), "sphere.center_m", where.center_m, "three finite numbers")
            sized = math.isfinite(where.radius_m) and where.radius_m >= 0
            _demand(sized, "sphere.radius_m", where.radius_m, "a length of at least 0")
        case OfVoxels():
            sized = math.isfinite(where.voxel_m) and where.voxel_m > 0
            _demand(sized, "voxels.voxel_m", where.voxel_m, "a length above 0")
            count = len(where.keys)
            _demand(0 < count <= MAX_VOXELS, "voxels.keys", f"{count} keys", f"1 to {MAX_VOXELS} of them")
            ordered = all(low < high for low, high in pairwise((-1, *where.keys, 1 << 63)))
            _demand(ordered, "voxels.keys", "others", "numbers in 0..2^63 - 1, ascending, each once")
        case _:
            pass


def _check_placement(kind: str, offset_m: tuple[float, ...], wxyz: tuple[float, ...]) -> None:
    _demand(_finite(offset_m), f"{kind}.offset_m", offset_m, "three finite numbers")
    turned = _finite(wxyz) and math.hypot(*wxyz) > 1e-6
    _demand(turned, f"{kind}.rotation_wxyz", wxyz, "a quaternion that is not zero")


def _finite(values: tuple[float, ...]) -> bool:
    return all(math.isfinite(value) for value in values)


def _demand(holds: bool, where: str, got: object, wanted: str) -> None:
    if not holds:
        raise SceneError(f"got {got}", where=where, fix=f"give {wanted}")
