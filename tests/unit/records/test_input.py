import json
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatia.errors import InputError
from spatia.records.input import InputSnapshot, of_plain, to_plain

NUMBERS = st.floats(-1e6, 1e6)
NAMES = st.lists(st.text(max_size=8), max_size=3).map(tuple)
SNAPSHOTS = st.builds(
    InputSnapshot,
    held=NAMES,
    pressed=NAMES,
    pushed=st.lists(st.tuples(st.text(max_size=8), st.floats(0, 1, exclude_min=True)), max_size=3).map(tuple),
    look_px=st.tuples(NUMBERS, NUMBERS),
    pointer_px=st.none() | st.tuples(NUMBERS, NUMBERS),
    wheel=NUMBERS,
    typing=st.booleans(),
    typed=st.text(max_size=8),
    focused=st.booleans(),
    size_px=st.tuples(st.integers(0, 4096), st.integers(0, 4096)),
    closing=st.booleans(),
    notes=NAMES,
)


@settings(derandomize=True)
@given(SNAPSHOTS)
def test_a_snapshot_comes_back_from_json_as_it_was(snapshot: InputSnapshot) -> None:
    assert of_plain(json.loads(json.dumps(to_plain(snapshot))), where="line 1") == snapshot


def test_a_poll_in_which_nothing_happened_is_written_as_nothing() -> None:
    assert to_plain(InputSnapshot()) == {}


def test_the_amount_of_an_action_is_whole_when_held_and_a_part_when_pushed() -> None:
    snapshot = InputSnapshot(held=("forward",), pushed=(("forward", 0.3), ("right", 0.25)))
    assert [snapshot.amount(action) for action in ("forward", "right", "up")] == [1.0, 0.25, 0.0]


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {"hold": []},
        {1: []},
        {"held": "forward"},
        {"held": [1]},
        {"held": ["x"] * 1000},
        {"typed": "x" * 10_000},
        {"look_px": [0]},
        {"look_px": [0, float("nan")]},
        {"wheel": True},
        {"wheel": 1e30},
        {"pushed": [["forward", 0]]},
        {"pushed": [["forward", 2]]},
        {"pushed": [["forward"]]},
        {"size_px": [1, -1]},
        {"size_px": [1.5, 1]},
        {"closing": 1},
    ],
)
def test_anything_else_is_refused_with_its_place(data: Any) -> None:
    with pytest.raises(InputError) as caught:
        of_plain(data, where="input.jsonl:7")
    assert caught.value.where.startswith("input.jsonl:7")


def test_an_unknown_field_gets_a_near_miss() -> None:
    with pytest.raises(InputError, match="did you mean 'pressed'"):
        of_plain({"presed": []}, where="x")


def test_every_field_is_read_back() -> None:
    everything = {field.name for field in fields(InputSnapshot)}
    changed = InputSnapshot(
        held=("a",),
        pressed=("a",),
        pushed=(("a", 0.5),),
        look_px=(1, 1),
        pointer_px=(1, 1),
        wheel=1,
        typing=True,
        typed="x",
        focused=False,
        size_px=(1, 1),
        closing=True,
        notes=("n",),
    )
    assert set(to_plain(changed)) == everything
    assert of_plain(to_plain(changed), where="x") == changed


def test_numbers_that_are_not_finite_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="finite"):
        InputSnapshot(wheel=float("inf"))
