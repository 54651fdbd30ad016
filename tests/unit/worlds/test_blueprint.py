import numpy as np
import pytest

from spatia.worlds.blueprint import Blueprint, Material, color
from spatia.worlds.textures import PLAIN

MATERIALS = {"a": Material(pattern=PLAIN, color=(1, 1, 1)), "b": Material(pattern=PLAIN, color=(0, 0, 0))}


def test_solids_stand_on_their_base_and_height_is_upwards() -> None:
    scene = Blueprint(materials=MATERIALS)
    scene.box("b", (1.0, 0.5, 2.0), (0.2, 0.4, 0.6))
    (box,) = scene.solids
    low, high = box.bounds_in_world_m()
    np.testing.assert_allclose(low, [0.9, -0.9, 1.7])
    np.testing.assert_allclose(high, [1.1, -0.5, 2.3])
    assert box.material == 1


def test_a_place_turns_and_shifts_what_stands_in_it() -> None:
    scene = Blueprint(materials=MATERIALS)
    place = scene.place("thing", at=(1.0, 0.0, 0.0), yaw=90.0)
    place.ball("a", (0.0, 0.3, 2.0), 0.1)
    np.testing.assert_allclose(scene.solids[0].center_m, [3.0, -0.3, 0.0], atol=1e-12)  # forward has become right


def test_labels_are_numbered_as_they_come_and_shared_by_name() -> None:
    scene = Blueprint(materials=MATERIALS)
    for name in ("table", "chair", "table"):
        scene.place(name).box("a", (0, 0, 0), (1, 1, 1))
    assert scene.labels == {"table": 1, "chair": 2}
    assert [solid.label for solid in scene.solids] == [1, 2, 1]


def test_colours_are_turned_into_linear_light() -> None:
    assert color("ffffff") == (1.0, 1.0, 1.0)
    assert color("808080")[0] == pytest.approx(0.2158605)
