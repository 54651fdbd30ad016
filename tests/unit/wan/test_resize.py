import numpy as np

from spatia.generation.wan.resize import resized


def test_pictures_of_the_right_size_are_left_alone() -> None:
    pictures = np.zeros((2, 32, 64, 3), dtype=np.uint8)
    assert resized(pictures, width_px=64, height_px=32) is pictures


def test_a_plain_colour_stays_what_it_is_at_any_size() -> None:
    pictures = np.full((3, 64, 96, 3), (10, 200, 30), dtype=np.uint8)
    small = resized(pictures, width_px=64, height_px=32)
    assert small.shape == (3, 32, 64, 3) and small.dtype == np.uint8
    assert np.array_equal(resized(small, width_px=96, height_px=64), pictures)


def test_masks_have_no_channels_and_no_pictures_are_no_trouble() -> None:
    assert resized(np.full((2, 64, 64), 255, dtype=np.uint8), width_px=32, height_px=32).shape == (2, 32, 32)
    assert resized(np.empty((0, 64, 64, 3), dtype=np.uint8), width_px=32, height_px=32).shape == (0, 32, 32, 3)
