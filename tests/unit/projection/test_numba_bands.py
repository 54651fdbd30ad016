import threading

import numba
import numpy as np
import pytest

from spatia.geom.camera import Cameras, Intrinsics
from spatia.geom.pose import look_at
from spatia.projection import kernels, pixels
from spatia.projection.numba_bands import NumbaProjector
from spatia.records.cloud import CloudSnapshot, Points, snapshot_of_points
from spatia.records.projection import MetricSplat, Projection, ReleaseSplat

LOOKS = (MetricSplat(radius_m=0.0), MetricSplat(), ReleaseSplat())


def room(count: int = 20_000) -> CloudSnapshot:
    random = np.random.default_rng(3)
    points = random.uniform(-2, 2, (count, 3))
    points[np.arange(count), random.integers(0, 3, count)] = 2.0
    return snapshot_of_points(Points.of(points, random.uniform(0, 255, (count, 3))))


def views(count: int) -> Cameras:
    intrinsics = Intrinsics.from_fov(fov_y_rad=1.2, width_px=110, height_px=97)
    poses = [look_at([0.1 * n, 0.0, -0.5], [1.0, 0.5 - 0.1 * n, 2.0]) for n in range(count)]
    return Cameras(world_from_camera=np.stack(poses), intrinsics=intrinsics)


def bytes_of(projection: Projection) -> bytes:
    return b"".join(a.tobytes() for a in (projection.rgb, projection.depth_m, projection.index, projection.coverage))


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("count", [1, 3])
def test_the_bytes_do_not_depend_on_the_thread_count(look: MetricSplat | ReleaseSplat, count: int) -> None:
    cloud, cameras, found = room(), views(count), []
    for threads in (1, 2, 5):
        projector = NumbaProjector(threads=threads)
        found.append(bytes_of(projector.project(cloud, cameras, look=look)))
        projector.close()
    assert found[0] == found[1] == found[2]


def test_the_thread_count_defaults_to_that_of_numba() -> None:
    before = numba.get_num_threads()
    found = []
    for threads in (1, before):
        numba.set_num_threads(threads)
        projector = NumbaProjector()
        found.append(bytes_of(projector.project(room(), views(1), look=MetricSplat())))
        projector.close()
    assert numba.get_num_threads() == before
    assert found[0] == found[1]


def test_two_projectors_may_work_at_once() -> None:
    cloud, cameras = room(), views(2)
    projectors = [NumbaProjector(threads=2) for _ in range(3)]
    found = [b""] * len(projectors)

    def work(n: int) -> None:
        for look in LOOKS:
            found[n] += bytes_of(projectors[n].project(cloud, cameras, look=look))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(projectors))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for projector in projectors:
        projector.close()
    assert found[0] == found[1] == found[2] != b""


def test_pages_all_over_the_screen_are_filed_first_and_give_the_same_bytes() -> None:
    cloud, cameras, look = room(), views(1), MetricSplat(radius_m=0.0)
    many, one = NumbaProjector(threads=16), NumbaProjector(threads=1)
    assert bytes_of(many.project(cloud, cameras, look=look)) == bytes_of(one.project(cloud, cameras, look=look))
    many.close()
    one.close()


def test_sizes_and_looks_may_change_from_call_to_call() -> None:
    kept = NumbaProjector(threads=2)
    cloud = room()
    for cameras in (views(1), views(3).resized(width_px=50, height_px=33), views(1)):
        for look in LOOKS:
            fresh = NumbaProjector(threads=2)
            expected = bytes_of(fresh.project(cloud, cameras, look=look))
            assert bytes_of(kept.project(cloud, cameras, look=look)) == expected
            fresh.close()
    kept.close()


def test_a_page_meets_the_rows_that_its_corners_span() -> None:
    bounds = np.array([[[-1, -0.2, 4], [1, -0.1, 4]], [[5, 0, 4], [6, 1, 4]], [[-1, -1, -1], [1, 1, 1]]], np.float32)
    spans, pinhole = np.empty((3, 2), np.int32), np.array([100, 100, 50, 40], np.float32)
    bands_a_page = pixels.rows_of_pages(bounds, np.eye(3, 4, dtype=np.float32), pinhole, 100, 80, 10, spans)
    assert spans.tolist() == [[34, 38], [0, -1], [0, 79]]
    assert bands_a_page == (1 + 8) / 2


def test_no_threads_are_refused() -> None:
    with pytest.raises(ValueError, match="threads"):
        NumbaProjector(threads=0)


def test_rising_sorts_by_depth_and_then_by_row() -> None:
    random = np.random.default_rng(1)
    depths = random.choice(random.uniform(0.01, 50, 40).astype(np.float32), 700).view(np.uint32)
    keys = depths.astype(np.uint64) << np.uint64(32) | random.permutation(700).astype(np.uint64)
    order = kernels.rising(keys)
    assert sorted(order.tolist()) == list(range(700))
    assert np.array_equal(keys[order], np.sort(keys))


def test_a_page_out_of_view_is_never_projected() -> None:
    cloud, cameras = room(), views(1)
    bounds = np.array([[[5, 5, -9], [6, 6, -8]], [[0.5, 0, 1], [0.6, 0.1, 1.1]], [[-9, -9, -9], [9, 9, 9]]], np.float32)
    nearest = np.empty(3, np.float32)
    camera = cameras.camera_from_world[0, :3].astype(np.float32)
    kernels.pages_in_view(bounds, camera, np.array([70, 70, 55, 48], np.float32), 0.0, 110, 97, nearest)
    assert (nearest < np.inf).tolist() == [False, True, True]
    assert cloud.alive_count > 0
