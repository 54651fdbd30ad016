import numpy as np

from spatia.records.arrays import U32
from spatia.records.cloud import PAGE_POINTS, CloudSnapshot, Points, snapshot_of_points
from spatia.render.point_packing import packed, packed_plainly


def device_words(cloud: CloudSnapshot) -> U32:
    """[PAGE_POINTS, POINT_WORDS] the only page."""
    words, _ = packed(cloud.arena, cloud.pages, rows=cloud.row_count)
    return np.asarray(words[0])


def test_the_kernel_gives_what_numpy_gives() -> None:
    random = np.random.default_rng(2)
    count = 5 * PAGE_POINTS - 300
    weights = random.choice(np.array([0, 0.3, 1, 2, 7.7, 30.9, 31, 500], np.float32), count)
    points = Points.of(
        random.normal(0, 3, (count, 3)), random.uniform(0, 255, (count, 3)), weights=weights, clips=np.arange(count) - 2
    )
    arena = snapshot_of_points(points).arena
    for pages, rows in (([0, 1, 2, 3, 4], 700), ([4, 2, 3], PAGE_POINTS), ([1], 3)):
        for found, plain in zip(
            packed(arena, np.array(pages, np.int32), rows=rows),
            packed_plainly(arena, np.array(pages, np.int32), rows=rows),
            strict=True,
        ):
            np.testing.assert_array_equal(found, plain)


def test_a_packed_point_keeps_place_colour_and_clip() -> None:
    points = Points.of([(1, 2, 3), (4, 5, 6)], [(10, 20, 30.6), (255, 0, 255)], weights=[31, 0.5], clips=[7, -2])
    words = device_words(snapshot_of_points(points))
    at = [0, 1]
    np.testing.assert_array_equal(words[at, :3].view(np.float32), points.positions_in_world)
    rgba = words[at, 3].copy().view(np.uint8).reshape(2, 4)
    assert rgba[:, :3].tolist() == [[10, 20, 31], [255, 0, 255]]
    assert rgba[0, 3] == 255 and 0 < rgba[1, 3] < 64
    assert words[at, 4].view(np.int32).tolist() == [7, -2]
    assert (np.delete(words, at, axis=0)[:, 3] >> 24 == 0).all()


def test_the_first_points_of_a_page_are_spread_evenly_over_it() -> None:
    line = np.zeros((PAGE_POINTS, 3))
    line[:, 0] = np.arange(PAGE_POINTS)
    words = device_words(snapshot_of_points(Points.of(line, 0)))
    first = np.sort(words[:128, 0].view(np.float32))
    assert (np.diff(first) == PAGE_POINTS / 128).all()


def test_removed_points_come_last() -> None:
    weights = np.where(np.arange(PAGE_POINTS) % 3 == 0, 1.0, 0.0)
    points = Points.of(np.zeros((PAGE_POINTS, 3)), 0, weights=weights, clips=np.arange(PAGE_POINTS))
    words = device_words(snapshot_of_points(points))
    living = int(weights.sum())
    assert (words[:living, 3] >> 24 > 0).all() and (words[living:, 3] >> 24 == 0).all()
    assert sorted(words[:, 4].tolist()) == list(range(PAGE_POINTS))
