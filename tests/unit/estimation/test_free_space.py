"""What keyframes say about points that were there before them."""

import numpy as np
import pytest

from spatia.estimation.free_space import nearest_around, pages_in_view, reference_votes, sight_votes, undisputed
from spatia.geom.camera import Cameras, Intrinsics
from spatia.records.arrays import F32, Bool
from spatia.records.cloud import CloudSnapshot, Points, SightVotes, snapshot_of_points
from spatia.records.geometry import Geometry
from support.scenes import lens, sideways


def geometry_of(depth_m: F32, *, cameras: Cameras | None = None, confidence: float = 1.0) -> Geometry:
    return Geometry(
        cameras=sideways(len(depth_m), step_m=0.0) if cameras is None else cameras,
        depth_m=depth_m,
        confidence=np.full(depth_m.shape, confidence, dtype=np.float32),
    )


def wall(*, at_m: float = 3.0, count: int = 1) -> F32:
    return np.full((count, 48, 64), at_m, dtype=np.float32)


def ahead(*depths_m: float) -> CloudSnapshot:
    """Points on the axis of the camera."""
    return snapshot_of_points(Points.of([[0.001, 0.001, z] for z in depths_m], (9, 9, 9)))


def table(votes: SightVotes) -> dict[int, tuple[int, int]]:
    columns = zip(votes.rows.tolist(), votes.views.tolist(), votes.seen_through.tolist(), strict=True)
    return {row: (views, seen_through) for row, views, seen_through in columns}


def test_a_point_on_the_surface_is_shown_one_before_it_is_seen_through_and_one_behind_it_is_neither() -> None:
    votes = sight_votes(geometry_of(wall(count=2)), cloud=ahead(3.01, 1.5, 3.5, 2.85))
    assert table(votes) == {0: (2, 0), 1: (0, 2)}


@pytest.mark.parametrize(("depth_m", "confidence"), [(0.0, 1.0), (np.nan, 1.0), (np.inf, 1.0), (3.0, 0.5)])
def test_unknown_and_doubtful_depth_says_nothing(depth_m: float, confidence: float) -> None:
    geometry = geometry_of(wall(at_m=depth_m), confidence=confidence)
    assert len(sight_votes(geometry, cloud=ahead(3.0, 1.5))) == 0


@pytest.mark.parametrize("beside_m", [0.0, 1.4])
def test_nothing_is_seen_through_next_to_an_edge_or_a_hole(beside_m: float) -> None:
    depth_m = wall()
    depth_m[0, 23, 31] = beside_m
    assert len(sight_votes(geometry_of(depth_m), cloud=ahead(1.5))) == 0


def test_nothing_is_seen_through_at_the_border_of_a_picture() -> None:
    depth_m = wall()
    assert (nearest_around(depth_m[0])[1:-1, 1:-1] == 3).all()
    assert nearest_around(depth_m[0]).sum() == 46 * 62 * 3


def test_what_moves_shows_no_point_but_is_seen_past_what_is_before_it() -> None:
    moving = np.ones((1, 48, 64), dtype=np.bool_)
    assert table(sight_votes(geometry_of(wall()), cloud=ahead(3.0, 1.5), moving=moving)) == {1: (0, 1)}


def test_masks_of_another_camera_are_met_along_the_rays() -> None:
    wide = Intrinsics.from_fov(fov_y_rad=1.5, width_px=200, height_px=150)
    moving = np.zeros((1, 150, 200), dtype=np.bool_)
    moving[0, 75:] = True  # what is below the axis, which the margin widens by 3 pixels: 0.07 m at 3 m
    cloud = snapshot_of_points(Points.of([[0, 0.2, 3], [0, -0.2, 3]], (0, 0, 0)))
    votes = sight_votes(geometry_of(wall()), cloud=cloud, moving=moving, moving_lens=wide)
    assert table(votes) == {1: (1, 0)}
    with pytest.raises(ValueError, match="moving must be 64x48"):
        sight_votes(geometry_of(wall()), cloud=cloud, moving=moving)


def test_the_dead_and_the_unseen_get_no_votes() -> None:
    points = Points.of([[0.0, 0.0, 3.0], [9.0, 0.0, 3.0], [0.0, 0.0, -3.0], [0.0, 0.0, 0.01]], (0, 0, 0))
    cloud = snapshot_of_points(points)
    assert sight_votes(geometry_of(wall()), cloud=cloud).rows.tolist() == [0]
    dead = snapshot_of_points(Points.of(points.positions_in_world, (0, 0, 0), weights=0.0))
    assert len(sight_votes(geometry_of(wall()), cloud=dead)) == 0
    assert len(sight_votes(geometry_of(wall()), cloud=snapshot_of_points(points[:0]))) == 0
    assert len(sight_votes(geometry_of(wall(count=0), cameras=sideways(1)[:0]), cloud=cloud)) == 0


def test_a_vote_stops_at_255_keyframes() -> None:
    assert table(sight_votes(geometry_of(wall(count=300)), cloud=ahead(3.0))) == {0: (255, 0)}


def test_votes_agree_with_the_plain_reference() -> None:
    rng = np.random.Generator(np.random.PCG64(4))
    positions = rng.uniform([-3, -2, -0.5], [3, 2, 5], (5000, 3)).astype(np.float32)
    positions = positions[np.argsort(np.floor(positions) @ [100, 10, 1], kind="stable")]  # pages of neighbours
    cloud = snapshot_of_points(Points.of(positions, (0, 0, 0)))
    cameras = sideways(4, step_m=0.3, turn_rad=0.4)
    depth_m = np.repeat(np.repeat(rng.uniform(0.5, 5, (4, 6, 8)), 8, axis=1), 8, axis=2).astype(np.float32)
    depth_m[rng.uniform(size=depth_m.shape) < 0.02] = 0
    votes = sight_votes(geometry_of(depth_m, cameras=cameras), cloud=cloud)
    each = [
        reference_votes(positions, depth_m[k], depth_m[k], cameras.camera_from_world[k], cameras.intrinsics)
        for k in range(4)
    ]
    shown, seen_through = np.sum(each, axis=0)
    rows = np.flatnonzero(shown + seen_through)
    assert 100 < (shown > 0).sum() < (seen_through > 0).sum()
    np.testing.assert_array_equal(votes.rows, rows)
    np.testing.assert_array_equal(votes.views, shown[rows])
    np.testing.assert_array_equal(votes.seen_through, seen_through[rows])


def test_a_page_that_a_camera_may_see_is_in_view() -> None:
    rng = np.random.Generator(np.random.PCG64(6))
    low = rng.uniform(-6, 6, (400, 3)).astype(np.float32)
    bounds_m = np.stack([low, low + rng.uniform(0, 2, (400, 3)).astype(np.float32)], axis=1)
    camera = sideways(3, turn_rad=0.7).camera_from_world[2]
    found = pages_in_view(bounds_m, camera, lens(), far_m=5.0)
    inside = low[:, None] + rng.uniform(size=(400, 200, 3)) * (bounds_m[:, 1] - low)[:, None]
    x, y, z = np.moveaxis(inside @ camera[:3, :3].T + camera[:3, 3], -1, 0)
    with np.errstate(divide="ignore"):
        u, v = lens().fx_px * x / z + lens().cx_px, lens().fy_px * y / z + lens().cy_px
    seen: Bool = ((z > 0.05) & (z < 5) & (u >= 0) & (v >= 0) & (u < 64) & (v < 48)).any(axis=1)
    assert found[seen].all()
    assert found.sum() < 1.6 * seen.sum()


def test_a_batch_keeps_what_no_more_keyframes_look_past_than_show() -> None:
    depth_m = wall(count=3)
    depth_m[0, 20:28, 28:36] = 1.5  # stands there in one of three keyframes
    depth_m[1:, 5:15, 5:15] = 1.5  # and this in two
    geometry = geometry_of(depth_m)
    rays = geometry.cameras.intrinsics.rays_in_camera()
    points = Points.of((rays * depth_m[..., None]).reshape(-1, 3), (0, 0, 0), labels=np.arange(depth_m.size))
    kept = undisputed(points, geometry)
    gone = np.setdiff1d(points.labels, kept.labels)
    np.testing.assert_array_equal(gone, np.flatnonzero(depth_m[0] == 1.5))
    assert len(undisputed(points[:0], geometry)) == 0
