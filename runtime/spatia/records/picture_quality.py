"""How alike two pictures are: PSNR and SSIM of sRGB uint8 frames. Pure, any thread."""

import math

import numpy as np

from spatia.records.arrays import F64, U8, Bool

PEAK = 255.0
WINDOW_PX = 11
SIGMA_PX = 1.5
LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


def psnr_db(picture: U8, reference: U8, *, where: Bool | None = None) -> float:
    """Peak signal-to-noise ratio of [..., 3] pictures over all pixels and channels; infinite for equal ones.

    `where` [...] restricts it to some pixels. Raises `ValueError` for different shapes or where no pixel is left.
    """
    _check_alike(picture, reference)
    error = picture.astype(np.float64) - reference
    if where is not None:
        error = error[where]
    if error.size == 0:
        raise ValueError("psnr_db needs at least one pixel; where is False everywhere or the pictures are empty")
    mean_square = float(np.mean(error**2))
    return 10 * math.log10(PEAK**2 / mean_square) if mean_square else math.inf


def ssim(picture: U8, reference: U8) -> float:
    """Mean structural similarity of two [H, W, 3] pictures, on luma; 1 for equal ones.

    Gaussian window of 11 x 11 pixels with sigma 1.5, K1 = 0.01, K2 = 0.03, averaged over the (H - 10) x (W - 10)
    pixels whose window lies inside (Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error
    visibility to structural similarity", 2004). Raises `ValueError` for different shapes or less than 11 pixels a side.
    """
    _check_alike(picture, reference)
    if picture.ndim != 3 or min(picture.shape[:2]) < WINDOW_PX:
        raise ValueError(f"ssim needs pictures [H, W, 3] of at least {WINDOW_PX} pixels a side; got {picture.shape}")
    a, b = picture @ LUMA, reference @ LUMA
    mean_a, mean_b = _blurred(a), _blurred(b)
    variance_a = _blurred(a * a) - mean_a**2
    variance_b = _blurred(b * b) - mean_b**2
    covariance = _blurred(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
    likeness = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    scale = (mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2)
    return float(np.mean(likeness / scale))


def _blurred(plane: F64) -> F64:
    """The Gaussian mean around each pixel whose window lies inside: [H, W] to [H - 10, W - 10], one axis at a time."""
    offset = np.arange(WINDOW_PX) - WINDOW_PX // 2
    weights = np.exp(-0.5 * (offset / SIGMA_PX) ** 2)
    weights /= weights.sum()
    height, width = (side - WINDOW_PX + 1 for side in plane.shape)
    rows = sum(weight * plane[i : i + height] for i, weight in enumerate(weights))
    return np.asarray(sum(weight * rows[:, i : i + width] for i, weight in enumerate(weights)), dtype=np.float64)


def _check_alike(picture: U8, reference: U8) -> None:
    for name, array in (("picture", picture), ("reference", reference)):
        if array.dtype != np.uint8 or array.shape[-1:] != (3,):
            raise ValueError(f"{name} must be uint8 [..., 3]; got {array.dtype} {array.shape}")
    if picture.shape != reference.shape:
        raise ValueError(f"the pictures must have one shape; got {picture.shape} and {reference.shape}")
