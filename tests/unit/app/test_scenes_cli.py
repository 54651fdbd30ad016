from pathlib import Path

import pytest

from spatia.app.scenes_cli import describe
from spatia.errors import SpatiaError
from support.scenes_small import write_small_room
from support.small_inputs import CLOUD, RECORDED, rgbd_file, write_cloud, write_rgbd


def test_every_walk_ends_with_a_clip_as_in_a_run(tmp_path: Path) -> None:
    scene = write_small_room(tmp_path)
    assert "2 rounds, 21 frames" in describe(scene, [])
    assert " 4 clips" in describe(scene, [])  # 9, 4, then 4 and 4
    paper = [f"generation.{name}" for name in ("first_frames=81", "clip_frames=81", "preceding_frames=9")]
    lengths = ["rounds.0.path.0.frames=99", "rounds.1.path.0.frames=72"]  # the first walk also has its start
    assert "172 frames" in describe(scene, paper + lengths)
    assert " 3 clips" in describe(scene, paper + lengths)  # 81, 19, 72: a clip adds up to 72


@pytest.mark.parametrize(
    ("override", "where"),
    [
        ("generation.generator={name: oracle}", "generation.generator.name"),
        ("estimation.estimator=oracle", "estimation.estimator"),
        ("estimation.segmenter=oracle", "estimation.segmenter"),
        ("memory.rgb.max_points=1000", "raise max_points"),
    ],
)
def test_what_a_run_refuses_before_its_first_frame_is_refused(tmp_path: Path, override: str, where: str) -> None:
    write_cloud(tmp_path / "cloud.ply")
    scene = tmp_path / "cloud.yaml"
    scene.write_text(CLOUD)
    assert "ok" in describe(scene, [])
    with pytest.raises(SpatiaError, match=where):
        describe(scene, [override])


def test_a_memory_too_small_for_the_first_view_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpatiaError, match="max_points"):
        describe(write_small_room(tmp_path), ["memory.rgb.max_points=100"])


def test_beyond_their_size_the_pictures_of_a_folder_are_not_read(tmp_path: Path) -> None:
    write_rgbd(tmp_path / "rgbd")
    scene = tmp_path / "rgbd.yaml"
    scene.write_text(RECORDED)
    with pytest.raises(SpatiaError, match=r"generation\.generator\.name"):
        describe(scene, ["generation.generator={name: oracle}"])
    rgbd_file(tmp_path / "rgbd", 1, "color.jpg").write_bytes(b"")
    assert "ok" in describe(scene, [])
