from typing import Any

import numpy as np
import pytest

from spatia.errors import InputError
from spatia.estimation.sam2.settings import Hint, Sam2Settings

MASK = np.eye(8, dtype=np.bool_)


@pytest.mark.parametrize(
    ("hint", "problem"),
    [
        ({}, "it shows no object"),
        ({"outside": ((1.0, 2.0),)}, "it shows no object"),
        ({"mask": MASK, "inside": ((1.0, 2.0),)}, "it has a mask and points or a box too"),
        ({"mask": MASK, "box": (1.0, 2.0, 3.0, 4.0)}, "it has a mask and points or a box too"),
        ({"mask": np.zeros_like(MASK)}, "its mask is empty"),
        ({"box": (5.0, 2.0, 3.0, 4.0)}, "is empty"),
        ({"box": (float("nan"), 2.0, 3.0, 4.0)}, "is empty"),
        ({"mask": MASK, "frame": -1}, "frames are counted from 0"),
    ],
)
def test_a_hint_shows_one_object_once(hint: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        Hint(**hint)
    assert caught.value.where == f"hint for object 1 on frame {hint.get('frame', 0)}"
    assert caught.value.fix


@pytest.mark.parametrize(
    ("hint", "problem"),
    [
        (Hint(mask=MASK), "the mask is 8x8, the frames are 64x48"),
        (Hint(inside=((64.5, 3.0),)), r"the point \(64.5, 3\) is not on the frames, which are 64x48"),
        (Hint(inside=((float("nan"), 3.0),)), "is not on the frames"),
        (Hint(box=(0.0, 0.0, 64.0, 49.0)), r"the point \(64, 49\) is not on the frames"),
        (Hint(frame=4, inside=((1.0, 1.0),)), "there is no frame 4 among the 4 that are seen first"),
    ],
)
def test_a_hint_is_on_the_frames(hint: Hint, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        hint.check_fits(frame_count=4, width_px=64, height_px=48)


def test_a_box_may_reach_the_frames_edges() -> None:
    Hint(frame=3, box=(0.0, 0.0, 64.0, 48.0)).check_fits(frame_count=4, width_px=64, height_px=48)


def test_an_object_has_one_hint_a_frame() -> None:
    with pytest.raises(InputError, match="there are two of them"):
        Sam2Settings(hints=(Hint(inside=((1.0, 1.0),)), Hint(mask=MASK)))
    Sam2Settings(hints=(Hint(inside=((1.0, 1.0),)), Hint(object_id=2, mask=MASK), Hint(frame=1, mask=MASK)))
