import base64
import math
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from spatia.errors import SceneError
from spatia.records import edits as record
from spatia.scene.schema_edits import SceneEdit, packed_keys, to_edit

LABELS = {"sofa": 4, "coffee table": 6}
EDIT: TypeAdapter[Any] = TypeAdapter(SceneEdit)

BOX = {"low_m": [0, -1, 0], "high_m": [1, 0, 1]}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"remove": {"label": "coffee table"}}, record.Remove(where=record.OfLabel(label=6))),
        ({"remove": {"label": 12}}, record.Remove(where=record.OfLabel(label=12))),
        ({"remove": {"clip": 3}}, record.Remove(where=record.OfClip(clip=3))),
        (
            {"recolor": {"box": BOX}, "color": [255, 0, 9], "strength": 0.5},
            record.Recolor(where=record.Box(low_m=(0, -1, 0), high_m=(1, 0, 1)), color=(255, 0, 9), strength=0.5),
        ),
        (
            {"move": {"sphere": {"center_m": [0, 0, 1], "radius_m": 0.5}}, "offset_m": [0, 0, 2]},
            record.Move(where=record.Sphere(center_m=(0, 0, 1), radius_m=0.5), offset_m=(0, 0, 2)),
        ),
        (
            {
                "add_primitive": "cylinder",
                "center_m": [0, 0, 0],
                "size_m": [1, 2, 1],
                "color": [1, 2, 3],
                "label": "sofa",
            },
            record.AddPrimitive(shape="cylinder", center_m=(0, 0, 0), size_m=(1, 2, 1), color=(1, 2, 3), label=4),
        ),
        ({"undo": True}, record.Undo()),
        ({"redo": True}, record.Redo()),
    ],
)
def test_a_written_edit_means_one_record(written: dict[str, Any], meant: record.Edit) -> None:
    assert to_edit(EDIT.validate_python(written), LABELS) == meant


@given(st.sets(st.integers(0, 2**63 - 1), min_size=1, max_size=50))
@settings(derandomize=True, max_examples=50, deadline=None)
def test_voxels_are_written_as_text_and_read_again(keys: set[int]) -> None:
    written = {"remove": {"voxels": {"voxel_m": 0.01, "keys": packed_keys(tuple(sorted(keys)))}}}
    meant = record.OfVoxels(voxel_m=0.01, keys=tuple(sorted(keys)))
    assert to_edit(EDIT.validate_python(written), LABELS) == record.Remove(where=meant)


def text_of(numbers: list[int]) -> str:
    return base64.b64encode(zlib.compress(np.array(numbers, "<i8").tobytes())).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no base64!",
        "AAAA",
        text_of([]),
        text_of([5, 0]),
        text_of([5, -1]),
        text_of([-1]),
        text_of([2**63 - 1, 2**63 - 1]),
        text_of([1] * (record.MAX_VOXELS + 1)),
        text_of([1] * (1 << 20)),
        base64.b64encode(zlib.compress(b"1234567")).decode(),
        base64.b64encode(zlib.compress(b"\1" + bytes(7))[:-2]).decode(),
        base64.b64encode(zlib.compress(b"\1" + bytes(7)) + b"more").decode(),
        "A" * 100_001,
    ],
)
def test_a_text_that_holds_no_voxels_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        EDIT.validate_python({"remove": {"voxels": {"voxel_m": 0.01, "keys": text}}})


def test_a_turn_to_the_right_is_about_the_axis_that_points_down() -> None:
    edit = to_edit(EDIT.validate_python({"move": {"label": 4}, "turn_deg": 90}), LABELS)
    assert isinstance(edit, record.Move)
    assert edit.rotation_wxyz == pytest.approx((math.sqrt(0.5), 0, math.sqrt(0.5), 0))


def test_a_cloud_keeps_its_pin() -> None:
    edit = to_edit(EDIT.validate_python({"add_cloud": "/a.ply", "sha256": "0" * 64, "scale": 2.0}), LABELS)
    assert edit == record.AddCloud(path="/a.ply", sha256="0" * 64, scale=2.0)


def test_an_unknown_object_names_its_neighbour() -> None:
    with pytest.raises(SceneError, match=r"s\.yaml:3:4: unknown object 'soffa'; did you mean 'sofa'"):
        to_edit(EDIT.validate_python({"remove": {"label": "soffa"}}), LABELS, where="s.yaml:3:4")


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ({"remove": {"box": {"low_m": [0, 0, 0], "high_m": [1, -1, 1]}}}, "low_m must not exceed high_m"),
        ({"recolor": {"label": 1}, "color": [0, 0, 256]}, r"0\.\.255"),
        ({"recolor": {"label": 1}, "color": [0, 0, 25], "strength": 2}, "less than or equal to 1"),
        ({"add_primitive": "cone", "center_m": [0, 0, 0], "size_m": [1, 1, 1], "color": [1, 2, 3]}, "'box', 'sphere'"),
        ({"add_primitive": "box", "center_m": [0, 0, 0], "size_m": [1, 0, 1], "color": [1, 2, 3]}, "size_m"),
        ({"undo": False}, "True"),
        ({"paint": {"label": 1}}, "needs one of the keys"),
        ("undo", "needs one of the keys"),
    ],
)
def test_a_wrong_edit_is_refused(written: Any, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        EDIT.validate_python(written)
