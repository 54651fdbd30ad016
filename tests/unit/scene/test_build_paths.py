import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from spatia.errors import InputError, SceneError
from spatia.geom import path as moves
from spatia.geom.path_files import write_w2c
from spatia.geom.pose import F64, check_poses, look_at
from spatia.scene.build_paths import intrinsics_of, new_poses, start_pose_of
from spatia.scene.schema import Camera
from spatia.scene.schema_paths import PathSegment, PoseMatrix, Viewpoint

SEGMENT: TypeAdapter[Any] = TypeAdapter(PathSegment)
START = look_at((0.0, -1.6, -3.0), (0.0, -1.2, 0.0))


def walked(*segments: dict[str, Any], start: F64 = START) -> F64:
    before = start[None]
    return np.concatenate([before, new_poses([SEGMENT.validate_python(s) for s in segments], before)])


@pytest.mark.parametrize(
    ("segment", "meant"),
    [
        ({"dolly_m": 1.0, "frames": 8}, moves.dolly(START, 1.0, frames=9)),
        ({"truck_m": -1.0, "frames": 8, "ease": True}, moves.truck(START, -1.0, frames=9, ease=True)),
        ({"pedestal_m": 0.5, "frames": 8}, moves.pedestal(START, 0.5, frames=9)),
        ({"pan_deg": 30, "frames": 8}, moves.pan(START, math.radians(30), frames=9)),
        ({"tilt_deg": 30, "frames": 8}, moves.tilt(START, math.radians(30), frames=9)),
        ({"roll_deg": 30, "frames": 8}, moves.roll(START, math.radians(30), frames=9)),
        ({"hold": 5}, moves.hold(START, frames=6)),
        (
            {"orbit_deg": 90, "target": [0, 0, 0], "frames": 8},
            moves.orbit(START, math.pi / 2, target=(0, 0, 0), frames=9),
        ),
        (
            {"spiral_deg": 90, "target": [0, 0, 0], "rise_m": 1.0, "radius_scale": 0.5, "frames": 8},
            moves.spiral(START, math.pi / 2, target=(0, 0, 0), rise_m=1.0, radius_scale=0.5, frames=9),
        ),
    ],
)
def test_a_segment_adds_its_frames_to_the_pose_before(segment: dict[str, Any], meant: F64) -> None:
    assert np.array_equal(walked(segment), meant)


def test_segments_follow_each_other() -> None:
    poses = walked({"dolly_m": 1.0, "frames": 8}, {"pan_deg": 10, "frames": 4}, {"hold": 2})
    assert len(poses) == 1 + 8 + 4 + 2
    assert np.array_equal(poses[8], moves.dolly(START, 1.0, frames=9)[-1])


def test_keyframes_begin_at_the_current_pose_and_may_close() -> None:
    view = {"eye": [1, -1.6, -2], "look_at": [0, -1.2, 0]}
    poses = walked({"keyframes": [view], "frames": 20, "closed": True})
    assert np.array_equal(poses[-1], START)
    assert any(np.array_equal(pose, look_at((1, -1.6, -2), (0, -1.2, 0))) for pose in poses)


def test_the_way_back_ends_bit_for_bit_at_the_first_pose_across_rounds() -> None:
    there = walked({"dolly_m": 1.0, "frames": 8}, {"pan_deg": 40, "frames": 8})
    back = new_poses([SEGMENT.validate_python({"back_to_start": True, "frames": 12})], there)
    assert len(back) == 12
    assert np.array_equal(back[-1], START)


def test_the_way_back_leaves_out_loops_that_were_closed_before() -> None:
    loop = ({"orbit_deg": 360, "target": [0, -1, 5], "frames": 30}, {"dolly_m": 0.5, "frames": 5})
    poses = walked(*loop, {"back_to_start": True, "frames": 5})
    assert np.abs(np.diff(poses[-6:, :3, 3], axis=0)).max() < 0.2
    assert np.array_equal(poses[-1], START)
    rest = walked(*loop, {"back_to_start": True, "frames": 5}, {"back_to_start": True, "frames": 3})
    assert all(np.array_equal(pose, START) for pose in rest[-3:])


def test_a_look_turns_smoothly_to_its_target() -> None:
    poses = check_poses(walked({"truck_m": 1.0, "frames": 30, "look_at": [3, -1.6, 0]}))
    assert np.array_equal(poses[0], START)
    wanted = np.array([3, -1.6, 0]) - poses[-1, :3, 3]
    assert np.allclose(poses[-1, :3, 2], wanted / np.linalg.norm(wanted))
    ahead = walked({"truck_m": 1.0, "frames": 30, "look_ahead": True})
    assert np.allclose(ahead[-1, :3, 2], START[:3, 0])


def test_a_file_is_walked_from_where_the_camera_stands(tmp_path: Path) -> None:
    recorded = moves.orbit(look_at((5, 0, 5), (0, 0, 0)), 1.0, target=(0, 0, 0), frames=9)
    write_w2c(tmp_path / "w2c.txt", recorded)
    poses = walked({"file": str(tmp_path / "w2c.txt")})
    assert np.allclose(poses, moves.placed(recorded, START), atol=1e-12)
    assert len(walked({"file": str(tmp_path / "w2c.txt"), "frames": 20})) == 21
    with pytest.raises(InputError, match="cannot be read"):
        walked({"file": str(tmp_path / "missing.txt")})


def test_a_segment_that_cannot_be_walked_names_its_place() -> None:
    segment = SEGMENT.validate_python({"pedestal_m": 1.0, "frames": 8, "look_ahead": True})
    with pytest.raises(SceneError, match=r"s\.yaml:4:5: the view direction .* parallel to up"):
        new_poses([segment], START[None], where_of=["s.yaml:4:5"])


def test_a_walk_has_a_bound() -> None:
    with pytest.raises(SceneError, match="longer than 100,000 frames"):
        walked({"hold": 99_999}, {"hold": 1}, {"hold": 1})


def test_a_lens_comes_from_the_angle_or_the_focal_length_or_the_world() -> None:
    by_angle = intrinsics_of(Camera(width_px=640, height_px=352, fov_y_deg=60))
    assert by_angle is not None and by_angle.fov_y_rad == pytest.approx(math.radians(60))
    by_focal = intrinsics_of(Camera(width_px=640, height_px=352, fx_px=500, cx_px=300))
    assert by_focal is not None
    assert (by_focal.fy_px, by_focal.cx_px, by_focal.cy_px) == (500, 300, 176)
    assert intrinsics_of(Camera()) is None


def test_a_start_is_a_viewpoint_or_a_matrix() -> None:
    assert np.array_equal(start_pose_of(Viewpoint(eye=(0, -1.6, -3), look_at=(0, -1.2, 0))), START)
    assert np.array_equal(start_pose_of(PoseMatrix.model_validate({"pose": np.eye(4).tolist()})), np.eye(4))
