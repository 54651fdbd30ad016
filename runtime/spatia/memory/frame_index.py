"""Finds how many voxels new views share with all frames seen so far. Owned by the archive, used on its thread.

An inverted index: for each block of 8 x 8 x 8 voxels, the frames that see it and their 512-bit masks. A query walks
the lists of the target's own blocks alone, so its cost follows the co-visible (block, frame) pairs and not the number
of frames in the world. The counts are exact.

A list is a chain of chunks of sixteen entries, newest first: one chunk is a run of 1 KiB of masks, and adding a
frame writes one entry per block it sees. The arena of chunks doubles when it is full, so adding costs O(blocks of the
frame), amortised.
"""

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from spatia.memory.voxel_set import I64, U64, WORDS, VoxelSet
from spatia.records.arrays import F64, I32

ENTRIES = 16  # of a chunk
NO_CHUNK = -1


class FrameIndex:
    """Voxel sets of frames 0, 1, 2, ... in the order in which they were added."""

    def __init__(self, *, voxel_m: float) -> None:
        self.voxel_m = voxel_m
        self._slot_of_block: dict[int, int] = {}
        self._newest_chunk: I32 = np.zeros(0, np.int32)  # [slots] where each block's chain starts
        self._previous_chunk: I32 = np.zeros(0, np.int32)  # [chunks]
        self._used: I32 = np.zeros(0, np.int32)  # [chunks] entries in use
        self._frames: I32 = np.zeros((0, ENTRIES), np.int32)
        self._masks: U64 = np.zeros((0, ENTRIES, WORDS), np.uint64)
        self._chunk_count = 0
        self._sizes: I64 = np.zeros(0, np.int64)  # [frames] voxels of each
        self._frame_count = 0

    def __len__(self) -> int:
        return self._frame_count

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays and, roughly, of the table of blocks."""
        arrays = (self._newest_chunk, self._previous_chunk, self._used, self._frames, self._masks, self._sizes)
        return sum(array.nbytes for array in arrays) + 128 * len(self._slot_of_block)

    def add(self, voxels: VoxelSet) -> None:
        """Append the next frame's set."""
        self._check(voxels)
        slots = np.empty(len(voxels.blocks), dtype=np.int32)
        for i, block in enumerate(voxels.blocks.tolist()):
            slots[i] = self._slot_of_block.setdefault(block, len(self._slot_of_block))
        slots_before = len(self._newest_chunk)
        self._newest_chunk = _grown(self._newest_chunk, len(self._slot_of_block))
        self._newest_chunk[slots_before:] = NO_CHUNK
        most_chunks = self._chunk_count + len(slots)
        self._previous_chunk = _grown(self._previous_chunk, most_chunks)
        self._used = _grown(self._used, most_chunks)
        self._frames = _grown(self._frames, most_chunks)
        self._masks = _grown(self._masks, most_chunks)
        self._sizes = _grown(self._sizes, self._frame_count + 1)
        self._chunk_count = _append(
            slots,
            voxels.masks,
            self._frame_count,
            self._newest_chunk,
            self._previous_chunk,
            self._used,
            self._frames,
            self._masks,
            self._chunk_count,
        )
        self._sizes[self._frame_count] = len(voxels)
        self._frame_count += 1

    def shared_voxels(self, targets: Sequence[VoxelSet]) -> I64:
        """[T, frames] exact number of voxels that each target shares with each frame."""
        shared = np.zeros((len(targets), self._frame_count), dtype=np.int64)
        for row, target in zip(shared, targets, strict=True):
            self._check(target)
            slots = np.array([self._slot_of_block.get(block, -1) for block in target.blocks.tolist()], dtype=np.int32)
            known = slots >= 0
            _count_shared(
                slots[known],
                target.masks[known],
                self._newest_chunk,
                self._previous_chunk,
                self._used,
                self._frames,
                self._masks,
                row,
            )
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
    """`array` itself, or a copy with room for `length` rows at least doubled; the new rows are unset."""
    if length <= len(array):
        return array
    rows = max(length, 2 * len(array), 64)
    grown = np.empty((rows, *array.shape[1:]), dtype=array.dtype)
    grown[: len(array)] = array
    return grown


@numba.njit(cache=True, nogil=True)
def _append(
    slots: I32,  # [B]
    block_masks: U64,  # [B, 8]
    frame: int,
    newest_chunk: I32,
    previous_chunk: I32,
    used: I32,
    frames: I32,
    masks: U64,
    chunk_count: int,
) -> int:
    """Put one entry at the end of each slot's chain. Returns the new number of chunks."""
    for i in range(len(slots)):
        chunk = newest_chunk[slots[i]]
        if chunk < 0 or used[chunk] == ENTRIES:
            previous_chunk[chunk_count] = chunk
            used[chunk_count] = 0
            chunk = chunk_count
            newest_chunk[slots[i]] = chunk
            chunk_count += 1
        entry = used[chunk]
        frames[chunk, entry] = frame
        for word in range(WORDS):
            masks[chunk, entry, word] = block_masks[i, word]
        used[chunk] = entry + 1
    return chunk_count


@numba.njit(cache=True, nogil=True)
def _count_shared(
    slots: I32,  # [B]
    block_masks: U64,  # [B, 8]
    newest_chunk: I32,
    previous_chunk: I32,
    used: I32,
    frames: I32,
    masks: U64,
    shared: I64,  # [frames], added to
) -> None:
    for i in range(len(slots)):
        chunk = newest_chunk[slots[i]]
        while chunk >= 0:
            for entry in range(used[chunk]):
                count = np.uint64(0)
                for word in range(WORDS):
                    count += _ones(block_masks[i, word] & masks[chunk, entry, word])
                shared[frames[chunk, entry]] += np.int64(count)
            chunk = previous_chunk[chunk]


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
