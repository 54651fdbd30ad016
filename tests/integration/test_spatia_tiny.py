"""The neural generator's road through the whole runtime, with toy networks: `scenes/spatia_tiny.yaml`."""

import json
from pathlib import Path
from typing import Any

import pytest

from spatia import assets
from spatia.app.run import SceneRun
from spatia.app.run_folder import RunFolder
from spatia.scene.load import load_scene
from support.command_line import spatia

SCENE = Path(str(assets.root("scenes"))) / "spatia_tiny.yaml"


@pytest.fixture(scope="module")
def through_the_command_line(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """run.json of the scene as a user runs it: its generator in a process of its own."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    done = spatia("run", SCENE, "--out", folder)
    assert done.status == 0, done.err
    record: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return record


def test_three_rounds_with_references_and_history_enter_the_world(through_the_command_line: dict[str, Any]) -> None:
    record = through_the_command_line
    assert record["generator"] == {"name": "spatia", "neural": True}
    rounds = record["rounds"]
    assert [clip["frames"] for clip in rounds] == [[0, 21], [21, 33], [33, 45]]
    assert rounds[0]["references"] == [0], "the photograph that the world begins with is the first frame"
    assert rounds[1]["references"] and rounds[2]["references"]
    assert all(clip["points_added"] > 0 and clip["notes"] == [] for clip in rounds)


def test_a_run_on_a_thread_that_is_cut_short_and_resumed_gives_the_same_world(
    through_the_command_line: dict[str, Any], tmp_path: Path
) -> None:
    folder = RunFolder(tmp_path)
    scene = load_scene(SCENE, ["generation.generator.worker=thread"], allow_outside=True)
    with SceneRun.begin(scene, folder, while_waiting=lambda progress: None) as run:
        next(run.execute())
    with SceneRun.resume(folder, while_waiting=lambda progress: None) as run:
        assert sum(1 for _ in run.execute()) == 2
        record = run.finish(report=lambda what, done, total: None)
    assert record["world_sha256"] == through_the_command_line["world_sha256"]
