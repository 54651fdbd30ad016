"""From what happened to keys, mouse and gamepad to what it means. Any one thread; knows no window.

Events are taken in the order in which they happened, so a key that begins a line turns those after it into letters.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import hypot

from spatia.input.bindings import PAD_BUTTONS, Bindings
from spatia.records.input import BACKSPACE, COMPLETE, EARLIER, ENTER, ESCAPE, LATER, MAX_TEXT, InputSnapshot

STICK_REST = 0.15  # worn sticks rest this far from their middle
TRIGGER_REST = 0.05
PUSHED_IS_PRESSED = 0.5  # a stick or trigger beyond this is a key that is down
TYPES = ("prompt", "name_thing")  # actions after which keys are letters, up to enter or escape
_EDITING_KEYS = {
    "backspace": BACKSPACE,
    "tab": COMPLETE,
    "enter": ENTER,
    "kp_enter": ENTER,
    "escape": ESCAPE,
    "up": EARLIER,
    "down": LATER,
}


@dataclass(frozen=True, slots=True)
class KeyDown:
    """Of a keyboard, a mouse or a gamepad."""

    key: str
    repeated: bool = False  # by the keyboard, because it is held


@dataclass(frozen=True, slots=True)
class KeyUp:
    key: str


@dataclass(frozen=True, slots=True)
class Character:
    text: str


@dataclass(frozen=True, slots=True)
class PointerMoved:
    """To a place in the window, in its own units from its upper left corner."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class PointerCaptured:
    """Or set free. A place from before says nothing about movement after."""

    captured: bool


@dataclass(frozen=True, slots=True)
class Scrolled:
    notches: float


@dataclass(frozen=True, slots=True)
class Focused:
    focused: bool


@dataclass(frozen=True, slots=True)
class Resized:
    """The framebuffer, and how many of its pixels a unit of the window has; both are (0, 0) while minimised."""

    size_px: tuple[int, int]
    px_per_unit: tuple[float, float]


@dataclass(frozen=True, slots=True)
class PadState:
    """A gamepad as GLFW maps it: 15 buttons, sticks in -1..1 (left x, y, right x, y; y down), triggers in -1..1."""

    buttons: tuple[bool, ...]
    axes: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PadFound:
    name: str


@dataclass(frozen=True, slots=True)
class PadLost:
    name: str


@dataclass(frozen=True, slots=True)
class CloseAsked:
    pass


Event = (
    KeyDown
    | KeyUp
    | Character
    | PointerMoved
    | PointerCaptured
    | Scrolled
    | Focused
    | Resized
    | PadState
    | PadFound
    | PadLost
    | CloseAsked
)


class Devices:
    """What is held from one poll to the next; `take` gives the snapshot between them."""

    def __init__(self, bindings: Bindings) -> None:
        self._action_of = bindings.action_of
        self._down: dict[str, None] = {}  # keys, in the order of their presses
        self._pushed: dict[str, float] = {}  # stick directions and triggers away from rest
        self._pointer: tuple[float, float] | None = None  # in window units
        self._captured = False
        self._focused = True
        self._typing = False
        self._began_typing = ""  # the key, while it is held: it types no letters
        self._size_px = (0, 0)
        self._px_per_unit = (1.0, 1.0)

    def take(self, events: Iterable[Event]) -> InputSnapshot:
        """What happened since the last call."""
        poll = _Poll()
        for event in events:
            self._take(event, poll)
        amounts: dict[str, float] = {}
        for key, amount in self._pushed.items() if not self._typing else ():
            if action := self._action_of.get(key):
                amounts[action] = max(amount, amounts.get(action, 0.0))
        held = {*poll.touched, *(self._action_of[key] for key in self._down if key in self._action_of)}
        return InputSnapshot(
            held=tuple(sorted(held)),
            pressed=tuple(poll.pressed),
            pushed=tuple(sorted(amounts.items())),
            look_px=(poll.look_x, poll.look_y),
            pointer_px=self._pointer_px(),
            wheel=poll.wheel,
            typing=self._typing,
            typed=poll.typed[:MAX_TEXT],
            focused=self._focused,
            size_px=self._size_px,
            closing=poll.closing,
            notes=tuple(poll.notes),
        )

    def _take(self, event: Event, poll: "_Poll") -> None:
        match event:
            case KeyDown(key, repeated):
                self._key_down(key, repeated, poll)
            case KeyUp(key):
                if key == self._began_typing:
                    self._began_typing = ""
                self._down.pop(key, None)
            case Character(text):
                if self._typing and not self._began_typing:
                    poll.typed += text
            case PointerMoved(x, y):
                if self._captured and self._pointer is not None:
                    poll.look_x += x - self._pointer[0]
                    poll.look_y += y - self._pointer[1]
                self._pointer = (x, y)
            case PointerCaptured(captured):
                self._captured = captured
                self._pointer = None
            case Scrolled(notches):
                poll.wheel += notches
            case Focused(focused):
                self._focused = focused
                self._pointer = None
                self._let_go(poll)
            case Resized(size_px, px_per_unit):
                self._size_px, self._px_per_unit = size_px, px_per_unit
            case PadState():
                self._pad(event, poll)
            case PadFound(name):
                poll.notes.append(f"gamepad: {name}")
            case PadLost(name):
                poll.notes.append(f"gamepad lost: {name}; plug it in again, or go on by keyboard")
                self._pushed.clear()
                for key in PAD_BUTTONS:
                    self._down.pop(key, None)
            case CloseAsked():
                poll.closing = True

    def _key_down(self, key: str, repeated: bool, poll: "_Poll") -> None:
        if self._typing:
            if repeated and key == self._began_typing:
                return
            self._began_typing = ""
            letter = _EDITING_KEYS.get(key, "")
            poll.typed += letter
            self._typing = letter not in (ENTER, ESCAPE)
            return
        if repeated:
            return
        self._down[key] = None
        if action := self._action_of.get(key):
            poll.pressed.append(action)
            poll.touched.append(action)
            if action in TYPES:
                self._typing, self._began_typing = True, key
                self._down.clear()

    def _let_go(self, poll: "_Poll") -> None:
        """Of everything: whoever looks at another window does not walk in this one."""
        self._down.clear()
        self._pushed.clear()
        poll.touched.clear()

    def _pad(self, state: PadState, poll: "_Poll") -> None:
        """Nothing while another window has the focus or while letters are typed: a stick can drift."""
        if not self._focused or self._typing:
            return
        for key, down in zip(PAD_BUTTONS, state.buttons, strict=True):
            if down and key not in self._down:
                self._key_down(key, False, poll)
            elif not down:
                self._down.pop(key, None)
        pushed = _pushed(state.axes)
        for key, amount in pushed.items():
            action = self._action_of.get(key)
            if action and amount >= PUSHED_IS_PRESSED > self._pushed.get(key, 0.0):
                poll.pressed.append(action)
        self._pushed = pushed

    def _pointer_px(self) -> tuple[float, float] | None:
        if self._captured or self._pointer is None:
            return None
        return self._pointer[0] * self._px_per_unit[0], self._pointer[1] * self._px_per_unit[1]


@dataclass(slots=True)
class _Poll:
    """What adds up between two snapshots."""

    pressed: list[str] = field(default_factory=list)
    touched: list[str] = field(default_factory=list)  # held at some time, however short
    notes: list[str] = field(default_factory=list)
    look_x: float = 0.0
    look_y: float = 0.0
    wheel: float = 0.0
    typed: str = ""
    closing: bool = False


def _pushed(axes: tuple[float, ...]) -> dict[str, float]:
    """The directions that are pushed, each from 0 at the edge of its rest to 1. The rest of a stick is round."""
    pushed: dict[str, float] = {}
    for side, x, y in (("left", axes[0], axes[1]), ("right", axes[2], axes[3])):
        length = hypot(x, y)
        if length > STICK_REST:
            scale = min((length - STICK_REST) / (1 - STICK_REST), 1.0) / length
            for way, amount in (("left", -x), ("right", x), ("up", -y), ("down", y)):
                if amount * scale > 0:
                    pushed[f"pad_{side}_stick_{way}"] = min(amount * scale, 1.0)
    for side, position in (("left", axes[4]), ("right", axes[5])):
        amount = (position + 1) / 2
        if amount > TRIGGER_REST:
            pushed[f"pad_{side}_trigger"] = min((amount - TRIGGER_REST) / (1 - TRIGGER_REST), 1.0)
    return pushed
