import math

import numpy as np
import pytest

from spatia.evaluation.alignment import (
    Exposure,
    align,
    best_turn,
    motion,
    normal_equations,
    reference_normal_equations,
    residuals,
    with_gradients,
)
from spatia.geom.camera import Intrinsics
from spatia.geom.pose import F64, transform
from spatia.records.arrays import F32

LENS = Intrinsics.from_fov(fov_y_rad=math.radians(50), width_px=80, height_px=60)


def shade(x: F64, y: F64) -> F64:
    waves = 60 * np.sin(3 * x + 0.5) * np.cos(2.3 * y) + 40 * np.sin(1.1 * x * y + 2 * y)
    return np.asarray(128 + waves, dtype=np.float64)


def picture() -> F32:
    """What the camera at the origin sees of a shaded wall that leans back."""
    at = wall(0.0)
    return shade(at[:, 0], at[:, 1]).reshape(60, 80).astype(np.float32)


def wall(offset_px: float) -> F64:
    """[60 * 80, 3] points of it, one a pixel, that far from the pixels' centres."""
    rays = LENS.rays_in_camera().astype(np.float64).reshape(-1, 3)
    rays[:, :2] += offset_px / LENS.fx_px
    return rays * (2.0 / (1 - 0.3 * rays[:, 1] - 0.1 * rays[:, 0]))[:, None]


def points_off_by(twist: list[float], *, gain: float = 1.0, bias: float = 0.0) -> tuple[F32, F32]:
    at = wall(0.3)
    luma = (shade(at[:, 0], at[:, 1]) - bias) / gain
    return transform(motion(np.array(twist)), at).astype(np.float32), luma.astype(np.float32)


def test_the_kernel_agrees_with_plain_numpy() -> None:
    points, luma = points_off_by([0.1, -0.05, 0.02, 0.01, 0.02, -0.03])
    points[:200, 2] = -1  # behind the camera
    state = (points, luma, with_gradients(picture()), LENS.pinhole, motion(np.full(6, 0.01)), 0.9, 4.0, 7.0)
    for fast, plain in zip(normal_equations(*state), reference_normal_equations(*state), strict=True):
        np.testing.assert_allclose(fast, plain, rtol=1e-5, atol=1e-5 * np.abs(plain).max())


def test_the_right_side_is_the_slope_of_the_residuals() -> None:
    """On a picture that is linear in u and v its sampled gradients are exact."""
    v, u = np.mgrid[:60, :80]
    plane = with_gradients((2.0 * u - 1.5 * v + 100).astype(np.float32))
    points, luma = points_off_by([0.0] * 6)
    spread = 1e6  # all weights are 6 / 5
    lens = LENS.pinhole

    def cost(twist: F64) -> float:
        rest = residuals(points, luma, plane, lens, motion(twist), 1.0, 0.0).astype(np.float64)
        return float(np.nansum(rest**2) / 2)

    shown = np.isfinite(residuals(points, luma, plane, lens, motion(np.full(6, 1e-4)), 1.0, 0.0))
    points, luma = points[shown], luma[shown]  # none leaves the picture in the little steps below
    _, right_side = normal_equations(points, luma, plane, lens, np.eye(4), 1.0, 0.0, spread)
    for unknown in range(6):
        step = np.zeros(6)
        step[unknown] = 1e-5
        slope = (cost(step) - cost(-step)) / 2e-5
        assert right_side[unknown] * 5 / 6 == pytest.approx(-slope, rel=2e-2, abs=1e-3 * np.abs(right_side).max())


def test_points_are_moved_back_to_where_they_fit() -> None:
    twist = [0.03, -0.02, 0.04, 0.01, -0.012, 0.02]
    found = align(*points_off_by(twist), picture(), LENS, start=np.eye(4), exposure=Exposure())
    assert found.settled
    np.testing.assert_allclose(found.camera_from_points @ motion(np.array(twist)), np.eye(4), atol=1e-3)
    assert found.correlation > 0.999


def test_exposure_is_found_along_with_the_motion() -> None:
    points, luma = points_off_by([0.02, 0.01, 0.0, 0.0, 0.01, 0.0], gain=0.6, bias=20)
    found = align(points, luma, picture(), LENS, start=np.eye(4), exposure=Exposure())
    assert found.exposure.gain == pytest.approx(0.6, abs=0.01)
    assert found.exposure.bias == pytest.approx(20, abs=1)


def test_a_tenth_of_strange_brightness_has_no_say() -> None:
    twist = [0.02, 0.01, -0.02, 0.01, 0.0, 0.0]
    points, luma = points_off_by(twist)
    luma[:480] = 250
    found = align(points, luma, picture(), LENS, start=np.eye(4), exposure=Exposure())
    np.testing.assert_allclose(found.camera_from_points @ motion(np.array(twist)), np.eye(4), atol=2e-3)


def test_a_plain_wall_says_nothing_of_where_it_is() -> None:
    points, luma = points_off_by([0.01, 0, 0, 0, 0, 0])
    luma[:] = 90
    plain = np.full((60, 80), 90, dtype=np.float32)
    assert align(points, luma, plain, LENS, start=np.eye(4), exposure=Exposure()).deviation_px > 100


def test_too_few_points_settle_nothing() -> None:
    points, luma = points_off_by([0.0] * 6)
    found = align(points[:10], luma[:10], picture(), LENS, start=np.eye(4), exposure=Exposure())
    assert not found.settled
    assert math.isinf(found.spread)


def test_the_turn_whose_residuals_spread_least_is_the_start() -> None:
    turned = [0, 0, 0, 0, math.radians(6.6), 0]
    start = best_turn(*points_off_by(turned), picture(), LENS)
    np.testing.assert_allclose(start @ motion(np.array(turned)), np.eye(4), atol=0.01)
