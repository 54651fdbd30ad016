"""The way to MapAnything's raster and back, and how its pixels are counted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatia.estimation.mapanything.raster import back, model_lens, model_matrix, resized
from spatia.geom.camera import Intrinsics
from spatia.records.arrays import F32
from support.scenes import lens


@pytest.mark.parametrize(
    ("size", "wanted"),
    [((1248, 704), (518, 294)), ((704, 1248), (294, 518)), ((64, 48), (518, 392)), ((4000, 20), (518, 14))],
)
def test_the_longer_side_is_518_and_both_are_whole_patches(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    small = model_lens(lens(width_px=size[0], height_px=size[1]))
    assert (small.width_px, small.height_px) == wanted


@given(st.integers(14, 3000), st.integers(14, 3000), st.floats(-0.2, 1.2), st.floats(-0.2, 1.2))
@settings(derandomize=True, max_examples=50, deadline=None)
def test_a_pixels_ray_is_the_same_on_both_rasters(width: int, height: int, cx: float, cy: float) -> None:
    """A point of the picture, here the middle of a pixel of the model's, lies on one ray whoever counts."""
    ours = Intrinsics(
        fx_px=0.9 * width, fy_px=0.8 * width, cx_px=cx * width, cy_px=cy * height, width_px=width, height_px=height
    )
    theirs = model_lens(ours)
    x, y = theirs.width_px // 3, theirs.height_px // 3
    matrix = model_matrix(theirs)
    ray = np.linalg.solve(matrix, [x, y, 1])
    u, v = (x + 0.5) * width / theirs.width_px, (y + 0.5) * height / theirs.height_px
    np.testing.assert_allclose(ray, [(u - ours.cx_px) / ours.fx_px, (v - ours.cy_px) / ours.fy_px, 1], atol=1e-9)


def test_pictures_are_resized_whole() -> None:
    rgb = np.zeros((2, 48, 64, 3), dtype=np.uint8)
    rgb[1, :24, :32] = 200
    small = resized(rgb, model_lens(lens()))
    assert small.shape == (2, 392, 518, 3)
    assert (small[0] == 0).all()
    assert (small[1, :170, :230] == 200).all()
    assert (small[1, 220:] == 0).all()
    assert resized(rgb[:0], model_lens(lens())).shape == (0, 392, 518, 3)


def plane(intrinsics: Intrinsics) -> F32:
    """Depth of a slanted plane, whose inverse is linear in the pixel."""
    rays = intrinsics.rays_in_camera().astype(np.float64)
    return (3 / (rays @ [0.4, -0.3, 1.0])).astype(np.float32)


@pytest.mark.parametrize("size", [(1248, 704), (300, 170)])
def test_a_plane_comes_back_as_a_plane(size: tuple[int, int]) -> None:
    large = lens(width_px=size[0], height_px=size[1])
    depth = plane(model_lens(large))
    depth_m, confidence = back(depth, np.full_like(depth, 0.5), width_px=size[0], height_px=size[1])
    inside = (slice(3, -3), slice(3, -3))  # beyond the outermost centres there is nothing to go between
    np.testing.assert_allclose(depth_m[inside], plane(large)[inside], rtol=1e-5)
    assert (confidence == np.float32(0.5)).all()


@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 2**32 - 1))
@settings(derandomize=True, max_examples=50, deadline=None)
def test_nothing_hangs_between_two_surfaces_and_unknown_stays_unknown(width: int, height: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    depth = chance.choice(np.array([0, 1, 4], dtype=np.float32), size=(28, 42))
    sure = chance.random(depth.shape).astype(np.float32)
    depth_m, confidence = back(depth, sure, width_px=width, height_px=height)
    assert depth_m.shape == confidence.shape == (height, width)
    assert np.isin(np.round(depth_m, 5), [0, 1, 4]).all()
    y, x = (np.arange(height) + 0.5) * 28 / height, (np.arange(width) + 0.5) * 42 / width
    nearest = depth[y.astype(int)[:, None], x.astype(int)]
    np.testing.assert_array_equal(depth_m == 0, nearest == 0)
    assert (confidence[depth_m == 0] == 0).all()


def test_the_same_raster_gives_the_same_depth() -> None:
    depth = np.random.default_rng(1).uniform(0.5, 6, size=(28, 42)).astype(np.float32)
    sure = np.full_like(depth, 0.25)
    depth_m, confidence = back(depth, sure, width_px=42, height_px=28)
    np.testing.assert_allclose(depth_m, depth, rtol=1e-6)
    np.testing.assert_array_equal(confidence, sure)
