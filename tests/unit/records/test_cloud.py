import numpy as np

from spatia.records.cloud import Points, pack_colors, points_of_pages, snapshot_of_points, unpack_colors


def some_points(count: int) -> Points:
    rng = np.random.Generator(np.random.PCG64(3))
    return Points.of(
        rng.normal(size=(count, 3)),
        rng.uniform(0, 255, (count, 3)),
        weights=rng.uniform(0.5, 4, count),
        clips=rng.integers(-2, 9, count),
        labels=rng.integers(0, 5, count),
    )


def test_a_snapshot_of_points_gives_them_back_in_order() -> None:
    points = some_points(2500)
    back = snapshot_of_points(points).points()
    np.testing.assert_array_equal(back.positions_in_world, points.positions_in_world)
    np.testing.assert_allclose(back.colors, points.colors, atol=1 / 512)
    np.testing.assert_array_equal(back.weights, points.weights)
    np.testing.assert_array_equal(back.clips, points.clips)
    np.testing.assert_array_equal(back.labels, points.labels)


def test_pages_hold_the_same_points_as_their_snapshot() -> None:
    snapshot = snapshot_of_points(some_points(1500))
    one, other = snapshot.points(), points_of_pages(snapshot.arena)
    for field in ("positions_in_world", "colors", "weights", "clips", "labels"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field))


def test_bounds_hold_the_points_of_their_page() -> None:
    snapshot = snapshot_of_points(some_points(2000), voxel_m=0.02)
    position = snapshot.positions_in_world()
    for page, (low, high) in enumerate(snapshot.bounds_in_world_m):
        inside = position[page * 1024 : (page + 1) * 1024]
        assert (inside >= low).all() and (inside <= high).all()


def test_whole_colours_survive_packing_exactly() -> None:
    colors = np.array([[0, 1, 127], [128, 254, 255]], dtype=np.float32)
    np.testing.assert_array_equal(unpack_colors(*pack_colors(colors)), colors)
