"""Keys, Morton order and the grouping of a batch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatia.memory.reference import morton_code, voxel_of
from spatia.memory.voxel_grid import VoxelGroups, group_by_voxel, key_coordinate, key_of, radix_order

LIMIT = 2**20


@given(st.tuples(*[st.integers(-LIMIT, LIMIT - 1)] * 3))
@settings(derandomize=True, deadline=None)
def test_a_key_gives_back_its_coordinates(voxel: tuple[int, int, int]) -> None:
    x, y, z = voxel
    key = key_of(x + 0.5, y + 0.5, z + 0.5, 1.0)
    assert 0 <= key < 2**63
    assert tuple(key_coordinate(key, axis) for axis in range(3)) == voxel


@pytest.mark.parametrize("x", [float(LIMIT), -float(LIMIT) - 0.5, np.nan, np.inf, -np.inf, 1e300])
def test_a_position_out_of_range_has_no_key(x: float) -> None:
    assert key_of(x, 0.0, 0.0, 1.0) == -1


@given(st.lists(st.integers(0, 2**63 - 1), max_size=200))
@settings(derandomize=True, deadline=None)
def test_the_radix_sort_is_a_stable_sort(codes: list[int]) -> None:
    given_codes = np.array(codes, np.int64)
    ordered, order = radix_order(given_codes.copy(), np.arange(len(codes), dtype=np.int32), 63)
    np.testing.assert_array_equal(order, np.argsort(given_codes, kind="stable"))
    np.testing.assert_array_equal(ordered, np.sort(given_codes))


def grouped(positions: np.ndarray, weights: np.ndarray | None = None, *, voxel_m: float = 0.01) -> VoxelGroups:
    n = len(positions)
    weights = np.ones(n, np.float32) if weights is None else weights
    return VoxelGroups(*group_by_voxel(positions.astype(np.float32), np.zeros((n, 3), np.float32), weights, voxel_m))


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.001, 0.01, 0.07, 1.0]), st.sampled_from([0.05, 3.0, 900.0]))
@settings(derandomize=True, max_examples=25, deadline=None)
def test_groups_are_the_voxels_in_morton_order(seed: int, voxel_m: float, extent_m: float) -> None:
    positions = np.random.default_rng(seed).uniform(-extent_m, extent_m, (60, 3)).astype(np.float32)
    groups = grouped(positions, voxel_m=voxel_m)
    voxels = [voxel_of(position, voxel_m) for position in positions]
    corner = np.min(voxels, axis=0)
    wanted = sorted(range(60), key=lambda i: (morton_code(voxels[i], corner), i))
    np.testing.assert_array_equal(groups.order, wanted)
    firsts = [voxels[i] for i in groups.order[groups.starts[:-1]]]
    assert firsts == list(dict.fromkeys(voxels[i] for i in wanted))
    assert firsts == [tuple(key_coordinate(key, axis) for axis in range(3)) for key in groups.keys]


def test_unusable_points_are_left_out_and_counted() -> None:
    positions = np.zeros((7, 3))
    positions[1, 0], positions[2, 2], positions[6, 1] = np.nan, np.inf, 1e6
    weights = np.array([1, 1, 1, 0, -1, np.nan, 1], np.float32)
    groups = grouped(positions, weights)
    assert groups.order.tolist() == [0]
    assert (groups.unusable_count, groups.outside_count) == (5, 1)


def test_opposite_infinities_do_not_cancel() -> None:
    assert grouped(np.array([[np.inf, -np.inf, 0.0]])).unusable_count == 1


def test_a_batch_without_usable_points_has_no_groups() -> None:
    for positions in (np.empty((0, 3)), np.full((3, 3), np.nan)):
        groups = grouped(positions)
        assert len(groups.keys) == len(groups.order) == 0
