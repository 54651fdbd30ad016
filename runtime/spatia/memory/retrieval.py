"""Which frames of the past show what the next clip will see: Algorithm 1 of the Spatia paper. Pure, any thread."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spatia.memory.frame_index import FrameIndex
from spatia.memory.voxel_set import VoxelSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A retrieved frame."""

    frame: int  # its number in the archive
    target: int  # the first target frame that chose it
    iou: float  # the best over all targets that chose it


def retrieve_by_iou(
    targets: Sequence[VoxelSet],
    index: FrameIndex,
    *,
    candidates: Sequence[int],
    threshold: float,
    k: int = 7,
    every: int | None = None,
) -> tuple[Reference, ...]:
    """Up to `k` archived frames that overlap the targets, in the time order of the targets that chose them.

    Every `every`-th target (by default every `k`-th, from the first) chooses the candidate whose visible voxels have
    the highest IoU with its own, if that is above `threshold`. A frame chosen twice counts once. Where more than `k`
    are chosen, those with the highest IoU stay. Ties go to the lower frame number and to the earlier target.

    The paper's Algorithm 1 (supplement, section 1); its ``break`` on line 4 can only mean ``continue``, and its
    registration of the two clouds falls away because all voxels lie in one world.
    """
    every = k if every is None else every
    if k < 1 or every < 1:
        raise ValueError(f"k and every must be at least 1; got {k} and {every}")
    if not 0.0 <= threshold <= 1.0:
        raise ValueError(f"threshold must lie in 0..1; got {threshold}")
    numbers = np.unique(np.asarray(candidates, dtype=np.intp))
    asked = range(0, len(targets), every)
    if len(numbers) == 0:
        return ()
    scores = index.iou([targets[i] for i in asked])[:, numbers]  # [asked, candidates]
    chosen: dict[int, Reference] = {}
    for target, row in zip(asked, scores, strict=True):
        best = int(row.argmax())  # the first of equals
        if row[best] <= threshold:
            continue
        frame, iou = int(numbers[best]), float(row[best])
        before = chosen.get(frame)
        chosen[frame] = Reference(
            frame=frame, target=before.target if before else target, iou=max(iou, before.iou if before else 0.0)
        )
    strongest = sorted(chosen.values(), key=lambda reference: (-reference.iou, reference.target))[:k]
    return tuple(sorted(strongest, key=lambda reference: reference.target))
