import numpy as np
import pytest

from spatia.worlds.primitives import BOX
from spatia.worlds.textures import TYPICAL_MIX, albedo, clouds, gap, noise3, surface_uv

PATTERNS = range(len(TYPICAL_MIX))
A, B = np.array([0.7, 0.5, 0.3]), np.array([0.2, 0.3, 0.4])
SCALE, SIZE = np.array([0.2, 0.1]), np.array([0.5, 0.4, 0.6])


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_reflects_no_more_than_it_gets_by_much_and_never_less_than_nothing(pattern: int) -> None:
    for x, y, z in np.random.default_rng(3).uniform(-0.4, 0.4, (300, 3)):
        color = albedo(pattern, A, B, SCALE, SIZE, x, z, x, y, z, 5, 0.001)
        assert min(color) >= 0.0
        assert max(color) < 1.5


def test_a_gap_covers_its_exact_share_of_a_pixel() -> None:
    assert gap(0.0, 1.0, 0.1, 0.2) == pytest.approx(0.5)
    assert gap(0.5, 1.0, 0.1, 0.2) == 0.0
    assert gap(0.0, 1.0, 0.1, 1e-6) == pytest.approx(1.0)
    assert gap(0.37, 1.0, 0.1, 50.0) == pytest.approx(0.1)


def test_details_fade_into_their_mean_from_afar() -> None:
    near = [clouds(x, 0.0, 0.0, 0.1, 1e-4, 1) for x in np.linspace(0, 3, 60)]
    far = [clouds(x, 0.0, 0.0, 0.1, 0.5, 1) for x in np.linspace(0, 3, 60)]
    assert np.ptp(near) > 0.2
    np.testing.assert_allclose(far, 0.5)


def test_noise_is_smooth_and_between_nought_and_one() -> None:
    values = np.array([noise3(x, 0.3, -0.7, 2) for x in np.linspace(-4, 4, 4001)])
    assert values.min() >= 0.0 and values.max() <= 1.0
    assert np.abs(np.diff(values)).max() < 0.01


def test_lengths_on_a_box_run_along_its_faces() -> None:
    assert surface_uv(BOX, 2, 0.1, -0.5, 0.3) == (0.1, 0.3)
    assert surface_uv(BOX, 5, 0.1, -0.5, 0.3) == (0.1, -0.5)
    assert surface_uv(BOX, 0, 0.1, -0.5, 0.3) == (0.3, -0.5)
