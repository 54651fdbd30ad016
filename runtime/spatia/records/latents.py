"""The latent cloud as others see it: cells of a video autoencoder, each with a place in the world.

A latent frame [C, h, w] has one cell for a square of pixels (16 x 16 for Wan2.2, C = 48). A latent point is one cell's
latent at the place that the cell shows: 12 bytes of position, 2 C of latent, 2 of clip, 2 of label; 112 at C = 48.
Latents are half floats, and float32 under `release`, which keeps what the network gave.

Points lie in pages of 256, each a run of 16-bit words: x, y, z as float32 planes, then the planes of clips and labels,
then latents, point by point. The arena belongs to the memory, which never writes a page that a living snapshot can see.
A point's *row* is ``page position * 256 + slot``: it never changes while the point lives. A row whose clip is `GONE` is
a tombstone.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from spatia.errors import InputError
from spatia.geom.camera import Intrinsics
from spatia.records.arrays import F32, I32, U32, Bool, frozen

Latents = npt.NDArray[np.float16 | np.float32]
I16 = npt.NDArray[np.int16]
U16 = npt.NDArray[np.uint16]

Compat = Literal["corrected", "release"]

LATENT_PAGE_POINTS = 256
PLANES = 8  # 16-bit words of a point before its latent: three float32, clip, label
GONE = -(1 << 15)  # the clip of a tombstone
FRAMES_A_LATENT = 4  # after the first, which holds one; a latent frame is kept at the place of its last frame


def latent_count(frames: int) -> int:
    """Latent frames of a video of 4k + 1 frames."""
    if frames % FRAMES_A_LATENT != 1:
        raise ValueError(f"frames must be 4k + 1; got {frames}")
    return 1 + (frames - 1) // FRAMES_A_LATENT


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentGrid:
    """What one latent frame of a world looks like, and how its cells lie over a picture.

    `corrected`: cell (i, j) covers a square of pixels, its centre is at (i + 0.5, j + 0.5) cells, and a point belongs
    to the cell that it falls into. `release`: cell (i, j) sits at the corner (i, j) of that square, and a point belongs
    to the nearest such corner; half a cell off, but that is what its weights were trained with.
    """

    channels: int
    height: int
    width: int
    compat: Compat = "corrected"

    @classmethod
    def of(cls, picture: Intrinsics, *, channels: int, cell_px: int, compat: Compat = "corrected") -> "LatentGrid":
        """Raises `InputError` for a picture that is not made of whole cells."""
        if picture.width_px % cell_px or picture.height_px % cell_px:
            raise InputError(
                f"a picture of {picture.width_px}x{picture.height_px} px is not made of {cell_px} px cells",
                where="latents",
                fix=f"use a width and a height that are multiples of {cell_px}",
            )
        return cls(
            channels=channels,
            height=picture.height_px // cell_px,
            width=picture.width_px // cell_px,
            compat=compat,
        )

    def lens(self, picture: Intrinsics) -> Intrinsics:
        """The picture's camera with one pixel a cell."""
        return picture.resized(width_px=self.width, height_px=self.height)

    @property
    def center(self) -> float:
        """Where in a cell its latent sits, in cells, along both axes."""
        return 0.5 if self.compat == "corrected" else 0.0

    @property
    def dtype(self) -> np.dtype[np.float16 | np.float32]:
        """In which latents are kept."""
        return np.dtype(np.float16 if self.compat == "corrected" else np.float32)

    @property
    def point_words(self) -> int:
        """32-bit words of a point."""
        return (2 * PLANES + self.channels * self.dtype.itemsize) // 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LatentPoints:
    """Loose latent points, as they enter or leave the memory. Shapes are checked on construction."""

    positions_in_world: F32  # [N, 3] metres
    latents: Latents  # [N, C]
    clips: I16  # [N] the clip that was seen; -1 for the initial world
    labels: I16  # [N] object label; 0 for none

    def __post_init__(self) -> None:
        n = len(self.positions_in_world)
        frozen(self.positions_in_world, "positions_in_world", np.float32, (n, 3))
        dtype = np.float32 if self.latents.dtype == np.float32 else np.float16
        frozen(self.latents, "latents", dtype, (n, None))
        frozen(self.clips, "clips", np.int16, (n,))
        frozen(self.labels, "labels", np.int16, (n,))

    def __len__(self) -> int:
        return len(self.positions_in_world)

    def __getitem__(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.integer] | slice) -> "LatentPoints":
        return LatentPoints(
            positions_in_world=self.positions_in_world[chosen],
            latents=self.latents[chosen],
            clips=self.clips[chosen],
            labels=self.labels[chosen],
        )

    @property
    def channels(self) -> int:
        return int(self.latents.shape[1])

    @property
    def nbytes(self) -> int:
        return self.positions_in_world.nbytes + self.latents.nbytes + self.clips.nbytes + self.labels.nbytes

    def words(self) -> U32:
        """[N, point_words] the same bytes, a row a point: x, y, z, clip and label, latent."""
        latents = np.ascontiguousarray(self.latents).view(np.uint16)
        rows = np.empty((len(self), PLANES + latents.shape[1]), np.uint16)
        rows[:, :6] = np.ascontiguousarray(self.positions_in_world).view(np.uint16)
        rows[:, 6], rows[:, 7] = self.clips.view(np.uint16), self.labels.view(np.uint16)
        rows[:, PLANES:] = latents
        return rows.view(np.uint32)

    @classmethod
    def of_words(cls, words: U32, dtype: np.dtype[np.float16 | np.float32]) -> "LatentPoints":
        """The inverse of `words`; a copy."""
        halves = np.ascontiguousarray(words).view(np.uint16)
        return cls(
            positions_in_world=np.ascontiguousarray(halves[:, :6]).view(np.float32),
            latents=np.ascontiguousarray(halves[:, PLANES:]).view(dtype),
            clips=np.ascontiguousarray(halves[:, 6]).view(np.int16),
            labels=np.ascontiguousarray(halves[:, 7]).view(np.int16),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LatentSnapshot:
    """The latent cloud at one version. Readers on any thread may keep it as long as they like."""

    version: int
    grid: LatentGrid  # of the world
    fingerprint: str  # of the autoencoder that made the latents; empty while there are none
    row_count: int  # rows in use, tombstones included; row r is page r // 256, slot r % 256
    alive_count: int
    arena: U32  # [physical pages, words a page]
    pages: I32  # [P] physical page of each logical page, P = ceil(row_count / 256)
    bounds_in_world_m: F32  # [P, 2, 3] lowest and highest corner of all that each page ever held
    lease: object = None  # keeps the memory from reusing the pages while this snapshot is alive

    def positions_in_world(self) -> F32:
        """[row_count, 3] tombstones included, as all that follow; a copy."""
        planes = self.arena[self.pages, : 3 * LATENT_PAGE_POINTS].view(np.float32)
        rows = planes.reshape(-1, 3, LATENT_PAGE_POINTS).transpose(0, 2, 1)
        return np.ascontiguousarray(rows).reshape(-1, 3)[: self.row_count]

    def clips(self) -> I16:
        """[row_count]; `GONE` for a tombstone."""
        return self._plane(6)

    def labels(self) -> I16:
        """[row_count]"""
        return self._plane(7)

    def rows(self) -> LatentPoints:
        """All rows in order."""
        words = self.arena[self.pages, PLANES * LATENT_PAGE_POINTS // 2 :]
        return LatentPoints(
            positions_in_world=self.positions_in_world(),
            latents=words.view(self.grid.dtype).reshape(-1, self.grid.channels)[: self.row_count],
            clips=self.clips(),
            labels=self.labels(),
        )

    def points(self) -> LatentPoints:
        """All living points, in row order; a copy."""
        rows = self.rows()
        return rows[rows.clips != GONE]

    def _plane(self, plane: int) -> I16:
        size = LATENT_PAGE_POINTS
        rows: I16 = self.arena.view(np.int16)[self.pages, plane * size : (plane + 1) * size].reshape(-1)
        return rows[: self.row_count]

    def sha256(self) -> str:
        """In hex, over all that the memory knows of its rows: equal for a world and for the same world resumed."""
        digest = hashlib.sha256(f"{self.version} {self.grid} {self.row_count} {self.fingerprint}".encode())
        digest.update(self.rows().words().data)
        return digest.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LatentReadout:
    """The latent cloud seen by T cameras: what a network is given of the memory."""

    latents: F32  # [T, C, h, w] zeros where nothing is
    visible: Bool  # [T, h, w]
    depth_m: F32  # [T, h, w] along +z of the nearest point, 0 where nothing is
    index: I32  # [T, h, w] row of the nearest point in the snapshot, -1 where nothing is

    def __post_init__(self) -> None:
        t, channels, h, w = self.latents.shape
        object.__setattr__(self, "latents", frozen(self.latents, "latents", np.float32, (t, channels, h, w)))
        object.__setattr__(self, "visible", frozen(self.visible, "visible", np.bool_, (t, h, w)))
        object.__setattr__(self, "depth_m", frozen(self.depth_m, "depth_m", np.float32, (t, h, w)))
        object.__setattr__(self, "index", frozen(self.index, "index", np.int32, (t, h, w)))

    def __len__(self) -> int:
        return len(self.latents)


def snapshot_of_latents(points: LatentPoints, *, grid: LatentGrid, fingerprint: str = "") -> LatentSnapshot:
    """A snapshot that holds exactly these points in this order, unmerged: for single frames, and for tests."""
    n, size = len(points), LATENT_PAGE_POINTS
    page_count = -(-n // size)
    arena = np.zeros((page_count, size * grid.point_words), np.uint32)
    bounds = np.zeros((page_count, 2, 3), np.float32)
    halves = arena.view(np.uint16)
    for page in range(page_count):
        part = points[page * size : (page + 1) * size]
        words = part.words().view(np.uint16)
        floats = halves[page, : 6 * size].view(np.float32).reshape(3, size)
        floats[:, : len(part)] = part.positions_in_world.T
        halves[page, 6 * size : PLANES * size].reshape(2, size)[:, : len(part)] = words[:, 6:PLANES].T
        halves[page, PLANES * size :].reshape(size, -1)[: len(part)] = words[:, PLANES:]
        bounds[page] = part.positions_in_world.min(axis=0), part.positions_in_world.max(axis=0)
    arena.flags.writeable = False
    return LatentSnapshot(
        version=0,
        grid=grid,
        fingerprint=fingerprint,
        row_count=n,
        alive_count=int((points.clips != GONE).sum()),
        arena=arena,
        pages=np.arange(page_count, dtype=np.int32),
        bounds_in_world_m=bounds,
    )
