import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatia.memory.frame_index import FrameIndex, iou_by_sets
from spatia.memory.retrieval import retrieve_by_iou
from spatia.memory.voxel_set import VoxelSet


def cells(*numbers: int) -> VoxelSet:
    """Voxels along a line."""
    positions = np.zeros((len(numbers), 3), np.float32)
    positions[:, 0] = np.array(numbers) + 0.5
    return VoxelSet.of_positions(positions, voxel_m=1.0)


def index_of(*seen: VoxelSet) -> FrameIndex:
    index = FrameIndex(voxel_m=1.0)
    for voxels in seen:
        index.add(voxels)
    return index


def frames_of(index: FrameIndex, targets: list[VoxelSet], **options: float) -> list[int]:
    candidates = range(len(index))
    threshold = options.pop("threshold", 0.0)
    whole = {name: int(value) for name, value in options.items()}
    return [r.frame for r in retrieve_by_iou(targets, index, candidates=candidates, threshold=threshold, **whole)]


def test_each_target_gets_the_frame_that_overlaps_it_most() -> None:
    index = index_of(cells(0, 1, 2), cells(2, 3, 4), cells(8, 9))
    assert frames_of(index, [cells(8, 9, 10), cells(1, 2, 3, 4)], every=1) == [2, 1]


def test_only_one_target_in_every_k_frames_chooses() -> None:
    index = index_of(cells(0), cells(1), cells(2), cells(3), cells(4))
    targets = [cells(i) for i in (4, 3, 2, 1, 0)]
    assert frames_of(index, targets, k=2) == [4, 2]
    assert frames_of(index, targets, k=2, every=3) == [4, 1]


def test_overlap_must_exceed_the_threshold() -> None:
    index = index_of(cells(0, 1, 2, 3))
    assert frames_of(index, [cells(0, 1)], threshold=0.49) == [0]
    assert frames_of(index, [cells(0, 1)], threshold=0.5) == []
    assert frames_of(index, [cells(9)]) == []


def test_a_frame_chosen_twice_counts_once_with_its_best_overlap() -> None:
    index = index_of(cells(0, 1), cells(5))
    (only,) = retrieve_by_iou([cells(0), cells(0, 1)], index, candidates=[0, 1], threshold=0.0, every=1)
    assert (only.frame, only.target, only.iou) == (0, 0, 1.0)


def test_ties_go_to_the_lower_frame_number() -> None:
    index = index_of(cells(3), cells(0, 1), cells(0, 1), cells(0, 2))
    assert frames_of(index, [cells(0)]) == [1]


def test_where_more_than_k_are_chosen_the_strongest_stay_in_target_order() -> None:
    index = index_of(cells(0), cells(1, 10), cells(2), cells(3))
    assert frames_of(index, [cells(3), cells(1), cells(0), cells(2)], k=3, every=1) == [3, 0, 2]


def test_frames_outside_the_candidates_are_never_chosen() -> None:
    index = index_of(cells(0), cells(0, 1), cells(0))
    found = retrieve_by_iou([cells(0)], index, candidates=[1], threshold=0.0)
    assert [reference.frame for reference in found] == [1]
    assert retrieve_by_iou([cells(0)], index, candidates=[], threshold=0.0) == ()


def test_impossible_options_are_refused() -> None:
    with pytest.raises(ValueError, match="k and every"):
        frames_of(index_of(), [], k=0)
    with pytest.raises(ValueError, match="threshold"):
        frames_of(index_of(), [], threshold=1.5)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1), every=st.integers(1, 9), k=st.integers(1, 20), threshold=st.sampled_from([0, 0.2])
)
def test_it_follows_the_algorithm_as_written(seed: int, every: int, k: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    seen, targets = (
        [cells(*rng.integers(0, 12, int(rng.integers(1, 8))).tolist()) for _ in range(count)] for count in (15, 20)
    )
    best: dict[int, float] = {}  # in the order of the targets
    for i, target in enumerate(targets):
        if i % every != 0:
            continue
        score, chosen = 0.0, None
        for j, frame in enumerate(seen):
            overlap = iou_by_sets(target, frame)
            if overlap > score:
                score, chosen = overlap, j
        if chosen is not None and score > threshold:
            best[chosen] = max(score, best.get(chosen, 0.0))
    found = retrieve_by_iou(
        targets, index_of(*seen), candidates=range(len(seen)), threshold=threshold, k=k, every=every
    )
    frames = [reference.frame for reference in found]
    assert frames == [frame for frame in best if frame in frames]
    assert len(frames) == min(k, len(best))
    assert sorted((best[frame] for frame in frames), reverse=True) == sorted(best.values(), reverse=True)[:k]
