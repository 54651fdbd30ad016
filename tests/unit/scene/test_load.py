from pathlib import Path

import pytest

from spatia.errors import SceneError
from spatia.scene.load import SceneFile, load_scene, read_scene
from spatia.scene.schema import PlyWorld, Scene
from spatia.scene.schema_paths import Dolly

GOOD = """\
spatia: 1
name: test
world: {kind: procedural, name: room}
camera: {width_px: 64, height_px: 32, fov_y_deg: 60}
rounds:
  - prompt: one
    path:
      - {dolly_m: 1.0, frames: 8}
      - {hold: 4}
  - prompt: two
    edits:
      - remove: {label: sofa}
    path:
      - {back_to_start: true, frames: 8}
"""


def read(text: str = GOOD, *overrides: str, folder: Path = Path("."), allow_outside: bool = False) -> SceneFile:
    return read_scene(text.encode(), name="s.yaml", folder=folder, overrides=overrides, allow_outside=allow_outside)


def refusal(text: str = GOOD, *overrides: str) -> str:
    with pytest.raises(SceneError) as caught:
        read(text, *overrides)
    return str(caught.value)


def test_a_scene_loads_with_its_defaults() -> None:
    scene = read().scene
    assert scene.name == "test"
    assert scene.memory.rgb.voxel_m == 0.01
    assert scene.generation.generator.name == "reprojection"
    assert scene.rounds[0].path is not None and isinstance(scene.rounds[0].path[0], Dolly)
    assert Scene.model_validate(scene.model_dump()) == scene


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("prompt: one", "promt: one", "s.yaml:6:5: rounds.0.promt: unknown key 'promt'; did you mean 'prompt'?"),
        (
            "kind: procedural",
            "kind: proceduarl",
            "s.yaml:3:8: world: unknown kind 'proceduarl'; did you mean 'procedural'?",
        ),
        ("name: room", "name: rom", "world.name: must be 'room' or 'courtyard'; got 'rom'; did you mean 'room'?"),
        ("kind: procedural, ", "", "world: needs the key 'kind'"),
        ("dolly_m", "doly_m", "rounds.0.path.0: needs one of the keys that say what it is; did you mean 'dolly_m'?"),
        ("dolly_m: 1.0", "dolly_m: fast", "s.yaml:8:19: rounds.0.path.0.dolly_m: must be a valid number; got 'fast'"),
        ("dolly_m: 1.0", "dolly_m: true", "must be a valid number; got True"),
        ("frames: 8}\n      - {hold", "frames: 0}\n      - {hold", "must be greater than or equal to 1; got 0"),
        ("{hold: 4}", "{hold: 4.5}", "rounds.0.path.1.hold: must be a valid integer; got 4.5"),
        ("1.0, frames: 8", "1.0", "s.yaml:8:9: rounds.0.path.0.frames: is missing"),
        ("      - remove: {label: sofa}", "      remove: {label: sofa}", "s.yaml:12:7: rounds.1.edits: must be a list"),
        ("fov_y_deg: 60", "start: {eye: [0, 0, 0, 0], look_at: [1, 0, 0]}", "eye: must have at most 3 items; got 4"),
        ("name: test", "name: test\nmemory: 3", "s.yaml:3:9: memory: must be a mapping of keys to values; got 3"),
        ("64", "8", "s.yaml:4:20: camera.width_px: must be greater than or equal to 16; got 8"),
        ("fov_y_deg: 60", "fov_y_deg: 60, fx_px: 50", "camera: fov_y_deg and fx_px exclude each other"),
        ("fov_y_deg: 60", "cx_px: 60", "camera: cx_px needs fx_px beside it"),
        ("fov_y_deg: 60", "start: {eye: [0, 0, 0], look_at: [0, 1, 0]}", "camera.start: looks straight up or down"),
        ("fov_y_deg: 60", "start: {eye: [0, 0, 0], look_at: [0, 1]}", "camera.start.look_at.2: too few items"),
        (
            "fov_y_deg: 60",
            "start: {pose: [[2,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1]]}",
            "camera.start: pose must hold rotations",
        ),
        (
            "{label: sofa}",
            "{lable: sofa}",
            "rounds.1.edits.0.remove: needs one of the keys that say what it is; did you mean 'label'",
        ),
        ("spatia: 1\n", "", "needs the version of its format"),
        ("spatia: 1", "spatia: 2", "is of format 2; this spatia reads 1"),
        ("spatia: 1", "spatia: one", "the format must be 1; got 'one'"),
        ("name: test\n", "", "s.yaml:1:1: name: is missing"),
    ],
)
def test_a_mistake_says_its_line_its_key_and_what_would_do(old: str, new: str, message: str) -> None:
    assert old in GOOD
    assert message in refusal(GOOD.replace(old, new, 1))


def test_80_frames_are_answered_with_81_or_77() -> None:
    message = refusal(GOOD + "generation: {first_frames: 80}\n")
    assert "s.yaml:15:28: generation.first_frames: clips have 4k + 1 frames: use 81 or 77; got 80" in message


def test_several_mistakes_are_told_at_once() -> None:
    message = refusal(GOOD.replace("prompt: one", "promt: one").replace("64", "8"))
    assert "rounds.0.promt" in message and "camera.width_px" in message
    assert "at least 1 item" not in message


def test_presets_fill_what_is_not_said() -> None:
    generation = read(GOOD + "generation: {rounds: release, preceding_frames: 13}\n").scene.generation
    assert (generation.first_frames, generation.clip_frames, generation.preceding_frames) == (121, 81, 13)


def test_a_round_goes_one_way() -> None:
    assert "rounds.0: needs either path or input" in refusal(GOOD.replace("prompt: one", "input: walk.jsonl"))


def test_the_root_must_be_a_mapping() -> None:
    assert "s.yaml:1:1: must be a mapping" in refusal("- a\n- b\n")


def test_overrides_reach_into_mappings_lists_and_defaults() -> None:
    scene = read(GOOD, "seed=9", "rounds.1.prompt=later", "memory.rgb.voxel_m=0.02", "rounds.0.path.0={hold: 3}").scene
    assert (scene.seed, scene.rounds[1].prompt, scene.memory.rgb.voxel_m) == (9, "later", 0.02)
    assert scene.rounds[0].path is not None and scene.rounds[0].path[0].model_dump() == {"hold": 3}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("rounds.0.promt=x", "--set rounds.0.promt: unknown key 'promt'; did you mean 'prompt'?"),
        ("memry.voxel_m=0.1", "unknown key 'memry'; did you mean 'memory'?"),
        ("rounds.7.prompt=x", "--set rounds.7.prompt: there is no item '7' in a list of 2"),
        ("rounds.x.prompt=x", "there is no item 'x'"),
        ("seed.a=1", "--set seed.a: 'a' cannot be set inside"),
        ("name.a=1", "--set name.a: 'a' cannot be set inside the value 'test'"),
        ("seed", "--set: must be key=value; got 'seed'"),
        ("=1", "--set: must be key=value"),
        ("seed=-1", "--set seed: must be greater than or equal to 0; got -1"),
        ("seed=[1", "--set seed:1:3: not valid YAML"),
        ("seed=&a 1", "anchors"),
        ("generation.first_frames=80", "--set generation.first_frames: clips have 4k + 1 frames: use 81 or 77; got 80"),
        (
            "rounds.0.path.0={hold: no}",
            "--set rounds.0.path.0: rounds.0.path.0.hold: must be a valid integer; got 'no'",
        ),
    ],
)
def test_a_wrong_override_names_itself(override: str, message: str) -> None:
    text = GOOD.replace("name: test", "name: test\nseed: 3")
    assert message in refusal(text, override)


def test_paths_are_relative_to_the_scene_and_stay_below_it(tmp_path: Path) -> None:
    text = GOOD.replace("{kind: procedural, name: room}", "{kind: ply, path: clouds/a.ply}")
    world = read(text, folder=tmp_path).scene.world
    assert isinstance(world, PlyWorld) and world.path == tmp_path / "clouds" / "a.ply"
    for outside in ("../a.ply", "/etc/passwd", "clouds/../../a.ply"):
        with pytest.raises(SceneError, match=r"world\.path: leads out of the scene's folder"):
            read(text.replace("clouds/a.ply", outside), folder=tmp_path)
        assert read(text.replace("clouds/a.ply", outside), folder=tmp_path, allow_outside=True)


def test_a_link_out_of_the_folder_is_followed_before_it_is_judged(tmp_path: Path) -> None:
    scenes = tmp_path / "scenes"
    scenes.mkdir()
    (scenes / "link").symlink_to(tmp_path)
    text = GOOD.replace("{kind: procedural, name: room}", "{kind: ply, path: link/a.ply}")
    with pytest.raises(SceneError, match="leads out"):
        read(text, folder=scenes)


def test_a_path_typed_on_the_command_line_may_be_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scenes = tmp_path / "scenes"
    world = read(GOOD, "world={kind: ply, path: ../a.ply}", folder=scenes).scene.world
    assert isinstance(world, PlyWorld) and world.path == tmp_path.parent / "a.ply"


def test_later_errors_can_name_the_line_of_a_value() -> None:
    scene_file = read(GOOD, "rounds.1.prompt=later")
    assert scene_file.where("rounds", 0, "path", 1) == "s.yaml:9:9: rounds.0.path.1"
    assert scene_file.where("rounds", 1, "prompt") == "--set rounds.1.prompt"
    assert scene_file.where("memory", "rgb", "voxel_m") == "s.yaml:1:1: memory.rgb.voxel_m"


def test_a_missing_scene_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "room_loop.yaml").write_text(GOOD)
    with pytest.raises(SceneError, match=r"no such scene file; did you mean 'room_loop\.yaml'"):
        load_scene(tmp_path / "room_lop.yaml")
    with pytest.raises(SceneError, match="cannot be read"):
        load_scene(tmp_path)
    assert load_scene(tmp_path / "room_loop.yaml").scene.name == "test"
