import numpy as np
import pytest

from spatia.estimation.depth_fit import fitted

CHANCE = np.random.default_rng(1)
KNOWN = CHANCE.uniform(0.1, 1.0, 60_000)
EVEN = np.ones_like(KNOWN)


@pytest.mark.parametrize(("scale", "offset"), [(2.0, 0.05), (0.01, -0.03), (1.0, 0.0), (30.0, 0.1)])
def test_scale_and_offset_are_found_among_outliers(scale: float, offset: float) -> None:
    seen = (KNOWN - offset) / scale
    seen[::3] = CHANCE.permutation(seen)[: len(seen[::3])]
    np.testing.assert_allclose(fitted(KNOWN, seen, EVEN, with_offset=True), (scale, offset), rtol=0.02, atol=2e-3)


def test_noise_does_not_pull_the_scale_to_one_side() -> None:
    seen = KNOWN * CHANCE.normal(1, 0.05, KNOWN.shape) / 1.7
    assert fitted(KNOWN, seen, EVEN, with_offset=False) == pytest.approx((1.7, 0.0), rel=0.01)


def test_half_of_the_pixels_may_lie_before_what_is_known() -> None:
    seen = np.where(np.arange(len(KNOWN)) % 20 < 11, 1.6 * KNOWN, KNOWN)
    assert fitted(KNOWN, seen, EVEN, with_offset=False) == pytest.approx((1.0, 0.0), rel=1e-3)


def test_pixels_without_weight_have_no_say() -> None:
    seen = np.where(np.arange(len(KNOWN)) % 3 < 2, 0.5 * KNOWN, KNOWN)
    weight = np.where(seen == KNOWN, 1.0, 0.0)
    assert fitted(KNOWN, seen, weight, with_offset=False) == pytest.approx((1.0, 0.0), rel=1e-6)


def test_a_single_pixel_tells_a_scale() -> None:
    one = np.array([0.5])
    assert fitted(one, one / 3, np.ones(1), with_offset=False) == pytest.approx((3.0, 0.0))
    assert fitted(one, one / 3, np.ones(1), with_offset=True) == pytest.approx((3.0, 0.0))
