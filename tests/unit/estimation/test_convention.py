"""Poses of a wrong convention are named; right ones, and such as tell nothing, pass in silence."""

from math import radians
from pathlib import Path

import numpy as np
import pytest

from spatia.errors import InputError
from spatia.estimation.convention import GivenAs, check_convention, telling_frames
from spatia.geom.camera import Cameras, Intrinsics
from spatia.geom.pose import F64, from_rotation_translation, gl_from_camera, inverse, rotation_about
from spatia.records.frames import Frames
from spatia.records.geometry import Geometry
from spatia.worlds.rgbd_folder import open_rgbd_folder
from support.scenes import BallBeforeWall, frames_of, lens

SCENE = BallBeforeWall()
ROOM = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "rgbd_room"
FLIP = gl_from_camera()


def walk(count: int = 6, *, step: float = 1.0) -> Frames:
    """Sideways, up and back, turning."""
    poses = [
        from_rotation_translation(
            rotation_about([0.2, 1, 0.1], 0.05 * step * i), np.array([0.2, -0.05, -0.1]) * step * i
        )
        for i in range(count)
    ]
    cameras = Cameras(world_from_camera=np.stack(poses), intrinsics=lens(width_px=128, height_px=96))
    return frames_of(SCENE, cameras)


def posed(frames: Frames, poses: F64) -> Frames:
    cameras = Cameras(world_from_camera=poses, intrinsics=frames.cameras.intrinsics)
    return Frames(rgb=frames.rgb, cameras=cameras, time_s=frames.time_s, depth_m=frames.depth_m)


def test_right_poses_pass() -> None:
    check_convention(walk(), where="poses.txt")


@pytest.mark.parametrize(
    ("given_as", "problem", "fix"),
    [
        ("camera_to_world", "world-to-camera, not camera-to-world: ", "camera-to-world is wanted"),
        ("world_to_camera", "camera-to-world, not world-to-camera: ", "world-to-camera is wanted"),
    ],
)
def test_inverted_poses_are_named(given_as: GivenAs, problem: str, fix: str) -> None:
    frames = walk()
    inverted = posed(frames, inverse(frames.cameras.world_from_camera))
    with pytest.raises(InputError) as raised:
        check_convention(inverted, where="poses.txt", given_as=given_as)
    assert str(raised.value).startswith(f"poses.txt: these look like {problem}")
    assert raised.value.fix.endswith(fix)


def test_opengl_axes_are_named() -> None:
    frames = walk()
    with pytest.raises(InputError, match=r"look like OpenGL axes \(y up, z backward\), not OpenCV's"):
        check_convention(posed(frames, frames.cameras.world_from_camera @ FLIP), where="poses.txt")


def test_inverted_poses_with_opengl_axes_are_named() -> None:
    frames = walk()
    poses = inverse(frames.cameras.world_from_camera @ FLIP)
    with pytest.raises(InputError, match=r"world-to-camera, not camera-to-world, and with OpenGL axes") as raised:
        check_convention(posed(frames, poses), where="poses.txt")
    assert raised.value.fix == (
        "write the inverse of each matrix: camera-to-world is wanted; "
        "negate the second and third column of each camera-to-world matrix"
    )


@pytest.mark.parametrize("turned", [np.eye(4), FLIP])
def test_another_world_frame_changes_nothing(turned: F64) -> None:
    world = turned @ from_rotation_translation(rotation_about([1, 2, 3], 1.0), np.array([5.0, -2, 3]))
    frames = walk()
    check_convention(posed(frames, world @ frames.cameras.world_from_camera), where="poses.txt")


def test_a_camera_that_hardly_moves_says_nothing() -> None:
    frames = walk(step=0.02)
    check_convention(posed(frames, inverse(frames.cameras.world_from_camera)), where="poses.txt")
    check_convention(frames[:1], where="poses.txt")
    check_convention(frames[:0], where="poses.txt")


def test_views_of_different_things_say_nothing() -> None:
    frames = walk(2)
    away = frames.cameras.world_from_camera.copy()
    away[1, :3, :3] = rotation_about([0, 1, 0], radians(120))
    check_convention(posed(frames, away), where="poses.txt")


def test_frames_that_are_a_strip_are_looked_at_as_well() -> None:
    poses = walk(2).cameras.world_from_camera
    strip = Cameras(world_from_camera=poses, intrinsics=lens(width_px=320, height_px=3))
    check_convention(frames_of(SCENE, strip), where="poses.txt")


def test_without_depth_nothing_is_seen() -> None:
    check_convention(posed_without_depth(walk()), where="poses.txt")


def posed_without_depth(frames: Frames) -> Frames:
    assert frames.depth_m is not None
    return Frames(
        rgb=frames.rgb,
        cameras=Cameras(
            world_from_camera=inverse(frames.cameras.world_from_camera), intrinsics=frames.cameras.intrinsics
        ),
        time_s=frames.time_s,
        depth_m=np.zeros_like(frames.depth_m),
    )


def test_depth_is_asked_for() -> None:
    with pytest.raises(ValueError, match="checked by depth"):
        check_convention(frames_of(SCENE, walk().cameras, with_depth=False), where="poses.txt")


@pytest.mark.parametrize("count", [0, 1, 12, 13, 125, 1000])
def test_few_frames_are_looked_at_neighbours_among_them(count: int) -> None:
    chosen = telling_frames(count)
    assert len(chosen) <= 12
    assert ((chosen >= 0) & (chosen < count)).all()
    assert count < 2 or np.diff(chosen).min() == 1


@pytest.fixture(scope="module")
def room() -> tuple[Frames, Geometry]:
    if not ROOM.is_dir():
        pytest.skip("the real room is not here: ../shared/data/rgbd_room")
    colour = Intrinsics(fx_px=525, fy_px=525, cx_px=320, cy_px=240, width_px=640, height_px=480)
    folder = open_rgbd_folder(ROOM, color_intrinsics=colour)
    chosen = telling_frames(len(folder))
    read = [folder.read(int(i)) for i in chosen]
    poses, depth_m = folder.poses[chosen], np.stack([frame.depth_m for frame in read])
    frames = Frames(
        rgb=np.stack([frame.rgb for frame in read]),
        cameras=Cameras(world_from_camera=poses, intrinsics=colour),
        time_s=np.zeros(len(chosen), dtype=np.float32),
    )
    cameras = Cameras(world_from_camera=poses, intrinsics=folder.depth_intrinsics)
    return frames, Geometry(cameras=cameras, depth_m=depth_m, confidence=(depth_m > 0).astype(np.float32))


@pytest.mark.parametrize("frames", [slice(None), slice(0, 4), slice(4, 8), slice(8, 12), slice(0, 12, 2)])
def test_the_rooms_poses_pass_and_others_are_named(room: tuple[Frames, Geometry], frames: slice) -> None:
    seen, geometry = room[0][frames], room[1]
    poses = seen.cameras.world_from_camera
    measured = Geometry(
        cameras=geometry.cameras[frames], depth_m=geometry.depth_m[frames], confidence=geometry.confidence[frames]
    )
    check_convention(seen, where="room", geometry=measured)
    with pytest.raises(InputError, match="these look like world-to-camera, not camera-to-world"):
        check_convention(posed(seen, inverse(poses)), where="room", geometry=measured)
    with pytest.raises(InputError, match="these look like OpenGL axes"):
        check_convention(posed(seen, poses @ FLIP), where="room", geometry=measured)
