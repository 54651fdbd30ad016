import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatia.memory.frame_index import FrameIndex, iou_by_sets
from spatia.memory.voxel_set import VoxelSet

VOXEL_M = 0.05


def scattered(rng: np.random.Generator, count: int, *, spread_m: float = 0.6) -> VoxelSet:
    return VoxelSet.of_positions(rng.normal(0, spread_m, (count, 3)).astype(np.float32), voxel_m=VOXEL_M)


def test_a_voxel_set_holds_each_touched_voxel_once() -> None:
    positions = np.array([[0.01, 0.01, 0.01], [0.04, 0.04, 0.04], [-0.01, 0.01, 0.01], [3.0, -2.0, 1.0]], np.float32)
    voxels = VoxelSet.of_positions(positions, voxel_m=VOXEL_M)
    assert len(voxels) == 3
    assert len(voxels.keys()) == 3


def test_equal_keys_mean_equal_voxels() -> None:
    rng = np.random.default_rng(3)
    positions = rng.uniform(-2, 2, (500, 3)).astype(np.float32)
    cells = {tuple(cell) for cell in np.floor(positions.astype(np.float64) / VOXEL_M).astype(int).tolist()}
    whole = VoxelSet.of_positions(positions, voxel_m=VOXEL_M).keys()
    one_by_one = {int(VoxelSet.of_positions(p[None], voxel_m=VOXEL_M).keys()[0]) for p in positions}
    assert sorted(one_by_one) == whole.tolist()
    assert len(whole) == len(cells)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e9])
def test_a_position_that_no_voxel_can_hold_is_refused_by_its_row(bad: float) -> None:
    positions = np.zeros((4, 3), np.float32)
    positions[2, 1] = bad
    with pytest.raises(ValueError, match=r"positions_in_world\[2\]"):
        VoxelSet.of_positions(positions, voxel_m=VOXEL_M)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), frames=st.integers(0, 60), spread_m=st.floats(0.05, 3.0))
def test_iou_equals_that_of_plain_sets(seed: int, frames: int, spread_m: float) -> None:
    rng = np.random.default_rng(seed)
    seen = [scattered(rng, int(rng.integers(0, 400)), spread_m=spread_m) for _ in range(frames)]
    targets = [*seen[:1], scattered(rng, 300, spread_m=spread_m), VoxelSet.empty(voxel_m=VOXEL_M)]
    index = FrameIndex(voxel_m=VOXEL_M)
    for voxels in seen:
        index.add(voxels)
    expected = [[iou_by_sets(target, frame) for frame in seen] for target in targets]
    assert index.iou(targets).tolist() == expected


def test_adding_later_gives_what_adding_before_gives() -> None:
    rng = np.random.default_rng(0)
    seen = [scattered(rng, 200) for _ in range(100)]
    target = scattered(rng, 300)
    asked_between, asked_at_the_end = FrameIndex(voxel_m=VOXEL_M), FrameIndex(voxel_m=VOXEL_M)
    for number, voxels in enumerate(seen):
        asked_between.add(voxels)
        assert asked_between.shared_voxels([target]).shape == (1, number + 1)
        asked_at_the_end.add(voxels)
    assert np.array_equal(asked_between.iou([target]), asked_at_the_end.iou([target]))


def test_another_voxel_size_is_refused() -> None:
    index = FrameIndex(voxel_m=VOXEL_M)
    with pytest.raises(ValueError, match="voxel_m"):
        index.add(VoxelSet.empty(voxel_m=0.1))
    with pytest.raises(ValueError, match="voxel_m"):
        index.iou([VoxelSet.empty(voxel_m=0.1)])


def test_a_set_out_of_order_is_refused() -> None:
    with pytest.raises(ValueError, match="increasing"):
        VoxelSet(voxel_m=VOXEL_M, blocks=np.array([2, 1]), masks=np.ones((2, 8), np.uint64))
