"""A memory rebuilt from its pages goes on as the one that wrote them."""

import numpy as np
import pytest

from spatia.errors import StoreError
from spatia.memory.cloud import PointMemory
from spatia.memory.edits import History, Patch
from spatia.records.cloud import FIELDS, PAGE_POINTS, Points
from spatia.records.edits import AddPrimitive, Box, Edit, Move, OfClip, Recolor, Redo, Remove, Undo

MAX_POINTS = 1 << 15


def batch(turn: int) -> Points:
    rng = np.random.default_rng(turn)
    return Points.of(rng.uniform(-0.3, 0.3, (900, 3)), rng.uniform(0, 255, (900, 3)), clips=turn, labels=turn % 3)


EDITS: tuple[Edit, ...] = (
    Remove(where=Box(low_m=(0, 0, 0), high_m=(0.2, 0.2, 0.2))),
    Recolor(where=OfClip(clip=1), color=(255, 0, 0), strength=0.5),
    Move(where=Box(low_m=(-0.3, -0.3, -0.3), high_m=(0, 0, 0)), offset_m=(0.5, 0, 0), rotation_wxyz=(1, 1, 0, 0)),
    Undo(),
    AddPrimitive(shape="sphere", center_m=(0, 0, 0), size_m=(0.2, 0.2, 0.2), color=(10, 200, 30), label=4),
    Undo(),
    Redo(),
    Undo(),
)


def step(memory: PointMemory, turn: int) -> None:
    memory.insert(batch(turn))
    memory.apply(EDITS[turn % len(EDITS)])


def saved_and_restored(memory: PointMemory) -> PointMemory:
    return PointMemory.restore(
        voxel_m=memory.voxel_m,
        max_points=memory.max_points,
        row_count=memory.row_count,
        version=memory.version,
        pages=[memory.page_words(page).copy() for page in memory.pages_changed_since(-1)],
        history=memory.history,
    )


def state(memory: PointMemory) -> tuple[object, ...]:
    cloud = memory.snapshot()
    pages, bounds = cloud.arena[cloud.pages].tobytes(), cloud.bounds_in_world_m.tobytes()
    return cloud.version, cloud.row_count, cloud.alive_count, pages, bounds


@pytest.mark.parametrize("split", [0, 1, 3, 5, 6, 9])
def test_a_restored_memory_goes_on_byte_for_byte(split: int) -> None:
    uninterrupted = PointMemory(voxel_m=0.02, max_points=MAX_POINTS)
    interrupted = PointMemory(voxel_m=0.02, max_points=MAX_POINTS)
    for turn in range(10):
        if turn == split:
            interrupted = saved_and_restored(interrupted)
            assert state(interrupted) == state(uninterrupted)
        step(uninterrupted, turn)
        step(interrupted, turn)
    assert state(interrupted) == state(uninterrupted)
    for edit in (Undo(), Undo(), Redo()):
        assert interrupted.apply(edit).touched_count == uninterrupted.apply(edit).touched_count
    assert state(interrupted) == state(uninterrupted)


def test_pages_changed_since_a_version_are_all_that_differ() -> None:
    memory = PointMemory(voxel_m=0.02, max_points=MAX_POINTS)
    copies: dict[int, bytes] = {}
    saved_version = -1
    for turn in range(16):
        step(memory, turn)
        if turn % 3 == 0:
            for page in memory.pages_changed_since(saved_version):
                copies[int(page)] = memory.page_words(int(page)).tobytes()
            saved_version = memory.version
            cloud = memory.snapshot()
            assert b"".join(copies[page] for page in range(len(cloud.pages))) == cloud.arena[cloud.pages].tobytes()
            assert len(memory.pages_changed_since(saved_version)) == 0


def test_one_changed_point_is_one_changed_page() -> None:
    memory = PointMemory(max_points=MAX_POINTS)
    rng = np.random.default_rng(0)
    memory.insert(Points.of(rng.uniform(-3, 3, (5000, 3)), (0, 0, 0)))
    memory.insert(Points.of(memory.snapshot().positions_in_world()[[3000]], (0, 0, 0)))
    assert memory.pages_changed_since(1).tolist() == [3000 // PAGE_POINTS]


def one_page(*positions: tuple[float, float, float]) -> np.ndarray:
    words = np.zeros((FIELDS, PAGE_POINTS), np.uint32)
    words[:3, : len(positions)] = np.array(positions, np.float32).T.view(np.uint32)
    return words


def restored(row_count: int, pages: list[np.ndarray], history: History | None = None) -> PointMemory:
    return PointMemory.restore(
        voxel_m=0.01, max_points=2000, row_count=row_count, version=3, pages=pages, history=history
    )


@pytest.mark.parametrize(
    ("row_count", "pages", "reason"),
    [
        (-1, [], "rows"),
        (2001, [one_page()] * 2, "rows"),
        (1, [], "need 1 pages"),
        (1, [one_page(), one_page()], "page 1 of 1"),
        (1, [np.zeros((FIELDS, 5), np.uint32)], "page 0"),
        (1, [np.zeros((FIELDS, PAGE_POINTS), np.float32)], "page 0"),
        (1, [one_page((np.nan, 0, 0))], "row 0"),
        (2, [one_page((0, 0, 0), (1e9, 0, 0))], "row 1"),
        (2, [one_page((0.001, 0, 0), (0.002, 0, 0))], "share a voxel"),
    ],
)
def test_pages_that_no_memory_wrote_are_refused(row_count: int, pages: list[np.ndarray], reason: str) -> None:
    with pytest.raises(StoreError, match=reason):
        restored(row_count, pages)


def test_a_history_of_rows_that_do_not_exist_is_refused() -> None:
    words = np.zeros((1, FIELDS), np.uint32)
    patch = Patch(rows=np.array([1], np.int32), before_words=words, after_words=words)
    with pytest.raises(StoreError, match="history"):
        restored(1, [one_page((0, 0, 0))], History(done=(patch,)))
