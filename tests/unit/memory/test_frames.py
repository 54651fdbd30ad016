from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from spatia.errors import MemoryFullError
from spatia.geom.camera import Cameras, Intrinsics
from spatia.memory.frames import ArchivedClip, FrameArchive
from spatia.memory.voxel_set import VoxelSet
from spatia.records.frames import Frames

INTRINSICS = Intrinsics.from_fov(fov_y_rad=1.0, width_px=8, height_px=6)
VOXEL_M = 0.05


def clip(number: int, *, length: int = 4, keyframes: tuple[int, ...] = ()) -> ArchivedClip:
    """Frame i has colour 10 * number + i, stands at x = that and sees i + 1 voxels; its depth is the colour + 0.5."""
    shades = 10 * number + np.arange(length)
    poses = np.tile(np.eye(4), (length, 1, 1))
    poses[:, 0, 3] = shades
    positions = np.stack([np.arange(length), np.zeros(length), np.zeros(length)], axis=-1).astype(np.float32)
    return ArchivedClip(
        clip=number,
        frames=Frames(
            rgb=np.broadcast_to(shades[:, None, None, None], (length, 6, 8, 3)).astype(np.uint8),
            cameras=Cameras(world_from_camera=poses, intrinsics=INTRINSICS),
            time_s=np.asarray(shades / 24, dtype=np.float32),
        ),
        visible=tuple(VoxelSet.of_positions(positions[: i + 1], voxel_m=VOXEL_M) for i in range(length)),
        keyframes=np.array(keyframes, dtype=np.int32),
        keyframe_depth_m=np.broadcast_to((shades[list(keyframes)] + 0.5)[:, None, None], (len(keyframes), 6, 8)).astype(
            np.float32
        ),
    )


def archive(*clips: ArchivedClip) -> FrameArchive:
    made = FrameArchive(INTRINSICS, voxel_m=VOXEL_M)
    for each in clips:
        made.add(each)
    return made


def shades_of(frames: Frames) -> list[int]:
    assert np.array_equal(frames.cameras.world_from_camera[:, 0, 3], frames.rgb[:, 0, 0, 0])
    return [int(shade) for shade in frames.rgb[:, 0, 0, 0]]


def test_frames_are_numbered_through_the_walk() -> None:
    made = FrameArchive(INTRINSICS, voxel_m=VOXEL_M)
    assert made.add(clip(0)) == range(4)
    assert made.add(clip(1, length=2)) == range(4, 6)
    assert len(made) == 6 == len(made.index)


def test_frames_come_back_in_the_order_asked_for() -> None:
    made = archive(clip(0), clip(1))
    assert shades_of(made.frames([5, 0, 3, 4])) == [11, 0, 3, 10]
    assert np.array_equal(made.cameras([5, 0]).world_from_camera, made.frames([5, 0]).cameras.world_from_camera)
    assert made.frames([7]).time_s[0] == np.float32(13) / 24


def test_depth_is_there_where_a_keyframe_was_and_zero_elsewhere() -> None:
    made = archive(clip(0, keyframes=(0, 2)), clip(1))
    depth_m = made.frames([2, 1, 4]).depth_m
    assert depth_m is not None
    assert depth_m[:, 0, 0].tolist() == [2.5, 0.0, 0.0]
    assert made.frames([1, 4]).depth_m is None


def test_the_last_frames_are_those_of_the_end_even_where_there_are_fewer() -> None:
    assert shades_of(archive(clip(0), clip(1, length=2)).last(3)) == [3, 10, 11]
    assert shades_of(archive(clip(0, length=2)).last(9)) == [0, 1]
    assert len(FrameArchive(INTRINSICS).last(9)) == 0


def test_candidates_keep_a_stride_from_the_first_and_leave_the_end_out() -> None:
    made = archive(clip(0), clip(1), clip(2))
    assert list(made.candidates(stride=4, exclude_last=3)) == [0, 4, 8]
    assert list(made.candidates(exclude_last=20)) == []


def test_a_number_beyond_the_end_is_refused() -> None:
    with pytest.raises(ValueError, match="no frame 4 among the 4"):
        archive(clip(0)).frames([4])
    with pytest.raises(ValueError, match="no frame -1"):
        archive(clip(0)).cameras([-1])


def test_an_archive_restored_from_its_arrays_answers_alike() -> None:
    made = archive(clip(0, keyframes=(1, 3)), clip(5, length=3))
    again = archive(
        *(ArchivedClip.of_arrays(each.to_arrays(), intrinsics=INTRINSICS, voxel_m=VOXEL_M) for each in made.clips)
    )
    everything = range(len(made))
    ours, theirs = made.frames(everything), again.frames(everything)
    assert np.array_equal(ours.rgb, theirs.rgb) and np.array_equal(ours.time_s, theirs.time_s)
    assert ours.depth_m is not None and theirs.depth_m is not None and np.array_equal(ours.depth_m, theirs.depth_m)
    targets = made.clips[0].visible
    assert np.array_equal(made.index.iou(targets), again.index.iou(targets))
    assert [each.clip for each in again.clips] == [0, 5]


def test_arrays_that_do_not_fit_together_are_refused() -> None:
    arrays = clip(0).to_arrays()
    arrays["block_counts"] = arrays["block_counts"][:-1]
    with pytest.raises(ValueError, match="block_counts"):
        ArchivedClip.of_arrays(arrays, intrinsics=INTRINSICS, voxel_m=VOXEL_M)


@pytest.mark.parametrize("cut", [np.s_[..., :-1], np.s_[0]])
def test_masks_of_movers_that_were_cut_are_refused(cut: tuple[Any, ...]) -> None:
    made = clip(0, keyframes=(1,))
    moving = np.ones(made.keyframe_depth_m.shape, dtype=np.bool_)
    arrays = replace(made, keyframe_moving=moving).to_arrays()
    arrays["keyframe_moving"] = arrays["keyframe_moving"][cut]
    with pytest.raises(ValueError, match="keyframe_moving"):
        ArchivedClip.of_arrays(arrays, intrinsics=INTRINSICS, voxel_m=VOXEL_M)


def test_a_full_archive_refuses_the_clip_and_stays_as_it_was() -> None:
    made = FrameArchive(INTRINSICS, voxel_m=VOXEL_M, max_bytes=200_000)
    made.add(clip(0))
    before = made.nbytes
    with pytest.raises(MemoryFullError, match=r"the bound is 0\.2 MB"):
        made.add(clip(1, length=1000))
    assert (len(made), made.nbytes) == (4, before)


def test_nbytes_counts_pictures_depth_and_voxels() -> None:
    plain, with_depth = archive(clip(0)), archive(clip(0, keyframes=(0,)))
    assert plain.nbytes > 4 * 6 * 8 * 3
    assert with_depth.nbytes - plain.nbytes == 6 * 8 * 4


def test_clips_that_contradict_themselves_or_the_archive_are_refused() -> None:
    good = clip(0)
    with pytest.raises(ValueError, match="one voxel set for each"):
        replace(good, visible=good.visible[1:])
    with pytest.raises(ValueError, match="increasing positions"):
        replace(good, keyframes=np.array([4], np.int32), keyframe_depth_m=np.zeros((1, 6, 8), np.float32))
    with pytest.raises(ValueError, match="without depth_m"):
        replace(good, frames=replace(good.frames, depth_m=np.zeros((4, 6, 8), np.float32)))
    with pytest.raises(ValueError, match="intrinsics"):
        FrameArchive(INTRINSICS.resized(width_px=16, height_px=12), voxel_m=VOXEL_M).add(good)
    with pytest.raises(ValueError, match="voxels must measure"):
        FrameArchive(INTRINSICS, voxel_m=0.1).add(good)
