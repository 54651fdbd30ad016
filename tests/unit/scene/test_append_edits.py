"""Edits by hand in the scene file: the file means the same and the edits, and everything else in it stays."""

import math
import os
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatia import assets
from spatia.errors import SceneError
from spatia.records import edits as record
from spatia.scene.append_edits import append_edits
from spatia.scene.load import SceneFile, load_scene
from spatia.scene.schema_edits import to_edit

FOLDER = Path(str(assets.root("scenes")))
SCENES = sorted(path.name for path in FOLDER.glob("*.yaml"))
LABELS = {"sofa": 7, "coffee table": 9, "yes": 11, "a: {b}, #": 12}

HEAD = "spatia: 1\nname: small\nworld: {kind: procedural, name: room}\n"
EVERY_KIND: tuple[record.Edit, ...] = (
    record.Remove(where=record.OfLabel(label=7)),
    record.Recolor(where=record.Sphere(center_m=(0.1, -1e-05, 2.0), radius_m=0.25), color=(1, 2, 3), strength=0.8),
    record.Move(where=record.OfClip(clip=-1), offset_m=(0.5, 0.0, 0.0)),
    record.AddPrimitive(shape="sphere", center_m=(0.0, 1.0, 2.0), size_m=(1.0, 1.0, 1.0), color=(9, 9, 9), label=9),
    record.Remove(where=record.OfVoxels(voxel_m=0.01, keys=(0, 5, 6, (1 << 63) - 1))),
    record.Undo(),
    record.Redo(),
    record.Remove(where=record.Box(low_m=(-1.0, -1.0, -1.0), high_m=(1.0, 1.0, 1.0))),
)


def written(folder: Path, text: str | bytes) -> SceneFile:
    path = folder / "scene.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_scene(path, allow_outside=True)


def edits_of(scene_file: SceneFile) -> list[record.Edit]:
    return [to_edit(edit, LABELS) for edit in scene_file.scene.rounds[-1].edits]


def lines_added(before: bytes, after: bytes) -> list[str]:
    """What stands in `after` alone. Fails where `before` is not all there, in order."""
    old, new, added = before.decode().splitlines(), after.decode().splitlines(), []
    for line in new:
        if old and line == old[0]:
            old.pop(0)
        else:
            added.append(line)
    assert not old
    return added


@pytest.mark.parametrize("name", SCENES)
def test_a_shipped_scene_keeps_every_line_and_gains_the_edits(name: str, tmp_path: Path) -> None:
    before = (FOLDER / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(before)
    loaded = load_scene(path, allow_outside=True)
    earlier = loaded.scene.rounds[-1].edits
    again = append_edits(loaded, EVERY_KIND, labels=LABELS)
    assert again.text == path.read_bytes()
    fresh = load_scene(path, allow_outside=True)
    assert again.scene == fresh.scene
    gained = fresh.scene.rounds[-1].edits[len(earlier) :]
    assert tuple(to_edit(edit, LABELS) for edit in gained) == EVERY_KIND
    assert len(lines_added(before, again.text)) in (len(EVERY_KIND), len(EVERY_KIND) + 1)
    assert fresh.scene.rounds[:-1] == loaded.scene.rounds[:-1]
    assert fresh.scene.model_copy(update={"rounds": loaded.scene.rounds}) == loaded.scene


@pytest.mark.parametrize(
    "rounds",
    [
        "rounds:\n  - path:\n      - {dolly_m: 1, frames: 9}\n",
        "rounds:\n- prompt: a # comment\n  # of the path\n  path:\n  - hold: 3\n",
        "rounds: [{path: [{hold: 3}]}]\n",
        "rounds:\n  - {prompt: 'x', edits: [], path: [{hold: 3}]}\n",
        "rounds:\n  - {edits: [undo: true], path: [{hold: 3}]}\n",
        "rounds:\n  - edits: [\n      undo: true, # ]\n      redo: true,\n    ]\n    path: [{hold: 3}]\n",
        "rounds:\n  - edits:\n      # first\n      - undo: true # taken back\n\n    # then\n    path: [{hold: 3}]\n",
        "rounds:\n- edits:\n  -   remove:\n       label: >-\n        coffee\n        table\n  path: [{hold: 3}]\n",
        "rounds:\n  - path: [{hold: 3}]\n    prompt: |\n      several\n\n      lines\nseed: 4",
        "rounds:\n  - path: [{hold: 3}]\n    prompt: goes on\n      in the next line",
        "rounds:\n  - path: [{hold: 3}]\n    edits: [undo: true]\n  - path: [{hold: 3}]\n...\n",
    ],
)
@pytest.mark.parametrize("style", ["", "windows", "bom"])
def test_scenes_are_found_their_place_however_they_are_written(rounds: str, style: str, tmp_path: Path) -> None:
    text = (HEAD + rounds).replace("\n", "\r\n" if style == "windows" else "\n").encode()
    loaded = written(tmp_path, b"\xef\xbb\xbf" + text if style == "bom" else text)
    earlier = edits_of(loaded)
    once = append_edits(loaded, EVERY_KIND[:2], labels=LABELS)
    twice = append_edits(once, EVERY_KIND[2:], labels=LABELS)
    assert edits_of(twice) == [*earlier, *EVERY_KIND]
    assert twice.scene.rounds[:-1] == loaded.scene.rounds[:-1]
    assert twice.scene.rounds[-1].prompt == loaded.scene.rounds[-1].prompt
    assert twice.text.startswith(b"\xef\xbb\xbf") == (style == "bom")
    assert twice.text.count(b"\r\n") == (twice.text.count(b"\n") if style == "windows" else 0)
    assert twice.text.count(b"#") == loaded.text.count(b"#")
    assert os.listdir(tmp_path) == ["scene.yaml"]


def test_objects_are_called_by_name_however_odd(tmp_path: Path) -> None:
    loaded = written(tmp_path, HEAD + "rounds:\n  - path: [{hold: 3}]\n")
    edits = [record.Remove(where=record.OfLabel(label=number)) for number in (7, 11, 12, 13)]
    again = append_edits(loaded, edits, labels=LABELS)
    assert edits_of(again) == edits
    assert b"{remove: {label: sofa}}" in again.text
    assert b"{remove: {label: 13}}" in again.text


@given(st.floats(-179.9, 179.9))
@settings(derandomize=True, max_examples=30, deadline=None)
def test_a_turn_is_written_as_the_angle_that_it_is(turn_deg: float) -> None:
    half = math.radians(turn_deg) / 2
    edit = record.Move(where=record.OfLabel(label=1), rotation_wxyz=(math.cos(half), 0.0, math.sin(half), 0.0))
    with tempfile.TemporaryDirectory() as folder:
        loaded = written(Path(folder), HEAD + "rounds:\n  - path: [{hold: 3}]\n")
        (again,) = edits_of(append_edits(loaded, [edit]))
    assert isinstance(again, record.Move)
    assert again.rotation_wxyz == pytest.approx(edit.rotation_wxyz, abs=1e-12)


def test_a_cloud_is_named_from_the_scenes_folder(tmp_path: Path) -> None:
    loaded = written(tmp_path, HEAD + "rounds:\n  - path: [{hold: 3}]\n")
    inside, outside = tmp_path / "clouds" / "chair.ply", tmp_path.parent / "chair.ply"
    edits = [record.AddCloud(path=str(path), sha256="") for path in (inside, outside)]
    again = append_edits(loaded, edits)
    assert b"add_cloud: clouds/chair.ply" in again.text
    assert edits_of(again) == edits


def test_a_file_that_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    loaded = written(tmp_path, HEAD + "rounds:\n  - path: [{hold: 3}]\n")
    path = tmp_path / "scene.yaml"
    path.write_text("someone else's\n")
    with pytest.raises(SceneError, match="changed on disk"):
        append_edits(loaded, EVERY_KIND)
    assert path.read_text() == "someone else's\n"
    path.unlink()
    with pytest.raises(SceneError, match="cannot be written"):
        append_edits(loaded, EVERY_KIND)


@pytest.mark.parametrize(
    "edit",
    [
        record.Move(where=record.OfLabel(label=1), rotation_wxyz=(0.7, 0.7, 0.0, 0.0)),
        record.Remove(where=record.Sphere(center_m=(0.0, 0.0, math.nan), radius_m=1.0)),
        record.Remove(where=record.Sphere(center_m=(0.0, 0.0, 0.0), radius_m=0.0)),
    ],
)
def test_an_edit_that_a_scene_cannot_say_is_refused_and_nothing_written(edit: record.Edit, tmp_path: Path) -> None:
    loaded = written(tmp_path, HEAD + "rounds:\n  - path: [{hold: 3}]\n")
    with pytest.raises(SceneError):
        append_edits(loaded, [record.Undo(), edit])
    assert (tmp_path / "scene.yaml").read_bytes() == loaded.text
    assert os.listdir(tmp_path) == ["scene.yaml"]


def test_too_many_edits_for_a_scene_are_refused_and_nothing_written(tmp_path: Path) -> None:
    loaded = written(tmp_path, HEAD + "rounds:\n  - path: [{hold: 3}]\n")
    with pytest.raises(SceneError, match="at most 1000"):
        append_edits(loaded, [record.Undo()] * 1001)
    with pytest.raises(SceneError, match="no place was found"):
        append_edits(loaded, [record.Undo()] * 6000)
    assert (tmp_path / "scene.yaml").read_bytes() == loaded.text


def test_the_largest_surface_that_can_be_picked_fits_into_a_scene(tmp_path: Path) -> None:
    loaded = written(tmp_path, HEAD + "rounds:\n  - path: [{hold: 3}]\n")
    row = [(1 << 62) + (x << 42) + (y << 21) + (x * y) % 50 for x in range(256) for y in range(128)]
    edit = record.Remove(where=record.OfVoxels(voxel_m=0.01, keys=tuple(row)))
    assert len(row) == record.MAX_VOXELS
    assert edits_of(append_edits(loaded, [edit])) == [edit]


def test_no_edits_change_nothing_and_a_file_keeps_its_mode_and_its_link(tmp_path: Path) -> None:
    loaded = written(tmp_path, HEAD + "rounds:\n  - path: [{hold: 3}]\n")
    path = tmp_path / "scene.yaml"
    assert append_edits(loaded, []) is loaded
    path.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(path)
    append_edits(load_scene(link, allow_outside=True), [record.Undo()])
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert edits_of(load_scene(path, allow_outside=True)) == [record.Undo()]
