import numpy as np
import pytest

from spatia.evaluation.visible import at_level, halved, luma_of, positions_of_rows, visible_points
from spatia.geom.camera import Intrinsics
from spatia.projection.numpy_reference import NumpyProjector
from spatia.records.cloud import CloudSnapshot, Points, snapshot_of_points

LENS = Intrinsics.from_fov(fov_y_rad=0.9, width_px=64, height_px=48)


def wall(*, wide_m: float = 2.0) -> CloudSnapshot:
    """Voxels of 2 cm at z = 2 m, brighter to the right."""
    x, y = np.meshgrid(np.arange(-wide_m, wide_m, 0.02), np.arange(-1.2, 1.2, 0.02))
    places = np.stack([x.ravel(), y.ravel(), np.full(x.size, 2.0)], axis=-1)
    return snapshot_of_points(Points.of(places, (128 + 50 * places[:, :1]).repeat(3, axis=1)), voxel_m=0.02)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_points_keep_their_places_and_take_the_brightness_around_them(level: int) -> None:
    seen = visible_points(wall(), NumpyProjector(), world_from_camera=np.eye(4), lens=LENS, level=level)
    assert seen.covered_share == 1
    assert len(seen.in_camera) == (64 >> level) * (48 >> level)
    np.testing.assert_allclose(seen.in_camera[:, 2], 2, atol=1e-6)
    inner = np.abs(seen.in_camera[:, 0]) < 1
    np.testing.assert_allclose(seen.luma[inner], 128 + 50 * seen.in_camera[inner, 0], atol=1.5)


def test_what_the_camera_does_not_see_is_left_out() -> None:
    half = visible_points(wall(wide_m=0.5), NumpyProjector(), world_from_camera=np.eye(4), lens=LENS, level=0)
    assert 0.3 < half.covered_share < 0.5
    assert np.abs(half.in_camera[:, 0]).max() < 0.51
    away = np.diag([-1.0, 1.0, -1.0, 1.0])
    none = visible_points(wall(), NumpyProjector(), world_from_camera=away, lens=LENS, level=1)
    assert (none.covered_share, len(none.luma)) == (0, 0)


def test_rows_are_found_in_their_pages() -> None:
    cloud = wall()
    rows = np.array([0, 1023, 1024, 5000, 7], dtype=np.int32)
    np.testing.assert_array_equal(positions_of_rows(cloud, rows), cloud.positions_in_world()[rows])


def test_a_halved_picture_and_its_lens_fit() -> None:
    plane = np.arange(35, dtype=np.float32).reshape(5, 7)
    np.testing.assert_array_equal(halved(plane), [[4, 6, 8], [18, 20, 22]])
    lens = at_level(Intrinsics.from_fov(fov_y_rad=0.9, width_px=7, height_px=5), 1)
    assert (lens.width_px, lens.height_px, lens.cx_px) == (3, 2, 1.75)


def test_brightness_is_that_of_the_eye() -> None:
    picture = np.array([[[255, 255, 255], [0, 255, 0], [0, 0, 255]]], dtype=np.uint8)
    np.testing.assert_allclose(luma_of(picture), [[255, 149.685, 29.07]], rtol=1e-6)
