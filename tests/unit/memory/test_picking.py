"""What a ray meets, and what grows from there, against plain numpy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatia.memory.cloud import PointMemory
from spatia.memory.picking import grow, pick, select, voxels_of
from spatia.memory.picking_reference import reference_grow, reference_pick
from spatia.records.cloud import LABEL, PAGE_POINTS, CloudSnapshot, Points, snapshot_of_points
from spatia.records.edits import Box, OfClip, OfLabel, Remove, Sphere

SEEDS = st.integers(0, 2**32 - 1)


def cloud(seed: int, *, n: int = 3000, extent_m: float = 0.6) -> PointMemory:
    """Points of three objects in several pages, some of them removed."""
    rng = np.random.default_rng(seed)
    memory = PointMemory(voxel_m=0.02, max_points=20_000)
    for _ in range(2):
        positions = rng.uniform(-extent_m, extent_m, (n, 3))
        memory.insert(Points.of(positions, rng.uniform(0, 255, (n, 3)), labels=rng.integers(0, 3, n)))
    memory.apply(Remove(where=Sphere(center_m=(0.1, 0.0, 0.0), radius_m=0.2)))
    return memory


def sheet(width: int, *, gap_at: int = -1, gap: int = 0) -> CloudSnapshot:
    """A level strip of points, one to a voxel of 1 cm, broken by some empty voxels."""
    x = np.array([i + (gap if gap_at >= 0 and i >= gap_at else 0) for i in range(width)])
    positions = np.array([[i * 0.01 + 0.005, 1.005, j * 0.01 + 0.005] for i in x for j in range(3)])
    memory = PointMemory(voxel_m=0.01, max_points=20_000)
    memory.insert(Points.of(positions, (100, 100, 100)))
    return memory.snapshot()


@given(SEEDS, st.sampled_from([0.005, 0.02, 0.1]))
@settings(derandomize=True, max_examples=40, deadline=None)
def test_a_pick_equals_a_look_at_every_point(seed: int, radius_m: float) -> None:
    rng = np.random.default_rng(seed)
    snapshot = cloud(seed % 3).snapshot()
    origin, direction = rng.uniform(-1, 1, 3), rng.normal(size=3)
    if seed % 4 == 0:
        direction[seed % 3] = 0.0
    picked = pick(snapshot, origin, direction, radius_m=radius_m)
    found = None if picked is None else (picked.row, picked.distance_m)
    assert found == reference_pick(snapshot, origin, direction, radius_m=radius_m)
    if picked is not None:
        assert picked.position_in_world == tuple(snapshot.positions_in_world()[picked.row].tolist())
        assert picked.label == snapshot.field_i32(LABEL)[picked.row]


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_ray_along_an_axis_meets_what_lies_on_it(axis: int, sign: float) -> None:
    positions = np.zeros((2, 3))
    positions[:, axis] = [2.0 * sign, 3.0 * sign]
    snapshot = snapshot_of_points(Points.of(positions, (0, 0, 0), labels=[4, 5], clips=[6, 7]))
    picked = pick(snapshot, (0, 0, 0), np.eye(3)[axis] * sign * 10, radius_m=0.01)
    assert picked is not None
    assert (picked.row, picked.distance_m, picked.label, picked.clip) == (0, 2.0, 4, 6)


def test_nothing_is_picked_behind_or_beside_the_ray_or_in_an_empty_world() -> None:
    snapshot = snapshot_of_points(Points.of([[0, 0, -1.0], [0.2, 0, 1.0]], (0, 0, 0)))
    assert pick(snapshot, (0, 0, 0), (0, 0, 1), radius_m=0.1) is None
    assert pick(snapshot_of_points(Points.of(np.empty((0, 3)), (0, 0, 0))), (0, 0, 0), (0, 0, 1), radius_m=0.1) is None


def test_of_points_equally_near_the_lowest_row_is_picked_whatever_its_page() -> None:
    positions = np.full((PAGE_POINTS + 5, 3), 50.0)
    positions[[7, 9, PAGE_POINTS + 2]] = [[0, 0.01, 1], [0, 0, 1], [0, 0, 1]]
    picked = pick(snapshot_of_points(Points.of(positions, (0, 0, 0))), (0, 0, 0), (0, 0, 1), radius_m=0.02)
    assert picked is not None
    assert picked.row == 7


def test_a_removed_point_is_not_picked() -> None:
    memory = PointMemory(voxel_m=0.01, max_points=100)
    memory.insert(Points.of([[0, 0, 1], [0, 0, 2]], (0, 0, 0)))
    memory.apply(Remove(where=Sphere(center_m=(0, 0, 1), radius_m=0.1)))
    picked = pick(memory.snapshot(), (0, 0, 0), (0, 0, 1), radius_m=0.01)
    assert picked is not None
    assert picked.position_in_world == (0, 0, 2)


@pytest.mark.parametrize("direction", [(0, 0, 0), (0, 0, float("nan"))])
def test_a_ray_without_a_direction_is_a_mistake(direction: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        pick(sheet(1), (0, 0, 0), direction, radius_m=0.01)


@given(SEEDS)
@settings(derandomize=True, max_examples=20, deadline=None)
def test_a_selection_equals_a_look_at_every_point(seed: int) -> None:
    low = np.random.default_rng(seed).uniform(-0.5, 0.5, 3)
    snapshot = cloud(seed % 3).snapshot()
    alive, labels = snapshot.alive(), snapshot.field_i32(LABEL)
    positions = snapshot.positions_in_world().astype(np.float64)
    offset = positions - low
    x, y, z = low.tolist()
    wanted = (
        (
            Box(low_m=(x, y, z), high_m=(x + 0.3, y + 0.2, z + 0.4)),
            ((offset >= 0) & (offset <= [0.3, 0.2, 0.4])).all(1),
        ),
        (Sphere(center_m=(x, y, z), radius_m=0.15), (offset**2).sum(axis=1) <= 0.15**2),
        (OfLabel(label=seed % 4), labels == seed % 4),
        (OfClip(clip=-1), labels >= 0),
    )
    for where, inside in wanted:
        assert select(snapshot, where).tolist() == np.flatnonzero(inside & alive).tolist()


@given(SEEDS, st.sampled_from([0.15, 0.4]), st.sampled_from([None, 120.0, 250.0]))
@settings(derandomize=True, max_examples=25, deadline=None)
def test_growing_equals_a_flood_over_a_set(seed: int, reach_m: float, color_tolerance: float | None) -> None:
    snapshot = cloud(seed % 3, n=700).snapshot()
    row = int(np.flatnonzero(snapshot.alive())[seed % snapshot.alive_count])
    grown = grow(snapshot, row, reach_m=reach_m, max_points=10_000, color_tolerance=color_tolerance)
    plain = reference_grow(snapshot, row, reach_m=reach_m, color_tolerance=color_tolerance)
    assert grown.tolist() == plain.tolist()
    fewer = grow(snapshot, row, reach_m=reach_m, max_points=5, color_tolerance=color_tolerance)
    assert len(fewer) == min(5, len(plain))
    assert set(fewer.tolist()) <= set(plain.tolist())
    assert row in fewer


def test_growth_bridges_one_empty_voxel_and_stops_at_two() -> None:
    assert len(grow(sheet(40, gap_at=20, gap=1), 0, reach_m=5.0, max_points=1000)) == 120
    assert len(grow(sheet(40, gap_at=20, gap=2), 0, reach_m=5.0, max_points=1000)) == 60


def test_growth_stays_within_reach_and_colour() -> None:
    painted = snapshot_of_points(Points.of([[i * 0.01, 0, 0] for i in range(30)], [[i * 5, 0, 0] for i in range(30)]))
    assert grow(painted, 10, reach_m=0.0301, max_points=99).tolist() == list(range(7, 14))
    assert grow(painted, 10, reach_m=1.0, max_points=99, color_tolerance=10.0).tolist() == list(range(8, 13))


def test_growth_at_the_edge_of_the_world_does_not_wrap_around() -> None:
    last_m = (1 << 20) * 0.125 - 0.0625  # the middle of the last voxel
    memory = PointMemory(voxel_m=0.125, max_points=100)
    memory.insert(Points.of([[0, 0, last_m], [0, 0, -last_m], [0, 0.125, -last_m]], (0, 0, 0)))
    snapshot = memory.snapshot()
    assert sorted(len(grow(snapshot, row, reach_m=1e6, max_points=9)) for row in range(3)) == [1, 2, 2]


@given(SEEDS)
@settings(derandomize=True, max_examples=15, deadline=None)
def test_a_grown_surface_is_selected_again_by_its_voxels_and_by_nothing_else(seed: int) -> None:
    memory = cloud(seed % 3)
    snapshot = memory.snapshot()
    row = int(np.flatnonzero(snapshot.alive())[seed % snapshot.alive_count])
    grown = grow(snapshot, row, reach_m=0.2, max_points=200)
    assert memory.select(voxels_of(snapshot, grown)).tolist() == grown.tolist()


def test_a_surface_of_too_many_voxels_is_kept_in_larger_ones() -> None:
    side = 200
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2) * 0.01 + 0.005
    memory = PointMemory(voxel_m=0.01, max_points=side * side)
    memory.insert(Points.of(np.insert(grid, 2, 1.0, axis=1), (0, 0, 0)))
    rows = np.arange(side * side, dtype=np.int32)
    kept = voxels_of(memory.snapshot(), rows)
    assert (kept.voxel_m, len(kept.keys)) == (0.02, side * side // 4)
    assert len(memory.select(kept)) == side * side
    with pytest.raises(ValueError, match="at least one row"):
        voxels_of(memory.snapshot(), rows[:0])


def test_growth_needs_a_living_point_and_room_for_it() -> None:
    snapshot = sheet(1)
    for row in (-1, snapshot.row_count):
        with pytest.raises(ValueError, match="no living point"):
            grow(snapshot, row, reach_m=1.0, max_points=10)
    with pytest.raises(ValueError, match="max_points"):
        grow(snapshot, 0, reach_m=1.0, max_points=0)
