"""A ball rolls before a wall. The memory is empty unless a test fills it."""

from dataclasses import replace

import numpy as np
import pytest

from spatia.estimation.fuse import points_of_geometry
from spatia.estimation.motion_reference import reference_votes, reference_without_small
from spatia.estimation.motion_residual import (
    MotionResidual,
    MotionSettings,
    cleaned,
    decided,
    views_of,
    votes_of_views,
    without_small,
)
from spatia.estimation.segment import grown
from spatia.geom.camera import Intrinsics
from spatia.projection.numba_bands import NumbaProjector
from spatia.records.arrays import F32, Bool
from spatia.records.cloud import CloudSnapshot, Points, snapshot_of_points
from spatia.records.frames import Frames
from spatia.records.generation import Cancelled
from spatia.records.geometry import Geometry, Report, Sighting, ignore
from support.scenes import BALL, BallBeforeWall, frames_of, lens, sideways

STILL, ROLLING = BallBeforeWall(), BallBeforeWall(ball_speed_m_s=6.0)
SETTINGS = MotionSettings(speck_px=4, hole_px=8)
MARGIN_PX = SETTINGS.margin_px + 1  # a silhouette may be off by a pixel
EMPTY = snapshot_of_points(Points.of(np.zeros((0, 3)), [0, 0, 0]))
SHAPE = (48, 64)


def seen(scene: BallBeforeWall, count: int = 12) -> Frames:
    """The ball passes the middle of the frames."""
    return frames_of(scene, sideways(count, step_m=0.02), start_s=-0.25)


def ball_in(scene: BallBeforeWall, frames: Frames) -> Bool:
    return np.asarray(scene.render(frames.cameras, frames.time_s).label == BALL)


def depth_of(frames: Frames) -> F32:
    assert frames.depth_m is not None
    return frames.depth_m


def exact(frames: Frames, depth_m: F32 | None = None) -> Geometry:
    depth_m = depth_of(frames) if depth_m is None else depth_m
    return Geometry(cameras=frames.cameras, depth_m=depth_m, confidence=np.ones_like(depth_m))


def wall_memory() -> CloudSnapshot:
    """The wall as it is seen where no ball hides it."""
    frames = frames_of(STILL, sideways(9, step_m=0.4, intrinsics=lens(width_px=192, height_px=144)))
    points = points_of_geometry(frames, exact(frames), moving=ball_in(STILL, frames), clip=0)
    return snapshot_of_points(points, voxel_m=0.04)


def moving_in(
    frames: Frames,
    geometry: Geometry | None = None,
    *,
    cloud: CloudSnapshot = EMPTY,
    sighting: Sighting | None = None,
    report: Report = ignore,
) -> Bool:
    segmenter = MotionResidual(NumbaProjector(), settings=SETTINGS)
    sighting = Sighting.of(frames) if sighting is None else sighting
    return segmenter.segment(sighting, geometry or exact(frames), cloud=cloud, report=report)


def test_a_rolling_ball_is_found_and_little_else() -> None:
    frames = seen(ROLLING)
    moving, ball = moving_in(frames), ball_in(ROLLING, frames)
    assert moving[ball].mean() > 0.98
    assert not (moving & ~grown(ball, margin_px=MARGIN_PX)).any()


def test_nothing_moves_in_a_still_scene() -> None:
    assert not moving_in(seen(STILL)).any()


def test_a_still_ball_before_a_wall_that_was_remembered_without_it_is_kept() -> None:
    assert not moving_in(seen(STILL), cloud=wall_memory()).any()


def test_what_a_single_picture_shows_is_believed() -> None:
    assert not moving_in(seen(ROLLING, count=1), cloud=wall_memory()).any()


def test_a_ball_that_the_depth_knows_nothing_of_is_found_by_its_colour() -> None:
    frames = seen(ROLLING)
    wall_m = np.full_like(depth_of(frames), 4.0)
    moving, ball = moving_in(frames, exact(frames, wall_m), cloud=wall_memory()), ball_in(ROLLING, frames)
    assert moving[ball].mean() > 0.9
    assert (moving & ~grown(ball, margin_px=MARGIN_PX)).mean() < 0.01


def test_a_ball_of_unknown_depth_is_found_by_what_it_hides_of_the_memory() -> None:
    frames = seen(ROLLING)
    ball = ball_in(ROLLING, frames)
    moving = moving_in(frames, exact(frames, np.where(ball, np.float32(0), depth_of(frames))), cloud=wall_memory())
    assert moving[ball].mean() > 0.9
    assert (moving & ~grown(ball, margin_px=MARGIN_PX)).mean() < 0.01


def test_another_exposure_is_no_motion() -> None:
    frames = seen(STILL)
    rgb = frames.rgb.copy()
    rgb[::2] = (0.7 * rgb[::2]).astype(np.uint8)
    assert not moving_in(replace(frames, rgb=rgb), cloud=wall_memory()).any()


def with_context(frames: Frames, context: Frames, moved: Bool) -> Sighting:
    return Sighting(frames=frames, keyframes=np.zeros(1, np.int32), context=context, context_moving=moved)


def test_earlier_frames_that_saw_through_a_place_tell_that_something_came() -> None:
    frames = seen(ROLLING)
    now, before = frames[8:9], frames[:4]
    moving = moving_in(now, sighting=with_context(now, before, np.zeros((4, *SHAPE), np.bool_)))
    assert moving[ball_in(ROLLING, now)].mean() > 0.9


def test_where_something_moved_earlier_nothing_is_asked() -> None:
    frames = seen(ROLLING)
    now, before = frames[8:9], frames[:4]
    assert not moving_in(now, sighting=with_context(now, before, np.ones((4, *SHAPE), np.bool_))).any()


def test_a_ball_before_the_sky_is_found_by_its_colour() -> None:
    frames = seen(ROLLING)
    ball = ball_in(ROLLING, frames)
    sky = replace(
        frames,
        rgb=np.where(ball[..., None], frames.rgb, np.array([150, 200, 250], dtype=np.uint8)),
        depth_m=np.where(ball, depth_of(frames), np.float32(0)),
    )
    assert moving_in(sky)[ball].mean() > 0.9


def test_votes_are_those_of_the_reference() -> None:
    frames, context = seen(ROLLING, count=5), frames_of(ROLLING, sideways(3, step_m=0.3, turn_rad=0.05), start_s=-0.1)
    rng = np.random.default_rng(5)
    depth_m = np.where(rng.random((5, *SHAPE)) < 0.1, np.float32(0), depth_of(frames))
    rgb = frames.rgb.copy()
    rgb[:, 10:30, 10:30] = rng.integers(0, 256, (5, 1, 1, 3))
    sighting = Sighting(
        frames=replace(frames, rgb=rgb),
        keyframes=np.arange(5, dtype=np.int32),
        context=context,
        context_moving=rng.random((3, *SHAPE)) < 0.2,
    )
    views = views_of(sighting, frames.cameras, depth_m)
    for k in range(5):
        wanted = reference_votes(k, views, SETTINGS)
        assert wanted.any(axis=(0, 1)).all()
        # A place on the border between two pixels may fall to either.
        assert (votes_of_views(k, views, SETTINGS) != wanted).mean() < 1e-3


@pytest.mark.parametrize("least_px", [1, 3, 20])
def test_patches_are_those_of_the_reference(least_px: int) -> None:
    mask = np.random.default_rng(least_px).random((40, 50)) < 0.45
    np.testing.assert_array_equal(without_small(mask, least_px), reference_without_small(mask, least_px))


def test_specks_go_and_holes_are_filled() -> None:
    mask = np.zeros(SHAPE, dtype=np.bool_)
    mask[5, 5] = True
    mask[20:30, 20:30] = True
    holed = mask.copy()
    holed[24:26, 24:26] = False
    mask[5, 5] = False
    np.testing.assert_array_equal(cleaned(holed, SETTINGS), mask)


def test_a_mover_takes_more_than_one_contradiction() -> None:
    through, differs, supports = np.array([1, 2, 2, 0, 0]), np.array([0, 0, 0, 3, 3]), np.array([0, 0, 9, 1, 5])
    counts = np.stack([through, differs, supports], axis=-1)[None].astype(np.int32)
    assert decided(counts, MotionSettings()).tolist() == [[False, True, False, True, False]]


def test_the_same_sighting_gives_the_same_bytes() -> None:
    frames = seen(ROLLING)
    assert moving_in(frames).tobytes() == moving_in(frames).tobytes()


def test_who_no_longer_waits_is_heard() -> None:
    def cancel(done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        moving_in(seen(ROLLING), report=cancel)


def test_the_geometry_must_be_on_the_raster_of_the_frames() -> None:
    frames = seen(STILL, count=2)
    other = Intrinsics.from_fov(fov_y_rad=0.9, width_px=64, height_px=48)
    geometry = replace(exact(frames), cameras=replace(frames.cameras, intrinsics=other))
    with pytest.raises(ValueError, match="raster of the frames"):
        moving_in(frames, geometry)
