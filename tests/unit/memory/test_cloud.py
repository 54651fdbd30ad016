"""Insertion against the plain reference; snapshots, queries and bounds."""

import gc
import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatia.errors import MemoryFullError, SceneError
from spatia.memory.cloud import InsertResult, PointMemory
from spatia.memory.fusion import WEIGHT_CAP
from spatia.memory.page_arena import PHYSICAL_PER_LOGICAL, SPARE_PAGES
from spatia.memory.reference import ReferenceMemory, reference_insert, voxel_of
from spatia.records.cloud import PAGE_POINTS, CloudSnapshot, Points
from spatia.records.edits import Box, Remove


def batch(seed: int, n: int, *, extent_m: float = 0.2) -> Points:
    rng = np.random.default_rng(seed)
    return Points.of(
        rng.uniform(-extent_m, extent_m, (n, 3)),
        rng.uniform(0, 255, (n, 3)),
        weights=rng.uniform(0.01, 30, n),
        clips=rng.integers(-1, 5, n),
        labels=rng.integers(0, 3, n),
    )


def digest(cloud: CloudSnapshot) -> str:
    return hashlib.sha256(cloud.arena[cloud.pages].tobytes()).hexdigest()


def everywhere() -> Remove:
    return Remove(where=Box(low_m=(-1e6, -1e6, -1e6), high_m=(1e6, 1e6, 1e6)))


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 150)), min_size=1, max_size=5))
@settings(derandomize=True, max_examples=40, deadline=None)
def test_insertion_equals_the_plain_reference(batches: list[tuple[int, int]]) -> None:
    memory, reference = PointMemory(voxel_m=0.05, max_points=5000), ReferenceMemory(0.05)
    for seed, n in batches:
        points = batch(seed, n)
        memory.insert(points)
        reference_insert(reference, points)
    cloud = memory.snapshot()
    rows = list(reference.rows.values())
    assert cloud.row_count == cloud.alive_count == len(rows)
    assert cloud.positions_in_world().tolist() == [list(row.position) for row in rows]
    assert cloud.colors().tolist() == [list(row.color) for row in rows]
    points = cloud.points()
    assert points.weights.tolist() == [row.weight for row in rows]
    assert points.clips.tolist() == [row.clip for row in rows]
    assert points.labels.tolist() == [row.label for row in rows]


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.001, 0.01, 0.03, 1.0]), st.sampled_from([0.01, 5.0, 700.0]))
@settings(derandomize=True, max_examples=40, deadline=None)
def test_a_stored_position_stays_in_its_voxel(seed: int, voxel_m: float, extent_m: float) -> None:
    memory = PointMemory(voxel_m=voxel_m, max_points=1 << 16)
    known: list[tuple[int, int, int]] = []
    # Far from the origin the spacing of floats comes close to a voxel, and means round out of theirs.
    for turn in range(4):
        memory.insert(batch(seed + turn % 2, 200, extent_m=extent_m))
        voxels = [voxel_of(position, voxel_m) for position in memory.snapshot().positions_in_world()]
        assert voxels[: len(known)] == known
        assert len(set(voxels)) == len(voxels)
        known = voxels


def test_a_mean_that_rounds_out_of_its_voxel_is_not_stored() -> None:
    edge = np.nextafter(np.float32(1000.01), np.float32(0))
    below = np.nextafter(edge, np.float32(0))
    memory, reference = PointMemory(max_points=10), ReferenceMemory(0.01)
    for weight in (1, 3, 1, 7):
        points = Points.of([[edge, 0, 0], [below, 0, 0]], (0, 0, 0), weights=weight)
        memory.insert(points)
        reference_insert(reference, points)
    positions = memory.snapshot().positions_in_world()
    assert positions.tolist() == [list(row.position) for row in reference.rows.values()]
    assert [voxel_of(position, 0.01) for position in positions] == list(reference.rows)


def test_a_single_point_is_stored_exactly() -> None:
    memory = PointMemory(max_points=10)
    memory.insert(Points.of([[0.123456, -7.1, 3.3]], (1.5, 2.25, 255), weights=0.3, clips=4, labels=9))
    point = memory.snapshot().points()
    assert point.positions_in_world.tolist() == np.array([[0.123456, -7.1, 3.3]], np.float32).tolist()
    assert point.colors.tolist() == [[1.5, 2.25, 255]]
    assert (point.weights[0], point.clips[0], point.labels[0]) == (np.float32(0.3), 4, 9)


def test_the_first_clip_and_the_first_label_other_than_none_stay() -> None:
    memory = PointMemory(max_points=10)
    for clip, label in ((3, 0), (5, 7), (6, 8)):
        memory.insert(Points.of([[0.001, 0.001, 0.001]], (0, 0, 0), clips=clip, labels=label))
    point = memory.snapshot().points()
    assert (point.clips[0], point.labels[0]) == (3, 7)


def test_a_weight_stops_at_its_cap_so_that_new_sightings_still_count() -> None:
    memory = PointMemory(max_points=10)
    position = [[0.005, 0.005, 0.005]]
    for _ in range(300):
        memory.insert(Points.of(position, (0, 0, 0)))
    assert memory.snapshot().points().weights[0] == WEIGHT_CAP
    for _ in range(300):
        memory.insert(Points.of(position, (200, 200, 200)))
    assert memory.snapshot().points().colors.min() > 195


def test_an_insertion_says_what_became_of_every_point() -> None:
    memory = PointMemory(max_points=100)
    memory.insert(Points.of([[0.005, 0, 0], [0.105, 0, 0]], (0, 0, 0)))
    memory.apply(Remove(where=Box(low_m=(0.1, -1, -1), high_m=(0.2, 1, 1))))
    xs = [0.006, 0.106, 0.205, 0.206, np.nan, 2e4, 0.0]
    positions = np.stack([xs, np.zeros(7), np.zeros(7)], axis=-1)
    result = memory.insert(Points.of(positions, (0, 0, 0), weights=[1, 1, 1, 1, 1, 1, 0]))
    assert result == InsertResult(
        version=3,
        new_count=1,
        merged_count=1,
        revived_count=1,
        dropped_unusable=2,
        dropped_outside=1,
        retired_count=0,
    )
    assert (memory.row_count, memory.alive_count) == (3, 3)


def test_nothing_inserted_is_no_change() -> None:
    memory = PointMemory(max_points=10)
    memory.insert(Points.of([[np.nan, 0, 0]], (0, 0, 0)))
    memory.insert(Points.of(np.empty((0, 3)), (0, 0, 0)))
    assert memory.version == 0
    cloud = memory.snapshot()
    assert (cloud.row_count, len(cloud.pages), len(cloud.points())) == (0, 0, 0)


def test_a_removed_voxel_comes_back_when_seen_again() -> None:
    memory = PointMemory(max_points=10)
    memory.insert(Points.of([[0.001, 0, 0]], (10, 10, 10), clips=1, labels=2, weights=5))
    memory.apply(everywhere())
    assert memory.alive_count == 0
    memory.insert(Points.of([[0.009, 0, 0]], (200, 0, 0), clips=8, labels=0))
    point = memory.snapshot().points()
    assert (memory.row_count, memory.alive_count) == (1, 1)
    assert point.positions_in_world[0, 0] == np.float32(0.009)
    assert (point.weights[0], point.clips[0], point.labels[0], point.colors[0, 0]) == (1, 8, 0, 200)


def test_a_batch_that_does_not_fit_leaves_the_memory_as_it_was() -> None:
    memory = PointMemory(max_points=2000)
    memory.insert(batch(1, 1500, extent_m=5))
    before = digest(memory.snapshot())
    with pytest.raises(MemoryFullError, match="max_points"):
        memory.insert(batch(2, 1500, extent_m=5))
    assert (memory.version, memory.row_count, digest(memory.snapshot())) == (1, 1500, before)
    memory.insert(batch(1, 1500, extent_m=5))
    assert memory.row_count == 1500


def test_snapshots_that_hold_every_page_are_named_as_the_reason() -> None:
    memory = PointMemory(max_points=PAGE_POINTS)
    held = []
    for _ in range(PHYSICAL_PER_LOGICAL + SPARE_PAGES):
        memory.insert(Points.of([[0, 0, 0]], (0, 0, 0)))
        held.append(memory.snapshot())
    version = memory.version
    with pytest.raises(MemoryFullError, match="living snapshots"):
        memory.insert(Points.of([[0, 0, 0]], (0, 0, 0)))
    assert memory.version == version
    del held[7]
    gc.collect()
    memory.insert(Points.of([[0, 0, 0]], (0, 0, 0)))
    assert memory.version == version + 1


def test_a_snapshot_never_changes_while_the_memory_does() -> None:
    memory = PointMemory(voxel_m=0.02, max_points=1 << 15)
    snapshots: list[tuple[CloudSnapshot, str, bytes]] = []
    for turn in range(24):
        memory.insert(batch(turn, 600, extent_m=0.1 + 0.02 * turn))
        if turn % 5 == 3:
            corner = 0.02 * turn
            memory.apply(Remove(where=Box(low_m=(-corner, -1, -1), high_m=(corner, 1, 0))))
        cloud = memory.snapshot()
        snapshots.append((cloud, digest(cloud), cloud.bounds_in_world_m.tobytes()))
        if turn % 7 == 6:
            del snapshots[1::2]
        del cloud
        for old, before, bounds in snapshots:
            assert digest(old) == before
            assert old.bounds_in_world_m.tobytes() == bounds


def test_a_snapshot_shares_the_pages_that_did_not_change() -> None:
    memory = PointMemory(max_points=1 << 15)
    memory.insert(batch(1, 5000, extent_m=5))
    before = memory.snapshot()
    spot = before.positions_in_world()[2500]
    memory.insert(Points.of([spot], (9, 9, 9)))
    after = memory.snapshot()
    differing = np.flatnonzero(before.pages != after.pages)
    assert differing.tolist() == [2500 // PAGE_POINTS]
    assert np.shares_memory(before.arena, after.arena)


def test_pages_without_a_reader_are_written_in_place_and_used_again() -> None:
    memory = PointMemory(max_points=4 * PAGE_POINTS)
    memory.insert(batch(1, 3000, extent_m=5))
    pages = memory.snapshot().pages
    memory.insert(batch(1, 3000, extent_m=5))
    np.testing.assert_array_equal(memory.snapshot().pages, pages)
    for _ in range(400):  # each needs a copy of three pages
        held = memory.snapshot()
        memory.insert(batch(1, 3000, extent_m=5))
        assert held.version == memory.version - 1


def test_the_bytes_do_not_depend_on_who_was_looking() -> None:
    watched, alone = PointMemory(max_points=1 << 13), PointMemory(max_points=1 << 13)
    held = None
    for turn in range(12):
        for memory in (watched, alone):
            memory.insert(batch(turn, 500, extent_m=0.3))
        held = watched.snapshot() if turn % 3 else None
    assert held is not None
    assert digest(watched.snapshot()) == digest(alone.snapshot())


def test_snapshots_of_one_version_share_their_table() -> None:
    memory = PointMemory(max_points=100)
    memory.insert(batch(1, 50))
    first, second = memory.snapshot(), memory.snapshot()
    assert first.pages is second.pages
    assert first.lease is second.lease


def test_a_snapshot_cannot_be_written_through() -> None:
    memory = PointMemory(max_points=100)
    memory.insert(batch(1, 50))
    cloud = memory.snapshot()
    for array in (cloud.arena, cloud.pages, cloud.bounds_in_world_m, memory.page_words(0)):
        assert not array.flags.writeable


@given(st.integers(0, 2**32 - 1))
@settings(derandomize=True, max_examples=20, deadline=None)
def test_a_box_query_finds_what_a_scan_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    memory = PointMemory(voxel_m=0.03, max_points=1 << 13)
    for turn in range(3):
        memory.insert(batch(seed + turn, 1500, extent_m=1.0))
    memory.apply(Remove(where=Box(low_m=(-0.2, -0.2, -0.2), high_m=(0.3, 0.3, 0.3))))
    low = rng.uniform(-1, 0.5, 3)
    high = low + rng.uniform(0, 1, 3)
    cloud = memory.snapshot()
    positions = cloud.positions_in_world()
    wanted = np.flatnonzero(((positions >= low) & (positions <= high)).all(axis=1) & cloud.alive())
    x, y, z = low.tolist()
    u, v, w = high.tolist()
    np.testing.assert_array_equal(memory.query_box((x, y, z), (u, v, w)), wanted)


def test_page_bounds_reach_a_voxel_beyond_every_point() -> None:
    memory = PointMemory(voxel_m=0.01, max_points=1 << 14)
    for turn in range(4):
        memory.insert(batch(turn, 3000, extent_m=2.0))
    cloud = memory.snapshot()
    positions = cloud.positions_in_world()
    for page, (low, high) in enumerate(cloud.bounds_in_world_m):
        inside = positions[page * PAGE_POINTS : (page + 1) * PAGE_POINTS]
        assert (inside.min(axis=0) - low >= 0.0099).all()
        assert (high - inside.max(axis=0) >= 0.0099).all()
        assert (high - low <= np.ptp(inside, axis=0) + 0.0402).all()


@pytest.mark.parametrize("voxel_m", [0.0, 0.0009, 1.1, -1.0, float("nan"), float("inf")])
def test_a_voxel_size_out_of_range_is_refused(voxel_m: float) -> None:
    with pytest.raises(SceneError, match="voxel_m"):
        PointMemory(voxel_m=voxel_m)


@pytest.mark.parametrize("max_points", [0, -1, 2**31])
def test_a_bound_out_of_range_is_refused(max_points: int) -> None:
    with pytest.raises(SceneError, match="max_points"):
        PointMemory(max_points=max_points)
