"""The latent cloud: one latent a voxel, edits, snapshots that do not change, and the same cloud from its changes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatia.errors import InputError, MemoryFullError, SceneError, StoreError
from spatia.memory.edits import NothingToUndoError
from spatia.memory.latent_cloud import LatentCloud
from spatia.memory.latent_edits import LatentChange
from spatia.records.cloud import Points
from spatia.records.edits import (
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
from spatia.records.latents import Compat, LatentGrid, LatentPoints

VAE = "0123456789abcdef"
VOXEL_M = 0.1


def cloud_of(compat: Compat = "corrected", *, max_points: int = 20_000) -> LatentCloud:
    grid = LatentGrid(channels=4, height=3, width=4, compat=compat)
    return LatentCloud(grid, voxel_m=VOXEL_M, max_points=max_points)


def points_at(
    x: npt.ArrayLike, *, value: npt.ArrayLike = 0.0, clip: npt.ArrayLike = 0, label: npt.ArrayLike = 0
) -> LatentPoints:
    """Points on the x axis, in the middle of their voxels across it."""
    xs = np.atleast_1d(np.asarray(x, np.float32))
    n = len(xs)
    return LatentPoints(
        positions_in_world=np.stack([xs, np.full(n, 0.05, np.float32), np.full(n, 0.05, np.float32)], -1),
        latents=np.broadcast_to(np.asarray(value, np.float16).reshape(-1, 1), (n, 4)).copy(),
        clips=np.broadcast_to(np.asarray(clip, np.int16), (n,)).copy(),
        labels=np.broadcast_to(np.asarray(label, np.int16), (n,)).copy(),
    )


def random_points(rng: np.random.Generator, n: int, grid: LatentGrid, *, clip: int = 0) -> LatentPoints:
    return LatentPoints(
        positions_in_world=rng.uniform(-1, 1, (n, 3)).astype(np.float32),
        latents=rng.normal(size=(n, grid.channels)).astype(grid.dtype),
        clips=np.full(n, clip, np.int16),
        labels=rng.integers(0, 4, n).astype(np.int16),
    )


MIDDLE = 1 << 20  # what voxels' coordinates are counted from in their keys
FOURTH_AND_SIXTH = OfVoxels(
    voxel_m=0.1, keys=tuple(((x + MIDDLE) << 42) | (MIDDLE << 21) | MIDDLE for x in (3, 5, 70))
)  # of a line


def line(n: int = 10) -> LatentCloud:
    """Points at x = 0.05, 0.15, ..., of values 0 1 2 ..., clips 0 1 0 1 ... and labels 0 1 2 0 1 2 ..."""
    cloud = cloud_of()
    i = np.arange(n)
    cloud.insert(points_at(i * 0.1 + 0.05, value=i, clip=i % 2, label=i % 3), fingerprint=VAE)
    return cloud


def values(cloud: LatentCloud) -> dict[float, float]:
    """Latents by x."""
    points = cloud.snapshot().points()
    xs, found = points.positions_in_world[:, 0].tolist(), points.latents[:, 0].tolist()
    return {round(x, 3): value for x, value in sorted(zip(xs, found, strict=True))}


# -- insertion --------------------------------------------------------------------------------------------------------


def test_the_newest_sighting_of_a_voxel_wins_whole() -> None:
    cloud = cloud_of()
    cloud.insert(points_at([0.02, 0.52], value=[1, 2], clip=1, label=3), fingerprint=VAE)
    result = cloud.insert(points_at([0.08, 0.92], value=[5, 6], clip=2, label=4), fingerprint=VAE)
    assert (result.new_count, result.replaced_count, result.revived_count) == (1, 1, 0)
    assert values(cloud) == {0.08: 5, 0.52: 2, 0.92: 6}
    points = cloud.snapshot().points()
    assert points.clips.tolist() == [2, 1, 2] and points.labels.tolist() == [4, 3, 4]


def test_of_a_batch_the_first_point_in_a_voxel_wins() -> None:
    cloud = cloud_of()
    result = cloud.insert(points_at([0.02, 0.08, 0.05], value=[1, 2, 3]), fingerprint=VAE)
    assert result.new_count == 1
    assert values(cloud) == {0.02: 1}


def test_the_cloud_is_bounded_by_what_it_has_seen_however_often() -> None:
    rng, cloud = np.random.default_rng(0), cloud_of()
    for clip in range(10):
        cloud.insert(random_points(rng, 5_000, cloud.grid, clip=clip), fingerprint=VAE)
    assert cloud.row_count <= 20**3


def test_the_release_keeps_every_point_in_order() -> None:
    cloud = cloud_of("release")
    batches = [random_points(np.random.default_rng(k), 700, cloud.grid, clip=k) for k in range(3)]
    for batch in batches:
        cloud.insert(batch, fingerprint=VAE)
    rows = cloud.snapshot().rows()
    np.testing.assert_array_equal(rows.words(), np.concatenate([batch.words() for batch in batches]))
    assert rows.latents.dtype == np.float32


def test_what_is_not_finite_or_too_far_is_dropped_and_counted() -> None:
    cloud = cloud_of()
    result = cloud.insert(points_at([np.nan, 0.3, 1e6, 0.5], value=[0, np.inf, 0, 1]), fingerprint=VAE)
    assert (result.dropped_unusable, result.dropped_outside, result.new_count) == (2, 1, 1)
    assert values(cloud) == {0.5: 1}


def test_a_retired_voxel_comes_back_when_seen_again() -> None:
    cloud = line()
    cloud.apply(Remove(where=OfLabel(label=0)))
    result = cloud.insert(points_at([0.05], value=42), fingerprint=VAE)
    assert (result.new_count, result.replaced_count, result.revived_count) == (0, 0, 1)
    assert values(cloud)[0.05] == 42
    assert cloud.row_count == 10


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=6), st.integers(0, 2**32 - 1))
@settings(derandomize=True, max_examples=25, deadline=None)
def test_a_dictionary_says_the_same(sizes: list[int], seed: int) -> None:
    rng, cloud, expected = np.random.default_rng(seed), cloud_of(), dict[tuple[int, ...], bytes]()
    for clip, size in enumerate(sizes):
        batch = random_points(rng, size, cloud.grid, clip=clip)
        cloud.insert(batch, fingerprint=VAE)
        seen = set()
        for position, words in zip(batch.positions_in_world, batch.words(), strict=True):
            voxel = tuple(np.floor(position.astype(np.float64) / VOXEL_M).astype(int).tolist())
            if voxel not in seen:
                expected[voxel] = words.tobytes()
            seen.add(voxel)
    points = cloud.snapshot().points()
    assert sorted(words.tobytes() for words in points.words()) == sorted(expected.values())
    assert cloud.alive_count == cloud.row_count == len(expected)


def test_bounds_hold_all_points_of_a_page() -> None:
    rng, cloud = np.random.default_rng(1), cloud_of()
    for clip in range(3):
        cloud.insert(random_points(rng, 3_000, cloud.grid, clip=clip), fingerprint=VAE)
    snapshot = cloud.snapshot()
    page = np.arange(snapshot.row_count) // 256
    positions = snapshot.positions_in_world()
    assert (positions >= snapshot.bounds_in_world_m[page, 0]).all()
    assert (positions <= snapshot.bounds_in_world_m[page, 1]).all()


def test_a_snapshot_never_changes_under_its_reader() -> None:
    rng, cloud = np.random.default_rng(2), cloud_of()
    held = []
    for clip in range(4):
        cloud.insert(random_points(rng, 1_000, cloud.grid, clip=clip), fingerprint=VAE)
        held.append((cloud.snapshot(), cloud.snapshot().sha256()))
    cloud.apply(Remove(where=OfClip(clip=3)))
    cloud.apply(Move(where=OfLabel(label=2), offset_m=(0.5, 0, 0)))
    assert all(snapshot.sha256() == before for snapshot, before in held)
    assert [snapshot.version for snapshot, _ in held] == [1, 2, 3, 4]


# -- edits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "removed"),
    [
        (Box(low_m=(0.15, 0, 0), high_m=(0.36, 1, 1)), [1, 2, 3]),
        (Sphere(center_m=(0.55, 0.05, 0.05), radius_m=0.11), [4, 5, 6]),
        (OfLabel(label=2), [2, 5, 8]),
        (OfLabel(label=70_000), []),
        (OfClip(clip=1), [1, 3, 5, 7, 9]),
        (FOURTH_AND_SIXTH, [3, 5]),
    ],
)
@pytest.mark.parametrize("kind", [Remove, lambda where: Recolor(where=where, color=(1, 2, 3), strength=0.1)])
def test_removing_and_recolouring_retire_exactly_the_selected(
    kind: Callable[..., Edit], where: Selection, removed: list[int]
) -> None:
    cloud = line()
    result = cloud.apply(kind(where=where))
    assert result.touched_count == len(removed)
    assert list(values(cloud).values()) == [i for i in range(10) if i not in removed]


def test_a_move_takes_latents_clips_and_labels_along_and_wins_where_it_lands() -> None:
    cloud = line()
    result = cloud.apply(Move(where=OfLabel(label=2), offset_m=(0.1, 0, 0)))  # 2, 5, 8 onto 3, 6, 9
    assert list(values(cloud).values()) == [0, 1, 2, 4, 5, 7, 8]
    assert values(cloud)[0.35] == 2
    assert result.touched_count == 6 and result.dropped_count == 0
    assert len(cloud.select(OfLabel(label=2))) == 3


def test_a_move_onto_its_own_old_place_loses_nothing() -> None:
    cloud = line()
    cloud.apply(Move(where=Box(low_m=(0, 0, 0), high_m=(2, 2, 2)), offset_m=(0.2, 0, 0)))
    assert list(values(cloud).values()) == list(range(10))
    assert next(iter(values(cloud))) == 0.25


def test_a_move_turns_about_the_pivot_that_it_is_given() -> None:
    cloud = line(2)
    half_turn = (0.0, 0.0, 0.0, 1.0)
    cloud.apply(Move(where=OfClip(clip=1), rotation_wxyz=half_turn), pivot_m=(1.05, 0.05, 0.05))
    assert values(cloud) == {0.05: 0, 1.95: 1}
    cloud.apply(Move(where=OfClip(clip=1), rotation_wxyz=half_turn))
    assert values(cloud) == {0.05: 0, 1.95: 1}


def test_latents_moved_out_of_the_world_are_counted() -> None:
    cloud = line(2)
    assert cloud.apply(Move(where=OfClip(clip=1), offset_m=(1e38, 0, 0))).dropped_count == 1
    assert values(cloud) == {0.05: 0}


@pytest.mark.parametrize(
    ("shape", "center_m", "covered"),
    [
        ("box", (0.55, 0.05, 0.05), [4, 5, 6]),
        ("sphere", (0.55, 0.05, 0.05), [4, 5, 6]),
        ("sphere", (0.55, 0.15, 0.05), [5]),
        ("cylinder", (0.55, 0.15, 0.05), [4, 5, 6]),
        ("cylinder", (0.55, 0.05, 0.15), [5]),
    ],
)
def test_a_new_solid_retires_what_it_covers(
    shape: str, center_m: tuple[float, float, float], covered: list[int]
) -> None:
    cloud = line()
    cloud.apply(AddPrimitive(shape=shape, center_m=center_m, size_m=(0.14, 0.14, 0.14), color=(1, 2, 3)))
    assert list(values(cloud).values()) == [i for i in range(10) if i not in covered]


def test_an_added_cloud_retires_the_latents_in_its_voxels() -> None:
    cloud = line()
    added = Points.of([[0.0, 0, 0], [0.1, 0, 0], [50.0, 0, 0]], (0, 0, 0))
    edit = AddCloud(path="", sha256="", offset_m=(0.21, 0.01, 0.01))
    assert cloud.apply(edit, cloud=added).touched_count == 2
    assert list(values(cloud).values()) == [0, 1, 4, 5, 6, 7, 8, 9]


EDITS: tuple[Edit, ...] = (
    Remove(where=OfClip(clip=0)),
    Remove(where=FOURTH_AND_SIXTH),
    Recolor(where=Sphere(center_m=(0, 0, 0), radius_m=0.7), color=(1, 2, 3)),
    Move(where=OfLabel(label=1), offset_m=(0.3, 0.1, 0), rotation_wxyz=(0.9, 0.1, 0.3, 0)),
    AddPrimitive(shape="sphere", center_m=(0, 0.2, 0), size_m=(1, 1, 1), color=(1, 2, 3)),
    Remove(where=OfLabel(label=999)),
)


@pytest.mark.parametrize("compat", ["corrected", "release"])
@pytest.mark.parametrize("edit", EDITS)
def test_undo_restores_every_living_point_and_redo_every_byte(edit: Edit, compat: Compat) -> None:
    cloud = cloud_of(compat)
    cloud.insert(random_points(np.random.default_rng(5), 3_000, cloud.grid), fingerprint=VAE)
    before = cloud.snapshot().points().words()
    cloud.apply(edit)
    after = cloud.snapshot().rows().words()
    cloud.apply(Undo())
    np.testing.assert_array_equal(cloud.snapshot().points().words(), before)
    cloud.apply(Redo())
    np.testing.assert_array_equal(cloud.snapshot().rows().words(), after)


def test_an_edit_that_meets_nothing_is_still_one_to_undo() -> None:
    cloud = line()
    version = cloud.version
    cloud.apply(Remove(where=OfLabel(label=0)))
    assert cloud.apply(Remove(where=OfLabel(label=99))).touched_count == 0
    assert cloud.version == version + 1
    cloud.apply(Undo())
    assert cloud.alive_count == 6
    cloud.apply(Undo())
    assert cloud.alive_count == 10
    with pytest.raises(NothingToUndoError):
        cloud.apply(Undo())


def test_a_patch_says_how_rows_were_and_are() -> None:
    cloud = line()
    before = cloud.snapshot().rows().words()
    patch = cloud.apply(Move(where=OfLabel(label=2), offset_m=(0, 1, 0))).patch
    after = cloud.snapshot().rows().words()
    old = patch.rows < len(before)
    np.testing.assert_array_equal(patch.before_words[old], before[patch.rows[old]])
    np.testing.assert_array_equal(patch.after_words, after[patch.rows])
    assert (LatentPoints.of_words(patch.before_words[~old], cloud.grid.dtype).clips < -1000).all()


# -- what is refused --------------------------------------------------------------------------------------------------


def test_latents_of_another_autoencoder_are_refused_and_nothing_changes() -> None:
    cloud = line()
    before = cloud.snapshot().sha256()
    with pytest.raises(InputError, match="the autoencoder 'other'; the world's were made by '0123456789abcdef'"):
        cloud.insert(points_at([0.5]), fingerprint="other")
    with pytest.raises(InputError, match="made by"):
        cloud.check_source(fingerprint="other")
    narrow = LatentGrid(channels=2, height=3, width=4)
    with pytest.raises(InputError, match="latents of 2 channels in float16; the world's have 4 in float16"):
        cloud.insert(random_points(np.random.default_rng(0), 3, narrow), fingerprint=VAE)
    assert cloud.snapshot().sha256() == before
    assert cloud.fingerprint == VAE


def test_a_full_cloud_says_so_and_nothing_changes() -> None:
    cloud = cloud_of(max_points=10)
    cloud.insert(points_at(np.arange(8) * 0.1 + 0.05), fingerprint=VAE)
    before = cloud.snapshot().sha256()
    with pytest.raises(MemoryFullError, match="3 new latents do not fit: 8 of 10 rows are in use"):
        cloud.insert(points_at(np.arange(5, 11) * 0.1 + 0.05), fingerprint=VAE)
    with pytest.raises(MemoryFullError):
        cloud.apply(Move(where=OfClip(clip=0), offset_m=(0, 5, 0)))
    assert cloud.snapshot().sha256() == before
    with pytest.raises(NothingToUndoError):
        cloud.apply(Undo())


@pytest.mark.parametrize(("channels", "voxel_m", "max_points"), [(3, 0.1, 10), (4, 0.0, 10), (4, 0.1, 0)])
def test_settings_out_of_bounds_say_where(channels: int, voxel_m: float, max_points: int) -> None:
    with pytest.raises(SceneError, match="must be") as caught:
        LatentCloud(LatentGrid(channels=channels, height=1, width=1), voxel_m=voxel_m, max_points=max_points)
    assert caught.value.where.startswith("memory.latent.")


# -- playing changes again --------------------------------------------------------------------------------------------


def session(cloud: LatentCloud, steps: list[int], *, seed: int) -> list[LatentChange]:
    """Insertions (0), edits, undo and redo as the numbers say; returns what a store would keep."""
    rng, changes = np.random.default_rng(seed), []
    for clip, step in enumerate(steps):
        if step == 0:
            points = random_points(rng, 600, cloud.grid, clip=clip % 2)
            changes.append(cloud.insert(points, fingerprint=VAE).change)
            continue
        edit = (*EDITS, Undo(), Redo())[step - 1]
        try:
            changes.append(cloud.apply(edit).change)
        except NothingToUndoError:
            continue
    return changes


@given(
    steps=st.lists(st.integers(0, 7), min_size=1, max_size=14),
    seed=st.integers(0, 2**32 - 1),
    compat=st.sampled_from(["corrected", "release"]),
)
@settings(derandomize=True, max_examples=40, deadline=None)
def test_changes_played_again_make_the_same_cloud(steps: list[int], seed: int, compat: Compat) -> None:
    cloud, again = cloud_of(compat), cloud_of(compat)
    changes = session(cloud, steps, seed=seed)
    kept = [LatentChange.of_arrays(change.to_arrays()) for change in changes]
    again.replay(change for change in kept if change is not None)
    for one in (cloud, again):  # both go on alike
        one.insert(random_points(np.random.default_rng(seed), 300, one.grid, clip=7), fingerprint=VAE)
        for _ in one.history.done:
            one.apply(Undo())
    ours, theirs = cloud.snapshot(), again.snapshot()
    assert theirs.sha256() == ours.sha256()
    assert (theirs.version, theirs.alive_count) == (ours.version, ours.alive_count)
    np.testing.assert_array_equal(theirs.bounds_in_world_m, ours.bounds_in_world_m)
    assert len(again.history.taken_back) == len(cloud.history.taken_back)


def test_a_commit_that_did_not_touch_latents_holds_no_change() -> None:
    assert LatentChange.of_arrays({"rgb": np.zeros(1)}) is None


def damage(name: str, array: object) -> Callable[[dict[str, npt.NDArray[Any]]], None]:
    def apply(arrays: dict[str, npt.NDArray[Any]]) -> None:
        arrays[name] = np.asarray(array)

    return apply


@pytest.mark.parametrize(
    "harm",
    [
        damage("latents.change", np.array([9, 1])),
        damage("latents.change", np.array([0])),
        damage("latents.change", np.array([0, 5])),
        damage("latents.change", np.array([2, 1])),
        damage("latents.rows", np.arange(1, 11, dtype=np.int32)),
        damage("latents.rows", np.arange(9, dtype=np.int32)),
        damage("latents.rows", np.zeros(10, np.int32)),
        damage("latents.retired", np.array([3], np.int32)),
        damage("latents.retired", np.array([-3], np.int32)),
        damage("latents.positions", np.zeros((10, 3), np.float32)),
        damage("latents.positions", np.full((10, 3), np.nan, np.float32)),
        damage("latents.latents", np.zeros((10, 6), np.float16)),
        damage("latents.latents", np.zeros((10, 4), np.float64)),
        damage("latents.fingerprint", np.array([255, 254], np.uint8)),
        damage("latents.clips", np.zeros(9, np.int16)),
        lambda arrays: arrays.clear() or arrays.update({"latents.change": np.array([0, 1])}),
    ],
)
def test_changes_that_no_cloud_made_are_refused(harm: Callable[[dict[str, npt.NDArray[Any]]], None]) -> None:
    cloud = cloud_of()
    change = cloud.insert(points_at(np.arange(10) * 0.1 + 0.05), fingerprint=VAE).change
    arrays = change.to_arrays()
    harm(arrays)
    with pytest.raises(StoreError, match="the latent cloud is damaged"):
        broken = LatentChange.of_arrays(arrays)
        assert broken is not None
        cloud_of().replay([broken])
