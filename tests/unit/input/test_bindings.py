import glfw
import pytest

from spatia.errors import SceneError
from spatia.input.bindings import ACTIONS, KEYBOARD, KEYS, MOUSE_BUTTONS, PAD_BUTTONS, Bindings


def test_every_default_is_a_known_key_of_one_action() -> None:
    bindings = Bindings.of()
    assert set(bindings.action_of) <= set(KEYS)
    assert {name: bindings.keys_of[name] for name in ACTIONS} == {name: ACTIONS[name].keys for name in ACTIONS}
    assert all(bindings.keys_of.values())


def test_the_keyboard_is_that_of_glfw() -> None:
    theirs = {name.removeprefix("KEY_").lower() for name in dir(glfw) if name.startswith("KEY_")}
    assert theirs - set(KEYBOARD) == {"unknown", "last"}
    assert set(KEYBOARD) <= theirs
    assert len(MOUSE_BUTTONS) == glfw.MOUSE_BUTTON_LAST + 1
    assert [getattr(glfw, f"GAMEPAD_BUTTON_{name[4:].upper()}") for name in PAD_BUTTONS] == list(range(15))


def test_an_override_replaces_all_keys_of_its_action() -> None:
    bindings = Bindings.of({"forward": "space", "grid": ["j", "n"], "save": []})
    assert bindings.keys_of["forward"] == ("space",)
    assert bindings.keys_of["grid"] == ("j", "n")
    assert bindings.keys_of["save"] == ()
    assert "w" not in bindings.action_of
    assert "f5" not in bindings.action_of
    assert bindings.action_of["n"] == "grid"


def test_a_key_may_move_from_one_action_to_another_when_both_are_written() -> None:
    bindings = Bindings.of({"generate": "h", "holes": "g"})
    assert (bindings.action_of["h"], bindings.action_of["g"]) == ("generate", "holes")


def test_the_same_key_twice_for_one_action_is_one_key() -> None:
    assert Bindings.of({"forward": ["w", "w"]}).keys_of["forward"] == ("w",)


def test_an_unknown_action_gets_a_near_miss_and_its_place() -> None:
    with pytest.raises(SceneError, match="unknown action 'foward'; did you mean 'forward'") as caught:
        Bindings.of({"foward": "w"}, place="keys.yaml:{}".format)
    assert caught.value.where == "keys.yaml:foward"


@pytest.mark.parametrize(("key", "meant"), [("spcae", "space"), ("W", "w"), ("left_shft", "left_shift"), ("F5", "f5")])
def test_an_unknown_key_gets_a_near_miss(key: str, meant: str) -> None:
    with pytest.raises(SceneError, match=f"did you mean '{meant}'"):
        Bindings.of({"forward": [key]})


@pytest.mark.parametrize("value", [1, None, True, {"key": "w"}, [["w"]], ["w", 2]])
def test_what_is_no_key_is_refused(value: object) -> None:
    with pytest.raises(SceneError, match="a key is text") as caught:
        Bindings.of({"forward": value})
    assert caught.value.where == "bindings.forward"


def test_a_key_taken_from_a_default_is_refused_where_it_was_written() -> None:
    with pytest.raises(SceneError, match="'g' is bound to forward here and to generate by default") as caught:
        Bindings.of({"forward": ["g"]})
    assert caught.value.where == "bindings.forward"


def test_a_key_written_twice_is_refused() -> None:
    with pytest.raises(SceneError, match="'j' is bound to grid here and to holes"):
        Bindings.of({"grid": "j", "holes": "j"})


def test_too_many_keys_are_refused() -> None:
    with pytest.raises(SceneError, match="at most"):
        Bindings.of({"forward": ["w"] * 100})


def test_the_help_names_every_bound_action_with_its_keys() -> None:
    lines = Bindings.of({"save": []}).help_lines()
    assert len(lines) == len(ACTIONS) - 1
    assert any(line.split() == ["F12", "screenshot"] for line in lines)
    bound = [name for name in ACTIONS if name != "save"]
    assert len({line.index(ACTIONS[name].about) for name, line in zip(bound, lines, strict=True)}) == 1
