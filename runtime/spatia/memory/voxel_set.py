"""The voxels that a frame sees, as blocks of 8 x 8 x 8 with one bit a voxel. Pure data, any thread.

A set is built once, from the positions of the points that won a low-resolution depth test, and is never recomputed:
at 5 cm a frame sees some 9,000 voxels, which is a few hundred blocks of 72 bytes.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from spatia.records.arrays import F32, frozen

I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]

WORDS = 8  # 512 bits: word z, bit 8 y + x inside the block
AXIS_BITS = 18  # of a block's coordinate: three of them and the 9 bits inside a block fill one int64
HALF = 1 << (AXIS_BITS - 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VoxelSet:
    """A set of voxels with edges of `voxel_m`. `len` is the number of voxels."""

    voxel_m: float
    blocks: I64  # [B] packed block coordinates, increasing
    masks: U64  # [B, 8] which of the block's voxels belong to the set
    voxel_count: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", frozen(self.blocks, "blocks", np.int64, (None,)))
        object.__setattr__(self, "masks", frozen(self.masks, "masks", np.uint64, (len(self.blocks), WORDS)))
        if bool((np.diff(self.blocks) <= 0).any()):
            raise ValueError("blocks must be increasing")
        object.__setattr__(self, "voxel_count", int(np.unpackbits(self.masks.view(np.uint8)).sum()))

    def __len__(self) -> int:
        return self.voxel_count

    @classmethod
    def empty(cls, *, voxel_m: float) -> "VoxelSet":
        """Nothing seen: what stands for a frame that is not to be retrieved."""
        return cls(voxel_m=voxel_m, blocks=np.zeros(0, np.int64), masks=np.zeros((0, WORDS), np.uint64))

    @classmethod
    def of_positions(cls, positions_in_world: F32, *, voxel_m: float) -> "VoxelSet":
        """The voxels that hold at least one of the positions [M, 3].

        Raises `ValueError` for positions that are not finite or lie beyond 2^20 voxels from the origin (52 km at
        5 cm).
        """
        cells = np.floor(np.asarray(positions_in_world, dtype=np.float64).reshape(-1, 3) / voxel_m)
        limit = HALF * 8
        inside = (cells >= -limit) & (cells < limit)  # False for NaN too
        if not inside.all():
            at = int(np.argwhere(~inside)[0, 0])
            raise ValueError(
                f"positions_in_world[{at}] is {np.asarray(positions_in_world).reshape(-1, 3)[at].tolist()}; "
                f"wanted finite metres within {limit * voxel_m:g} m of the origin"
            )
        x, y, z = (cells.astype(np.int64) + limit).T
        block = ((z >> 3) << (2 * AXIS_BITS)) | ((y >> 3) << AXIS_BITS) | (x >> 3)
        keys = np.unique((block << 9) | ((z & 7) << 6) | ((y & 7) << 3) | (x & 7))
        blocks, row = np.unique(keys >> 9, return_inverse=True)
        masks = np.zeros((len(blocks), WORDS), dtype=np.uint64)
        np.bitwise_or.at(masks, (row, (keys >> 6) & 7), np.uint64(1) << (keys & 63).astype(np.uint64))
        return cls(voxel_m=voxel_m, blocks=blocks, masks=masks)

    def keys(self) -> I64:
        """One number a voxel, increasing: equal numbers mean equal voxels in any two sets of the same `voxel_m`."""
        bits = np.unpackbits(self.masks.view(np.uint8), bitorder="little").reshape(len(self.blocks), 512)
        row, inside = np.nonzero(bits)
        return np.asarray((self.blocks[row] << 9) | inside, dtype=np.int64)
