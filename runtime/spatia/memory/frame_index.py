"""Finds how many voxels new views share with all frames seen so far. Owned by the archive, used on its thread.

An inverted index: for each block of 8 x 8 x 8 voxels, the frames that see it and their 512-bit masks. A query walks
the lists of the target's own blocks alone, so its cost follows the co-visible (block, frame) pairs and not the number
of frames in the world. The counts are exact.

A list is a chain of chunks of sixteen entries, newest first: one chunk is a run of 1 KiB of masks, and adding a
frame writes one entry per block it sees. The arena of chunks doubles when it is full, so adding costs O(blocks of the
frame), amortised.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from spatia.memory.voxel_set import I64, U64, WORDS, VoxelSet
from spatia.records.arrays import F64, I32

ENTRIES = 16  # of a chunk
NO_CHUNK = -1


class _Chains(NamedTuple):
    """The entries of all blocks. Rows beyond those in use are unset, but for `newest_chunk`."""

    newest_chunk: I32  # [slots] where each block's chain starts, `NO_CHUNK` where it is empty
    previous_chunk: I32  # [chunks] the next one of the chain, `NO_CHUNK` at its end
    used: I32  # [chunks] entries in use
    frames: I32  # [chunks, ENTRIES]
    masks: U64  # [chunks, ENTRIES, WORDS]

    @classmethod
    def empty(cls) -> "_Chains":
        nothing = np.zeros(0, np.int32)
        return cls(
            nothing, nothing, nothing, np.zeros((0, ENTRIES), np.int32), np.zeros((0, ENTRIES, WORDS), np.uint64)
        )

    def with_room(self, *, slots: int, chunks: int) -> "_Chains":
        newest_chunk = _grown(self.newest_chunk, slots)
        newest_chunk[len(self.newest_chunk) :] = NO_CHUNK
        return _Chains(newest_chunk, *(_grown(array, chunks) for array in self[1:]))


class FrameIndex:
    """Voxel sets of frames 0, 1, 2, ... in the order in which they were added."""

    def __init__(self, *, voxel_m: float) -> None:
        self.voxel_m = voxel_m
        self._slot_of_block: dict[int, int] = {}
        self._chains = _Chains.empty()
        self._chunk_count = 0
        self._sizes: I64 = np.zeros(0, np.int64)  # [frames] voxels of each
        self._frame_count = 0

    def __len__(self) -> int:
        return self._frame_count

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays and, roughly, of the table of blocks."""
        arrays = (*self._chains, self._sizes)
        return sum(array.nbytes for array in arrays) + 128 * len(self._slot_of_block)

    def add(self, voxels: VoxelSet) -> None:
        """Append the next frame's set."""
        self._check(voxels)
        slots = np.empty(len(voxels.blocks), dtype=np.int32)
        for i, block in enumerate(voxels.blocks.tolist()):
            slots[i] = self._slot_of_block.setdefault(block, len(self._slot_of_block))
        most_chunks = self._chunk_count + len(slots)
        self._chains = self._chains.with_room(slots=len(self._slot_of_block), chunks=most_chunks)
        self._chunk_count = _append(slots, voxels.masks, self._frame_count, self._chains, self._chunk_count)
        self._sizes = _grown(self._sizes, self._frame_count + 1)
        self._sizes[self._frame_count] = len(voxels)
        self._frame_count += 1

    def shared_voxels(self, targets: Sequence[VoxelSet]) -> I64:
        """[T, frames] exact number of voxels that each target shares with each frame."""
        shared = np.zeros((len(targets), self._frame_count), dtype=np.int64)
        for row, target in zip(shared, targets, strict=True):
            self._check(target)
            slots = np.array([self._slot_of_block.get(block, -1) for block in target.blocks.tolist()], dtype=np.int32)
            known = slots >= 0
            _count_shared(slots[known], target.masks[known], self._chains, row)
        return shared

    def iou(self, targets: Sequence[VoxelSet]) -> F64:
        """[T, frames] intersection over union of voxels; 0 where both are empty.

        Equal ratios are equal floats, so ties can be found by ``==``.
        """
        shared = self.shared_voxels(targets)
        sizes = np.array([len(target) for target in targets], dtype=np.int64)
        union = sizes[:, None] + self._sizes[: self._frame_count] - shared
        return np.asarray(shared / np.maximum(union, 1), dtype=np.float64)

    def _check(self, voxels: VoxelSet) -> None:
        if voxels.voxel_m != self.voxel_m:
            raise ValueError(f"voxel_m must be {self.voxel_m} as in the index; got {voxels.voxel_m}")


def _grown(array: npt.NDArray[Any], length: int) -> npt.NDArray[Any]:
    """`array` itself, or a copy at least twice as long with room for `length` rows; the new ones are unset."""
    if length <= len(array):
        return array
    rows = max(length, 2 * len(array), 64)
    grown = np.empty((rows, *array.shape[1:]), dtype=array.dtype)
    grown[: len(array)] = array
    return grown


@numba.njit(cache=True, nogil=True)
def _append(slots: I32, block_masks: U64, frame: int, chains: _Chains, chunk_count: int) -> int:
    """Put one entry at the end of each slot's chain. Returns the new number of chunks.

    slots [B], block_masks [B, 8].
    """
    for i in range(len(slots)):
        chunk = chains.newest_chunk[slots[i]]
        if chunk < 0 or chains.used[chunk] == ENTRIES:
            chains.previous_chunk[chunk_count] = chunk
            chains.used[chunk_count] = 0
            chunk = chunk_count
            chains.newest_chunk[slots[i]] = chunk
            chunk_count += 1
        entry = chains.used[chunk]
        chains.frames[chunk, entry] = frame
        for word in range(WORDS):
            chains.masks[chunk, entry, word] = block_masks[i, word]
        chains.used[chunk] = entry + 1
    return chunk_count


@numba.njit(cache=True, nogil=True)
def _count_shared(slots: I32, block_masks: U64, chains: _Chains, shared: I64) -> None:
    """Add to shared [frames] what slots [B] with block_masks [B, 8] have in common with each frame."""
    for i in range(len(slots)):
        chunk = chains.newest_chunk[slots[i]]
        while chunk >= 0:
            for entry in range(chains.used[chunk]):
                count = np.uint64(0)
                for word in range(WORDS):
                    count += _ones(block_masks[i, word] & chains.masks[chunk, entry, word])
                shared[chains.frames[chunk, entry]] += np.int64(count)
            chunk = chains.previous_chunk[chunk]


@numba.njit(inline="always")
def _ones(word: np.uint64) -> np.uint64:
    """The number of set bits, by sums over ever wider fields; LLVM turns it into the machine's own instruction."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (word * np.uint64(0x0101010101010101)) >> np.uint64(56)


def iou_by_sets(target: VoxelSet, frame: VoxelSet) -> float:
    """The plain reference for `FrameIndex.iou`, one pair at a time."""
    a, b = set(target.keys().tolist()), set(frame.keys().tolist())
    return len(a & b) / max(len(a | b), 1)
