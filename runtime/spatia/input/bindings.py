"""One table of which keys do what, with the defaults, what overrides them, and the lines that F1 shows. Any thread.

A *key* is a name for anything that can be pushed: a key of the keyboard (named by its place on a US layout), a button
of the mouse or of a gamepad, one direction of a stick, a trigger. Each belongs to one action at most.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from spatia.errors import SceneError, near_miss

MAX_KEYS_AN_ACTION = 8

MOUSE_BUTTONS: Final = (
    "mouse_left",
    "mouse_right",
    "mouse_middle",
    "mouse_4",
    "mouse_5",
    "mouse_6",
    "mouse_7",
    "mouse_8",
)
PAD_BUTTONS: Final = tuple(  # in GLFW's order
    f"pad_{name}"
    for name in (
        *("a", "b", "x", "y", "left_bumper", "right_bumper", "back", "start", "guide", "left_thumb", "right_thumb"),
        *("dpad_up", "dpad_right", "dpad_down", "dpad_left"),
    )
)
PAD_AXES: Final = (
    *(f"pad_{side}_stick_{way}" for side in ("left", "right") for way in ("up", "down", "left", "right")),
    *("pad_left_trigger", "pad_right_trigger"),
)
KEYBOARD: Final = (
    *"abcdefghijklmnopqrstuvwxyz0123456789",
    *(f"f{n}" for n in range(1, 26)),
    *("up", "down", "left", "right", "page_up", "page_down", "home", "end", "insert", "delete", "backspace"),
    *("space", "tab", "enter", "escape", "menu", "pause", "print_screen", "caps_lock", "num_lock", "scroll_lock"),
    *(f"{side}_{name}" for side in ("left", "right") for name in ("shift", "control", "alt", "super")),
    *("apostrophe", "backslash", "comma", "equal", "grave_accent", "minus", "period", "semicolon", "slash"),
    *("left_bracket", "right_bracket", "world_1", "world_2"),
    *(f"kp_{n}" for n in range(10)),
    *(f"kp_{name}" for name in ("add", "subtract", "multiply", "divide", "decimal", "enter", "equal")),
)
KEYS: Final = (*KEYBOARD, *MOUSE_BUTTONS, *PAD_BUTTONS, *PAD_AXES)


@dataclass(frozen=True, slots=True)
class Action:
    """What a person can ask for, in a few words, and the keys that ask for it unless told otherwise."""

    about: str
    keys: tuple[str, ...]


ACTIONS: Final[Mapping[str, Action]] = MappingProxyType(
    {
        "forward": Action("go forward", ("w", "pad_left_stick_up")),
        "back": Action("go back", ("s", "pad_left_stick_down")),
        "left": Action("go left", ("a", "pad_left_stick_left")),
        "right": Action("go right", ("d", "pad_left_stick_right")),
        "up": Action("rise, when flying", ("e", "pad_right_bumper")),
        "down": Action("sink, when flying", ("q", "pad_left_bumper")),
        "look_left": Action("look left", ("left", "pad_right_stick_left")),
        "look_right": Action("look right", ("right", "pad_right_stick_right")),
        "look_up": Action("look up", ("up", "pad_right_stick_up")),
        "look_down": Action("look down", ("down", "pad_right_stick_down")),
        "faster": Action("go faster", ("left_shift", "right_shift", "pad_left_trigger")),
        "mode_fly_walk": Action("fly or walk", ("f", "pad_left_thumb")),
        "free_mouse": Action("free the mouse; again to quit", ("escape", "pad_start")),
        "generate": Action("generate along the way walked", ("g", "pad_a")),
        "prompt": Action("type an instruction for the next round", ("enter", "kp_enter")),
        "cancel": Action("cancel the round in flight", ("x", "pad_b")),
        "undo_round": Action("undo the last round", ("z", "pad_y")),
        "policy": Action("when to generate: asked, by coverage, always", ("p", "pad_dpad_left")),
        "select": Action("select what is pointed at", ("mouse_left", "pad_right_trigger")),
        "next_tool": Action("select by click, box or brush", ("t", "pad_dpad_right")),
        "delete": Action("delete the selection", ("delete", "backspace")),
        "recolor": Action("recolour the selection", ("c",)),
        "move": Action("move the selection to what is pointed at", ("o",)),
        "duplicate": Action("put a copy of it there", ("b",)),
        "insert": Action("insert a thing", ("insert", "i")),
        "next_thing": Action("which thing: a ball, or a PLY file", ("comma",)),
        "name_thing": Action("type the path of a PLY file to insert", ("l",)),
        "undo": Action("undo an edit", ("u",)),
        "redo": Action("redo an edit", ("y",)),
        "holes": Action("show what has not been seen", ("h", "pad_dpad_up")),
        "color_by": Action("colours: seen, coverage, provenance", ("v", "pad_dpad_down")),
        "picture": Action("the clip off, beside, over", ("tab", "pad_x")),
        "grid": Action("grid", ("m",)),
        "frusta": Action("cameras and path", ("k",)),
        "record": Action("record a film", ("r",)),
        "screenshot": Action("screenshot", ("f12",)),
        "save": Action("save the world and the scene", ("f5",)),
        "help": Action("this help", ("f1", "pad_back")),
    }
)


@dataclass(frozen=True, slots=True)
class Bindings:
    """The keys of every action, in the order of `ACTIONS`, and the action of every key."""

    keys_of: Mapping[str, tuple[str, ...]]
    action_of: Mapping[str, str]

    @classmethod
    def of(
        cls, overrides: Mapping[str, object] | None = None, *, place: Callable[[str], str] = "bindings.{}".format
    ) -> "Bindings":
        """The defaults, with all keys of the actions in `overrides` replaced: a key, a list of keys, or an empty list.

        `place` says where an action is written. Raises `SceneError` there for an unknown action, an unknown key, a
        value that is no key, and a key with two actions.
        """
        keys_of = {name: action.keys for name, action in ACTIONS.items()}
        for name, value in (overrides or {}).items():
            if name not in ACTIONS:
                fix = f"use one of: {', '.join(ACTIONS)}"
                raise SceneError(
                    f"unknown action {name!r:.40}{near_miss(str(name)[:40], ACTIONS)}", where=place(name), fix=fix
                )
            keys_of[name] = _keys(value, where=place(name))
        action_of: dict[str, str] = {}
        # Overrides go last, so that an error stands where a person wrote something.
        for name in sorted(ACTIONS, key=lambda action: action in (overrides or {})):
            for key in keys_of[name]:
                if (taken := action_of.setdefault(key, name)) != name:
                    origin = "" if taken in (overrides or {}) else " by default"
                    raise SceneError(
                        f"key {key!r} is bound to {name} here and to {taken}{origin}",
                        where=place(name),
                        fix=f"use another key, or give {taken} others (an empty list unbinds it)",
                    )
        return cls(MappingProxyType(keys_of), MappingProxyType(action_of))

    def help_lines(self) -> tuple[str, ...]:
        """A line an action: its keys and what it does. Actions that have no key are left out."""
        shown = {name: ", ".join(_shown(key) for key in keys) for name, keys in self.keys_of.items() if keys}
        width = max((len(keys) for keys in shown.values()), default=0)
        return tuple(f"{keys:<{width}}  {ACTIONS[name].about}" for name, keys in shown.items())


def _keys(value: object, *, where: str) -> tuple[str, ...]:
    listed = value if isinstance(value, list | tuple) else [value]
    if len(listed) > MAX_KEYS_AN_ACTION:
        raise SceneError(
            f"{len(listed)} keys for one action; at most {MAX_KEYS_AN_ACTION}", where=where, fix="keep a few"
        )
    for key in listed:
        if not isinstance(key, str):
            raise SceneError(f"a key is text; found {key!r:.40}", where=where, fix="quote it, as in '1'")
        if key not in KEYS:
            fix = "use a letter, a digit, f1 to f25, or a name such as space, left_shift, mouse_left, pad_a"
            raise SceneError(f"unknown key {key!r:.40}{near_miss(key[:40].lower(), KEYS)}", where=where, fix=fix)
    return tuple(dict.fromkeys(listed))


def _shown(key: str) -> str:
    return key.replace("_", " ").capitalize()
