"""The readout against plain numpy, bit for bit, and what a network is told of the memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatia.geom.camera import Cameras, Intrinsics
from spatia.geom.pose import look_at
from spatia.projection.latent_readout import pages_in_view, read_latents
from spatia.projection.latent_reference import grid_from_world, read_latents_by_numpy
from spatia.records.latents import GONE, Compat, LatentGrid, LatentPoints, LatentReadout, snapshot_of_latents

PICTURE = Intrinsics(fx_px=90, fy_px=88, cx_px=61, cy_px=39, width_px=128, height_px=80)


def cameras(count: int) -> Cameras:
    poses = np.stack([look_at((0.4 * i - 0.5, 0.1 * i, 0.05 * i), (0.2, 0, 4)) for i in range(count)])
    return Cameras(world_from_camera=poses, intrinsics=PICTURE)


def grid_of(compat: Compat = "corrected", channels: int = 4) -> LatentGrid:
    return LatentGrid.of(PICTURE, channels=channels, cell_px=8, compat=compat)


def points_at(positions: np.ndarray, grid: LatentGrid, *, seed: int = 0) -> LatentPoints:
    rng = np.random.default_rng(seed)
    n = len(positions)
    return LatentPoints(
        positions_in_world=positions.astype(np.float32).reshape(-1, 3),
        latents=rng.normal(size=(n, grid.channels)).astype(grid.dtype),
        clips=np.where(rng.random(n) < 0.1, GONE, 1).astype(np.int16),
        labels=np.zeros(n, np.int16),
    )


def assert_same(a: LatentReadout, b: LatentReadout) -> None:
    for name in ("latents", "visible", "depth_m", "index"):
        found, wanted = getattr(a, name), getattr(b, name)
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted, err_msg=name)


@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.sampled_from([0, 1, 5, 256, 257, 1500]),
    views=st.integers(1, 4),
    compat=st.sampled_from(["corrected", "release"]),
    steps=st.sampled_from([0, 2, 8]),
)
@settings(derandomize=True, max_examples=60, deadline=None)
def test_kernels_and_numpy_agree_bit_for_bit(seed: int, count: int, views: int, compat: Compat, steps: int) -> None:
    """With few `steps` a metre, many points share a place, so ties and points on a cell's edge are common."""
    grid = grid_of(compat)
    positions = np.random.default_rng(seed).uniform((-4, -3, -2), (4, 3, 7), (count, 3))
    if steps:
        positions = np.round(positions * steps) / steps
    cloud = snapshot_of_latents(points_at(positions, grid, seed=seed), grid=grid)
    expected = read_latents_by_numpy(cloud, cameras(views), grid=grid)
    assert_same(read_latents(cloud, cameras(views), grid=grid), expected)


def test_every_finite_half_float_comes_out_as_numpy_makes_it() -> None:
    grid = grid_of(channels=2)
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    halves = every[np.isfinite(every)].reshape(-1, 2)
    camera = cameras(1)
    for part in np.array_split(halves, 400):  # 80 points a picture, each alone in its cell
        v, u = np.divmod(np.arange(len(part)), grid.width)
        lens = grid.lens(PICTURE)
        rays = np.stack([(u + 0.5 - lens.cx_px) / lens.fx_px, (v + 0.5 - lens.cy_px) / lens.fy_px, np.ones(len(u))], -1)
        pose = camera.world_from_camera[0]
        points = LatentPoints(
            positions_in_world=(2 * rays @ pose[:3, :3].T + pose[:3, 3]).astype(np.float32),
            latents=np.ascontiguousarray(part),
            clips=np.zeros(len(part), np.int16),
            labels=np.zeros(len(part), np.int16),
        )
        seen = read_latents(snapshot_of_latents(points, grid=grid), camera, grid=grid)
        np.testing.assert_array_equal(seen.latents[0, :, v, u], part.astype(np.float32))


@pytest.mark.parametrize("compat", ["corrected", "release"])
def test_the_nearest_wins_and_of_equally_near_ones_the_lower_row(compat: Compat) -> None:
    grid = grid_of(compat)
    place = np.array([0.2, 0, 4.0])
    eye = cameras(1).world_from_camera[0, :3, 3]
    points = points_at(np.stack([place, eye + 0.5 * (place - eye), eye + 0.5 * (place - eye), place]), grid)
    points.clips[:] = 0
    seen = read_latents(snapshot_of_latents(points, grid=grid), cameras(1), grid=grid)
    assert seen.index[seen.visible].tolist() == [1]
    np.testing.assert_array_equal(seen.latents.transpose(0, 2, 3, 1)[seen.visible], points.latents[1:2].astype(float))


def test_where_nothing_is_there_are_zeros_and_nothing_is_visible() -> None:
    grid = grid_of()
    seen = read_latents(snapshot_of_latents(points_at(np.empty((0, 3)), grid), grid=grid), cameras(2), grid=grid)
    assert seen.latents.shape == (2, 4, 10, 16)
    assert not seen.visible.any() and not seen.latents.any() and not seen.depth_m.any()
    assert (seen.index == -1).all()


@given(seed=st.integers(0, 2**32 - 1))
@settings(derandomize=True, max_examples=40, deadline=None)
def test_a_page_that_is_culled_holds_no_visible_point(seed: int) -> None:
    rng = np.random.default_rng(seed)
    centers = rng.uniform(-6, 6, (40, 1, 3))
    positions = (centers + rng.uniform(-0.7, 0.7, (40, 256, 3))).reshape(-1, 3)
    grid = grid_of()
    cloud = snapshot_of_latents(points_at(positions, grid, seed=seed), grid=grid)
    (matrix,) = grid_from_world(cameras(1), grid)
    pages = pages_in_view(cloud.bounds_in_world_m, matrix, grid.width, grid.height)
    assert len(pages) < 40
    index = read_latents_by_numpy(cloud, cameras(1), grid=grid).index
    assert set(index[index >= 0] // 256) <= set(pages)


def test_a_grid_of_other_channels_is_a_mistake() -> None:
    cloud = snapshot_of_latents(points_at(np.zeros((1, 3)), grid_of()), grid=grid_of())
    with pytest.raises(ValueError, match="4 channels; got 6"):
        read_latents(cloud, cameras(1), grid=grid_of(channels=6))
