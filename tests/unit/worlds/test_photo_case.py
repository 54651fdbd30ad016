from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spatia.errors import InputError
from spatia.worlds.photo_case import is_photo_case, read_photo_case

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "photos"


@pytest.fixture
def case(tmp_path: Path) -> Path:
    Image.new("RGB", (40, 20), (9, 9, 9)).save(tmp_path / "img.jpg")
    (tmp_path / "intrinsics.txt").write_text("[0.8 1.4 0.5 0.5]\n")
    (tmp_path / "w2c.txt").write_text(f"{np.eye(4).tolist()}\n" * 3)
    (tmp_path / "prompt.txt").write_text("a room\n\nthe same room, later\n", encoding="utf-8")
    return tmp_path


def test_a_case_holds_a_picture_a_path_and_a_prompt_a_round(case: Path) -> None:
    found = read_photo_case(case)
    assert found.rgb.shape == (20, 40, 3)
    assert (len(found.cameras), found.cameras.intrinsics.fx_px) == (3, 32.0)
    assert found.prompts == ("a room", "the same room, later")
    assert found.mask is None


def test_a_mask_marks_what_moves(case: Path) -> None:
    mask = np.zeros((20, 40), dtype=np.uint8)
    mask[3, 5] = 255
    Image.fromarray(mask).save(case / "mask.png")
    found = read_photo_case(case).mask
    assert found is not None and found[3, 5] and found.sum() == 1
    Image.fromarray(mask[:10]).save(case / "mask.png")
    with pytest.raises(InputError, match=r"mask.png: is 40x10 pixels, and the picture 40x20"):
        read_photo_case(case)


@pytest.mark.parametrize(
    ("kind", "value", "problem"), [(np.uint8, 60, "holds 8 bits, not millimetres"), (np.uint16, 0, "holds no depth")]
)
def test_a_depth_that_is_none_is_refused(case: Path, kind: type, value: int, problem: str) -> None:
    Image.fromarray(np.full((20, 40), value, dtype=kind)).save(case / "depth.png")
    with pytest.raises(InputError, match=rf"depth.png: {problem}"):
        read_photo_case(case)


def test_a_case_that_lacks_its_picture_is_meant_as_a_case(case: Path, tmp_path: Path) -> None:
    (case / "img.jpg").unlink()
    assert is_photo_case(case)
    assert not is_photo_case(tmp_path.parent)
    assert not is_photo_case(Path("a" * 300))


@pytest.mark.parametrize("name", ["img.jpg", "intrinsics.txt", "w2c.txt", "prompt.txt"])
def test_a_missing_file_is_named(case: Path, name: str) -> None:
    (case / name).unlink()
    with pytest.raises(InputError, match=name):
        read_photo_case(case)


def test_prompts_must_be_text_and_there_must_be_one(case: Path) -> None:
    (case / "prompt.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not UTF-8 at byte 0"):
        read_photo_case(case)
    (case / "prompt.txt").write_text(" \n")
    with pytest.raises(InputError, match="holds no prompt"):
        read_photo_case(case)


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no photo cases at {SHARED.name}")
@pytest.mark.parametrize(("name", "poses"), [("case_1", 193), ("case_2", 193), ("case_3", 121)])
def test_the_cases_of_the_release_are_read(name: str, poses: int) -> None:
    found = read_photo_case(SHARED / name)
    assert found.rgb.shape == (704, 1248, 3)
    assert len(found.cameras) == poses
    assert (found.mask is not None) == (name == "case_3")
