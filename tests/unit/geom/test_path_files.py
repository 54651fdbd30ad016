from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatia.errors import InputError
from spatia.geom import path, path_files
from spatia.geom.camera import Intrinsics
from spatia.geom.pose import F64, from_rotation_translation, rotation_from_quaternion

CASE = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "photos" / "case_1"

quaternion = st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: np.linalg.norm(q) > 0.1)
point = st.lists(st.floats(-100, 100), min_size=3, max_size=3)
pose = st.builds(lambda q, t: from_rotation_translation(rotation_from_quaternion(q), t), quaternion, point)
walk = st.lists(pose, min_size=1, max_size=5).map(np.stack)

IDENTITY_LINE = "[[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("paths")


@settings(derandomize=True, deadline=None, max_examples=30)
@given(poses=walk)
def test_written_paths_read_back(folder: Path, poses: F64) -> None:
    path_files.write_w2c(folder / "w2c.txt", poses)
    assert np.abs(path_files.read_path(folder / "w2c.txt") - poses).max() < 1e-9
    times = np.arange(len(poses)) / 24
    path_files.write_tum(folder / "tum.txt", times, poses)
    read_times, read_poses = path_files.read_tum(folder / "tum.txt")
    assert np.array_equal(read_times, times)
    assert np.abs(read_poses - poses).max() < 1e-9
    assert np.array_equal(path_files.read_path(folder / "tum.txt"), read_poses)


def test_intrinsics_read_back_on_any_raster(tmp_path: Path) -> None:
    lens = Intrinsics(fx_px=500.5, fy_px=510.25, cx_px=320.1, cy_px=176.3, width_px=640, height_px=352)
    path_files.write_intrinsics(tmp_path / "intrinsics.txt", lens)
    again = path_files.read_intrinsics(tmp_path / "intrinsics.txt", width_px=1280, height_px=704)
    assert np.allclose(again.matrix, lens.resized(width_px=1280, height_px=704).matrix, atol=1e-9)


@pytest.mark.skipif(not CASE.is_dir(), reason="needs the photo cases in ../shared/data")
def test_a_released_case_reads_as_193_poses_from_the_origin() -> None:
    poses = path_files.read_path(CASE / "w2c.txt")
    assert poses.shape == (193, 4, 4)
    assert np.allclose(poses[0], np.eye(4), atol=2e-3)
    lens = path_files.read_intrinsics(CASE / "intrinsics.txt", width_px=1248, height_px=704)
    assert lens.fx_px == pytest.approx(lens.fy_px, rel=2e-3)


def test_comments_blank_lines_and_a_missing_last_newline_are_fine(tmp_path: Path) -> None:
    file = tmp_path / "tum.txt"
    file.write_text("# time tx ty tz qx qy qz qw\n\n0 1 2 3 0 0 0 1 # first\r\n0.5 1 2 4 0 0 0 1")
    times, poses = path_files.read_tum(file)
    assert times.tolist() == [0, 0.5]
    assert poses[:, 2, 3].tolist() == [3, 4]


@pytest.mark.parametrize(
    ("text", "line", "problem", "fix"),
    [
        ("", "", "holds no poses", "one pose a line"),
        ("# only a comment\n", "", "holds no poses", "one pose a line"),
        ("1 2 3\n", ":1", "3 numbers", "16 a line"),
        (f"{IDENTITY_LINE}\n1 2 3\n", ":2", "3 numbers instead of a 4x4", "16"),
        (IDENTITY_LINE.replace("[[1,", "[[NaN,"), ":1", "must be finite; found NaN", "leave that pose out"),
        (IDENTITY_LINE.replace("[[1,", "[[2,"), ":1", "orthonormal", "without scale"),
        ("[[1,0,0,0],[0,1,0,0],[0,0,1,0],[1,2,3,1]]", ":1", "last row", "transposed"),
        (IDENTITY_LINE.replace("1]]", "2]]"), ":1", "last row", "0 0 0 1"),
        ("0 0 0 0 0 0 0 1\n1 0 0 0 0 0 0\n", ":2", "7 numbers instead of 8", "time tx ty tz"),
        ("0 0 0 0 1 0 0 1\n", ":1", "length 1.414", "qx qy qz qw"),
        ("1 0 0 0 0 0 0 1\n1 0 0 0 0 0 0 1\n", ":2", "does not come after", "sort"),
        ("0 0 0 zero 0 0 0 1\n", ":1", "'zero' is not a number", "decimal"),
        ("0 0 0 1e999 0 0 0 1\n", ":1", "finite", ""),
        ("1 " * 4000, ":1", "a line of 8,000 characters", "one pose a line"),
    ],
)
def test_a_wrong_path_file_says_the_line_the_problem_and_the_fix(
    tmp_path: Path, text: str, line: str, problem: str, fix: str
) -> None:
    file = tmp_path / "path.txt"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        path_files.read_path(file)
    assert caught.value.where == f"{file}{line}"
    assert problem in caught.value.problem
    assert fix in caught.value.fix


def test_a_path_file_must_be_there_be_text_and_be_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        path_files.read_path(tmp_path / "missing.txt")
    with pytest.raises(InputError, match="cannot be read"):
        path_files.read_path("nul\0.txt")
    file = tmp_path / "path.txt"
    file.write_bytes(b"0 0 0\n\xff\xfe")
    with pytest.raises(InputError, match=r"path\.txt:2: is not text"):
        path_files.read_path(file)
    monkeypatch.setattr(path_files, "MAX_BYTES", 4)
    with pytest.raises(InputError, match="larger than"):
        path_files.read_path(file)


def test_too_many_poses_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(path_files, "MAX_POSES", 2)
    path_files.write_w2c(tmp_path / "w2c.txt", path.hold(np.eye(4), frames=3))
    with pytest.raises(InputError, match="more than 2 poses"):
        path_files.read_path(tmp_path / "w2c.txt")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "0 numbers instead of fx fy cx cy"),
        ("[1 2 3]", "3 numbers"),
        ("[525 525 320 240]", "525 looks like pixels"),
        ("[0.8 -1.4 0.5 0.5]", "must be positive"),
        ("[0.8 inf 0.5 0.5]", "finite"),
    ],
)
def test_wrong_intrinsics_say_what_is_wrong(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "intrinsics.txt"
    file.write_text(text)
    with pytest.raises(InputError, match=problem):
        path_files.read_intrinsics(file, width_px=640, height_px=352)
