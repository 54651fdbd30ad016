"""The latent cloud: one latent a voxel, the newest sighting wins; edited by commands, read through snapshots.

`LatentCloud` is the only writer and belongs to one thread at a time, as `PointMemory` does for colours. Readers on any
thread get a `LatentSnapshot`, which never changes under them. A row keeps its voxel for good and a removed point stays
as a tombstone, so changes, played again in order, make the same cloud byte for byte.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from spatia.errors import InputError, MemoryFullError, SceneError
from spatia.memory import edits
from spatia.memory.cloud import LARGEST_VOXEL_M, SMALLEST_VOXEL_M
from spatia.memory.edits import History, Patch
from spatia.memory.latent_edits import (
    ChangeKind,
    LatentChange,
    LatentEdited,
    LatentInserted,
    clips_of,
    damaged,
    gone,
    inside,
    moved_positions,
    selected,
)
from spatia.memory.latent_pages import read_rows, write_rows
from spatia.memory.page_arena import PageArena
from spatia.memory.voxel_grid import group_by_voxel, voxel_keys
from spatia.memory.voxel_index import VoxelIndex
from spatia.records.arrays import F32, I32, U32
from spatia.records.cloud import Points
from spatia.records.edits import AddCloud, AddPrimitive, Edit, Move, Recolor, Redo, Remove, Selection, Undo, Vec3
from spatia.records.latents import (
    GONE,
    LATENT_PAGE_POINTS,
    U16,
    LatentGrid,
    LatentPoints,
    LatentSnapshot,
)

DEFAULT_MAX_POINTS = 1 << 20  # 117 MB at 48 channels
MAX_CHANNELS = 1024


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Placed:
    """Points and the rows they are to have."""

    rows: I32  # [K] ascending
    words: U32  # [K, words a point]
    dropped_unusable: int
    dropped_outside: int


class LatentCloud:
    """The cloud and its index, history and version. See the module for who may call it."""

    def __init__(self, grid: LatentGrid, *, voxel_m: float, max_points: int = DEFAULT_MAX_POINTS) -> None:
        """`voxel_m` suits the size of a cell where it is mostly seen: 16 px at 2 m are some 3 cm.

        With a grid of `compat="release"`, every point ever given is kept beside all others, as the release does.
        Raises `SceneError` for numbers out of bounds.
        """
        if not (2 <= grid.channels <= MAX_CHANNELS and grid.channels % 2 == 0):
            raise _out_of_bounds("channels", f"an even number in 2..{MAX_CHANNELS}", grid.channels)
        if not SMALLEST_VOXEL_M <= voxel_m <= LARGEST_VOXEL_M:
            raise _out_of_bounds("voxel_m", f"in {SMALLEST_VOXEL_M}..{LARGEST_VOXEL_M:g} metres", voxel_m)
        if not 1 <= max_points < 2**31:
            raise _out_of_bounds("max_points", f"in 1..{2**31 - 1}", max_points)
        self.grid = grid
        self.voxel_m = float(voxel_m)
        self.max_points = max_points
        page_shape = (LATENT_PAGE_POINTS * grid.point_words,)
        self._arena = PageArena(max_pages=-(-max_points // LATENT_PAGE_POINTS), page_shape=page_shape)
        self._halves: U16 = self._arena.words.view(np.uint16)
        self._index = VoxelIndex()  # stays empty where all points are kept
        self._history = History()
        self._fingerprint = ""
        self._row_count = 0
        self._alive_count = 0
        self._version = 0
        self._frozen: tuple[I32, F32] | None = None

    @property
    def _keeps_all(self) -> bool:
        return self.grid.compat == "release"

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
        """What can be undone and redone."""
        return self._history

    @property
    def fingerprint(self) -> str:
        """Of the autoencoder that made the latents; empty before the first."""
        return self._fingerprint

    def check_source(self, *, fingerprint: str) -> None:
        """Raises `InputError` for another autoencoder than the one that made the latents that are here."""
        if self._fingerprint and fingerprint != self._fingerprint:
            raise InputError(
                f"latents of the autoencoder {fingerprint!r}; the world's were made by {self._fingerprint!r}",
                where="latents",
                fix="use the autoencoder that made the world's latents, or begin a new world",
            )

    # -- points ---------------------------------------------------------------------------------------------------

    def insert(self, points: LatentPoints, *, fingerprint: str) -> LatentInserted:
        """Take latents in. Of a batch the first point in each voxel counts, and it replaces what was there.

        `latent_points` gives the nearest to the camera first. Costs time in proportion to the batch alone. Raises
        `InputError` for latents of another autoencoder and `MemoryFullError`; nothing is then changed.
        """
        self.check_source(fingerprint=fingerprint)
        if points.channels != self.grid.channels or points.latents.dtype != self.grid.dtype:
            raise InputError(
                f"latents of {points.channels} channels in {points.latents.dtype}; the world's have "
                f"{self.grid.channels} in {self.grid.dtype}",
                where="latents",
                fix="use the autoencoder that made the world's latents, or begin a new world",
            )
        placed = self._placed(points)
        first_new = self._row_count
        patch = self._write(placed.rows, placed.words)
        if len(patch.rows):
            self._fingerprint = fingerprint
        lived = int((clips_of(patch.before_words) != GONE).sum())
        new_count = self._row_count - first_new
        return LatentInserted(
            version=self._version,
            new_count=new_count,
            replaced_count=lived,
            revived_count=len(patch.rows) - new_count - lived,
            dropped_unusable=placed.dropped_unusable,
            dropped_outside=placed.dropped_outside,
            patch=patch,
            change=self._change("insert", patch),
        )

    def select(self, where: Selection) -> I32:
        """Rows of the living points that a selection means, ascending."""
        cloud = self.snapshot()
        clips = cloud.clips()
        chosen = selected(where, cloud.positions_in_world(), clips, cloud.labels()) & (clips != GONE)
        return np.flatnonzero(chosen).astype(np.int32)

    def snapshot(self) -> LatentSnapshot:
        """The cloud as it is now, for any thread and any length of time. Costs a copy of the page table."""
        if self._frozen is None:
            pages = self._arena.page_count
            self._frozen = self._arena.table[:pages].copy(), self._arena.bounds_m[:pages].copy()
            for array in self._frozen:
                array.flags.writeable = False
        table, bounds_m = self._frozen
        return LatentSnapshot(
            version=self._version,
            grid=self.grid,
            fingerprint=self._fingerprint,
            row_count=self._row_count,
            alive_count=self._alive_count,
            arena=self._arena.readable,
            pages=table,
            bounds_in_world_m=bounds_m,
            lease=self._arena.lease(self._version),
        )

    # -- edits ----------------------------------------------------------------------------------------------------

    def apply(self, edit: Edit, *, cloud: Points | None = None, pivot_m: Vec3 | None = None) -> LatentEdited:
        """Do to the latents what an edit means for them (see `latent_edits`), or take one back.

        `cloud` is the content of the file that `AddCloud` names, not yet placed. `pivot_m` is what a `Move` turns
        about: the centroid of the coloured points, where there are some, so that both clouds stay together. Raises
        `SceneError`, `NothingToUndoError` and `MemoryFullError`; nothing is then changed.
        """
        edits.check(edit)
        match edit:
            case Undo():
                undone, history = self._history.undone()
                return self._applied(edit, "undo", self._write(undone.rows, undone.before_words), history=history)
            case Redo():
                redone, history = self._history.redone()
                return self._applied(edit, "redo", self._write(redone.rows, redone.after_words), history=history)
            case Move():
                return self._moved(edit, pivot_m)
            case Remove() | Recolor():
                rows = self.select(edit.where)
            case AddPrimitive():
                positions = self.snapshot().positions_in_world()
                rows = self._living(inside(edit, positions, margin_m=self.voxel_m / 2))
            case AddCloud():
                if cloud is None:
                    raise ValueError("AddCloud needs the points of its file: pass cloud=")
                entered = voxel_keys(edits.placed(cloud, edit).positions_in_world, self.voxel_m)
                held = voxel_keys(self.snapshot().positions_in_world(), self.voxel_m)
                rows = self._living(np.isin(held, entered) & (held >= 0))
        return self._applied(edit, "edit", self._write(rows, gone(self._words_at(rows))))

    def _moved(self, edit: Move, pivot_m: Vec3 | None) -> LatentEdited:
        rows = self.select(edit.where)
        words = self._words_at(rows)
        points = LatentPoints.of_words(words, self.grid.dtype)
        if not len(rows):
            return self._applied(edit, "edit", self._write(rows, words))
        placed = self._placed(
            LatentPoints(
                positions_in_world=moved_positions(points.positions_in_world, edit, pivot_m=pivot_m),
                latents=points.latents,
                clips=points.clips,
                labels=points.labels,
            )
        )
        left = ~np.isin(rows, placed.rows)
        dropped = placed.dropped_unusable + placed.dropped_outside
        patch = self._write(*_merged(rows[left], gone(words[left]), placed.rows, placed.words))
        return self._applied(edit, "edit", patch, dropped_count=dropped)

    def _applied(
        self, edit: Edit, kind: ChangeKind, patch: Patch, *, history: History | None = None, dropped_count: int = 0
    ) -> LatentEdited:
        self._history = history or self._history.with_edit(patch)
        return LatentEdited(
            edit=edit,
            version=self._version,
            touched_count=len(patch.rows),
            dropped_count=dropped_count,
            patch=patch,
            change=self._change(kind, patch),
        )

    # -- saving ---------------------------------------------------------------------------------------------------

    def replay(self, changes: Iterable[LatentChange]) -> None:
        """Go through changes that followed the version at hand: after it this cloud is the one that made them.

        Raises `StoreError` for changes that no cloud of these settings can have made.
        """
        for change in changes:
            self._redo_change(change)

    def _redo_change(self, change: LatentChange) -> None:
        if change.kind in ("undo", "redo"):
            stack = self._history.done if change.kind == "undo" else self._history.taken_back
            if not stack:
                raise damaged(f"version {change.version} is an {change.kind} of nothing")
            self.apply(Undo() if change.kind == "undo" else Redo())
        else:
            self._check_replayed(change)
            retired = gone(self._words_at(change.retired))
            patch = self._write(*_merged(change.retired, retired, change.rows, change.points.words()))
            self._fingerprint = change.fingerprint
            if change.kind == "edit":
                self._history = self._history.with_edit(patch)
        if self._version != change.version:
            raise damaged(f"a change leads to version {self._version} instead of {change.version}")

    def _check_replayed(self, change: LatentChange) -> None:
        if change.points.channels != self.grid.channels or change.points.latents.dtype != self.grid.dtype:
            raise damaged(f"version {change.version} has {change.points.latents.dtype} {change.points.latents.shape}")
        new = change.rows[change.rows >= self._row_count]
        if len(change.retired) and change.retired[-1] >= self._row_count:
            raise damaged(f"version {change.version} retires row {change.retired[-1]} of {self._row_count}")
        if not np.array_equal(new, np.arange(self._row_count, self._row_count + len(new))):
            raise damaged(f"version {change.version} leaves rows out")
        if np.isin(change.rows, change.retired).any() or not np.isfinite(change.points.positions_in_world).all():
            raise damaged(f"version {change.version} holds rows that cannot be")
        if self._keeps_all:
            return
        keys = voxel_keys(change.points.positions_in_world, self.voxel_m)
        known = self._index.find(keys)
        old = change.rows < self._row_count
        if (keys < 0).any() or len(np.unique(keys)) != len(keys) or (known != np.where(old, change.rows, -1)).any():
            raise damaged(f"version {change.version} puts points into rows of other voxels")

    def _change(self, kind: ChangeKind, patch: Patch) -> LatentChange:
        return LatentChange.of(kind, patch, version=self._version, fingerprint=self._fingerprint, dtype=self.grid.dtype)

    # -- the one way to change ------------------------------------------------------------------------------------

    def _placed(self, points: LatentPoints) -> _Placed:
        """The points that a batch leaves, each with the row of its voxel; new rows in Morton order."""
        usable: F32 = np.asarray(np.isfinite(points.latents).all(axis=1), np.float32)
        positions = np.require(points.positions_in_world, requirements=["C", "W"])
        groups = group_by_voxel(positions, positions, usable, self.voxel_m)
        if self._keeps_all:
            kept = np.sort(groups.order)
            rows = np.arange(self._row_count, self._row_count + len(kept), dtype=np.int32)
        else:
            kept = groups.order[groups.starts[:-1]]
            rows = self._index.find(groups.keys)
            new = rows < 0
            rows[new] = np.arange(self._row_count, self._row_count + int(new.sum()))
            ascending = np.argsort(rows)
            rows, kept = rows[ascending], kept[ascending]
        return _Placed(
            rows=rows,
            words=points[kept].words(),
            dropped_unusable=groups.unusable_count,
            dropped_outside=groups.outside_count,
        )

    def _write(self, rows: I32, words: U32) -> Patch:
        """Put words into rows, of which the last may be new: one change, or none where there are no rows."""
        first_new = self._row_count
        old = int(np.searchsorted(rows, first_new))
        before = np.concatenate([self._words_at(rows[:old]), gone(words[old:])])
        patch = Patch(rows=rows, before_words=before, after_words=words)
        if not len(rows):
            return patch
        self._begin(rows[:old], len(rows) - old)
        floats: F32 = words.view(np.float32)
        write_rows(self._halves, self._arena.table, self._arena.bounds_m, rows, words.view(np.uint16), floats)
        if not self._keeps_all and old < len(rows):
            new_positions = np.ascontiguousarray(words[old:, :3]).view(np.float32)
            self._index.add(voxel_keys(new_positions, self.voxel_m), rows[old:])
        self._row_count += len(rows) - old
        self._alive_count += int((clips_of(words) != GONE).sum()) - int((clips_of(before) != GONE).sum())
        return patch

    def _begin(self, old: I32, new_count: int) -> None:
        """Start the next version: the pages of the old rows may be written, and there is room for new ones."""
        end = self._row_count + new_count
        if end > self.max_points:
            raise MemoryFullError(
                f"{new_count} new latents do not fit: {self._row_count} of {self.max_points} rows are in use",
                where="memory.latent.max_points",
                fix="raise max_points, or use a larger voxel_m",
            )
        touched = np.zeros(self._arena.page_count, np.bool_)
        touched[old // LATENT_PAGE_POINTS] = True
        if new_count and self._row_count % LATENT_PAGE_POINTS:
            touched[-1] = True
        appended = -(-end // LATENT_PAGE_POINTS) - self._arena.page_count
        self._arena.begin(np.flatnonzero(touched), appended=appended, version=self._version + 1)
        self._version += 1
        self._frozen = None

    def _living(self, chosen: np.ndarray) -> I32:
        return np.flatnonzero(chosen & (self.snapshot().clips() != GONE)).astype(np.int32)

    def _words_at(self, rows: I32) -> U32:
        """[K, words a point]; a copy."""
        words = np.empty((len(rows), self.grid.point_words), np.uint32)
        read_rows(self._halves, self._arena.table, rows, words.view(np.uint16))
        return words


def _merged(retired: I32, retired_words: U32, rows: I32, words: U32) -> tuple[I32, U32]:
    """Both sets of rows as one, ascending."""
    both = np.concatenate([retired, rows])
    order = np.argsort(both)
    return both[order], np.concatenate([retired_words, words])[order]


def _out_of_bounds(name: str, wanted: str, got: object) -> SceneError:
    return SceneError(f"{name} must be {wanted}; got {got}", where=f"memory.latent.{name}", fix="correct the number")
