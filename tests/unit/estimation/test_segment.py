import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatia.errors import InputError
from spatia.estimation.given import GivenDepth
from spatia.estimation.segment import GivenMasks, NoSegmenter, grown
from spatia.records.cloud import Points, snapshot_of_points
from spatia.records.geometry import Sighting
from support.scenes import BallBeforeWall, frames_of, sideways

CLOUD = snapshot_of_points(Points.of(np.zeros((1, 3)), [0, 0, 0]))


@settings(derandomize=True, deadline=None)
@given(y=st.integers(0, 5), x=st.integers(0, 7), margin_px=st.integers(0, 9))
def test_a_mask_grows_by_the_margin_in_every_direction(y: int, x: int, margin_px: int) -> None:
    mask = np.zeros((2, 6, 8), dtype=np.bool_)
    mask[1, y, x] = True
    rows, columns = np.indices((6, 8))
    wanted = (abs(rows - y) <= margin_px) & (abs(columns - x) <= margin_px)
    result = grown(mask, margin_px=margin_px)
    assert not result[0].any()
    np.testing.assert_array_equal(result[1], wanted)


def test_no_segmenter_finds_nothing_and_given_masks_are_given_for_every_frame() -> None:
    sighting = Sighting.of(frames_of(BallBeforeWall(), sideways(3)))
    geometry = GivenDepth().estimate(sighting, cloud=CLOUD)
    mask = np.zeros((48, 64), dtype=np.bool_)
    mask[4:8, 9:12] = True
    assert not NoSegmenter().segment(sighting, geometry, cloud=CLOUD).any()
    np.testing.assert_array_equal(GivenMasks(mask).segment(sighting, geometry, cloud=CLOUD), np.stack([mask] * 3))


def test_a_mask_of_another_size_is_refused() -> None:
    sighting = Sighting.of(frames_of(BallBeforeWall(), sideways(1)))
    geometry = GivenDepth().estimate(sighting, cloud=CLOUD)
    with pytest.raises(InputError, match="the mask is 5x4, the frames are 64x48"):
        GivenMasks(np.zeros((4, 5), dtype=np.bool_)).segment(sighting, geometry, cloud=CLOUD)
