"""`spatia walk` as a person meets it: a real window, keys pressed by xdotool, and the run that it leaves."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from spatia.scene.load import load_scene
from spatia.store.folder import open_store
from support.command_line import spatia
from support.display import virtual_display
from support.scenes_small import ROOM

pytestmark = [
    pytest.mark.gl,
    pytest.mark.skipif(
        not (shutil.which("Xvfb") and shutil.which("xdotool")),
        reason="needs Xvfb and xdotool: apt-get install xvfb xdotool",
    ),
]
PATIENCE_S = 60.0
POLL_S = 0.1


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    with virtual_display() as name:
        yield name


class Person:
    """Walks by a keyboard."""

    def __init__(self, display: str, *words: str | Path) -> None:
        self._environment = {**os.environ, "DISPLAY": display}
        command = [sys.executable, "-m", "spatia", "walk", *map(str, words)]
        self.program = subprocess.Popen(
            command, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def do(self, *words: str) -> bool:
        done = subprocess.run(["xdotool", *words], env=self._environment, check=False, capture_output=True)
        return done.returncode == 0

    def key(self, name: str) -> None:
        assert self.do("key", name)

    def wait_for(self, what: Path) -> None:
        """Until a file is there: the window answers in its own time."""
        for _ in range(int(PATIENCE_S / POLL_S)):
            if what.exists():
                return
            assert self.program.poll() is None, self.program.communicate()[0]
            time.sleep(POLL_S)
        raise AssertionError(f"{what} never came")

    def begin(self, folder: Path, number: int = 0) -> None:
        """Until the window shows the world: it answers to F12."""
        shot = folder / f"screenshot_{number:03d}.png"
        for _ in range(int(PATIENCE_S / 0.5)):
            assert self.program.poll() is None, self.program.communicate()[0]
            if self.do("search", "--sync", "--onlyvisible", "--name", "spatia", "windowfocus"):
                self.key("F12")
            time.sleep(0.5)
            if shot.exists():
                return
        raise AssertionError("the window never answered")

    def leave(self) -> str:
        self.key("Escape")
        time.sleep(0.3)
        self.key("Escape")
        said, _ = self.program.communicate(timeout=PATIENCE_S)
        assert self.program.returncode == 0, said
        return said


def test_walk_generate_delete_save_leave_and_walk_on(display: str, tmp_path: Path) -> None:
    scene, out = tmp_path / "room.yaml", tmp_path / "run"
    scene.write_text(ROOM.replace("first_frames: 9", "policy: on_demand\n  first_frames: 9"), encoding="utf-8")
    person = Person(display, scene, "--out", out)
    person.begin(out)
    person.do("keydown", "w")
    time.sleep(0.6)
    person.do("keyup", "w")
    person.key("g")
    person.do("click", "1")
    person.key("Delete")
    person.key("F5")
    time.sleep(1.0)
    person.key("F1")
    said = person.leave()
    assert "walk on with: spatia walk" in said
    with open_store(out / "world", read_only=True) as store:
        kinds = [info.kind for info in store.log()]
    assert kinds[0] == "initial" and "edit" in kinds
    assert len(load_scene(scene).scene.rounds[-1].edits) == 1, "F5 wrote the edit into the scene"

    again = Person(display, out)
    shots = len(list(out.glob("screenshot_*.png")))
    again.begin(out, shots)
    again.do("keydown", "s")
    time.sleep(0.4)
    again.do("keyup", "s")
    again.leave()
    with open_store(out / "world", read_only=True) as store:
        assert [info.kind for info in store.log()][: len(kinds)] == kinds, "the same world, walked on"


def test_the_orders_of_a_window_give_the_same_run_without_one(display: str, tmp_path: Path) -> None:
    scene, out = tmp_path / "room.yaml", tmp_path / "run"
    scene.write_text(ROOM.replace("first_frames: 9", "policy: on_demand\n  first_frames: 9"), encoding="utf-8")
    person = Person(display, scene, "--out", out)
    person.begin(out)
    person.do("keydown", "w", "keydown", "Right")
    time.sleep(0.7)
    person.do("keyup", "w", "keyup", "Right")
    person.key("g")
    world = out / "world"
    for _ in range(int(PATIENCE_S / POLL_S)):
        with open_store(world, read_only=True) as store:
            if any(info.kind == "clip" for info in store.log()):
                break
        time.sleep(POLL_S)
    person.leave()
    answer = spatia("replay", out)
    assert answer.status == 0, answer.out + answer.err
    assert "the same" in answer.out


def test_without_a_display_the_message_offers_a_run(tmp_path: Path) -> None:
    scene = tmp_path / "room.yaml"
    scene.write_text(ROOM, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run(
        [sys.executable, "-m", "spatia", "walk", str(scene), "--out", str(tmp_path / "run")],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "no display" in done.stderr and "spatia run" in done.stderr and "spatia replay" in done.stderr
    assert not (tmp_path / "run").exists()
