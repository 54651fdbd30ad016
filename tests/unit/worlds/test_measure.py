import numpy as np
import pytest

from spatia.geom.camera import Cameras, Intrinsics
from spatia.worlds.procedural import PROCEDURAL, procedural_world


@pytest.mark.parametrize("name", sorted(PROCEDURAL))
def test_measuring_says_what_rendering_says(name: str) -> None:
    scene = procedural_world(name)
    lens = Intrinsics.from_fov(fov_y_rad=1.0, width_px=48, height_px=32)
    cameras = Cameras(world_from_camera=scene.start_pose[None].repeat(2, axis=0), intrinsics=lens)
    time_s = np.array([0.0, 1.5], dtype=np.float32)
    rendered, measured = scene.render(cameras, time_s), scene.measure(cameras, time_s)
    np.testing.assert_array_equal(measured.depth_m, rendered.depth_m)
    np.testing.assert_array_equal(measured.label, rendered.label)
    np.testing.assert_array_equal(measured.moving, rendered.moving)
