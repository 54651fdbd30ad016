"""Which instruction holds where."""

import numpy as np

from spatia.app.places import instruction_at
from spatia.scene.schema import PlacePrompt

DESK = PlacePrompt(at_m=(0.0, -1.0, 0.0), within_m=2.0, prompt="a desk")
SHELF = PlacePrompt(at_m=(3.0, -1.0, 0.0), within_m=2.0, prompt="a shelf")


def standing(x_m: float) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, 3] = (x_m, -1.0, 0.0)
    return pose


def test_the_nearest_place_that_one_stands_within_has_its_say() -> None:
    assert instruction_at((DESK, SHELF), standing(1.4)) == "a desk"
    assert instruction_at((DESK, SHELF), standing(1.6)) == "a shelf"
    assert instruction_at((SHELF, DESK), standing(1.4)) == "a desk", "whatever the order"


def test_outside_of_all_places_nobody_says_anything() -> None:
    assert instruction_at((DESK, SHELF), standing(5.5)) is None
    assert instruction_at((), standing(0.0)) is None


def test_the_edge_belongs_to_the_place_and_the_first_of_equals_is_taken() -> None:
    assert instruction_at((DESK,), standing(2.0)) == "a desk"
    assert instruction_at((DESK, DESK.model_copy(update={"prompt": "a chair"})), standing(0.0)) == "a desk"
