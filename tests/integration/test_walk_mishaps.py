"""What goes wrong around a walk is said, and the walk goes on: a full disk, a scene spoiled by an editor."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from spatia.app.replay import replay
from spatia.app.walk_cli import EditSaver
from spatia.records.arrays import U8
from spatia.scene.load import load_scene
from spatia.store.folder import open_store
from support.scenes_small import write_small_room
from support.small_disk import make_room, small_disk
from support.walking import NOTHING, Scripted


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk") as disk:
        yield disk


def fill(disk: Path) -> None:
    with (disk / "ballast").open("wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(bytes(65536))
        except OSError:
            return


def walk_and_ask(person: Scripted) -> None:
    person.hold("forward", frames=12)
    person.press("generate")
    person.until_idle()


@pytest.mark.parametrize("commit", ["lockstep", "live"])
def test_a_full_disk_costs_the_clip_and_not_the_walk(commit: str, tmp_path: Path, disk: Path) -> None:
    with Scripted(tmp_path, f"generation.commit={commit}", world=disk / "world", live_wait_s=0.02) as person:
        make_room(disk)
        walk_and_ask(person)
        head = person.session.store.head
        known = person.session.snapshot().alive_count
        fill(disk)
        walk_and_ask(person)
        assert "no clip (not kept)" in person.hud and "No space left" in person.hud
        assert person.session.store.head == head and person.session.snapshot().alive_count == known
        (disk / "ballast").unlink()
        walk_and_ask(person)
        assert person.session.store.head != head
    with open_store(disk / "world", read_only=True) as store:
        assert store.fsck() == []
    assert replay(disk / "world").difference is None, "the journal does not say that it was taken"


def noise(*, size_px: tuple[int, int]) -> U8:
    """A film of this cannot be made small."""
    return np.random.default_rng(1).integers(0, 256, (size_px[1], size_px[0], 3), dtype=np.uint8)


def test_a_film_that_fills_the_disk_is_given_up_and_said(tmp_path: Path, disk: Path) -> None:
    with Scripted(tmp_path, "generation.commit=lockstep", film=disk / "film.mp4") as person:
        person.painter.read_pixels = noise  # type: ignore[method-assign]  # of a fake
        person.window.size_px = (640, 352)
        for _ in range(200):
            person.hold("forward", frames=4)
            if "no film" in person.hud:
                break
        assert "no film: this video cannot be written" in person.hud and "filming" not in person.hud
        person.frames(NOTHING, 3)
        assert list(disk.iterdir()) == [], "no half a film"


def test_a_scene_edited_to_nonsense_meanwhile_is_said_and_no_edit_is_lost(tmp_path: Path) -> None:
    scene = write_small_room(tmp_path)
    saver = EditSaver(load_scene(scene), {})
    with Scripted(tmp_path, "generation.commit=lockstep", save_edits=saver) as person:
        person.press("select", "insert")
        good = scene.read_bytes()
        scene.write_text("rounds: [", encoding="utf-8")
        person.press("save")
        assert "changed" in person.hud and scene.read_text() == "rounds: ["
        person.hold("forward", frames=3)
        scene.write_bytes(good)
        person.press("save")
        assert "1 edits in the scene file" in person.hud
    assert len(load_scene(scene).scene.rounds[-1].edits) == 1
