from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spatia.errors import InputError
from spatia.geom.camera import Intrinsics
from spatia.geom.pose import from_rotation_translation, rotation_about
from spatia.worlds.rgbd_folder import open_rgbd_folder, registered_color

LENS = Intrinsics(fx_px=20, fy_px=20, cx_px=8, cy_px=6, width_px=16, height_px=12)
POSE = from_rotation_translation(rotation_about((0, 1, 0), 0.3), (1, 2, 3))


def write_frame(folder: Path, number: int, *, depth: int = 1500, pose: np.ndarray = POSE) -> None:
    stem = f"frame-{number:06d}"
    Image.fromarray(np.full((12, 16, 3), (200, 100, 50), dtype=np.uint8)).save(folder / f"{stem}.color.jpg", quality=95)
    raw = np.full((12, 16), depth, dtype=np.uint16)
    raw[0, 0], raw[0, 1] = 0, 65535
    Image.fromarray(raw).save(folder / f"{stem}.depth.png")
    np.savetxt(folder / f"{stem}.pose.txt", pose)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.savetxt(tmp_path / "camera-intrinsics.txt", LENS.matrix)
    for number in (3, 0, 8):
        write_frame(tmp_path, number)
    return tmp_path


def test_frames_come_in_the_order_of_their_numbers_in_metres(folder: Path) -> None:
    sequence = open_rgbd_folder(folder)
    frame = sequence.read(1)
    assert (len(sequence), sequence.frame_numbers, frame.number) == (3, (0, 3, 8), 3)
    assert sequence.depth_intrinsics == LENS
    assert frame.depth_m[5, 5] == np.float32(1.5)
    assert frame.depth_m[0, 0] == 0 and frame.depth_m[0, 1] == 0
    np.testing.assert_allclose(frame.world_from_depth, POSE)
    np.testing.assert_allclose(frame.rgb[6, 6], (200, 100, 50), atol=4)
    assert frame.registered.sum() == 12 * 16 - 2


def test_lost_frames_are_left_out_and_counted_or_refused(folder: Path) -> None:
    write_frame(folder, 5, pose=np.full((4, 4), np.nan))
    sequence = open_rgbd_folder(folder)
    assert (sequence.frame_numbers, sequence.lost_frames) == ((0, 3, 8), (5,))
    with pytest.raises(InputError, match=r"frame-000005.pose.txt: the pose is not finite"):
        open_rgbd_folder(folder, strict=True)


def test_a_folder_in_which_every_frame_is_lost_is_refused(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "camera-intrinsics.txt", LENS.matrix)
    write_frame(tmp_path, 0, pose=np.full((4, 4), -np.inf))
    with pytest.raises(InputError, match="no frame has a finite pose"):
        open_rgbd_folder(tmp_path)


@pytest.mark.parametrize("kind", ["color.jpg", "pose.txt"])
def test_a_frame_without_its_partner_is_refused_by_name(folder: Path, kind: str) -> None:
    (folder / f"frame-000003.{kind}").unlink()
    with pytest.raises(InputError, match=f"frame-000003.{kind}: there is no such file"):
        open_rgbd_folder(folder)


@pytest.mark.parametrize(("depth", "scale"), [(1500, 1.0), (5, 0.001), (60000, 0.001), (1500, 1e-6)])
def test_a_depth_of_an_unlikely_size_names_the_setting(folder: Path, depth: int, scale: float) -> None:
    write_frame(folder, 0, depth=depth)
    with pytest.raises(InputError, match=r"the unit looks wrong.*\n.*depth_scale_m"):
        open_rgbd_folder(folder, depth_scale_m=scale).read(0)


def test_depth_of_eight_bits_in_colour_is_refused(folder: Path) -> None:
    Image.fromarray(np.zeros((12, 16, 3), dtype=np.uint8)).save(folder / "frame-000000.depth.png")
    with pytest.raises(InputError, match="one channel of 8 or 16 bits"):
        open_rgbd_folder(folder)


def test_a_picture_of_another_size_than_its_intrinsics_is_refused(folder: Path) -> None:
    larger = LENS.resized(width_px=32, height_px=24)
    with pytest.raises(InputError, match=r"color.jpg: is 16x12 pixels, and the intrinsics are for 32x24"):
        open_rgbd_folder(folder, color_intrinsics=larger).read(0)


def test_a_damaged_picture_is_refused_by_name(folder: Path) -> None:
    path = folder / "frame-000008.color.jpg"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"frame-000008.color.jpg: cannot be read as a picture"):
        open_rgbd_folder(folder).read(2)


def test_a_picture_that_would_fill_the_memory_is_refused(folder: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(folder / "frame-000000.depth.png")
    with pytest.raises(InputError, match=r"too many pixels|at most"):
        open_rgbd_folder(folder)


@pytest.mark.parametrize("pose", [2 * POSE, np.diag([1.0, 1, -1, 1])])
def test_a_pose_that_is_no_rigid_motion_is_refused(folder: Path, pose: np.ndarray) -> None:
    write_frame(folder, 3, pose=pose)
    with pytest.raises(InputError, match=r"frame-000003.pose.txt"):
        open_rgbd_folder(folder)


@pytest.mark.parametrize("text", ["1 2 3", "a b c d e f g h i", "0 0 0 0 0 0 0 0 0", "9 " * 40_000])
def test_intrinsics_that_are_none_are_refused(folder: Path, text: str) -> None:
    (folder / "camera-intrinsics.txt").write_text(text)
    with pytest.raises(InputError, match=r"camera-intrinsics.txt"):
        open_rgbd_folder(folder)


def test_an_empty_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no frames"):
        open_rgbd_folder(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        open_rgbd_folder(tmp_path / "nothing")


def test_registered_colour_is_that_of_the_pixel_where_the_colour_camera_sees_the_point() -> None:
    columns = np.broadcast_to(np.arange(16, dtype=np.uint8)[None, :, None], (12, 16, 3))
    depth_m = np.full((12, 16), 2.0, dtype=np.float32)
    shift = from_rotation_translation(np.eye(3), (0.3, 0.0, 0.0))  # 0.3 m at 2 m and 20 px: three pixels
    rgb, known = registered_color(np.ascontiguousarray(columns), depth_m, LENS, LENS, shift)
    np.testing.assert_array_equal(rgb[5, :13, 0], np.arange(3, 16))
    assert not known[:, 13:].any() and known[:, :13].all()
    wide = replace(LENS, fx_px=10.0)
    rgb, known = registered_color(np.ascontiguousarray(columns), depth_m, wide, LENS, np.eye(4))
    np.testing.assert_array_equal(rgb[0, ::4, 0], [4, 6, 8, 10])


def test_the_colour_cameras_pose_follows_from_the_extrinsic(folder: Path) -> None:
    shift = from_rotation_translation(np.eye(3), (0.1, 0.0, 0.0))
    sequence = open_rgbd_folder(folder, color_from_depth=shift)
    frame = sequence.read(0)
    np.testing.assert_allclose(frame.world_from_color @ shift, frame.world_from_depth, atol=1e-12)
    np.testing.assert_allclose(sequence.color_cameras.world_from_camera[0], frame.world_from_color, atol=1e-12)
