"""The static point cloud: one point a voxel, merged as sightings come, edited by commands, read through snapshots.

`PointMemory` is the only writer and belongs to one thread at a time. Readers on any get a `CloudSnapshot`, which
never changes under them. A row keeps its voxel for good: the stored position always lies in it, a removed point stays
as a tombstone, and so rows alone are enough to rebuild everything else.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from spatia.errors import MemoryFullError, SceneError, StoreError
from spatia.memory import edits, picking
from spatia.memory.edits import EditResult, History, Patch
from spatia.memory.fusion import assign_rows, fuse, widen_bounds
from spatia.memory.page_arena import PageArena
from spatia.memory.page_scan import keys_of_rows
from spatia.memory.primitives import primitive_points
from spatia.memory.votes import NO_TALLY, Tally, tally
from spatia.memory.voxel_grid import VoxelGroups, group_by_voxel
from spatia.memory.voxel_index import VoxelIndex
from spatia.records.arrays import F32, I32, U32, Bool
from spatia.records.cloud import (
    BLUE,
    CLIP,
    FIELDS,
    PAGE_POINTS,
    PLACED,
    VIEWS_SHIFT,
    WEIGHT,
    CloudSnapshot,
    Points,
    SightVotes,
)
from spatia.records.edits import (
    AddCloud,
    AddPrimitive,
    Edit,
    Move,
    Recolor,
    Redo,
    Remove,
    Selection,
    Undo,
    Vec3,
)

SMALLEST_VOXEL_M = 0.001
LARGEST_VOXEL_M = 1.0
DEFAULT_MAX_POINTS = 1 << 25

NO_ROWS: I32 = np.empty(0, np.int32)


@dataclass(frozen=True, slots=True, kw_only=True)
class InsertResult:
    """What became of a batch. The first three counts are of voxels, the others of points."""

    version: int
    new_count: int  # voxels never seen before
    merged_count: int  # voxels that held a point
    revived_count: int  # voxels whose point had been removed
    dropped_unusable: int  # not finite, or without a positive weight
    dropped_outside: int  # beyond 2^20 voxels from the origin
    retired_count: int  # points that votes took away, before the batch came; some of it may be in their place


class _Frozen(NamedTuple):
    """What snapshots of one version share."""

    table: I32
    bounds_m: F32


class PointMemory:
    """The cloud and its index, history and version. See the module for who may call it."""

    def __init__(self, *, voxel_m: float = 0.01, max_points: int = DEFAULT_MAX_POINTS) -> None:
        """`max_points` rows at most, tombstones included; address space for twice as many is reserved, not used.

        Raises `SceneError` for a voxel outside 0.001..1 m or a bound below one point or above 2^31 - 1.
        """
        if not SMALLEST_VOXEL_M <= voxel_m <= LARGEST_VOXEL_M:
            raise SceneError(
                f"voxel_m must be in {SMALLEST_VOXEL_M}..{LARGEST_VOXEL_M:g} metres; got {voxel_m}",
                where="memory.rgb.voxel_m",
                fix="0.01 suits rooms; 0.05 to 0.07 suits streets",
            )
        if not 1 <= max_points < 2**31:
            raise SceneError(
                f"max_points must be in 1..{2**31 - 1}; got {max_points}",
                where="memory.rgb.max_points",
                fix=f"{DEFAULT_MAX_POINTS} holds a large flat in 1 cm voxels",
            )
        self.voxel_m = float(voxel_m)
        self.max_points = max_points
        self._arena = PageArena(max_pages=-(-max_points // PAGE_POINTS))
        self._index = VoxelIndex()
        self._history = History()
        self._row_count = 0
        self._alive_count = 0
        self._version = 0
        self._frozen: _Frozen | None = None

    @property
    def version(self) -> int:
        """Goes up by one with every change."""
        return self._version

    @property
    def row_count(self) -> int:
        return self._row_count

    @property
    def alive_count(self) -> int:
        return self._alive_count

    @property
    def history(self) -> History:
        """What can be undone and redone; part of a saved world."""
        return self._history

    # -- points ---------------------------------------------------------------------------------------------------

    def insert(self, points: Points, *, votes: SightVotes | None = None) -> InsertResult:
        """Count votes, retire what has been looked through, then merge points into the voxels they fall in.

        The voxels never seen before are appended in Morton order. A row is a place, and votes are about places: they
        hold, whatever edits have done since they were cast. See `spatia.memory.votes` for what is retired.

        Costs time in proportion to the batch and the votes alone. Raises `MemoryFullError`, with nothing changed, when
        the batch does not fit.
        """
        outcome = NO_TALLY if votes is None else self._tally(votes)
        return self._exchange(outcome.retired, points, counted=outcome)[0]

    def rebuild(self, points: Points) -> InsertResult:
        """Forget what the clips of these points, and no others, were the first to see; then merge the points.

        What was put in by hand stays, and what was taken out by hand comes back where the points show it. Costs time
        in proportion to the whole cloud. Raises `MemoryFullError` as `insert` does.
        """
        snapshot = self.snapshot()
        seen = np.isin(snapshot.field_i32(CLIP), np.unique(points.clips))
        forgotten = snapshot.alive() & seen & (snapshot.views() != PLACED)
        return self._exchange(np.flatnonzero(forgotten).astype(np.int32), points)[0]

    def query_box(self, low_m: Vec3, high_m: Vec3) -> I32:
        """Rows of the living points in a box, both corners included, ascending."""
        return picking.in_box(self.snapshot(), low_m, high_m)

    def select(self, where: Selection) -> I32:
        """Rows of the living points that a selection means, ascending."""
        return picking.select(self.snapshot(), where)

    def points_at(self, rows: I32) -> Points:
        """The points in these rows, tombstones too."""
        return edits.points_of(self._words_at(rows))

    def snapshot(self) -> CloudSnapshot:
        """The cloud as it is now, for any thread and any length of time. Costs a copy of the page table."""
        if self._frozen is None:
            pages = self._arena.page_count
            self._frozen = _Frozen(self._arena.table[:pages].copy(), self._arena.bounds_m[:pages].copy())
            for array in self._frozen:
                array.flags.writeable = False
        return CloudSnapshot(
            version=self._version,
            voxel_m=self.voxel_m,
            row_count=self._row_count,
            alive_count=self._alive_count,
            arena=self._arena.readable,
            pages=self._frozen.table,
            bounds_in_world_m=self._frozen.bounds_m,
            lease=self._arena.lease(self._version),
        )

    # -- edits ----------------------------------------------------------------------------------------------------

    def pivot_of(self, edit: Move) -> Vec3 | None:
        """What a move turns about: the centroid of what it selects; None where that is nothing."""
        edits.check(edit)
        positions = self.points_at(self.select(edit.where)).positions_in_world.astype(np.float64)
        if not len(positions):
            return None
        x, y, z = positions.mean(axis=0).tolist()
        return x, y, z

    def apply(self, edit: Edit, *, cloud: Points | None = None) -> EditResult:
        """Do an edit, or take one back. `cloud` is the content of the file that `AddCloud` names, not yet placed.

        Points enter as any sighting does and merge with what is there. Raises `SceneError` for an edit that makes no
        sense, `NothingToUndoError`, and `MemoryFullError`; the memory is then unchanged.
        """
        edits.check(edit)
        match edit:
            case Undo():
                patch, history = self._history.undone()
                return self._replay(edit, patch, patch.before_words, history)
            case Redo():
                patch, history = self._history.redone()
                return self._replay(edit, patch, patch.after_words, history)
            case Remove():
                rows = self.select(edit.where)
                return self._edit(edit, rows, edits.NO_POINTS, touched_count=len(rows))
            case Move():
                rows = self.select(edit.where)
                return self._edit(edit, rows, edits.moved(self.points_at(rows), edit), touched_count=len(rows))
            case AddPrimitive():
                return self._edit(edit, NO_ROWS, primitive_points(edit, voxel_m=self.voxel_m))
            case AddCloud():
                if cloud is None:
                    raise ValueError("AddCloud needs the points of its file: pass cloud=")
                return self._edit(edit, NO_ROWS, edits.placed(cloud, edit))
            case Recolor():
                rows = self.select(edit.where)
                before = self._words_at(rows)
                patch = Patch(rows=rows, before_words=before, after_words=edits.recolored(before, edit))
                return self._replay(edit, patch, patch.after_words, self._history.with_edit(patch))

    def _edit(self, edit: Edit, removed: I32, added: Points, *, touched_count: int | None = None) -> EditResult:
        """Removal and insertion as one change with one patch. Without a count, the voxels that were added to count."""
        before = self.snapshot()  # copy-on-write keeps the old words for the patch
        result, entered = self._exchange(removed, added)
        self._arena.words[self._physical(entered), BLUE, entered % PAGE_POINTS] |= np.uint32(PLACED << VIEWS_SHIFT)
        rows = np.union1d(removed, entered).astype(np.int32)
        after_words = self._words_at(rows)
        before_words = after_words.copy()
        before_words[:, WEIGHT] = 0  # rows that did not exist are tombstones once undone
        old = rows < before.row_count
        before_words[old] = before.arena[before.pages[rows[old] // PAGE_POINTS], :, rows[old] % PAGE_POINTS]
        patch = Patch(rows=rows, before_words=before_words, after_words=after_words)
        self._history = self._history.with_edit(patch)
        return EditResult(
            edit=edit,
            version=self._version,
            touched_count=len(entered) if touched_count is None else touched_count,
            dropped_count=result.dropped_unusable + result.dropped_outside,
            patch=patch,
        )

    def _replay(self, edit: Edit, patch: Patch, words: U32, history: History) -> EditResult:
        """Write whole rows."""
        if len(patch.rows):
            self._begin(self._pages_of(patch.rows), 0)
            weights = self._words_at(patch.rows)[:, WEIGHT]
            self._alive_count += int((words[:, WEIGHT] != 0).sum()) - int((weights != 0).sum())
            self._arena.words[self._physical(patch.rows), :, patch.rows % PAGE_POINTS] = words
        self._history = history
        return EditResult(edit=edit, version=self._version, touched_count=len(patch.rows), dropped_count=0, patch=patch)

    # -- saving ---------------------------------------------------------------------------------------------------

    def pages_changed_since(self, version: int) -> I32:
        """Logical pages with a row that changed after `version`, ascending."""
        return np.flatnonzero(self._arena.changed[: self._arena.page_count] > version).astype(np.int32)

    def page_words(self, logical: int) -> U32:
        """[FIELDS, PAGE_POINTS] the words of one page, read-only; valid until the next change."""
        if not 0 <= logical < self._arena.page_count:
            raise ValueError(f"logical must be in 0..{self._arena.page_count - 1}; got {logical}")
        words: U32 = self._arena.readable[self._arena.table[logical]]
        return words

    @classmethod
    def restore(
        cls,
        *,
        voxel_m: float,
        max_points: int,
        row_count: int,
        version: int,
        pages: Iterable[U32],  # P arrays [FIELDS, PAGE_POINTS]
        history: History | None = None,
    ) -> "PointMemory":
        """The memory whose pages these were: from here on it does byte for byte what that one would have done.

        Raises `StoreError` for pages that no memory of this voxel size can have written.
        """
        memory = cls(voxel_m=voxel_m, max_points=max_points)
        page_count = -(-row_count // PAGE_POINTS)
        if not 0 <= row_count <= max_points:
            raise _damaged(f"{row_count} rows do not fit into max_points = {max_points}")
        memory._arena.begin(np.empty(0, np.intp), appended=page_count, version=version)
        given = 0
        for words in pages:
            if given == page_count or words.shape != (FIELDS, PAGE_POINTS) or words.dtype != np.uint32:
                raise _damaged(f"page {given} of {page_count} is {words.dtype.name} {words.shape}")
            memory._arena.words[memory._arena.table[given]] = words
            given += 1
        if given != page_count:
            raise _damaged(f"{row_count} rows need {page_count} pages; got {given}")

        rows = np.arange(row_count, dtype=np.int32)
        keys, alive_count = keys_of_rows(memory._arena.floats, memory._arena.table, row_count, memory.voxel_m)
        if (keys < 0).any():
            raise _damaged(f"row {int(np.argmax(keys < 0))} has no voxel of {voxel_m} m")
        memory._index = VoxelIndex(expected=row_count)
        memory._index.add(keys, rows)
        if not np.array_equal(memory._index.find(keys), rows):
            raise _damaged("two rows share a voxel")
        widen_bounds(memory._arena.bounds_m, 0, keys, memory.voxel_m)
        memory._row_count, memory._alive_count, memory._version = row_count, alive_count, version
        memory._history = history or History()
        if any(len(patch.rows) and patch.rows.max() >= row_count for patch in memory._history.patches()):
            raise _damaged("the history speaks of rows that do not exist")
        return memory

    # -- the one way to change ------------------------------------------------------------------------------------

    def _exchange(self, removed: I32, points: Points, *, counted: Tally = NO_TALLY) -> tuple[InsertResult, I32]:
        """Write counters, make tombstones of `removed`, then merge `points`: one change.

        Returns also the rows that points entered.
        """
        points = writable(points)
        positions, colors, weights = points.positions_in_world, points.colors, points.weights
        groups = VoxelGroups(*group_by_voxel(positions, colors, weights, self.voxel_m))
        rows = self._index.find(groups.keys)
        arena, first_row = self._arena, self._row_count
        touched = self._pages_of(removed) | self._pages_of(counted.rows)
        new_keys = assign_rows(rows, groups.keys, first_row, touched)
        merged = 0
        if touched.any() or len(new_keys):
            self._begin(touched, len(new_keys))
            arena.words[self._physical(counted.rows), BLUE, counted.rows % PAGE_POINTS] = counted.blue
            arena.words[self._physical(removed), WEIGHT, removed % PAGE_POINTS] = 0
            pages = (arena.words, arena.floats, arena.ints, arena.table)
            targets = (groups.order, groups.starts, groups.keys, rows)
            merged = fuse(*pages, *targets, positions, colors, weights, points.clips, points.labels, self.voxel_m)
            self._index.add(new_keys, np.arange(first_row, first_row + len(new_keys), dtype=np.int32))
            widen_bounds(arena.bounds_m, first_row, new_keys, self.voxel_m)
            self._row_count += len(new_keys)
            self._alive_count += len(rows) - merged - len(removed)
        result = InsertResult(
            version=self._version,
            new_count=len(new_keys),
            merged_count=merged,
            revived_count=len(rows) - merged - len(new_keys),
            dropped_unusable=groups.unusable_count,
            dropped_outside=groups.outside_count,
            retired_count=len(counted.retired),
        )
        return result, rows

    def _tally(self, votes: SightVotes) -> Tally:
        if len(votes) and not 0 <= int(votes.rows[0]) <= int(votes.rows[-1]) < self._row_count:
            raise ValueError(f"votes.rows must be in 0..{self._row_count - 1}; got {votes.rows[0]}..{votes.rows[-1]}")
        return Tally(*tally(self._arena.words, self._arena.table, votes.rows, votes.views, votes.seen_through))

    def _begin(self, touched: Bool, new_count: int) -> None:
        """Start the next version: the touched pages may be written, and there is room for new rows."""
        end = self._row_count + new_count
        if end > self.max_points:
            raise MemoryFullError(
                f"{new_count} new points do not fit: {self._row_count} of {self.max_points} rows are in use",
                where="memory.rgb.max_points",
                fix="raise max_points, or use a larger voxel_m",
            )
        if new_count and self._row_count % PAGE_POINTS:
            touched[-1] = True
        appended = -(-end // PAGE_POINTS) - self._arena.page_count
        self._arena.begin(np.flatnonzero(touched), appended=appended, version=self._version + 1)
        self._version += 1
        self._frozen = None

    def _pages_of(self, rows: I32) -> Bool:
        """[pages] True for the logical pages that hold these rows."""
        touched = np.zeros(self._arena.page_count, np.bool_)
        touched[rows // PAGE_POINTS] = True
        return touched

    def _physical(self, rows: I32) -> I32:
        return self._arena.table[rows // PAGE_POINTS]

    def _words_at(self, rows: I32) -> U32:
        """[K, FIELDS]; a copy."""
        return np.asarray(self._arena.words[self._physical(rows), :, rows % PAGE_POINTS])


def writable(points: Points) -> Points:
    """The same points in the one memory layout that the kernels are compiled for; copies only what has another."""
    return Points(
        positions_in_world=np.require(points.positions_in_world, requirements=["C", "W"]),
        colors=np.require(points.colors, requirements=["C", "W"]),
        weights=np.require(points.weights, requirements=["C", "W"]),
        clips=np.require(points.clips, requirements=["C", "W"]),
        labels=np.require(points.labels, requirements=["C", "W"]),
    )


def _damaged(problem: str) -> StoreError:
    return StoreError(f"the point pages are damaged: {problem}", where="memory", fix="run `spatia world fsck`")
