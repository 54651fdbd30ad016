"""Each kind of edit, and taking it back."""

import numpy as np
import pytest

from spatia.errors import MemoryFullError, SceneError
from spatia.memory.cloud import PointMemory
from spatia.memory.edits import HISTORY_EDITS, History, NothingToUndoError, Patch
from spatia.records.cloud import EDIT_CLIP, FIELDS, WEIGHT, Points
from spatia.records.edits import (
    MAX_VOXELS,
    AddCloud,
    AddPrimitive,
    Box,
    Edit,
    Move,
    OfClip,
    OfLabel,
    OfVoxels,
    Recolor,
    Redo,
    Remove,
    Selection,
    Sphere,
    Undo,
)

ALL = Box(low_m=(-1e6, -1e6, -1e6), high_m=(1e6, 1e6, 1e6))


def line(n: int = 10) -> PointMemory:
    """Points at x = 0.005, 0.105, ..., of clips 0 1 0 1 ... and labels 0 1 2 0 1 2 ..."""
    memory = PointMemory(max_points=20_000)
    x = np.arange(n) * 0.1 + 0.005
    memory.insert(
        Points.of(
            np.stack([x, x * 0, x * 0], -1), (100, 50, 0), weights=2, clips=np.arange(n) % 2, labels=np.arange(n) % 3
        )
    )
    return memory


def voxels(voxel_m: float, *x_m: float) -> OfVoxels:
    """Those around some points of the x axis."""
    middle = 1 << 20
    return OfVoxels(
        voxel_m=voxel_m, keys=tuple(((int(x / voxel_m) + middle) << 42) | (middle << 21) | middle for x in x_m)
    )


def xs(memory: PointMemory) -> list[float]:
    return sorted(round(float(x), 3) for x in memory.snapshot().points().positions_in_world[:, 0])


def pages(memory: PointMemory) -> bytes:
    cloud = memory.snapshot()
    return cloud.arena[cloud.pages].tobytes()


@pytest.mark.parametrize(
    ("where", "removed"),
    [
        (Box(low_m=(0.1, -1, -1), high_m=(0.31, 1, 1)), [1, 2, 3]),
        (Sphere(center_m=(0.505, 0, 0), radius_m=0.15), [4, 5, 6]),
        (Sphere(center_m=(0.505, 0.05, 0), radius_m=0.1), [5]),
        (OfLabel(label=2), [2, 5, 8]),
        (OfClip(clip=1), [1, 3, 5, 7, 9]),
        (voxels(0.01, 0.105, 0.415, 0.505), [1, 5]),
        (voxels(0.1, 0.15, 0.45), [1, 4]),
    ],
)
def test_a_removal_takes_exactly_the_selected_points(where: Selection, removed: list[int]) -> None:
    memory = line()
    result = memory.apply(Remove(where=where))
    assert (result.touched_count, memory.alive_count, result.version) == (len(removed), 10 - len(removed), 2)
    assert xs(memory) == [round(i * 0.1 + 0.005, 3) for i in range(10) if i not in removed]


def test_a_selection_that_meets_nothing_is_told_and_can_be_undone() -> None:
    memory = line()
    for edit in (
        Remove(where=OfLabel(label=77)),
        Recolor(where=OfLabel(label=77), color=(0, 0, 0)),
        Move(where=OfClip(clip=77)),
    ):
        assert memory.apply(edit).touched_count == 0
    assert memory.version == 1
    for _ in range(3):
        assert memory.apply(Undo()).touched_count == 0
    assert memory.version == 1


def test_removed_points_are_not_selected_again() -> None:
    memory = line()
    memory.apply(Remove(where=OfClip(clip=0)))
    assert memory.apply(Remove(where=ALL)).touched_count == 5
    assert memory.apply(Recolor(where=ALL, color=(1, 1, 1))).touched_count == 0


def test_recolouring_blends_by_its_strength() -> None:
    memory = line()
    memory.apply(Recolor(where=OfLabel(label=1), color=(200, 100, 255), strength=0.5))
    points = memory.snapshot().points()
    np.testing.assert_allclose(points.colors[points.labels == 1], [[150, 75, 127.5]] * 3)
    np.testing.assert_allclose(points.colors[points.labels != 1], [[100, 50, 0]] * 7)
    memory.apply(Recolor(where=ALL, color=(1, 2, 3)))
    assert (memory.snapshot().points().colors == [1, 2, 3]).all()


def test_a_move_turns_about_the_centroid_and_keeps_weights_clips_and_labels() -> None:
    memory = PointMemory(max_points=100)
    memory.insert(
        Points.of([[0.005, 0, 0], [0.205, 0, 0]], [[10, 0, 0], [20, 0, 0]], weights=[3, 4], clips=[5, 6], labels=[7, 8])
    )
    half = np.sqrt(0.5)
    result = memory.apply(Move(where=ALL, offset_m=(0, 0, 1.005), rotation_wxyz=(half, 0, 0, half)))  # 90 deg about z
    assert result.touched_count == memory.alive_count == 2
    points = memory.snapshot().points()
    order = np.argsort(points.positions_in_world[:, 1])
    wanted = [[0.105, -0.1, 1.005], [0.105, 0.1, 1.005]]
    np.testing.assert_allclose(points.positions_in_world[order], wanted, atol=1e-6)
    assert points.weights[order].tolist() == [3, 4]
    assert points.clips[order].tolist() == [5, 6]
    assert points.labels[order].tolist() == [7, 8]


def test_a_move_onto_its_own_old_place_loses_nothing() -> None:
    memory = line()
    memory.apply(Move(where=ALL, offset_m=(0.1, 0, 0)))
    assert xs(memory) == [round(i * 0.1 + 0.005, 3) for i in range(1, 11)]
    assert (memory.row_count, memory.alive_count) == (11, 10)


def test_points_moved_out_of_the_world_are_counted() -> None:
    memory = line()
    result = memory.apply(Move(where=ALL, offset_m=(1e30, 0, 0)))
    assert (result.touched_count, result.dropped_count, memory.alive_count) == (10, 10, 0)
    memory.apply(Undo())
    assert memory.alive_count == 10


def test_a_cloud_is_scaled_turned_and_shifted() -> None:
    memory = PointMemory(max_points=100)
    edit = AddCloud(
        path="chair.ply", sha256="", scale=2.0, rotation_wxyz=(0, 0, 1, 0), offset_m=(1.005, 0.005, 0.005), label=3
    )
    cloud = Points.of([[0.1, 0.2, 0.3]], (9, 8, 7), weights=5, clips=1, labels=1)
    assert memory.apply(edit, cloud=cloud).touched_count == 1
    point = memory.snapshot().points()
    np.testing.assert_allclose(point.positions_in_world, [[0.805, 0.405, -0.595]], atol=1e-6)
    assert (point.weights[0], point.clips[0], point.labels[0]) == (5, EDIT_CLIP, 3)


def test_a_cloud_keeps_its_own_labels_when_the_edit_names_none() -> None:
    memory = PointMemory(max_points=100)
    memory.apply(AddCloud(path="a.ply", sha256=""), cloud=Points.of([[0, 0, 0]], (0, 0, 0), labels=6))
    assert memory.snapshot().points().labels.tolist() == [6]


def test_adding_a_cloud_without_its_points_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="cloud="):
        PointMemory(max_points=100).apply(AddCloud(path="a.ply", sha256=""))


EVERY_KIND: tuple[Edit, ...] = (
    Remove(where=OfClip(clip=1)),
    Remove(where=voxels(0.01, 0.105, 0.205)),
    Recolor(where=OfLabel(label=1), color=(200, 100, 255), strength=0.3),
    Move(where=Box(low_m=(0, -1, -1), high_m=(0.5, 1, 1)), offset_m=(0.25, 0, 0)),
    AddPrimitive(shape="box", center_m=(0.3, 0, 0), size_m=(0.3, 0.1, 0.1), color=(0, 0, 255)),
    AddCloud(path="a.ply", sha256="", label=2),
)
CLOUD = Points.of([[0.105, 0, 0], [9.0, 0, 0]], (1, 2, 3))


@pytest.mark.parametrize("edit", EVERY_KIND, ids=lambda edit: type(edit).__name__)
def test_undo_restores_every_living_row_and_redo_every_byte(edit: Edit) -> None:
    memory = line()
    before, alive_before = memory.snapshot(), memory.alive_count
    result = memory.apply(edit, cloud=CLOUD)
    assert result.touched_count > 0
    after, alive_after = pages(memory), memory.alive_count
    memory.apply(Undo())
    undone = memory.snapshot()
    assert memory.alive_count == undone.alive().sum() == alive_before
    assert undone.arena[undone.pages[0], :, :10].tobytes() == before.arena[before.pages[0], :, :10].tobytes()
    memory.apply(Redo())
    assert (pages(memory), memory.alive_count) == (after, alive_after)


def test_edits_are_undone_in_turn_and_redone_in_turn() -> None:
    memory = line()
    cloud = memory.snapshot()
    first_rows = cloud.arena[cloud.pages[0], :, :10].tobytes()
    for edit in EVERY_KIND[:3]:
        memory.apply(edit)
    last = pages(memory)
    memory.apply(Undo())
    memory.apply(Undo())
    memory.apply(Redo())
    memory.apply(Redo())
    assert pages(memory) == last
    for _ in range(3):
        memory.apply(Undo())
    assert memory.alive_count == 10
    undone = memory.snapshot()
    assert undone.arena[undone.pages[0], :, :10].tobytes() == first_rows


def test_a_new_edit_ends_what_could_be_redone() -> None:
    memory = line()
    memory.apply(EVERY_KIND[0])
    memory.apply(Undo())
    memory.apply(EVERY_KIND[1])
    with pytest.raises(NothingToUndoError, match="redo"):
        memory.apply(Redo())


def test_undo_without_an_edit_is_a_users_error() -> None:
    with pytest.raises(NothingToUndoError, match="no edit to undo"):
        line().apply(Undo())


def test_the_history_is_bounded_by_edits_and_by_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = line()
    for turn in range(HISTORY_EDITS + 5):
        memory.apply(Recolor(where=ALL, color=(turn, 0, 0)))
    assert len(memory.history.done) == HISTORY_EDITS
    monkeypatch.setattr("spatia.memory.edits.HISTORY_ROWS", 25)
    words = np.zeros((10, FIELDS), np.uint32)
    patch = Patch(rows=np.arange(10, dtype=np.int32), before_words=words, after_words=words)
    history = History()
    for _ in range(5):
        history = history.with_edit(patch)
    assert len(history.done) == 2


def test_a_patch_holds_rows_before_and_after() -> None:
    memory = line()
    patch = memory.apply(AddCloud(path="a.ply", sha256=""), cloud=CLOUD).patch
    assert patch.rows.tolist() == [1, 10]
    assert patch.before_words[:, WEIGHT].view(np.float32).tolist() == [2, 0]
    assert patch.after_words[:, WEIGHT].view(np.float32).tolist() == [3, 1]


def test_an_edit_that_does_not_fit_changes_nothing() -> None:
    memory = PointMemory(max_points=10)
    memory.insert(Points.of([[i * 0.1, 0, 0] for i in range(8)], (0, 0, 0)))
    before = pages(memory)
    with pytest.raises(MemoryFullError):
        memory.apply(Move(where=ALL, offset_m=(0, 1, 0)))
    assert (pages(memory), memory.version, memory.alive_count, len(memory.history.done)) == (before, 1, 8, 0)


@pytest.mark.parametrize(
    ("edit", "place"),
    [
        (Remove(where=Box(low_m=(1, 0, 0), high_m=(0, 1, 1))), "box"),
        (Remove(where=Box(low_m=(float("nan"), 0, 0), high_m=(0, 1, 1))), "box"),
        (Remove(where=Sphere(center_m=(0, 0, 0), radius_m=-1)), "radius_m"),
        (Remove(where=OfVoxels(voxel_m=0.0, keys=(1,))), "voxel_m"),
        (Remove(where=OfVoxels(voxel_m=0.1, keys=())), "0 keys"),
        (Remove(where=OfVoxels(voxel_m=0.1, keys=tuple(range(MAX_VOXELS + 1)))), "keys"),
        (Remove(where=OfVoxels(voxel_m=0.1, keys=(3, 2))), "ascending"),
        (Remove(where=OfVoxels(voxel_m=0.1, keys=(2, 2))), "ascending"),
        (Remove(where=OfVoxels(voxel_m=0.1, keys=(-1,))), "ascending"),
        (Remove(where=OfVoxels(voxel_m=0.1, keys=(1 << 63,))), "ascending"),
        (Recolor(where=ALL, color=(0, 0, 0), strength=1.5), "strength"),
        (Recolor(where=ALL, color=(0, 0, 300)), "color"),
        (Move(where=ALL, offset_m=(float("inf"), 0, 0)), "offset_m"),
        (Move(where=ALL, rotation_wxyz=(0, 0, 0, 0)), "rotation_wxyz"),
        (AddCloud(path="a.ply", sha256="", scale=0), "scale"),
        (AddPrimitive(shape="bax", center_m=(0, 0, 0), size_m=(1, 1, 1), color=(0, 0, 0)), "did you mean 'box'"),
        (AddPrimitive(shape="box", center_m=(0, 0, 0), size_m=(1, 0, 1), color=(0, 0, 0)), "size_m"),
        (AddPrimitive(shape="box", center_m=(0, 0, 0), size_m=(1e9, 1e9, 1), color=(0, 0, 0)), "size_m"),
    ],
)
def test_an_edit_that_makes_no_sense_says_where(edit: Edit, place: str) -> None:
    memory = line()
    with pytest.raises(SceneError, match=place):
        memory.apply(edit, cloud=CLOUD)
    assert (memory.version, len(memory.history.done)) == (1, 0)
