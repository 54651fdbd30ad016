import numpy as np

from spatia.app.staleness import StaleRegion, without_stale
from spatia.geom.pose import transform
from spatia.records.frames import Frames
from support.scenes import BALL, BallBeforeWall, lens, sideways

SCENE = BallBeforeWall()


def two_frames() -> tuple[Frames, np.ndarray]:
    cameras = sideways(2, intrinsics=lens(width_px=96, height_px=72))
    time_s = np.zeros(2, dtype=np.float32)
    true = SCENE.render(cameras, time_s)
    return Frames(rgb=true.rgb, cameras=cameras, time_s=time_s, depth_m=true.depth_m), true.label


def ball_points(frames: Frames, label: np.ndarray) -> np.ndarray:
    assert frames.depth_m is not None
    rays = frames.cameras.intrinsics.rays_in_camera()
    on_ball = label[0] == BALL
    in_camera = rays[on_ball] * frames.depth_m[0][on_ball][:, None]
    return transform(frames.cameras.world_from_camera[0], in_camera).astype(np.float32)


def test_a_frame_from_before_an_edit_loses_its_depth_there_and_nowhere_far() -> None:
    frames, label = two_frames()
    region = StaleRegion.around(ball_points(frames, label), frame_count=1)
    fresh = without_stale(frames, (0, 1), [region])
    assert frames.depth_m is not None and fresh.depth_m is not None
    lost = (fresh.depth_m[0] == 0) & (frames.depth_m[0] > 0)
    assert lost[label[0] == BALL].all()
    assert lost[:, :10].sum() == 0


def test_a_frame_from_after_an_edit_keeps_all() -> None:
    frames, label = two_frames()
    region = StaleRegion.around(ball_points(frames, label), frame_count=1)
    fresh = without_stale(frames, (0, 1), [region])
    assert frames.depth_m is not None and fresh.depth_m is not None
    np.testing.assert_array_equal(fresh.depth_m[1], frames.depth_m[1])
