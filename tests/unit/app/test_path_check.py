import re
from xml.etree import ElementTree

import numpy as np
import pytest

from spatia.app.path_check import path_check
from spatia.geom.path import truck
from spatia.geom.pose import F64

REQUESTED = truck(np.eye(4), 1.0, frames=6)
ALL = np.ones(6, dtype=np.bool_)
FRAMES = [0, 4, 8, 12, 16, 20]


def lower_by(metres: float) -> F64:
    recovered = REQUESTED.copy()
    recovered[:, 1, 3] += metres
    return recovered


def test_it_says_how_far_the_frames_were_off() -> None:
    page = path_check(REQUESTED, lower_by(0.035), ALL, frames=FRAMES)
    assert "6 of 6" in page
    assert "<b>0.00°</b>" in page
    assert "<b>3.5 cm</b>" in page
    assert "<b>100.0</b>" in page  # the score begins both paths at one camera


def test_frames_that_were_not_found_are_left_out_and_marked() -> None:
    recovered, converged = lower_by(0.02), ALL.copy()
    recovered[2, :3, 3] = 1e6
    converged[2] = False
    page = path_check(REQUESTED, recovered, converged, frames=FRAMES)
    assert "5 of 6" in page
    assert "<b>2.0 cm</b>" in page
    assert page.count("v5") == 2  # one mark a chart
    assert max(float(number) for number in re.findall(r"\d+\.\d+", page)) < 1e3


def test_without_any_frame_found_it_says_so() -> None:
    assert "In no frame" in path_check(REQUESTED, REQUESTED, ~ALL, frames=FRAMES)


@pytest.mark.parametrize("frames", [1, 2, 6])
def test_the_drawing_is_well_formed(frames: int) -> None:
    """Also where the camera stands still and the error is nothing."""
    still = np.repeat(np.eye(4)[None], frames, axis=0)
    page = path_check(still, still, ALL[:frames], frames=FRAMES[:frames])
    drawing = ElementTree.fromstring(page[page.index("<svg") :])
    assert drawing.get("viewBox") == "0 0 960 300"
    assert "nan" not in page
