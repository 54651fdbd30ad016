"""Latents as part of the world: made, read, edited, saved and resumed with `scenes/mirage_tiny.yaml`."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spatia import assets
from spatia.app.run import SceneRun
from spatia.app.run_folder import RunFolder
from spatia.app.session import Session
from spatia.records.edits import Box, Move, Recolor, Remove, Undo
from spatia.records.latents import LatentSnapshot
from spatia.scene.load import load_scene
from support.command_line import spatia

SCENE = Path(str(assets.root("scenes"))) / "mirage_tiny.yaml"
ON_A_THREAD = ("generation.generator.worker=thread",)
SHORT = (*ON_A_THREAD, "generation.generator.steps=2", "generation.first_frames=17", "generation.clip_frames=25")
LEFT = Box(low_m=(-10.0, -10.0, -10.0), high_m=(0.5, 10.0, 10.0))


@pytest.fixture(scope="module")
def through_the_command_line(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    done = spatia("run", SCENE, "--out", folder)
    assert done.status == 0, done.err
    record: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return record


def test_three_chunks_enter_both_memories(through_the_command_line: dict[str, Any]) -> None:
    rounds = through_the_command_line["rounds"]
    assert through_the_command_line["generator"] == {"name": "mirage", "neural": True}
    assert [clip["frames"] for clip in rounds] == [[0, 33], [33, 65], [65, 97]]
    assert all(clip["latents_total"] > 0 and clip["points_total"] > 0 for clip in rounds)
    assert rounds[0]["latents_total"] < rounds[1]["latents_total"]


def test_a_run_that_is_cut_short_and_resumed_gives_the_same_world(
    through_the_command_line: dict[str, Any], tmp_path: Path
) -> None:
    folder = RunFolder(tmp_path)
    scene = load_scene(SCENE, ON_A_THREAD, allow_outside=True)
    with SceneRun.begin(scene, folder, while_waiting=lambda progress: None) as run:
        next(run.execute())
    with SceneRun.resume(folder, while_waiting=lambda progress: None) as run:
        assert sum(1 for _ in run.execute()) == 2
        record = run.finish(report=lambda what, done, total: None)
    assert record["world_sha256"] == through_the_command_line["world_sha256"]


def latents_of(session: Session) -> LatentSnapshot:
    found = session.latents()
    assert found is not None
    return found


@pytest.mark.parametrize("preset", ["release", "paper"])
def test_editing_the_coloured_cloud_edits_the_latents_and_all_of_it_is_saved(preset: str, tmp_path: Path) -> None:
    scene = load_scene(SCENE, (*SHORT, f"generation.generator.preset={preset}"), allow_outside=True).scene
    with Session.open(scene, out=tmp_path / "world") as session:
        path = np.repeat(session.start[None], 17, axis=0)
        path[:, 0, 3] += np.linspace(0, 0.3, 17)
        session.walk(path)
        before = latents_of(session)
        left = (before.points().positions_in_world[:, 0] <= 0.5).sum()
        assert 0 < left < before.alive_count
        session.edit(Remove(where=LEFT))
        removed = latents_of(session)
        assert removed.alive_count == before.alive_count - left
        assert (session.snapshot().points().positions_in_world[:, 0] > 0.5).all()
        session.edit(Undo())
        assert latents_of(session).points().positions_in_world.tobytes() == before.points().positions_in_world.tobytes()
        session.edit(Move(where=LEFT, offset_m=(0.0, 0.0, 20.0)))
        moved = latents_of(session).points()
        assert (moved.positions_in_world[:, 2] > 10).sum() > 0
        session.edit(Recolor(where=LEFT, color=(0, 0, 0)))
        kept, tick = latents_of(session).sha256(), latents_of(session).version
    with Session.reopen(tmp_path / "world") as session:
        assert latents_of(session).sha256() == kept and latents_of(session).version == tick
        session.edit(Undo())


def test_a_world_without_latents_has_none() -> None:
    with Session.open(load_scene(SCENE.parent / "room_loop.yaml", allow_outside=True).scene) as session:
        assert session.latents() is None
