import numpy as np

from spatia.geom.camera import Cameras, Intrinsics
from spatia.projection.numba_bands import NumbaProjector
from spatia.records.cloud import Points, snapshot_of_points
from spatia.records.projection import MetricSplat

LENS = Intrinsics.from_fov(fov_y_rad=1.0, width_px=40, height_px=30)
LOOK = MetricSplat(radius_m=0.0)


def view_of(x_m: float) -> Cameras:
    pose = np.eye(4)
    pose[0, 3] = x_m
    return Cameras(world_from_camera=pose[None], intrinsics=LENS)


def some_cloud() -> Points:
    rng = np.random.Generator(np.random.PCG64(1))
    return Points.of(rng.uniform((-1, -1, 1), (1, 1, 3), (5000, 3)), rng.uniform(0, 255, (5000, 3)))


def test_a_projection_that_is_still_held_never_changes() -> None:
    cloud = snapshot_of_points(some_cloud())
    projector = NumbaProjector(threads=2)
    first = projector.project(cloud, view_of(0.0), look=LOOK)
    depth_m = first.depth_m  # one picture is enough to keep the memory
    kept = depth_m.copy()
    del first
    for x_m in (0.3, 0.6, 0.9):
        projector.project(cloud, view_of(x_m), look=LOOK)
    np.testing.assert_array_equal(depth_m, kept)
    projector.close()


def test_memory_that_nobody_holds_is_drawn_over_completely() -> None:
    cloud = snapshot_of_points(some_cloud())
    projector, fresh = NumbaProjector(threads=2), NumbaProjector(threads=2)
    projector.project(cloud, view_of(0.5), look=LOOK)
    again, new = (p.project(cloud, view_of(-0.4), look=LOOK) for p in (projector, fresh))
    np.testing.assert_array_equal(again.rgb, new.rgb)
    np.testing.assert_array_equal(again.depth_m, new.depth_m)
    np.testing.assert_array_equal(again.index, new.index)
    projector.close()
    fresh.close()
