import numpy as np
import pytest

from spatia.estimation.fuse import MOVING_MARGIN_PX, points_of_geometry, reference_points
from spatia.geom.camera import Cameras, Intrinsics
from spatia.records.arrays import F32, I32
from spatia.records.frames import Frames
from spatia.records.geometry import Geometry
from support.scenes import BALL, BallBeforeWall, frames_of, lens, sideways

SCENE = BallBeforeWall()


def geometry_of(depth_m: F32, cameras: Cameras, *, confidence: float = 1.0, label: I32 | None = None) -> Geometry:
    return Geometry(
        cameras=cameras,
        depth_m=depth_m,
        confidence=np.full(depth_m.shape, confidence, dtype=np.float32),
        label=label,
    )


def wall_frames(depth_m: F32, *, intrinsics: Intrinsics | None = None) -> Frames:
    """Frames of random colours with the given depth, from the identity pose."""
    intrinsics = intrinsics or Intrinsics.from_fov(fov_y_rad=1.0, width_px=depth_m.shape[2], height_px=depth_m.shape[1])
    rng = np.random.Generator(np.random.PCG64(5))
    shape = (len(depth_m), intrinsics.height_px, intrinsics.width_px, 3)
    return Frames(
        rgb=rng.integers(0, 256, shape, dtype=np.uint8),
        cameras=sideways(len(depth_m), intrinsics=intrinsics),
        time_s=np.zeros(len(depth_m), dtype=np.float32),
    )


def test_every_pixel_of_a_flat_wall_becomes_a_point_at_its_place() -> None:
    frames = wall_frames(np.full((1, 3, 4), 2, dtype=np.float32))
    points = points_of_geometry(frames, geometry_of(np.full((1, 3, 4), 2, dtype=np.float32), frames.cameras), clip=6)
    np.testing.assert_allclose(
        points.positions_in_world.reshape(3, 4, 3), frames.cameras.intrinsics.rays_in_camera() * 2, rtol=1e-6
    )
    np.testing.assert_array_equal(points.colors, frames.rgb.reshape(-1, 3))
    np.testing.assert_array_equal(points.weights, np.float32(0.25))
    assert (points.clips == 6).all()
    assert (points.labels == 0).all()


@pytest.mark.parametrize("fov_y_rad", [1.0471975511965976, 0.8, 1.3])
def test_points_agree_with_the_plain_reference(fov_y_rad: float) -> None:
    frames = frames_of(SCENE, sideways(3, turn_rad=0.05))
    depth_m = np.array(frames.depth_m)
    depth_m[0, 5:9, 5:9] = 0
    depth_m[1, 20, 20] = np.nan
    depth_m[2, 30, 30] = np.inf
    depth_lens = Intrinsics.from_fov(fov_y_rad=fov_y_rad, width_px=64, height_px=48)
    cameras = Cameras(world_from_camera=frames.cameras.world_from_camera, intrinsics=depth_lens)
    geometry = geometry_of(depth_m, cameras, confidence=0.5)
    points = points_of_geometry(frames, geometry, clip=0)
    positions, colors, weights = reference_points(frames, geometry)
    np.testing.assert_allclose(points.positions_in_world, positions, atol=1e-5)
    np.testing.assert_allclose(points.colors, colors, atol=1e-4)
    np.testing.assert_allclose(points.weights, weights, rtol=1e-6)


def test_points_of_an_unregistered_camera_take_their_colour_from_where_it_sees_them() -> None:
    color_lens = lens(width_px=320, height_px=240)
    frames = frames_of(SCENE, sideways(2, intrinsics=color_lens))
    depth_lens = Intrinsics.from_fov(fov_y_rad=0.8, width_px=50, height_px=40)
    cameras = Cameras(world_from_camera=frames.cameras.world_from_camera, intrinsics=depth_lens)
    true = SCENE.render(cameras, frames.time_s)
    points = points_of_geometry(frames, geometry_of(true.depth_m, cameras), clip=0)
    same = Frames(rgb=true.rgb, cameras=cameras, time_s=frames.time_s)
    wanted = points_of_geometry(same, geometry_of(true.depth_m, cameras), clip=0)
    np.testing.assert_array_equal(points.positions_in_world, wanted.positions_in_world)
    assert np.median(np.abs(points.colors - wanted.colors)) < 2


def test_a_point_outside_the_colour_cameras_view_is_left_out() -> None:
    narrow = wall_frames(
        np.ones((1, 48, 64), dtype=np.float32),
        intrinsics=Intrinsics.from_fov(fov_y_rad=0.5, width_px=64, height_px=48),
    )
    wide = Cameras(world_from_camera=narrow.cameras.world_from_camera, intrinsics=lens())
    points = points_of_geometry(narrow, geometry_of(np.ones((1, 48, 64), dtype=np.float32), wide), clip=0)
    u = 64 / 2 + narrow.cameras.intrinsics.fx_px * points.positions_in_world[:, 0]
    assert 0 < len(points) < 48 * 64
    assert (u >= 0).all()
    assert (u < 64).all()


def test_what_moves_is_left_out_with_a_margin() -> None:
    frames = wall_frames(np.ones((1, 9, 9), dtype=np.float32))
    geometry = geometry_of(np.ones((1, 9, 9), dtype=np.float32), frames.cameras)
    moving = np.zeros((1, 9, 9), dtype=np.bool_)
    moving[0, 4, 4] = True
    points = points_of_geometry(frames, geometry, clip=0, moving=moving)
    assert len(points) == 81 - (2 * MOVING_MARGIN_PX + 1) ** 2


def test_pixels_at_a_depth_edge_are_left_out() -> None:
    depth_m = np.ones((1, 4, 9), dtype=np.float32)
    depth_m[:, :, 5:] = 3
    depth_m[:, :, 4] = 2  # hangs between the two surfaces
    frames = wall_frames(depth_m)
    points = points_of_geometry(frames, geometry_of(depth_m, frames.cameras), clip=0)
    assert sorted(set(points.positions_in_world[:, 2].tolist())) == [1, 3]
    assert len(points) == 4 * (9 - 3)


def test_a_pixel_that_flies_beside_a_hole_is_left_out_and_the_end_of_a_slant_is_kept() -> None:
    slant = (1 / np.linspace(1.0, 0.4, 9)).astype(np.float32)
    depth_m = np.tile(slant, (3, 4, 1))
    depth_m[1, :, 5] += 0.3  # hangs behind the slant
    depth_m[1:, :, 6:] = 0
    frames = wall_frames(depth_m)
    points = points_of_geometry(frames, geometry_of(depth_m, frames.cameras), clip=0)
    assert len(points) == 4 * (9 + 4 + 6)  # with it goes the pixel that it makes look bent


def test_a_floor_that_is_steeply_slanted_is_kept_whole() -> None:
    cameras = sideways(1)
    down = cameras.intrinsics.rays_in_camera()[None, ..., 1]
    depth_m = np.where(down > 0.01, 1.5 / np.maximum(down, 0.01), 0).astype(np.float32)
    frames = wall_frames(depth_m, intrinsics=cameras.intrinsics)
    points = points_of_geometry(frames, geometry_of(depth_m, cameras), clip=0, max_depth_m=1000.0)
    assert len(points) == (depth_m > 0).sum()


def test_unknown_far_and_doubtful_pixels_are_left_out() -> None:
    depth_m = np.array([[[0, np.inf, np.nan, -1, 21, 5]]], dtype=np.float32)
    frames = wall_frames(depth_m)
    points = points_of_geometry(frames, geometry_of(depth_m, frames.cameras), clip=0)
    np.testing.assert_array_equal(points.positions_in_world[:, 2], [5])
    assert len(points_of_geometry(frames, geometry_of(depth_m, frames.cameras, confidence=0.0), clip=0)) == 0


def test_labels_travel_with_their_pixels() -> None:
    frames = frames_of(SCENE, sideways(1))
    true = SCENE.render(frames.cameras, frames.time_s)
    points = points_of_geometry(frames, geometry_of(true.depth_m, frames.cameras, label=true.label), clip=0)
    on_ball = points.positions_in_world[points.labels == BALL]
    np.testing.assert_allclose(np.linalg.norm(on_ball - [0, 0, 2.5], axis=1), 0.5, atol=1e-4)


def test_wrong_shapes_are_the_callers_mistake() -> None:
    frames = wall_frames(np.ones((2, 4, 4), dtype=np.float32))
    geometry = geometry_of(np.ones((2, 4, 4), dtype=np.float32), frames.cameras)
    with pytest.raises(ValueError, match="same instants"):
        points_of_geometry(frames[:1], geometry, clip=0)
    with pytest.raises(ValueError, match="moving must have shape"):
        points_of_geometry(frames, geometry, clip=0, moving=np.zeros((1, 4, 4), dtype=np.bool_))
