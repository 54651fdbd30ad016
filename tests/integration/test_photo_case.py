"""A photo case becomes a world as soon as its depth is known, and says what is missing otherwise."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spatia.app.console import run_in_console
from spatia.app.photo_scene import cuts, photo_scene
from spatia.app.run_folder import fresh_folder
from spatia.errors import InputError, SceneError
from spatia.geom.camera import Cameras, Intrinsics
from spatia.geom.path import dolly
from spatia.geom.path_files import write_intrinsics, write_w2c
from spatia.store.folder import open_store
from spatia.worlds.photo_case import read_photo_case
from spatia.worlds.procedural import procedural_world

STAND_IN = Path(__file__).resolve().parents[1] / "support" / "mapanything_standin"
PHOTOS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "photos"
SMALL = ["camera.width_px=160", "camera.height_px=96", "estimation.check_poses=false"]


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A procedural room as a photo with depth; its first pose is not the identity."""
    room, folder = procedural_world("room"), tmp_path / "case"
    folder.mkdir()
    lens = Intrinsics.from_fov(fov_y_rad=1.0, width_px=320, height_px=192)
    poses = dolly(room.start_pose, 0.4, frames=17)
    seen = room.render(Cameras(world_from_camera=poses[:1], intrinsics=lens), np.zeros(1, dtype=np.float32))
    Image.fromarray(seen.rgb[0]).save(folder / "img.png")
    Image.fromarray((seen.depth_m[0] * 1000).astype(np.uint16)).save(folder / "depth.png")
    write_intrinsics(folder / "intrinsics.txt", lens)
    write_w2c(folder / "w2c.txt", poses)
    (folder / "prompt.txt").write_text("a room\n", encoding="utf-8")
    return folder


def test_a_photo_with_depth_is_walked_into(case: Path, tmp_path: Path) -> None:
    run_in_console(case, open_folder=lambda: fresh_folder(tmp_path / "run"), overrides=SMALL)
    record = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert [round_["frames"] for round_ in record["rounds"]] == [[0, 17]]
    assert record["rounds"][0]["prompt"] == "a room"
    assert record["rounds"][0]["coverage"] > 0.8


def test_what_a_photos_mask_marks_stays_out_of_the_world(case: Path, tmp_path: Path) -> None:
    mask = np.zeros((192, 320), dtype=np.uint8)
    mask[60:150, 80:200] = 255
    Image.fromarray(mask).save(case / "mask.png")
    run_in_console(case, open_folder=lambda: fresh_folder(tmp_path / "run"), overrides=[*SMALL, "seed=1"])
    with open_store(tmp_path / "run" / "world", read_only=True) as store:
        photo = store.load_arrays(0)
    marked = np.unpackbits(photo["keyframe_moving"], axis=-1, count=160).astype(bool)[0]
    assert marked[48, 70] and not marked[5, 5]
    assert (photo["keyframe_depth_m"][0][marked] == 0).all()


@pytest.mark.parametrize("estimator", ["completion", "plane_sweep"])
def test_a_photo_without_depth_says_what_would_give_it(case: Path, tmp_path: Path, estimator: str) -> None:
    (case / "depth.png").unlink()
    with pytest.raises(SceneError, match=f"a photo needs depth, and {estimator} gives none") as refused:
        run_in_console(
            case,
            open_folder=lambda: fresh_folder(tmp_path / "run"),
            overrides=[*SMALL, f"estimation.estimator={estimator}"],
        )
    for way in ("depth.png", "depth_model", "mapanything"):
        assert way in str(refused.value)
    assert not (tmp_path / "run").exists()


def test_a_photo_gets_its_depth_from_mapanything_and_each_clip_is_aligned_to_it(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a stand-in for MapAnything, in a real process; it sees a wall whose scale is off."""
    (case / "depth.png").unlink()
    monkeypatch.setenv("PYTHONPATH", str(STAND_IN))
    estimator = f"{{name: mapanything, python: {sys.executable}, weights: 'standin,scale=1.3', device: cpu}}"
    run_in_console(
        case,
        open_folder=lambda: fresh_folder(tmp_path / "run"),
        overrides=[*SMALL, f"estimation.estimator={estimator}"],
    )
    record = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    notes = record["rounds"][0]["notes"]
    assert any(note.startswith("mapanything: of 12 views") for note in notes), notes
    assert any("against the memory" in note for note in notes), notes


def test_a_prompt_reaches_the_scene_as_it_was_written(case: Path) -> None:
    prompt = 'a "room": {gar\u00e7on} \\n \U0001f600'
    (case / "prompt.txt").write_text(prompt, encoding="utf-8")
    assert photo_scene(case, SMALL).scene.rounds[0].prompt == prompt


def test_a_case_of_one_pose_is_no_walk(case: Path) -> None:
    (case / "w2c.txt").write_text(f"{np.eye(4).tolist()}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"w2c.txt: has one pose, and a walk needs two"):
        photo_scene(case, SMALL)


def test_the_authors_cases_are_cut_as_the_release_cuts_them() -> None:
    if not PHOTOS.is_dir():
        pytest.skip(f"{PHOTOS} is missing")
    found = [cuts(read_photo_case(PHOTOS / name)) for name in ("case_1", "case_2", "case_3")]
    assert found == [[(0, 192)], [(0, 120), (120, 192)], [(0, 120)]]


def test_the_authors_case_runs_once_a_depth_is_laid_beside_it(tmp_path: Path) -> None:
    if not PHOTOS.is_dir():
        pytest.skip(f"{PHOTOS} is missing")
    case = tmp_path / "case_3"
    shutil.copytree(PHOTOS / "case_3", case)
    Image.fromarray(np.full((704, 1248), 6000, dtype=np.uint16)).save(case / "depth.png")
    scene = photo_scene(case, SMALL).scene
    assert scene.rounds[0].prompt.startswith("A gentle camera pan to the right")
    (case / "w2c.txt").write_text("".join((case / "w2c.txt").read_text().splitlines(keepends=True)[:9]))
    run_in_console(case, open_folder=lambda: fresh_folder(tmp_path / "run"), overrides=SMALL)
    record = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert record["rounds"][0]["frames"] == [0, 9]
