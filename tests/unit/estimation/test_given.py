import numpy as np
import pytest

from spatia.errors import InputError
from spatia.estimation.given import GivenDepth
from spatia.geom.camera import Intrinsics
from spatia.records.cloud import Points, snapshot_of_points
from spatia.records.frames import Frames
from spatia.records.geometry import Sighting
from support.scenes import lens, sideways

NOTHING = snapshot_of_points(Points.of(np.zeros((1, 3)), (0, 0, 0)))
DEPTH_LENS = Intrinsics.from_fov(fov_y_rad=1.0, width_px=20, height_px=10)


def colours(count: int) -> Frames:
    cameras = sideways(count, intrinsics=lens(width_px=32, height_px=24))
    rgb = np.zeros((count, 24, 32, 3), dtype=np.uint8)
    return Frames(rgb=rgb, cameras=cameras, time_s=np.zeros(count, dtype=np.float32))


def test_depth_may_have_a_raster_and_a_lens_of_its_own() -> None:
    depth_m = np.full((2, 10, 20), 1.5, dtype=np.float32)
    depth_m[0, 0, 0] = np.nan
    geometry = GivenDepth(depth_m, depth_intrinsics=DEPTH_LENS).estimate(Sighting.of(colours(2)), cloud=NOTHING)
    assert geometry.cameras.intrinsics == DEPTH_LENS
    assert geometry.depth_m[0, 0, 0] == 0 == geometry.confidence[0, 0, 0]
    assert geometry.depth_m[1, 5, 5] == np.float32(1.5)


def test_depth_for_other_frames_is_refused() -> None:
    depth_m = np.full((3, 10, 20), 1.5, dtype=np.float32)
    with pytest.raises(InputError, match="not one for each"):
        GivenDepth(depth_m, depth_intrinsics=DEPTH_LENS).estimate(Sighting.of(colours(2)), cloud=NOTHING)
