"""On a rendered room that the memory knows from other frames."""

import math
from functools import cache

import numpy as np
import pytest

from spatia.estimation.fuse import points_of_geometry
from spatia.evaluation.camera_control import path_error
from spatia.evaluation.pose_recovery import RecoveredPose, recover_path, recover_pose
from spatia.geom.camera import Cameras, Intrinsics
from spatia.geom.path import dolly, pan, then, truck
from spatia.geom.pose import F64, from_rotation_translation, look_at, rotation_about
from spatia.memory.cloud import PointMemory
from spatia.projection.numba_bands import NumbaProjector
from spatia.records.arrays import U8
from spatia.records.cloud import CloudSnapshot, Points, snapshot_of_points
from spatia.records.frames import Frames
from spatia.records.generation import Cancelled
from spatia.records.geometry import Geometry
from spatia.worlds.procedural import procedural_world

LENS = Intrinsics.from_fov(fov_y_rad=math.radians(45), width_px=160, height_px=96)


def cameras(poses: F64, lens: Intrinsics = LENS) -> Cameras:
    return Cameras(world_from_camera=poses, intrinsics=lens)


def rendered(poses: F64, lens: Intrinsics = LENS) -> U8:
    return procedural_world("room").render(cameras(poses, lens), np.zeros(len(poses), dtype=np.float32)).rgb


def walk(frames: int) -> F64:
    start = procedural_world("room").start_pose
    forward = dolly(start, 0.6, frames=frames)
    aside = truck(forward[-1], 0.5, frames=frames)
    return then(forward, aside, pan(aside[-1], math.radians(30), frames=frames))


@cache
def cloud() -> CloudSnapshot:
    """From ten frames of the walk at twice the size, as the memory makes it."""
    world, seen = procedural_world("room"), cameras(walk(4)).resized(width_px=320, height_px=192)
    time_s = np.zeros(len(seen), dtype=np.float32)
    true = world.render(seen, time_s)
    geometry = Geometry(cameras=seen, depth_m=true.depth_m, confidence=(true.depth_m > 0).astype(np.float32))
    memory = PointMemory(voxel_m=0.01, max_points=1_000_000)
    memory.insert(points_of_geometry(Frames(rgb=true.rgb, cameras=seen, time_s=time_s), geometry, clip=0))
    return memory.snapshot()


def astray(pose: F64, *, turn_deg: float, move_m: float, seed: int) -> F64:
    chance = np.random.default_rng(seed)
    axis, way = chance.normal(size=(2, 3))
    turn = rotation_about(axis, math.radians(turn_deg))
    return pose @ from_rotation_translation(turn, move_m * way / np.linalg.norm(way))


def recovered(rgb: U8, guess: F64, *, lens: Intrinsics = LENS, known: CloudSnapshot | None = None) -> RecoveredPose:
    return recover_pose(rgb, guess=guess, intrinsics=lens, cloud=known or cloud(), projector=NumbaProjector())


def off(pose: F64, true: F64) -> tuple[float, float]:
    error = path_error(true[None], pose[None])
    return float(error.rotation_deg[0]), float(error.translation_m[0])


BETWEEN = walk(8)[1:18:4]  # none of which the memory was made of


@pytest.mark.parametrize(("turn_deg", "move_m"), [(0, 0), (2, 0.05), (5, 0.2)])
def test_poses_are_found_again_to_a_tenth_of_a_degree_and_a_centimetre(turn_deg: float, move_m: float) -> None:
    for number, (rgb, true) in enumerate(zip(rendered(BETWEEN), BETWEEN, strict=True)):
        found = recovered(rgb, astray(true, turn_deg=turn_deg, move_m=move_m, seed=number))
        assert found.converged
        rotation_deg, translation_m = off(found.world_from_camera, true)
        assert rotation_deg < 0.1
        assert translation_m < 0.01


def test_neither_exposure_nor_something_in_the_way_moves_the_answer() -> None:
    true = BETWEEN[2]
    rgb = (0.6 * rendered(true[None])[0] + 30).astype(np.uint8)
    rgb[20:70, 50:80] = [200, 40, 30]  # a tenth of the picture
    found = recovered(rgb, astray(true, turn_deg=3, move_m=0.1, seed=1))
    assert found.converged
    assert max(off(found.world_from_camera, true)) < 0.1
    assert off(found.world_from_camera, true)[1] < 0.01


def test_larger_frames_give_the_same_pose() -> None:
    large = LENS.resized(width_px=640, height_px=384)
    true = BETWEEN[4]
    found = recovered(rendered(true[None], large)[0], astray(true, turn_deg=3, move_m=0.1, seed=2), lens=large)
    assert found.converged
    assert max(off(found.world_from_camera, true)) < 0.1


def test_a_frame_of_what_the_memory_does_not_know_is_not_placed() -> None:
    eye = BETWEEN[0][:3, 3]
    behind = look_at(eye, eye - BETWEEN[0][:3, 2])
    found = recovered(rendered(behind[None])[0], behind)
    assert not found.converged
    assert found.covered_share < 0.2
    np.testing.assert_array_equal(found.world_from_camera, behind)


def test_a_frame_that_looks_otherwise_is_not_placed() -> None:
    noise = np.random.default_rng(3).integers(0, 256, size=(96, 160, 3), dtype=np.uint8)
    assert not recovered(noise, BETWEEN[0]).converged
    assert not recovered(rendered(walk(8)[-1:])[0], BETWEEN[0]).converged


def stripes(*, contrast: float) -> CloudSnapshot:
    x, y = np.meshgrid(np.arange(-2, 2, 0.02), np.arange(-1.5, 1.5, 0.02))
    places = np.stack([x.ravel(), y.ravel(), np.full(x.size, 2.0)], axis=-1)
    colors = (128 + contrast * np.sin(9 * places[:, :1])).repeat(3, axis=1)
    return snapshot_of_points(Points.of(places, colors), voxel_m=0.02)


@pytest.mark.parametrize("contrast", [0, 80])
def test_walls_that_are_plain_or_look_alike_along_a_line_place_no_frame(contrast: float) -> None:
    known = stripes(contrast=contrast)
    rays = LENS.rays_in_camera()
    rgb = (128 + contrast * np.sin(18 * rays[..., :1])).repeat(3, axis=-1).astype(np.uint8)
    assert not recovered(rgb, np.eye(4), known=known).converged


def test_an_empty_memory_places_no_frame() -> None:
    nothing = snapshot_of_points(Points.of(np.zeros((0, 3)), [0, 0, 0]))
    found = recovered(rendered(BETWEEN[:1])[0], BETWEEN[0], known=nothing)
    assert (found.converged, found.covered_share) == (False, 0)


def test_the_same_frame_gives_the_same_bytes() -> None:
    rgb, guess = rendered(BETWEEN[:1])[0], astray(BETWEEN[0], turn_deg=3, move_m=0.1, seed=4)
    first, second = (recovered(rgb, guess).world_from_camera.tobytes() for _ in range(2))
    assert first == second


def test_a_frame_of_another_size_than_its_lens_is_refused() -> None:
    with pytest.raises(ValueError, match="rgb must have shape"):
        recovered(np.zeros((10, 10, 3), dtype=np.uint8), np.eye(4))


def test_a_path_is_followed_far_from_what_was_requested() -> None:
    """The frames turn by 30 degrees while they were asked to stand still: too far to find the last from its request."""
    true = walk(8)[14:]
    requested = np.repeat(true[:1], len(true), axis=0)
    frames = Frames(rgb=rendered(true), cameras=cameras(requested), time_s=np.zeros(len(true), dtype=np.float32))
    found = recover_path(frames, cloud=cloud(), projector=NumbaProjector())
    assert found.converged.all()
    error = path_error(true, found.world_from_camera)
    assert error.rotation_deg.max() < 0.2
    assert error.translation_m.max() < 0.02


def test_a_search_that_nobody_waits_for_ends_before_the_next_frame() -> None:
    frames = Frames(rgb=rendered(BETWEEN), cameras=cameras(BETWEEN), time_s=np.zeros(len(BETWEEN), dtype=np.float32))
    heard: list[tuple[int, int]] = []

    def report(done: int, total: int) -> None:
        heard.append((done, total))
        if done == 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        recover_path(frames, cloud=cloud(), projector=NumbaProjector(), report=report)
    assert heard == [(0, len(BETWEEN)), (1, len(BETWEEN))]


def test_a_path_of_no_frames_is_empty() -> None:
    none = Frames(
        rgb=np.zeros((0, 96, 160, 3), dtype=np.uint8),
        cameras=cameras(np.zeros((0, 4, 4))),
        time_s=np.zeros(0, dtype=np.float32),
    )
    assert recover_path(none, cloud=cloud(), projector=NumbaProjector()).world_from_camera.shape == (0, 4, 4)
