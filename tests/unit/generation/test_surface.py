import numpy as np

from spatia.generation.surface import closed_surface, reference_closed_surface
from support.scenes import BallBeforeWall, frames_of, sideways


def test_the_kernel_agrees_with_the_plain_reference() -> None:
    rng = np.random.Generator(np.random.PCG64(2))
    depth_m = np.array(frames_of(BallBeforeWall(), sideways(1)).depth_m)[0]
    depth_m[rng.uniform(size=depth_m.shape) < 0.3] = 0
    depth_m[rng.uniform(size=depth_m.shape) < 0.1] *= 2
    np.testing.assert_allclose(closed_surface(depth_m), reference_closed_surface(depth_m), rtol=1e-5)


def test_a_gap_between_points_of_one_surface_is_closed() -> None:
    depth_m = np.full((9, 9), 2, dtype=np.float32)
    depth_m[3:6, 4] = 0
    np.testing.assert_array_equal(closed_surface(depth_m), np.float32(2))


def test_a_point_that_shines_through_a_gap_is_taken_out() -> None:
    depth_m = np.full((9, 9), 2, dtype=np.float32)
    depth_m[4, 4] = 5
    np.testing.assert_array_equal(closed_surface(depth_m), np.float32(2))


def test_what_is_seen_beside_an_edge_or_through_a_slot_stays() -> None:
    depth_m = np.full((15, 15), 2, dtype=np.float32)
    depth_m[:, 9:] = 5
    depth_m[:, 4:6] = 5
    np.testing.assert_array_equal(closed_surface(depth_m), depth_m)


def test_a_wide_hole_stays_open_in_the_middle() -> None:
    depth_m = np.full((20, 20), 2, dtype=np.float32)
    depth_m[5:15, 5:15] = 0
    closed = closed_surface(depth_m)
    assert closed[10, 10] == 0
    assert not closed_surface(np.zeros((4, 5), dtype=np.float32)).any()
