"""The static point cloud as others see it: an immutable snapshot of pages in a shared arena.

A page holds 1,024 points as structure of arrays, one row of 32-bit words per field:

| row | field        | type                                                                 |
|-----|--------------|----------------------------------------------------------------------|
| 0-2 | x, y, z      | float32, metres, world                                               |
| 3   | red, green   | two uint16 of 8.8 fixed point: red in the high half, green in the low |
| 4   | blue, views, seen through | uint16 of 8.8 fixed point in the high half; then two counters of 8 bits |
| 5   | weight       | float32, how sure the point is; 0 marks a removed point (a tombstone)  |
| 6   | clip         | int32, the clip that first saw it; -1 for the initial world, -2 for an edit |
| 7   | label        | int32, object label; 0 for none                                      |

Colours keep 8 bits of fraction so that a running mean over many sightings does not stall at a rounding.

The weight is the confidence of a point: the sum of the confidences with which it was sighted, each divided by the
square of the distance, up to a cap. The counters say how later keyframes agreed: `views` counts those that showed a
surface at the point, the one that brought it included, up to 254, and `seen through` those that looked past it at
something farther away, up to 255. A point with 255 views was placed by a person, and no sighting takes it away.

The arena belongs to the memory, which never writes a page that a living snapshot can see; a snapshot costs a copy
of the page table alone. A point's *row* is ``page position * 1024 + slot``: it never changes while the point lives.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spatia.records.arrays import F32, I32, U8, U32, frozen

PAGE_POINTS = 1024
FIELDS = 8
X, Y, Z, RED_GREEN, BLUE, WEIGHT, CLIP, LABEL = range(FIELDS)

VIEWS_SHIFT = 8  # of `views` in the BLUE word; `seen through` is below it
VOTES_MASK = 255
MOST_VIEWS = 254
PLACED = 255  # stands for the views of what a person has placed

INITIAL_CLIP = -1
EDIT_CLIP = -2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Points:
    """Loose points, as they enter or leave the memory. Shapes are checked on construction."""

    positions_in_world: F32  # [N, 3] metres
    colors: F32  # [N, 3] sRGB in 0..255, fractions allowed
    weights: F32  # [N] > 0
    clips: I32  # [N]
    labels: I32  # [N]

    def __post_init__(self) -> None:
        n = len(self.positions_in_world)
        fields: tuple[tuple[str, type, tuple[int, ...]], ...] = (
            ("positions_in_world", np.float32, (n, 3)),
            ("colors", np.float32, (n, 3)),
            ("weights", np.float32, (n,)),
            ("clips", np.int32, (n,)),
            ("labels", np.int32, (n,)),
        )
        for name, dtype, shape in fields:
            array = getattr(self, name)
            if array.shape != shape:
                raise ValueError(f"{name} must have shape {shape}; got {array.shape}")
            if array.dtype != dtype:
                raise ValueError(f"{name} must be {np.dtype(dtype).name}; got {array.dtype.name}")

    def __len__(self) -> int:
        return len(self.positions_in_world)

    def __getitem__(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.intp] | slice) -> "Points":
        return Points(
            positions_in_world=self.positions_in_world[chosen],
            colors=self.colors[chosen],
            weights=self.weights[chosen],
            clips=self.clips[chosen],
            labels=self.labels[chosen],
        )

    @classmethod
    def of(
        cls,
        positions_in_world: npt.ArrayLike,  # [N, 3]
        colors: npt.ArrayLike,  # [N, 3] or one colour [3]
        *,
        weights: npt.ArrayLike = 1.0,
        clips: npt.ArrayLike = INITIAL_CLIP,
        labels: npt.ArrayLike = 0,
    ) -> "Points":
        """From anything array-like; single values are spread over all points."""
        positions = np.ascontiguousarray(positions_in_world, dtype=np.float32).reshape(-1, 3)
        n = len(positions)
        return cls(
            positions_in_world=positions,
            colors=np.ascontiguousarray(np.broadcast_to(np.asarray(colors, dtype=np.float32), (n, 3))),
            weights=np.ascontiguousarray(np.broadcast_to(np.asarray(weights, dtype=np.float32), (n,))),
            clips=np.ascontiguousarray(np.broadcast_to(np.asarray(clips, dtype=np.int32), (n,))),
            labels=np.ascontiguousarray(np.broadcast_to(np.asarray(labels, dtype=np.int32), (n,))),
        )

    @staticmethod
    def joined(*parts: "Points") -> "Points":
        return Points(
            positions_in_world=np.concatenate([p.positions_in_world for p in parts]),
            colors=np.concatenate([p.colors for p in parts]),
            weights=np.concatenate([p.weights for p in parts]),
            clips=np.concatenate([p.clips for p in parts]),
            labels=np.concatenate([p.labels for p in parts]),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CloudSnapshot:
    """The cloud at one version. Readers on any thread may keep it as long as they like."""

    version: int
    voxel_m: float
    row_count: int  # rows in use, tombstones included; row r is page r // 1024, slot r % 1024
    alive_count: int
    arena: U32  # [physical pages, FIELDS, PAGE_POINTS]; view as float32 or int32 for those fields
    pages: I32  # [P] physical page of each logical page, P = ceil(row_count / 1024)
    bounds_in_world_m: F32  # [P, 2, 3] lowest and highest corner of each page, padded by one voxel
    lease: object = None  # keeps the memory from reusing the pages while this snapshot is alive

    def field_f32(self, field: int) -> F32:
        """One float field of all rows in order, [row_count]; a copy."""
        rows: F32 = self.arena[self.pages, field].view(np.float32).reshape(-1)
        return rows[: self.row_count]

    def field_i32(self, field: int) -> I32:
        rows: I32 = self.arena[self.pages, field].view(np.int32).reshape(-1)
        return rows[: self.row_count]

    def positions_in_world(self) -> F32:
        """[row_count, 3] float32, tombstones included; a copy."""
        return np.stack([self.field_f32(axis) for axis in (X, Y, Z)], axis=-1)

    def colors(self) -> F32:
        """[row_count, 3] float32 in 0..255 with 8 bits of fraction."""
        words = self.arena[self.pages, RED_GREEN : BLUE + 1].transpose(1, 0, 2).reshape(2, -1)[:, : self.row_count]
        return unpack_colors(words[0], words[1])

    def views(self) -> U8:
        """[row_count] how many keyframes have shown each point, 254 for that many or more, or `PLACED`; a copy."""
        return ((self.field_i32(BLUE) >> VIEWS_SHIFT) & VOTES_MASK).astype(np.uint8)

    def seen_through(self) -> U8:
        """[row_count] how many keyframes have looked past each point, 255 for that many or more; a copy."""
        return (self.field_i32(BLUE) & VOTES_MASK).astype(np.uint8)

    def alive(self) -> npt.NDArray[np.bool_]:
        """[row_count] False for tombstones."""
        return self.field_f32(WEIGHT) > 0

    def points(self) -> Points:
        """All living points, in row order; a copy."""
        alive = self.alive()
        return Points(
            positions_in_world=self.positions_in_world(),
            colors=self.colors(),
            weights=self.field_f32(WEIGHT),
            clips=self.field_i32(CLIP),
            labels=self.field_i32(LABEL),
        )[alive]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SightVotes:
    """What new keyframes say about points of a cloud that was there before them."""

    rows: I32  # [M] ascending, each once
    views: U8  # [M] keyframes that show a surface at the point
    seen_through: U8  # [M] keyframes that look past it

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", frozen(self.rows, "rows", np.int32, (None,)))
        for name in ("views", "seen_through"):
            object.__setattr__(self, name, frozen(getattr(self, name), name, np.uint8, (len(self.rows),)))

    def __len__(self) -> int:
        return len(self.rows)


def pack_colors(colors: npt.NDArray[np.floating]) -> tuple[U32, U32]:
    """Colours [N, 3] in 0..255 as the two words of rows RED_GREEN and BLUE, all counters 0."""
    fixed = np.clip(np.floor(np.asarray(colors, dtype=np.float64) * 256.0 + 0.5), 0, 255 * 256).astype(np.uint32)
    return (fixed[:, 0] << np.uint32(16)) | fixed[:, 1], fixed[:, 2] << np.uint32(16)


def unpack_colors(red_green: U32, blue: U32) -> F32:
    """The inverse of `pack_colors`, [N, 3] float32."""
    fixed = np.stack([red_green >> np.uint32(16), red_green & np.uint32(0xFFFF), blue >> np.uint32(16)], axis=-1)
    return fixed.astype(np.float32) / np.float32(256.0)


def points_of_pages(words: U32) -> Points:
    """The living points of whole pages [P, FIELDS, PAGE_POINTS], in row order."""
    fields = words.transpose(1, 0, 2).reshape(FIELDS, -1)
    rows = np.ascontiguousarray(fields[:, fields[WEIGHT].view(np.float32) > 0])
    return Points(
        positions_in_world=np.ascontiguousarray(rows[X : Z + 1].view(np.float32).T),
        colors=unpack_colors(rows[RED_GREEN], rows[BLUE]),
        weights=rows[WEIGHT].view(np.float32),
        clips=rows[CLIP].view(np.int32),
        labels=rows[LABEL].view(np.int32),
    )


def snapshot_of_points(points: Points, *, voxel_m: float = 0.01, version: int = 0) -> CloudSnapshot:
    """A snapshot that holds exactly these points in this order, unmerged: for pictures of raw clouds, and for tests."""
    n = len(points)
    page_count = -(-n // PAGE_POINTS)
    arena = np.zeros((page_count, FIELDS, PAGE_POINTS), dtype=np.uint32)
    red_green, blue = pack_colors(points.colors)
    words = [*np.ascontiguousarray(points.positions_in_world.T).view(np.uint32), red_green, blue]
    words += [points.weights.view(np.uint32), points.clips.view(np.uint32), points.labels.view(np.uint32)]
    for field, row in enumerate(words):
        padded = np.zeros(page_count * PAGE_POINTS, dtype=np.uint32)
        padded[:n] = row
        arena[:, field] = padded.reshape(page_count, PAGE_POINTS)
    bounds = np.zeros((page_count, 2, 3), dtype=np.float32)
    for page in range(page_count):
        inside = points.positions_in_world[page * PAGE_POINTS : (page + 1) * PAGE_POINTS]
        bounds[page, 0] = inside.min(axis=0) - voxel_m
        bounds[page, 1] = inside.max(axis=0) + voxel_m
    arena.flags.writeable = False
    return CloudSnapshot(
        version=version,
        voxel_m=voxel_m,
        row_count=n,
        alive_count=int((points.weights > 0).sum()),
        arena=arena,
        pages=np.arange(page_count, dtype=np.int32),
        bounds_in_world_m=bounds,
    )
