"""A person at a window, played by a script: what keys do to the world, and what the window then says."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from spatia.app.state import Trajectory, Walker
from spatia.records.cloud import Points
from spatia.records.edits import AddCloud, AddPrimitive, Remove
from spatia.records.input import BACKSPACE, EARLIER, ENTER, ESCAPE, InputSnapshot
from spatia.worlds.ply import write_ply
from support.walking import NOTHING, Scripted

IN_LOCKSTEP = "generation.commit=lockstep"


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Scripted]:
    with Scripted(tmp_path, IN_LOCKSTEP) as scripted:
        yield scripted


def position(person: Scripted) -> np.ndarray:
    _, walker = next(person.session.world.query(Walker))
    return np.asarray(walker.world_from_camera[:3, 3])


def test_walking_moves_the_walker_and_keeps_the_height_of_the_eyes(person: Scripted) -> None:
    before = position(person)
    person.hold("forward", frames=24)
    moved = position(person) - before
    assert 0.9 < np.linalg.norm(moved) < 1.5 and abs(moved[1]) < 1e-9
    person.frames(NOTHING, 24)
    at_rest = position(person)
    person.frames(NOTHING, 10)
    assert np.array_equal(position(person), at_rest)


def test_a_clip_is_made_when_asked_for_and_plays_beside_the_world(person: Scripted) -> None:
    person.hold("forward", frames=12)
    assert person.session.progress() is None, "on demand: nothing is asked for"
    known = person.session.snapshot().alive_count
    person.press("generate")
    person.until_idle()
    assert person.session.snapshot().alive_count > known
    person.frames(NOTHING, 1)
    assert person.painter.views[-1].picture is not None
    assert "the memory knew" in person.hud


def test_one_who_walks_on_gets_a_clip_of_the_way_walked_before_asking_and_no_more(person: Scripted) -> None:
    person.hold("forward", frames=12)
    person.press("generate")
    owed = len(person.session.world.resource(Trajectory).poses)
    for _ in range(200):
        person.hold("look_right", frames=1)
        if person.walk.at_rest:
            break
    assert person.walk.at_rest, "poses walked meanwhile are not owed"
    covered = person.session.world.resource(Trajectory).covered
    assert owed <= covered <= owed + 20


def test_a_clip_needs_a_way_to_be_made_along(person: Scripted) -> None:
    person.press("generate")
    assert "walk a few steps first" in person.hud
    assert person.session.progress() is None


def test_what_is_typed_becomes_the_prompt_and_can_be_called_back(person: Scripted) -> None:
    person.hold("forward", frames=12)
    person.type("a sofx", into="prompt")
    person.type(f"{BACKSPACE}a{ENTER}")
    person.until_idle()
    clips = [info for info in person.session.store.log() if info.kind == "clip"]
    assert {info.payload["prompt"] for info in clips} == {"a sofa"}
    person.type(EARLIER, into="prompt")
    assert "a sofa_" in person.painter.views[-1].panel
    person.type(ESCAPE)
    assert person.painter.views[-1].panel == ()


def test_the_last_round_is_taken_back_and_undo_brings_it_again(person: Scripted) -> None:
    person.hold("forward", frames=12)
    person.press("generate")
    person.until_idle()
    full = person.session.snapshot().alive_count
    clips = sum(info.kind == "clip" for info in person.session.store.log())
    for _ in range(clips):
        person.press("undo_round")
    person.until_idle()
    assert person.session.snapshot().alive_count < full
    for _ in range(clips):
        person.press("undo")
    person.until_idle()
    assert person.session.snapshot().alive_count == full
    person.press("undo_round")


def test_what_is_pointed_at_is_deleted_inserted_and_saved(person: Scripted) -> None:
    person.press("select")
    assert len(person.painter.views[-1].highlighted) > 0
    person.press("insert")
    person.until_idle()
    count = person.session.snapshot().alive_count
    person.press("select", "delete")
    person.until_idle()
    assert person.session.snapshot().alive_count < count
    person.press("save")
    assert [type(edit) for edit in person.saved] == [AddPrimitive, Remove]
    assert "2 edits in the scene file" in person.hud
    person.press("save")
    assert "0 edits" in person.hud, "each is saved once"


def test_a_selection_is_moved_and_copied_to_what_is_pointed_at(person: Scripted, tmp_path: Path) -> None:
    person.press("insert", "select", "insert")
    person.until_idle()
    person.press("select")
    before = person.session.snapshot().points().positions_in_world
    person.hold("look_right", frames=8)
    person.press("duplicate")
    person.until_idle()
    copied = person.session.snapshot().points().positions_in_world
    assert len(copied) > len(before) and (tmp_path / "copy_000.ply").is_file()
    person.hold("look_left", frames=4)
    person.press("move")
    person.until_idle()
    moved = person.session.snapshot().points().positions_in_world
    assert not np.array_equal(moved, copied)
    person.press("undo", "undo")
    person.until_idle()
    assert len(person.session.snapshot().points()) == len(before)


def test_tools_select_by_ball_and_by_box(person: Scripted) -> None:
    person.press("next_tool", "select")
    ball = len(person.painter.views[-1].highlighted)
    assert "a place" in person.hud and ball > 0
    person.press("next_tool", "select")
    assert "one corner" in person.hud
    person.hold("look_right", frames=6)
    person.press("select")
    assert "a box" in person.hud
    count = person.session.snapshot().alive_count
    person.press("delete")
    person.until_idle()
    assert person.session.snapshot().alive_count < count


@pytest.mark.parametrize("action", ["delete", "recolor"])
def test_without_a_selection_nothing_is_edited(person: Scripted, action: str) -> None:
    person.press(action)
    assert "select it first" in person.hud
    assert sum(info.kind == "edit" for info in person.session.store.log()) == 0


def test_an_edit_that_cannot_be_done_is_told_and_the_walk_goes_on(person: Scripted) -> None:
    person.press("undo")
    person.frames(NOTHING, 3)
    assert "there is no edit to undo" in person.hud
    person.hold("forward", frames=12)


def test_looks_change_nothing_of_the_world(person: Scripted) -> None:
    head = person.session.store.head
    for action in ("holes", "grid", "frusta", "color_by", "picture", "help"):
        person.press(action)
    view = person.painter.views[-1]
    assert (view.holes, view.grid, view.color_by, view.picture_mode) == (True, True, "coverage", "over")
    assert view.panel[0] == "keys"
    assert person.session.store.head == head


def test_escape_frees_the_mouse_and_once_more_ends_the_walk(person: Scripted) -> None:
    person.press("free_mouse")
    assert person.window.captured == [True, False] and not person.walk.ended
    person.press("select")
    assert person.window.captured == [True, False, True], "a click takes the mouse again"
    person.press("free_mouse", "free_mouse")
    assert person.walk.ended


def test_closing_the_window_ends_the_walk(person: Scripted) -> None:
    person.frames(InputSnapshot(closing=True), 1)
    assert person.walk.ended


def test_a_minimised_window_draws_nothing_and_walks_on(person: Scripted) -> None:
    person.window.size_px = (0, 0)
    before = position(person)
    person.hold("forward", frames=12)
    assert person.painter.views == [] and not np.array_equal(position(person), before)


def test_screenshots_and_films_lie_in_the_folder_of_the_run(person: Scripted, tmp_path: Path) -> None:
    person.press("screenshot", "screenshot", "record")
    person.hold("forward", frames=6)
    person.press("record")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "film_000.mp4", "screenshot_000.png", "screenshot_001.png",
    ]  # fmt: skip
    assert "film_000.mp4 written" in person.hud


def test_continuous_and_on_coverage_ask_by_themselves(tmp_path: Path) -> None:
    with Scripted(tmp_path, IN_LOCKSTEP) as person:
        person.press("policy", "policy")
        assert "continuous" in person.hud
        person.hold("forward", frames=12)
        person.until_idle()
        assert any(info.kind == "clip" for info in person.session.store.log())
    with Scripted(tmp_path, IN_LOCKSTEP, "generation.coverage_below=1.0") as person:
        person.press("policy")
        assert "on coverage" in person.hud
        person.hold("look_right", "forward", frames=24)
        person.until_idle()
        assert any(info.kind == "clip" for info in person.session.store.log())


def test_two_walks_by_the_same_script_leave_the_same_world(tmp_path: Path) -> None:
    heads = []
    for _ in range(2):
        with Scripted(tmp_path, IN_LOCKSTEP) as person:
            person.hold("forward", frames=10)
            person.press("select", "delete", "generate")
            person.until_idle()
            head = person.session.store.head
            assert head is not None
            heads.append(head.hash)
    assert heads[0] == heads[1]


def thing(path: Path, *, points: int = 40) -> Path:
    """A pole of one colour, 0.4 m high, far from where it was made."""
    positions = np.stack([np.full(points, 7.0), np.linspace(-9.4, -9.0, points), np.full(points, 3.0)], axis=1)
    write_ply(path, Points.of(positions, (250, 0, 250)))
    return path


def test_a_ply_is_put_on_what_is_pointed_at_taken_back_and_saved(tmp_path: Path) -> None:
    with Scripted(tmp_path, IN_LOCKSTEP, things=[thing(tmp_path / "pole.ply")]) as person:
        before = person.session.snapshot().points()
        person.press("select", "insert")
        assert "pole.ply put there" in person.hud
        at = np.array(person.walk.editing.pointing.at)
        person.until_idle()
        points = person.session.snapshot().points()
        pole = points.positions_in_world[(points.colors == (250, 0, 250)).all(axis=1)]
        assert len(points) > len(before) and len(pole) > 5
        assert np.allclose((pole[:, 0].mean(), pole[:, 1].max(), pole[:, 2].mean()), at, atol=0.05), "it stands there"
        person.press("undo")
        person.until_idle()
        assert len(person.session.snapshot().points()) == len(before)
        person.press("redo", "save")
        assert [type(edit) for edit in person.saved] == [AddCloud]
        person.press("next_thing")
        assert "to insert: a ball" in person.hud
        person.press("next_thing")
        assert "to insert: pole.ply" in person.hud


def test_a_file_that_is_no_cloud_is_told_and_the_walk_goes_on(tmp_path: Path) -> None:
    (tmp_path / "broken.ply").write_bytes(b"ply\nformat nonsense\n")
    with Scripted(tmp_path, IN_LOCKSTEP, things=[tmp_path / "broken.ply", tmp_path / "missing.ply"]) as person:
        head = person.session.store.head
        person.press("select", "insert")
        assert "broken.ply" in person.hud
        person.press("next_thing", "insert")
        assert "no such file" in person.hud
        person.hold("forward", frames=3)
        assert person.session.store.head == head and person.saved == []


def test_a_lost_gamepad_is_said_and_the_walk_goes_on(person: Scripted) -> None:
    person.frames(InputSnapshot(notes=("the gamepad is gone",)), 1)
    assert "the gamepad is gone" in person.hud
    before = position(person)
    person.hold("forward", frames=12)
    assert not np.array_equal(position(person), before)


def test_a_place_has_its_say_where_nothing_was_typed(tmp_path: Path) -> None:
    with Scripted(tmp_path, IN_LOCKSTEP) as stranger:
        x, y, z = position(stranger).tolist()
    here = f"prompts=[{{at_m: [{x}, {y}, {z}], within_m: 5.0, prompt: a fountain}}]"
    with Scripted(tmp_path, IN_LOCKSTEP, here) as person:
        person.hold("forward", frames=12)
        person.press("generate")
        person.until_idle()
        assert prompts(person) == {"a fountain"}
        person.hold("back", frames=12)
        person.type(f"a sofa{ENTER}", into="prompt")
        person.until_idle()
        assert prompts(person) == {"a fountain", "a sofa"}, "who types is heard"
        clips = len(list(person.session.store.log()))
        person.hold("forward", frames=12)
        person.press("generate")
        person.until_idle()
        later = [info.payload["prompt"] for info in list(person.session.store.log())[clips:]]
        assert set(later) == {"a fountain"}, "the place again, not what was typed before"


def prompts(person: Scripted) -> set[object]:
    return {info.payload["prompt"] for info in person.session.store.log() if info.kind == "clip"}


def test_a_slow_machine_draws_fewer_points_while_somebody_moves_and_all_of_them_at_rest(person: Scripted) -> None:
    person.hold("forward", frames=12)
    assert person.painter.views[-1].most_points is not None, "24 frames a second are slow"
    person.frames(NOTHING, 24)
    assert person.painter.views[-1].most_points is None


def test_a_frame_between_two_steps_of_a_slow_mouse_is_no_rest(person: Scripted) -> None:
    for _ in range(12):
        person.frames(InputSnapshot(look_px=(1.0, 0.0)), 1)
        person.frames(NOTHING, 2)
    assert person.painter.views[-1].most_points is not None
