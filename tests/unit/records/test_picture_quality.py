import math

import numpy as np
import pytest
from scipy.signal import convolve2d

from spatia.records.arrays import F64, U8
from spatia.records.picture_quality import psnr_db, ssim


def pictures(seed: int, *, noise: float, height: int = 40, width: int = 53) -> tuple[U8, U8]:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    base = 127 + 80 * np.stack([np.sin(x / 5), np.cos(y / 7), np.sin((x + y) / 9)], axis=-1)
    noisy = base + rng.normal(0, noise, base.shape)
    return base.clip(0, 255).astype(np.uint8), noisy.clip(0, 255).astype(np.uint8)


def ssim_by_scipy(a: U8, b: U8) -> float:
    """Wang et al. 2004 with one two-dimensional window and variances taken about the local mean."""
    offset = np.arange(11) - 5
    window = np.exp(-(offset[:, None] ** 2 + offset**2) / (2 * 1.5**2))
    window /= window.sum()
    x, y = (0.299 * p[..., 0] + 0.587 * p[..., 1] + 0.114 * p[..., 2] for p in (a, b))

    def mean(plane: F64) -> F64:
        return np.asarray(convolve2d(plane, window, mode="valid"), dtype=np.float64)

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    c1, c2 = 2.55**2, 7.65**2
    luminance = (2 * mx * my + c1) / (mx**2 + my**2 + c1)
    return float((luminance * (2 * cov + c2) / (vx + vy + c2)).mean())


@pytest.mark.parametrize("noise", [2.0, 15.0, 80.0])
def test_ssim_equals_that_of_a_two_dimensional_window(noise: float) -> None:
    a, b = pictures(1, noise=noise)
    assert ssim(a, b) == pytest.approx(ssim_by_scipy(a, b), abs=1e-10)


def test_ssim_of_equal_pictures_is_one_and_falls_with_noise() -> None:
    values = [ssim(*pictures(2, noise=noise)) for noise in (0.0, 5.0, 20.0, 60.0)]
    assert values[0] == pytest.approx(1.0, abs=1e-12)
    assert values == sorted(values, reverse=True)


def test_psnr_of_a_known_error() -> None:
    a = np.zeros((4, 5, 3), np.uint8)
    assert psnr_db(a, a + np.uint8(255)) == 0.0
    assert psnr_db(a, a + np.uint8(1)) == pytest.approx(48.1308, abs=1e-4)
    assert psnr_db(a, a) == math.inf


def test_psnr_can_look_at_some_pixels_alone() -> None:
    a = np.zeros((2, 4, 5, 3), np.uint8)
    b = a.copy()
    b[0] = 200
    b[1] = 1
    where = np.zeros((2, 4, 5), np.bool_)
    where[1] = True
    assert psnr_db(a, b, where=where) == psnr_db(a[1], b[1])


def test_pictures_that_cannot_be_compared_are_refused() -> None:
    a = np.zeros((12, 12, 3), np.uint8)
    with pytest.raises(ValueError, match="one shape"):
        psnr_db(a, a[:5])
    with pytest.raises(ValueError, match="uint8"):
        ssim(a.astype(np.float32), a)
    with pytest.raises(ValueError, match="at least 11"):
        ssim(a[:10], a[:10])
    with pytest.raises(ValueError, match="at least one pixel"):
        psnr_db(a, a, where=np.zeros((12, 12), np.bool_))
