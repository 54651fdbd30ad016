import numpy as np
import pytest

from spatia.generation.push_pull import fill_holes, reference_fill_holes
from spatia.records.arrays import F32


def picture(height_px: int, width_px: int, *, known: float) -> tuple[F32, F32]:
    rng = np.random.Generator(np.random.PCG64(height_px * 1000 + width_px))
    colors = rng.uniform(0, 255, (height_px, width_px, 3)).astype(np.float32)
    weights = rng.uniform(0.1, 1, (height_px, width_px)) * (rng.uniform(size=(height_px, width_px)) < known)
    return colors, weights.astype(np.float32)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (16, 16), (17, 30), (45, 33)])
@pytest.mark.parametrize("known", [0.0, 0.05, 0.6, 1.0])
def test_the_kernel_agrees_with_the_plain_reference(size: tuple[int, int], known: float) -> None:
    colors, weights = picture(*size, known=known)
    np.testing.assert_allclose(fill_holes(colors, weights), reference_fill_holes(colors, weights), atol=2e-3)


def test_known_pixels_stay_as_they_are_and_guesses_lie_between_them() -> None:
    colors, weights = picture(40, 50, known=0.1)
    filled = fill_holes(colors, weights)
    known = weights > 0
    np.testing.assert_array_equal(filled[known], colors[known])
    assert (filled >= colors[known].min(axis=0) - 1e-3).all()
    assert (filled <= colors[known].max(axis=0) + 1e-3).all()


def test_one_known_pixel_colours_the_whole_picture() -> None:
    colors, weights = np.zeros((9, 13, 3), dtype=np.float32), np.zeros((9, 13), dtype=np.float32)
    colors[4, 4], weights[4, 4] = (10, 20, 30), 1
    np.testing.assert_allclose(fill_holes(colors, weights), np.broadcast_to([10, 20, 30], (9, 13, 3)), rtol=1e-6)


def test_a_picture_without_known_pixels_is_black() -> None:
    colors = np.full((5, 6, 3), 9, dtype=np.float32)
    assert not fill_holes(colors, np.zeros((5, 6), dtype=np.float32)).any()
