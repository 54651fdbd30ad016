import pytest

from spatia.geom.camera import Intrinsics
from spatia.projection.optics import Optics
from spatia.records.projection import Look, MetricSplat, ReleaseSplat

WIDE = Intrinsics(fx_px=144.0, fy_px=140.0, cx_px=80.0, cy_px=40.0, width_px=160, height_px=96)


def test_a_metric_look_keeps_the_pinhole() -> None:
    optics = Optics.of(WIDE, MetricSplat(radius_m=0.5))
    assert optics.pinhole.tolist() == [144.0, 140.0, 80.0, 40.0]
    assert optics.radius_px_m == 72.0
    assert not optics.composited


@pytest.mark.parametrize(("width_px", "height_px"), [(160, 96), (96, 160)])
def test_the_release_stretches_by_the_shorter_side(width_px: int, height_px: int) -> None:
    intrinsics = Intrinsics(fx_px=95, fy_px=95, cx_px=70, cy_px=50, width_px=width_px, height_px=height_px)
    optics = Optics.of(intrinsics, ReleaseSplat())
    assert optics.fx == pytest.approx(96.0)
    assert optics.cx == pytest.approx(width_px / 2 - 96 / 95 * (70 - (width_px - 1) / 2))
    assert optics.cy == pytest.approx(height_px / 2 - 96 / 95 * (50 - (height_px - 1) / 2))
    assert optics.max_radius_px == pytest.approx(0.48)


def test_only_discs_within_their_own_pixel_count_as_single_pixels() -> None:
    assert Optics.of(WIDE, MetricSplat(radius_m=0.0)).single_pixels
    assert Optics.of(WIDE, MetricSplat(radius_m=0.1, max_radius_px=0.4)).single_pixels
    assert not Optics.of(WIDE, MetricSplat(radius_m=0.0, min_radius_px=0.5)).single_pixels
    assert not Optics.of(WIDE, ReleaseSplat(radius_ndc=0.001)).single_pixels


@pytest.mark.parametrize(
    ("look", "said"),
    [
        (MetricSplat(radius_m=-0.1), "radius_m"),
        (MetricSplat(radius_m=float("nan")), "radius_m"),
        (MetricSplat(min_radius_px=9.0), "min_radius_px"),
        (MetricSplat(max_radius_px=float("inf")), "max_radius_px"),
        (ReleaseSplat(radius_ndc=0.0), "radius_ndc"),
        (ReleaseSplat(points_per_pixel=0), "points_per_pixel"),
    ],
)
def test_a_look_that_makes_no_disc_is_refused(look: Look, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Optics.of(WIDE, look)


def test_the_release_needs_two_pixels_a_side() -> None:
    with pytest.raises(ValueError, match="2x2"):
        Optics.of(WIDE.resized(width_px=20, height_px=1), ReleaseSplat())
