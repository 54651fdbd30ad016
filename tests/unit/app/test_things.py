"""Files that a person names: what is read, and how a path goes on."""

from pathlib import Path

import numpy as np
import pytest

from spatia.app.things import completed, read_thing
from spatia.errors import InputError
from spatia.records.cloud import Points
from spatia.worlds.ply import write_ply
from support.small_inputs import write_cloud


def test_the_points_of_a_cloud_are_read(tmp_path: Path) -> None:
    write_cloud(tmp_path / "wall.ply")
    assert len(read_thing(tmp_path / "wall.ply", max_points=2400)) == 2400


def test_a_cloud_that_is_empty_or_too_large_is_refused(tmp_path: Path) -> None:
    write_ply(tmp_path / "empty.ply", Points.of(np.empty((0, 3)), (0, 0, 0)))
    with pytest.raises(InputError, match="no points"):
        read_thing(tmp_path / "empty.ply", max_points=10)
    write_cloud(tmp_path / "wall.ply")
    with pytest.raises(InputError, match="2400 points, and at most 2399"):
        read_thing(tmp_path / "wall.ply", max_points=2399)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder and the home of a person with chairs."""
    for name in ("chair_red.PLY", "chair_blue.ply", "chair_plan.txt", ".hidden.ply", "l[1].ply"):
        (tmp_path / name).touch()
    (tmp_path / "tables" / "low").mkdir(parents=True)
    (tmp_path / "tables" / "low" / "round.ply").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("begun", "gone_on"),
    [
        ("c", "chair_"),
        ("chair_r", "chair_red.PLY"),
        ("chair_p", "chair_p"),
        ("tab", "tables/"),
        ("tables/", "tables/low/"),
        ("tables/low/r", "tables/low/round.ply"),
        ("tables//l", "tables//l"),
        ("~", "~/"),
        ("~/tab", "~/tables/"),
        (".h", ".hidden.ply"),
        ("l[", "l[1].ply"),
        ("none", "none"),
        ("chair_blue.ply", "chair_blue.ply"),
        ("", ""),
        ("~nobody_of_this_name/", "~nobody_of_this_name/"),
        ("a" * 5000, "a" * 5000),
    ],
)
def test_a_path_goes_on_as_far_as_it_is_certain(begun: str, gone_on: str, here: Path) -> None:
    assert completed(begun) == gone_on
    assert completed(f"{here}/tab") == f"{here}/tables/"


def test_a_name_that_cannot_be_typed_is_not_completed(here: Path) -> None:
    (here / "odd\n.ply").touch()
    assert completed("od") == "od"
