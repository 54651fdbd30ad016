"""The layout of latent points, and how cells lie over a picture."""

import numpy as np
import pytest

from spatia.errors import InputError
from spatia.geom.camera import Intrinsics
from spatia.records.latents import GONE, Compat, LatentGrid, LatentPoints, snapshot_of_latents

PICTURE = Intrinsics(fx_px=600, fy_px=610, cx_px=300, cy_px=170, width_px=640, height_px=352)


def points(n: int, grid: LatentGrid) -> LatentPoints:
    rng = np.random.default_rng(n)
    return LatentPoints(
        positions_in_world=rng.normal(size=(n, 3)).astype(np.float32),
        latents=rng.normal(size=(n, grid.channels)).astype(grid.dtype),
        clips=rng.integers(-2, 1000, n).astype(np.int16),
        labels=rng.integers(0, 1000, n).astype(np.int16),
    )


def test_a_point_takes_112_bytes_at_48_channels() -> None:
    grid = LatentGrid(channels=48, height=44, width=78)
    assert grid.point_words * 4 == 112
    assert points(10, grid).nbytes == 1120
    assert points(10, grid).words().nbytes == 1120


@pytest.mark.parametrize("compat", ["corrected", "release"])
@pytest.mark.parametrize("n", [0, 1, 255, 256, 700])
def test_points_survive_words_and_pages(compat: Compat, n: int) -> None:
    grid = LatentGrid(channels=6, height=2, width=2, compat=compat)
    before = points(n, grid)
    for after in (LatentPoints.of_words(before.words(), grid.dtype), snapshot_of_latents(before, grid=grid).rows()):
        np.testing.assert_array_equal(after.positions_in_world, before.positions_in_world)
        np.testing.assert_array_equal(after.latents, before.latents)
        np.testing.assert_array_equal(after.clips, before.clips)
        np.testing.assert_array_equal(after.labels, before.labels)
        assert after.latents.dtype == grid.dtype


def test_a_snapshot_leaves_tombstones_out_of_its_points() -> None:
    grid = LatentGrid(channels=2, height=1, width=1)
    loose = points(5, grid)
    loose.clips[[1, 4]] = GONE
    snapshot = snapshot_of_latents(loose, grid=grid)
    assert snapshot.alive_count == 3
    np.testing.assert_array_equal(snapshot.points().positions_in_world, loose.positions_in_world[[0, 2, 3]])


def test_two_snapshots_have_one_hash_only_if_all_their_bytes_agree() -> None:
    grid = LatentGrid(channels=2, height=1, width=1)
    loose, other = points(5, grid), points(5, grid)
    assert snapshot_of_latents(loose, grid=grid).sha256() == snapshot_of_latents(other, grid=grid).sha256()
    other.latents[3, 1] += 1
    assert snapshot_of_latents(loose, grid=grid).sha256() != snapshot_of_latents(other, grid=grid).sha256()


def test_the_lens_of_a_grid_sees_what_the_picture_sees() -> None:
    grid = LatentGrid.of(PICTURE, channels=48, cell_px=16)
    assert (grid.height, grid.width) == (22, 40)
    np.testing.assert_allclose(grid.lens(PICTURE).matrix[:2] * 16, PICTURE.matrix[:2])


def test_a_picture_that_is_not_made_of_whole_cells_is_refused() -> None:
    with pytest.raises(InputError, match="640x352 px is not made of 24 px cells") as caught:
        LatentGrid.of(PICTURE, channels=48, cell_px=24)
    assert "multiples of 24" in caught.value.fix


def test_points_of_wrong_types_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="latents must be float16"):
        LatentPoints(
            positions_in_world=np.zeros((1, 3), np.float32),
            latents=np.zeros((1, 4), np.float64),
            clips=np.zeros(1, np.int16),
            labels=np.zeros(1, np.int16),
        )
