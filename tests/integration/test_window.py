"""The real window, on a display of its own, with keys and mouse pressed by xdotool."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import glfw
import pytest

from spatia.clock import WallClock
from spatia.errors import DeviceError
from spatia.input.bindings import Bindings
from spatia.input.window import Window
from spatia.records.input import InputSnapshot
from support.display import virtual_display

pytestmark = [
    pytest.mark.gl,
    pytest.mark.skipif(
        not (shutil.which("Xvfb") and shutil.which("xdotool")),
        reason="needs Xvfb and xdotool: apt-get install xvfb xdotool",
    ),
]
PATIENCE_S = 20.0
TITLE = "a walk"


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    with virtual_display() as name:
        yield name


@dataclass
class Hands:
    """Presses keys in the window and watches what comes of it."""

    window: Window

    def do(self, *words: str) -> None:
        subprocess.run(["xdotool", *words], check=True, stdout=subprocess.DEVNULL)

    def see(self, wanted: Callable[[InputSnapshot], bool]) -> InputSnapshot:
        """The first snapshot that is as wanted."""
        clock = WallClock()
        until_s = clock.now_s() + PATIENCE_S
        seen: list[InputSnapshot] = []
        while clock.now_s() < until_s:
            glfw.wait_events_timeout(0.02)
            snapshot = self.window.poll()
            if wanted(snapshot):
                return snapshot
            if snapshot not in seen[-1:]:
                seen.append(snapshot)
        raise AssertionError(f"never seen; last were {seen[-5:]}")


@pytest.fixture
def hands(display: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hands]:
    monkeypatch.setenv("DISPLAY", display)
    with Window(TITLE, (320, 240), bindings=Bindings.of({"forward": ["w", "1"]})) as window:
        hands = Hands(window)
        hands.do("search", "--sync", "--name", TITLE, "windowfocus", "--sync", "mousemove", "100", "100")
        hands.see(lambda snapshot: snapshot.focused and snapshot.pointer_px is not None)
        yield hands


def test_the_context_is_opengl_4_3_or_newer_and_clears_the_screen(hands: Hands) -> None:
    context = hands.window.context
    assert context.version_code >= 430
    context.screen.use()
    context.clear(0.0, 1.0, 0.0)
    assert context.screen.read((0, 0, 1, 1)) == bytes([0, 255, 0])
    hands.window.swap()


def test_a_key_is_held_from_its_press_to_its_release(hands: Hands) -> None:
    hands.do("keydown", "w")
    assert hands.see(lambda seen: "forward" in seen.held).pressed == ("forward",)
    assert hands.window.poll().held == ("forward",)
    hands.do("keyup", "w")
    assert hands.see(lambda seen: not seen.held).pressed == ()


def test_a_key_bound_by_the_user_works(hands: Hands) -> None:
    hands.do("key", "1")
    assert hands.see(lambda seen: bool(seen.pressed)).pressed == ("forward",)


def test_buttons_wheel_and_escape_arrive(hands: Hands) -> None:
    hands.do("click", "1")
    assert hands.see(lambda seen: bool(seen.pressed)).pressed == ("select",)
    hands.do("click", "4")
    assert hands.see(lambda seen: seen.wheel != 0).wheel == 1.0
    hands.do("key", "Escape")
    assert hands.see(lambda seen: bool(seen.pressed)).pressed == ("free_mouse",)


def test_the_mouse_points_when_free_and_looks_when_captured(hands: Hands) -> None:
    hands.do("mousemove", "60", "70")
    assert hands.see(lambda seen: seen.pointer_px == (60.0, 70.0)).look_px == (0.0, 0.0)
    hands.window.capture_mouse(True)
    hands.see(lambda seen: seen.pointer_px is None)
    hands.do("mousemove_relative", "5", "3")
    hands.do("mousemove_relative", "5", "3")
    seen = hands.see(lambda seen: seen.look_px != (0.0, 0.0))
    assert seen.look_px[0] > 0
    assert seen.look_px[1] > 0
    hands.window.capture_mouse(False)
    hands.do("mousemove", "61", "71")
    assert hands.see(lambda seen: seen.pointer_px is not None).look_px == (0.0, 0.0)


def test_a_prompt_is_typed_as_text_and_walks_nowhere(hands: Hands) -> None:
    typed = ""

    def whole(seen: InputSnapshot) -> bool:
        nonlocal typed
        assert not seen.held or seen.held == ("prompt",)
        typed += seen.typed
        return typed.endswith("\n") and not seen.typing

    hands.do("key", "Return", "w", "a", "space", "d", "d", "BackSpace", "Return")
    hands.see(whole)
    assert typed == "wa dd\b\n"


def test_a_letter_that_begins_a_line_is_no_part_of_it(hands: Hands) -> None:
    typed = ""

    def whole(seen: InputSnapshot) -> bool:
        nonlocal typed
        typed += seen.typed
        return typed.endswith("\x1b") and not seen.typing

    hands.do("key", "l", "slash", "a", "l", "Tab", "Escape")
    hands.see(whole)
    assert typed == "/al\t\x1b"


def test_a_resize_arrives(hands: Hands) -> None:
    assert hands.window.size_px == (320, 240)
    hands.do("search", "--name", TITLE, "windowsize", "500", "300")
    hands.see(lambda seen: seen.size_px == (500, 300))
    assert hands.window.size_px == (500, 300)


def test_a_lost_focus_lets_go_of_every_key(hands: Hands) -> None:
    hands.do("keydown", "w")
    hands.see(lambda seen: "forward" in seen.held)
    glfw.hide_window(hands.window._handle)
    assert hands.see(lambda seen: not seen.focused).held == ()
    hands.do("keyup", "w")


def test_a_window_asked_to_close_says_so(hands: Hands) -> None:
    glfw.set_window_should_close(hands.window._handle, True)
    assert hands.window.should_close


def test_without_a_display_the_error_names_what_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(DeviceError, match="no display") as caught:
        Window(TITLE, (320, 240))
    assert "spatia run" in caught.value.fix


def test_without_opengl_4_3_the_error_says_what_to_install(display: str) -> None:
    # In a process of its own, since Mesa reads the override once.
    program = """
from spatia.errors import DeviceError
from spatia.input.window import Window
try:
    Window("a walk", (320, 240))
except DeviceError as error:
    print(error)
"""
    environment = {**os.environ, "DISPLAY": display, "MESA_GL_VERSION_OVERRIDE": "3.3"}
    said = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert "OpenGL 4.3" in said.stdout
    assert "fix: install a driver" in said.stdout
