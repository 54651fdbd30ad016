"""From latents and depth to points: where cells lie, which are left out, and what is refused."""

import numpy as np
import pytest

from spatia.errors import InputError
from spatia.estimation.latent_points import cells_in_world, latent_points
from spatia.geom.camera import Cameras, Intrinsics
from spatia.geom.pose import look_at
from spatia.projection.latent_reference import read_latents_by_numpy
from spatia.records.latents import Compat, LatentGrid, snapshot_of_latents

PICTURE = Intrinsics(fx_px=90, fy_px=88, cx_px=61, cy_px=39, width_px=64, height_px=48)
CAMERAS = Cameras(
    world_from_camera=np.stack([look_at((0.3 * i, 0.1, 0), (0, 0, 4)) for i in range(2)]), intrinsics=PICTURE
)


def grid_of(compat: Compat = "corrected") -> LatentGrid:
    return LatentGrid.of(PICTURE, channels=6, cell_px=16, compat=compat)


def latents() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(2, 6, 3, 4)).astype(np.float32)


def flat(z: float = 2.0) -> np.ndarray:
    return np.full((2, 48, 64), z, np.float32)


@pytest.mark.parametrize("compat", ["corrected", "release"])
def test_a_view_reads_back_its_own_latents(compat: Compat) -> None:
    grid = grid_of(compat)
    depth_m = np.random.default_rng(2).uniform(1, 3, (2, 48, 64)).astype(np.float32)
    for t in range(2):
        points = latent_points(latents()[t : t + 1], depth_m[t : t + 1], CAMERAS[t : t + 1], grid=grid, clip=3)
        seen = read_latents_by_numpy(snapshot_of_latents(points, grid=grid), CAMERAS[t : t + 1], grid=grid)
        assert seen.visible.all()
        np.testing.assert_array_equal(seen.latents[0], latents()[t].astype(grid.dtype))
        assert set(points.clips) == {3}


def test_the_nearest_come_first_and_ties_in_order() -> None:
    depth_m = flat()
    depth_m[1, :16] = 1.0
    points = latent_points(latents(), depth_m, CAMERAS, grid=grid_of(), clip=0)
    cells = latents().transpose(0, 2, 3, 1).reshape(-1, 6).astype(np.float16)
    np.testing.assert_array_equal(points.latents, cells[[*range(12, 16), *range(12), *range(16, 24)]])


def test_the_release_keeps_the_order_of_cells() -> None:
    depth_m = np.random.default_rng(2).uniform(1, 3, (2, 48, 64)).astype(np.float32)
    points = latent_points(latents(), depth_m, CAMERAS, grid=grid_of("release"), clip=0)
    np.testing.assert_array_equal(points.latents, latents().transpose(0, 2, 3, 1).reshape(-1, 6))


def test_a_cell_at_an_edge_lies_on_one_of_both_surfaces() -> None:
    depth_m = flat(1.0)
    depth_m[:, :, 24:] = 5.0  # through the middle of the second column of cells
    _, corrected, _ = cells_in_world(depth_m, CAMERAS, grid=grid_of())
    _, released, _ = cells_in_world(depth_m, CAMERAS, grid=grid_of("release"))
    np.testing.assert_array_equal(corrected[0, 0], [1, 5, 5, 5])
    np.testing.assert_array_equal(released[0, 0], [1, 3, 5, 5])


def test_released_depth_is_interpolated_between_pixel_centres() -> None:
    rows, columns = np.meshgrid(np.arange(48) + 0.5, np.arange(64) + 0.5, indexing="ij")
    depth_m = np.broadcast_to(1 + 0.1 * rows + 0.01 * columns, (2, 48, 64)).astype(np.float32)
    _, released, _ = cells_in_world(depth_m, CAMERAS, grid=grid_of("release"))
    centers = 1 + 0.1 * (np.arange(3) * 16 + 8)[:, None] + 0.01 * (np.arange(4) * 16 + 8)
    np.testing.assert_allclose(released[0], centers, rtol=1e-6)


def test_cells_without_depth_or_beyond_the_limit_are_left_out() -> None:
    depth_m = flat()
    depth_m[0, 8, 8] = 0
    depth_m[0, 8, 24] = np.nan
    depth_m[0, 8, 40] = np.inf
    depth_m[0, 8, 56] = 9
    points = latent_points(latents(), depth_m, CAMERAS, grid=grid_of(), clip=0, max_depth_m=8)
    assert len(points) == 24 - 4
    assert np.isfinite(points.positions_in_world).all()


def test_cells_that_are_half_excluded_are_left_out_everywhere() -> None:
    exclude = np.zeros((2, 48, 64), np.bool_)
    exclude[0, :8, :16] = True  # half of cell (0, 0)
    exclude[0, :7, 16:32] = True  # less than half of cell (0, 1), and not its middle
    exclude[1, 24, 24] = True  # the middle of cell (1, 1)
    _, _, valid = cells_in_world(flat(), CAMERAS, grid=grid_of(), exclude=exclude)
    assert np.argwhere(~valid).tolist() == [[0, 0, 0], [1, 1, 1]]


def test_the_release_asks_the_upper_left_pixel_of_a_cell() -> None:
    exclude = np.zeros((2, 48, 64), np.bool_)
    exclude[0, 16, 32] = exclude[0, 1, 1] = True
    _, _, valid = cells_in_world(flat(), CAMERAS, grid=grid_of("release"), exclude=exclude)
    assert np.argwhere(~valid).tolist() == [[0, 1, 2]]


def test_labels_come_from_the_pixel_that_the_place_came_from() -> None:
    label = np.zeros((2, 48, 64), np.int32)
    label[1, 24, 24] = 7
    points = latent_points(latents(), flat(), CAMERAS, grid=grid_of(), clip=0, label=label)
    assert np.flatnonzero(points.labels).tolist() == [12 + 5] and points.labels[17] == 7


def test_latents_and_depth_that_do_not_match_are_refused() -> None:
    grid = grid_of()
    with pytest.raises(InputError, match=r"latents must have shape \(2, 6, 3, 4\); got \(2, 8, 3, 4\)"):
        latent_points(np.zeros((2, 8, 3, 4), np.float32), flat(), CAMERAS, grid=grid, clip=0)
    with pytest.raises(InputError, match=r"latents must have shape \(2, 6, 3, 4\); got \(2, 6, 4, 4\)"):
        latent_points(np.zeros((2, 6, 4, 4), np.float32), flat(), CAMERAS, grid=grid, clip=0)
    with pytest.raises(InputError, match="depth_m must have shape"):
        latent_points(latents(), flat()[:, :32], CAMERAS, grid=grid, clip=0)
    with pytest.raises(InputError, match="exclude must have shape"):
        latent_points(latents(), flat(), CAMERAS, grid=grid, clip=0, exclude=np.zeros((1, 48, 64), np.bool_))
    with pytest.raises(InputError, match="latents must be finite"):
        latent_points(latents() * np.float32(np.nan), flat(), CAMERAS, grid=grid, clip=0)
    with pytest.raises(InputError, match="does not fit half precision"):
        latent_points(latents() * np.float32(1e6), flat(), CAMERAS, grid=grid, clip=0)
    with pytest.raises(InputError, match="labels up to 32767"):
        latent_points(latents(), flat(), CAMERAS, grid=grid, clip=0, label=np.full((2, 48, 64), 40_000, np.int32))
