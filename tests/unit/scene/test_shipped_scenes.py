from pathlib import Path

import numpy as np
import pytest

from spatia import assets
from spatia.geom.pose import check_poses
from spatia.scene.build_paths import intrinsics_of, new_poses, start_pose_of
from spatia.scene.json_schema import scene_json_schema
from spatia.scene.load import load_scene

FOLDER = Path(str(assets.root("scenes")))
SCENES = sorted(path.name for path in FOLDER.glob("*.yaml"))


def test_the_promised_scenes_are_there() -> None:
    promised = {"room_loop.yaml", "courtyard_moving.yaml", "room_edit.yaml", "rgbd_folder.yaml", "point_cloud.yaml"}
    promised |= {"spatia_tiny.yaml", "mirage_tiny.yaml"}
    assert promised <= set(SCENES)


@pytest.mark.parametrize("name", SCENES)
def test_a_shipped_scene_loads_and_its_walk_returns_to_its_first_pose(name: str) -> None:
    scene = load_scene(FOLDER / name).scene
    camera = scene.camera
    lens = intrinsics_of(camera)
    size = (160, 96) if name.endswith("_tiny.yaml") else (640, 352)
    assert lens is not None and (lens.width_px, lens.height_px) == size
    poses = (np.eye(4) if camera.start is None else start_pose_of(camera.start))[None]
    for scene_round in scene.rounds:
        assert scene_round.path is not None
        poses = check_poses(np.concatenate([poses, new_poses(scene_round.path, poses)]))
    assert np.array_equal(poses[0], poses[-1])
    assert len(poses) % 4 == 1, "a whole number of latent frames"
    assert np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=-1).max() < 0.3, "a person can follow"


@pytest.mark.parametrize("name", SCENES)
def test_a_shipped_scene_names_its_schema_for_editors(name: str) -> None:
    first_line = (FOLDER / name).read_text(encoding="utf-8").splitlines()[0]
    assert first_line == "# yaml-language-server: $schema=scene.schema.json"


def test_the_shipped_schema_is_the_one_of_the_models() -> None:
    shipped = (FOLDER / "scene.schema.json").read_text(encoding="utf-8")
    assert shipped == scene_json_schema(), "write it anew: spatia scene schema > scenes/scene.schema.json"


def test_the_schema_keeps_to_draft_07() -> None:
    text = scene_json_schema()
    assert '"http://json-schema.org/draft-07/schema#"' in text
    assert "$defs" not in text and "prefixItems" not in text
