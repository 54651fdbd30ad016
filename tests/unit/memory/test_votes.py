"""Counters of points, and the retirement of what has been seen through."""

from dataclasses import replace

import numpy as np
import pytest

from spatia.memory.cloud import PointMemory
from spatia.memory.votes import reference_tally, tally
from spatia.records.cloud import BLUE, CLIP, FIELDS, PAGE_POINTS, WEIGHT, Points, SightVotes
from spatia.records.edits import AddPrimitive, Box, Edit, Move, Recolor, Redo, Remove, Undo

BOX = Box(low_m=(-1, -1, -1), high_m=(9, 1, 1))


def some(count: int, *, clip: int = 0) -> Points:
    return Points.of([[0.1 * i + 0.005, 0.005, 0.005] for i in range(count)], (200, 100, 50.5), clips=clip)


def votes(rows: list[int], *, views: int = 0, seen_through: int = 0) -> SightVotes:
    count = len(rows)
    return SightVotes(
        rows=np.array(rows, np.int32),
        views=np.full(count, views, np.uint8),
        seen_through=np.full(count, seen_through, np.uint8),
    )


def known(count: int = 4) -> PointMemory:
    memory = PointMemory(max_points=10_000)
    memory.insert(some(count))
    return memory


def counters(memory: PointMemory, row: int = 0) -> tuple[int, int]:
    cloud = memory.snapshot()
    return int(cloud.views()[row]), int(cloud.seen_through()[row])


NOTHING = some(0)


def test_a_new_point_has_one_view_and_votes_add_to_it() -> None:
    memory = known()
    assert counters(memory) == (1, 0)
    memory.insert(NOTHING, votes=votes([0, 2], views=2, seen_through=1))
    assert counters(memory, 0) == counters(memory, 2) == (3, 1)
    assert counters(memory, 1) == (1, 0)


def test_merging_alone_counts_nothing_and_keeps_what_was_counted() -> None:
    memory = known()
    memory.insert(some(4), votes=votes([0], views=1))
    memory.insert(some(4))
    assert counters(memory) == (2, 0)
    assert memory.snapshot().colors()[0].tolist() == [200, 100, 50.5]


def test_the_counters_are_bounded() -> None:
    memory = known()
    for _ in range(3):
        memory.insert(NOTHING, votes=votes([0], views=120))
    assert counters(memory) == (254, 0)
    memory.insert(NOTHING, votes=votes([0], seen_through=254))
    assert counters(memory) == (254, 254)


def test_what_has_been_shown_for_long_outlives_noise_but_not_its_absence() -> None:
    memory = known()
    for _ in range(1000):
        memory.insert(NOTHING, votes=votes([0], views=2, seen_through=1))
    assert counters(memory) == (254, 1)
    memory.insert(NOTHING, votes=votes([0], seen_through=253))
    assert memory.alive_count == 4
    memory.insert(NOTHING, votes=votes([0], seen_through=1))
    assert memory.alive_count == 3


@pytest.mark.parametrize(("views", "seen_through", "gone"), [(0, 2, False), (0, 3, True), (2, 3, False), (2, 4, True)])
def test_what_is_seen_through_three_times_and_more_often_than_shown_is_retired(
    views: int, seen_through: int, gone: bool
) -> None:
    memory = known()
    result = memory.insert(NOTHING, votes=votes([1], views=views, seen_through=seen_through))
    assert (result.retired_count, memory.alive_count) == ((1, 3) if gone else (0, 4))
    assert memory.snapshot().alive().tolist() == [True, not gone, True, True]


def test_a_retired_point_that_is_seen_again_begins_anew() -> None:
    memory = known()
    result = memory.insert(some(4, clip=5), votes=votes([1], seen_through=9))
    assert (result.retired_count, result.revived_count, result.merged_count) == (1, 1, 3)
    assert counters(memory, 1) == (1, 0)
    assert memory.snapshot().field_i32(CLIP).tolist() == [0, 5, 0, 0]


def test_votes_and_points_are_one_version_and_no_votes_are_no_change() -> None:
    memory = known()
    assert memory.insert(some(2), votes=votes([3], seen_through=3)).version == 2
    assert memory.insert(NOTHING, votes=votes([])).version == 2
    assert memory.insert(NOTHING, votes=votes([3], seen_through=3)).version == 2  # it is dead already
    memory.insert(NOTHING, votes=votes([0], views=253))
    assert memory.insert(NOTHING, votes=votes([0], views=1)).version == 3


def test_only_pages_whose_counters_change_are_written_and_snapshots_keep_what_they_saw() -> None:
    memory = PointMemory(max_points=1 << 14)
    memory.insert(Points.of(np.mgrid[0:40, 0:10, 0:10].reshape(3, -1).T * 0.01 + 0.005, (1, 2, 3)))
    before = memory.snapshot()
    memory.insert(NOTHING, votes=votes([PAGE_POINTS + 3, 3 * PAGE_POINTS], seen_through=3))
    assert memory.pages_changed_since(before.version).tolist() == [1, 3]
    assert before.alive().all()
    assert memory.snapshot().alive_count == int(memory.snapshot().alive().sum()) == 3998


@pytest.mark.parametrize(
    "edit",
    [
        AddPrimitive(shape="box", center_m=(5, 0, 0), size_m=(0.05, 0.05, 0.05), color=(1, 2, 3)),
        Move(where=Box(low_m=(-1, -1, -1), high_m=(0.15, 1, 1)), offset_m=(5, 0, 0)),
    ],
)
def test_what_a_person_has_placed_is_never_retired(edit: Edit) -> None:
    memory = known()
    memory.apply(edit)
    placed = memory.query_box((4, -1, -1), (6, 1, 1)).tolist()
    assert placed
    for _ in range(3):
        memory.insert(NOTHING, votes=votes(placed, seen_through=200))
    assert memory.query_box((4, -1, -1), (6, 1, 1)).tolist() == placed


def test_recolouring_keeps_the_counters_and_undo_brings_those_of_the_edit_back() -> None:
    memory = known()
    memory.insert(NOTHING, votes=votes([0], views=4, seen_through=2))
    memory.apply(Recolor(where=BOX, color=(9, 9, 9), strength=1.0))
    assert counters(memory) == (5, 2)
    memory.apply(Remove(where=BOX))
    memory.insert(some(1))
    assert counters(memory) == (1, 0)
    memory.apply(Undo())
    assert counters(memory) == (5, 2)
    memory.apply(Redo())
    assert memory.alive_count == 0


def test_votes_for_what_has_been_removed_meanwhile_change_nothing() -> None:
    memory = known()
    memory.apply(Remove(where=BOX))
    version = memory.version
    assert memory.insert(NOTHING, votes=votes([0, 1], views=3, seen_through=9)).retired_count == 0
    assert memory.version == version


def test_counters_are_restored_with_the_pages() -> None:
    memory = known()
    memory.insert(NOTHING, votes=votes([0, 3], views=1, seen_through=1))
    words = memory.page_words(0).copy()
    again = PointMemory.restore(voxel_m=0.01, max_points=10_000, row_count=4, version=memory.version, pages=[words])
    for each in (memory, again):
        each.insert(some(2), votes=votes([0, 1, 3], seen_through=2))
    np.testing.assert_array_equal(memory.page_words(0), again.page_words(0))


def test_a_row_that_does_not_exist_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="rows must be in"):
        known().insert(NOTHING, votes=votes([2, 4]))


def test_the_tally_equals_the_plain_reference() -> None:
    rng = np.random.Generator(np.random.PCG64(2))
    words = rng.integers(0, 1 << 32, (3, FIELDS, PAGE_POINTS), dtype=np.uint32)
    words[:, WEIGHT] *= rng.integers(0, 2, (3, PAGE_POINTS), dtype=np.uint32)
    words[:, BLUE] &= np.where(rng.uniform(size=(3, PAGE_POINTS)) < 0.5, 0xFFFF0703, 0xFFFFFFFF).astype(np.uint32)
    pages = np.array([2, 0, 1], np.int32)
    rows = np.flatnonzero(rng.uniform(size=3 * PAGE_POINTS) < 0.7).astype(np.int32)
    cast = SightVotes(
        rows=rows,
        views=rng.integers(0, 4, len(rows), dtype=np.uint8),
        seen_through=rng.integers(0, 4, len(rows), dtype=np.uint8),
    )
    fast = tally(words, pages, cast.rows, cast.views, cast.seen_through)
    at_rows = words[pages[rows // PAGE_POINTS], :, rows % PAGE_POINTS]
    plain = reference_tally(at_rows, cast.rows, cast.views, cast.seen_through)
    assert min(len(column) for column in plain) > 100
    for one, other in zip(fast, plain, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype


def test_votes_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="views must have shape"):
        replace(votes([0, 1]), views=np.zeros(1, np.uint8))
