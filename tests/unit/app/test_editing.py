"""A thing to insert is named in the window by its path."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from spatia.app.editing import next_file
from spatia.app.replay import replay
from spatia.input.devices import TYPES
from spatia.records.edits import AddCloud, AddPrimitive
from spatia.records.input import BACKSPACE, COMPLETE, EARLIER, ENTER, ESCAPE, InputSnapshot
from support.small_inputs import write_cloud
from support.walking import NOTHING, Scripted

IN_LOCKSTEP = "generation.commit=lockstep"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder and the home, with a cloud in it."""
    write_cloud(tmp_path / "wall.ply")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def person(here: Path) -> Iterator[Scripted]:
    with Scripted(here, IN_LOCKSTEP) as scripted:
        yield scripted


def points(person: Scripted) -> int:
    return len(person.session.snapshot().points())


def panel(person: Scripted) -> tuple[str, ...]:
    return person.painter.views[-1].panel


def test_a_path_is_typed_its_cloud_inserted_and_the_walk_comes_out_again(here: Path) -> None:
    with Scripted(here, IN_LOCKSTEP, world=here / "world") as person:
        before = points(person)
        person.press("select")
        person.type("wax", into="name_thing")
        assert panel(person) == (
            "a PLY file to insert; Enter takes it, Tab completes, Esc leaves",
            "wax_",
        )
        person.type(f"{BACKSPACE}{COMPLETE}{ENTER}")
        assert panel(person) == ()
        assert "to insert: wall.ply, 2,400 points; point at a place and press I" in person.hud
        assert person.saved == [] and points(person) == before, "it waits for the key"
        person.press("insert")
        person.until_idle()
        assert points(person) > before
        person.press("save")
    (edit,) = person.saved
    assert isinstance(edit, AddCloud) and edit.path == str(here / "wall.ply")
    found = replay(here / "world")
    assert found.difference is None and found.orders > 0


@pytest.mark.parametrize("typed", ["wall.ply", "./wall.ply", "~/wall.ply", "{here}/wall.ply"])
def test_a_path_begins_here_at_home_or_at_the_root(typed: str, here: Path, person: Scripted) -> None:
    person.type(typed.format(here=here) + ENTER, into="name_thing")
    assert "to insert: wall.ply" in person.hud
    person.press("select", "insert")
    assert "wall.ply put there" in person.hud


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("none.ply", "no such file"),
        (".", "no such file"),
        ("~nobody_of_this_name/a.ply", "no such file"),
        ("room.txt", "not a PLY file"),
        ("a" * 5000, "cannot be read: File name too long"),
    ],
)
def test_what_is_no_cloud_is_said_in_one_line_and_the_next_thing_stays(
    typed: str, said: str, here: Path, person: Scripted
) -> None:
    (here / "room.txt").write_text("a room\n")
    person.type(f"{typed}{ENTER}", into="name_thing")
    assert said in person.painter.views[-1].hud[-1]
    person.press("select", "insert", "save")
    assert [type(edit) for edit in person.saved] == [AddPrimitive], "the ball"


def test_named_things_take_their_turn_with_the_others_and_each_once(here: Path, person: Scripted) -> None:
    write_cloud(here / "other.ply")
    for name in ("wall.ply", "other.ply", "wall.ply"):
        person.type(f"{name}{ENTER}", into="name_thing")
    turns = []
    for _ in range(4):
        person.press("next_thing")
        turns.append(person.hud.rpartition("to insert: ")[2])
    assert turns == ["other.ply", "a ball", "wall.ply", "other.ply"]


def test_leaving_or_entering_nothing_changes_nothing(person: Scripted) -> None:
    person.type(f"wall.ply{ESCAPE}", into="name_thing")
    person.type(ENTER, into="name_thing")
    assert "to insert" not in person.hud
    person.press("next_thing")
    assert "to insert: a ball" in person.hud


def test_each_line_remembers_its_own(person: Scripted) -> None:
    person.hold("forward", frames=12)
    person.type(f"a sofa{ENTER}", into="prompt")
    person.type(f"wall.ply{ENTER}", into="name_thing")
    person.type(EARLIER, into="name_thing")
    assert panel(person)[1] == "wall.ply_"
    person.type(ESCAPE)
    person.type(EARLIER, into="prompt")
    assert panel(person)[1] == "a sofa_"


def test_lines_and_keys_of_one_slow_frame_keep_their_order(person: Scripted) -> None:
    person.hold("forward", frames=12)
    slow = InputSnapshot(
        pressed=("prompt", "name_thing", "select", "insert", "name_thing"),
        typed=f"a sofa{ENTER}wall.ply{ENTER}none",
        typing=True,
    )
    person.frames(slow, 1)
    assert "wall.ply put there" in person.hud
    assert panel(person)[1] == "none_"
    person.type(ESCAPE)
    person.until_idle()
    assert {info.payload["prompt"] for info in person.session.store.log() if info.kind == "clip"} == {"a sofa"}


@pytest.mark.parametrize("action", TYPES)
def test_every_action_that_takes_text_has_its_line(action: str, person: Scripted) -> None:
    person.type("a", into=action)
    assert panel(person)[1] == "a_"
    person.frames(NOTHING, 1)
    assert panel(person) == (), "the devices say when a line is over"


def test_a_file_takes_the_place_of_no_other_where_one_was_deleted(tmp_path: Path) -> None:
    for _ in range(3):
        next_file(tmp_path, "film", "mp4").touch()
    (tmp_path / "film_000.mp4").unlink()
    next_file(tmp_path, "film", "mp4").touch()
    assert next_file(tmp_path, "film", "mp4").name == "film_003.mp4"
