import pytest

from spatia.input.bindings import PAD_BUTTONS, Bindings
from spatia.input.devices import (
    TYPES,
    Character,
    CloseAsked,
    Devices,
    Event,
    Focused,
    KeyDown,
    KeyUp,
    PadFound,
    PadLost,
    PadState,
    PointerCaptured,
    PointerMoved,
    Resized,
    Scrolled,
)
from spatia.records.input import InputSnapshot

REST = (0.0, 0.0, 0.0, 0.0, -1.0, -1.0)


@pytest.fixture
def devices() -> Devices:
    return Devices(Bindings.of())


def pad(*down: str, axes: tuple[float, ...] = REST) -> PadState:
    return PadState(tuple(name in down for name in PAD_BUTTONS), axes)


def test_nothing_happened_is_an_empty_snapshot(devices: Devices) -> None:
    assert devices.take([]) == InputSnapshot()


def test_a_key_is_held_until_it_goes_up_and_pressed_once(devices: Devices) -> None:
    first = devices.take([KeyDown("w")])
    assert (first.held, first.pressed) == (("forward",), ("forward",))
    second = devices.take([KeyDown("w", repeated=True)])
    assert (second.held, second.pressed) == (("forward",), ())
    assert devices.take([KeyUp("w")]).held == ()


def test_a_tap_within_one_poll_is_held_for_that_poll(devices: Devices) -> None:
    tap = devices.take([KeyDown("w"), KeyUp("w")])
    assert (tap.held, tap.pressed) == (("forward",), ("forward",))
    assert devices.take([]).held == ()


def test_an_action_is_held_while_any_of_its_keys_is(devices: Devices) -> None:
    devices.take([KeyDown("left_shift"), KeyDown("right_shift")])
    assert devices.take([KeyUp("left_shift")]).held == ("faster",)
    assert devices.take([KeyUp("right_shift")]).held == ()


def test_presses_keep_their_order_and_held_actions_are_sorted(devices: Devices) -> None:
    snapshot = devices.take([KeyDown(key) for key in ("z", "g", "x", "w", "a")])
    assert snapshot.pressed == ("undo_round", "generate", "cancel", "forward", "left")
    assert snapshot.held == tuple(sorted(snapshot.pressed))


def test_a_key_without_an_action_does_nothing(devices: Devices) -> None:
    assert devices.take([KeyDown("f25"), KeyUp("f25"), KeyUp("world_1")]) == InputSnapshot()


def test_a_lost_focus_lets_go_of_everything(devices: Devices) -> None:
    devices.take([KeyDown("w"), pad("pad_a", axes=(0.0, -1.0, 0.0, 0.0, -1.0, -1.0))])
    lost = devices.take([KeyDown("a"), Focused(False)])
    assert (lost.held, lost.pushed, lost.focused) == ((), (), False)
    assert devices.take([pad("pad_a", axes=(0.0, -1.0, 0.0, 0.0, -1.0, -1.0))]).held == ()
    assert devices.take([Focused(True), KeyUp("w")]).held == ()


def test_only_a_captured_mouse_looks(devices: Devices) -> None:
    free = devices.take([Resized((800, 600), (2.0, 2.0)), PointerMoved(10, 10), PointerMoved(15, 12)])
    assert (free.look_px, free.pointer_px, free.size_px) == ((0, 0), (30, 24), (800, 600))
    captured = devices.take(
        [PointerCaptured(True), PointerMoved(500, 500), PointerMoved(505, 499), PointerMoved(510, 499)]
    )
    assert (captured.look_px, captured.pointer_px) == ((10, -1), None)
    again = devices.take([PointerCaptured(False), PointerMoved(20, 20)])
    assert (again.look_px, again.pointer_px) == ((0, 0), (40, 40))


def test_coming_back_to_the_window_does_not_jerk_the_view(devices: Devices) -> None:
    devices.take([PointerCaptured(True), PointerMoved(0, 0)])
    assert devices.take([Focused(False), Focused(True), PointerMoved(900, 0)]).look_px == (0, 0)


def test_the_wheel_adds_up_within_a_poll(devices: Devices) -> None:
    assert devices.take([Scrolled(1.0), Scrolled(-0.5), Scrolled(1.0)]).wheel == 1.5
    assert devices.take([]).wheel == 0.0


def test_a_minimised_window_has_no_size(devices: Devices) -> None:
    assert devices.take([Resized((0, 0), (0.0, 0.0))]).size_px == (0, 0)
    assert devices.take([PointerMoved(1, 1)]).pointer_px == (0, 0)


def test_closing_is_said_once(devices: Devices) -> None:
    assert devices.take([CloseAsked()]).closing
    assert not devices.take([]).closing


def typing(devices: Devices, *events: Event) -> InputSnapshot:
    devices.take([KeyDown("enter"), KeyUp("enter")])
    return devices.take(events)


def test_after_enter_keys_are_letters_until_enter(devices: Devices) -> None:
    begun = devices.take([KeyDown("enter"), KeyUp("enter")])
    assert (begun.pressed, begun.typing, begun.typed) == (("prompt",), True, "")
    typed = devices.take([KeyDown("w"), Character("w"), KeyUp("w"), KeyDown("g"), Character("G")])
    assert (typed.held, typed.pressed, typed.typed, typed.typing) == ((), (), "wG", True)
    ended = devices.take([KeyDown("backspace"), KeyDown("backspace", repeated=True), KeyDown("enter"), KeyDown("s")])
    assert (ended.typed, ended.typing, ended.pressed) == ("\b\b\n", False, ("back",))


def test_escape_ends_typing_and_frees_no_mouse(devices: Devices) -> None:
    ended = typing(devices, Character("a"), KeyDown("escape"))
    assert (ended.typed, ended.typing, ended.pressed) == ("a\x1b", False, ())


def test_the_key_that_began_typing_may_stay_down(devices: Devices) -> None:
    held = devices.take([KeyDown("enter"), KeyDown("enter", repeated=True), KeyUp("enter")])
    assert (held.typed, held.typing) == ("", True)


def test_a_letter_that_begins_typing_is_not_typed() -> None:
    devices = Devices(Bindings.of({"prompt": "j"}))
    assert devices.take([KeyDown("j"), Character("j"), KeyUp("j"), KeyDown("j"), Character("j")]).typed == "j"


@pytest.mark.parametrize("action", TYPES)
def test_every_action_that_takes_text_begins_a_line(action: str) -> None:
    begun = Devices(Bindings.of({action: "j"})).take([KeyDown("j"), Character("j"), KeyUp("j"), Character("w")])
    assert (begun.pressed, begun.typed, begun.typing) == ((action,), "w", True)


def test_a_letter_that_begins_typing_is_not_typed_however_long_it_is_held(devices: Devices) -> None:
    repeat: tuple[Event, ...] = (KeyDown("l", repeated=True), Character("l"))
    assert devices.take([KeyDown("l"), Character("l"), *repeat, *repeat, KeyUp("l")]).typed == ""
    assert devices.take([KeyDown("l"), Character("l"), *repeat]).typed == "ll"


def test_a_letter_typed_before_the_first_key_is_up_counts(devices: Devices) -> None:
    assert devices.take([KeyDown("l"), Character("l"), KeyDown("a"), Character("a"), KeyUp("l")]).typed == "a"


def test_two_lines_within_one_poll_stand_one_after_the_other(devices: Devices) -> None:
    lines = devices.take(
        [
            KeyDown("enter"),
            KeyUp("enter"),
            Character("a"),
            KeyDown("enter"),
            KeyDown("l"),
            KeyUp("l"),
            Character("b"),
            KeyDown("escape"),
        ]
    )
    assert (lines.pressed, lines.typed, lines.typing) == (("prompt", "name_thing"), "a\nb\x1b", False)


def test_tab_completes_while_typing_and_is_its_own_key_otherwise(devices: Devices) -> None:
    assert devices.take([KeyDown("tab"), KeyUp("tab")]).pressed == ("picture",)
    typed = typing(devices, KeyDown("tab"))
    assert (typed.typed, typed.pressed) == ("\t", ())


def test_up_and_down_walk_through_what_was_typed_before(devices: Devices) -> None:
    assert typing(devices, KeyDown("up"), KeyDown("down")).typed == "\x10\x0e"


def test_typing_lets_go_of_what_was_held(devices: Devices) -> None:
    devices.take([KeyDown("w"), pad(axes=(0.0, -1.0, 0.0, 0.0, -1.0, -1.0))])
    begun = typing(devices)
    assert (begun.held, begun.pushed) == ((), ())


def test_a_stick_pushes_in_parts_beyond_its_rest(devices: Devices) -> None:
    assert devices.take([pad(axes=(0.1, -0.1, 0.0, 0.0, -1.0, -1.0))]).pushed == ()
    half = devices.take([pad(axes=(0.0, -0.575, 0.0, 0.0, -1.0, -1.0))])
    assert dict(half.pushed) == {"forward": pytest.approx(0.5)}
    assert half.held == ()
    full = devices.take([pad(axes=(0.0, 1.0, -1.0, 0.0, -1.0, 0.05))])
    assert dict(full.pushed) == {"back": 1.0, "look_left": 1.0, "select": pytest.approx(0.5)}
    corner = dict(devices.take([pad(axes=(1.0, 1.0, 0.0, 0.0, -1.0, -1.0))]).pushed)
    assert corner["right"] == corner["back"] == pytest.approx(0.5**0.5)


def test_a_trigger_pulled_far_is_pressed_once(devices: Devices) -> None:
    pulled = pad(axes=(*REST[:5], 1.0))
    assert devices.take([pulled]).pressed == ("select",)
    assert devices.take([pulled]).pressed == ()
    assert devices.take([pad(), pulled]).pressed == ("select",)


def test_buttons_of_a_gamepad_are_keys(devices: Devices) -> None:
    assert devices.take([pad("pad_a")]).pressed == ("generate",)
    assert devices.take([pad("pad_a")]).pressed == ()
    assert devices.take([pad()]).held == ()


def test_a_lost_gamepad_is_a_note_and_lets_go(devices: Devices) -> None:
    found = devices.take([PadFound("Pad"), pad("pad_right_bumper", axes=(0.0, -1.0, *REST[2:])), KeyDown("w")])
    assert (found.notes, found.held) == (("gamepad: Pad",), ("forward", "up"))
    lost = devices.take([PadLost("Pad")])
    assert "gamepad lost: Pad" in lost.notes[0]
    assert (lost.held, lost.pushed) == (("forward",), ())
    assert devices.take([]).notes == ()
