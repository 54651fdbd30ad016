"""The plane sweep on a scene whose depth is known, with and without a memory of it."""

from dataclasses import replace

import numpy as np
import pytest

from spatia.errors import EstimationError
from spatia.geom.camera import Cameras
from spatia.geom.pose import from_rotation_translation, rotation_about
from spatia.records.arrays import F32
from spatia.records.cloud import CloudSnapshot, Points, snapshot_of_points
from spatia.records.frames import Frames
from spatia.records.geometry import Geometry, Sighting
from spatia.records.projection import Look, Projection
from support.scenes import lens, sideways
from support.textured import panel_before_wall

torch = pytest.importorskip("torch")

from spatia.estimation.stereo.estimator import (  # noqa: E402 - needs torch
    MEMORY_CONFIDENCE,
    PlaneSweepEstimator,
    PlaneSweepSettings,
)

LENS = lens(width_px=96, height_px=64)
CLOUD = snapshot_of_points(Points.of(np.zeros((1, 3)), [0, 0, 0]))
SETTINGS = PlaneSweepSettings(planes=32, nearest_m=1.0, farthest_m=6.0)


class Remembered:
    """A projector of a memory that knows `factor` times the true depth; 0 for one that knows nothing."""

    name = "remembered"

    def __init__(self, factor: float) -> None:
        self._factor = factor

    def project(self, cloud: CloudSnapshot, cameras: Cameras, *, look: Look) -> Projection:
        true = panel_before_wall(cameras)
        depth_m = np.float32(self._factor) * true_depth(true)
        index = np.where(depth_m > 0, 0, -1).astype(np.int32)
        return Projection(rgb=true.rgb, depth_m=depth_m, index=index)

    def close(self) -> None:
        pass


def true_depth(frames: Frames) -> F32:
    assert frames.depth_m is not None
    return frames.depth_m


def hidden(frames: Frames) -> Frames:
    return replace(frames, depth_m=None)


def walk(count: int = 5) -> Frames:
    return panel_before_wall(sideways(count, step_m=0.1, turn_rad=0.01, intrinsics=LENS))


def pan(count: int = 3) -> Frames:
    poses = [from_rotation_translation(rotation_about([0, 1, 0], 0.05 * i), np.zeros(3)) for i in range(count)]
    return panel_before_wall(Cameras(world_from_camera=np.stack(poses), intrinsics=LENS))


def swept(frames: Frames, *, memory: float = 0.0, settings: PlaneSweepSettings = SETTINGS) -> Geometry:
    estimator = PlaneSweepEstimator(Remembered(memory), settings=settings)
    return estimator.estimate(Sighting.of(hidden(frames)), cloud=CLOUD)


def errors(geometry: Geometry, frames: Frames) -> F32:
    """[N] of the known pixels, as parts of their depth."""
    known = geometry.depth_m > 0
    true = true_depth(frames)[known]
    return np.asarray(np.abs(geometry.depth_m[known] - true) / true)


def test_depth_is_found_from_pictures_and_poses_alone() -> None:
    geometry = swept(walk())
    assert (geometry.depth_m > 0).mean() > 0.7
    assert np.median(errors(geometry, walk())) < 0.01
    assert np.quantile(errors(geometry, walk()), 0.9) < 0.06


def test_confidence_tells_good_from_bad() -> None:
    geometry = swept(walk())
    error, confidence = errors(geometry, walk()), geometry.confidence[geometry.depth_m > 0]
    sure = confidence > np.median(confidence)
    assert error[sure].mean() < 0.7 * error[~sure].mean()


def test_exposure_may_change_between_frames() -> None:
    bright = np.array([1.0, 0.6, 0.9, 0.5, 0.8], dtype=np.float32)
    cameras = walk().cameras
    geometry = swept(panel_before_wall(cameras, brightness=bright))
    assert (geometry.depth_m > 0).mean() > 0.6
    assert np.median(errors(geometry, walk())) < 0.01


def test_depth_comes_on_the_frames_raster_from_a_smaller_sweep() -> None:
    geometry = swept(walk(), settings=replace(SETTINGS, width_px=72))
    assert geometry.depth_m.shape == (5, 64, 96)
    assert geometry.cameras.intrinsics == LENS
    assert np.median(errors(geometry, walk())) < 0.02


def test_a_memory_fills_what_the_pictures_leave_open() -> None:
    alone, guided = swept(walk()), swept(walk(), memory=1.0)
    assert (guided.depth_m > 0).mean() > max(0.9, (alone.depth_m > 0).mean())
    assert np.quantile(errors(guided, walk()), 0.9) < 0.05


def test_pictures_overrule_a_wrong_memory() -> None:
    geometry = swept(walk(), memory=0.7)
    assert (geometry.depth_m > 0).mean() > 0.5
    assert np.median(errors(geometry, walk())) < 0.02


def test_a_camera_that_only_turns_sees_what_the_memory_knows() -> None:
    geometry = swept(pan(), memory=1.0)
    np.testing.assert_array_equal(geometry.depth_m, true_depth(pan()))
    assert geometry.confidence.max() <= MEMORY_CONFIDENCE


@pytest.mark.parametrize(("frames", "problem"), [(pan(), "3 views have parallax"), (walk(1), "one view does not tell")])
def test_without_parallax_or_memory_there_is_no_depth(frames: Frames, problem: str) -> None:
    with pytest.raises(EstimationError, match=problem) as caught:
        swept(frames)
    assert caught.value.fix


def test_one_keyframe_is_swept_against_other_frames_and_checked_against_earlier_ones() -> None:
    frames = walk(6)
    sighting = Sighting(
        frames=hidden(frames[3:]),
        keyframes=np.array([1], dtype=np.int32),
        context=frames[:3],
        context_moving=np.zeros((3, 64, 96), dtype=np.bool_),
    )
    geometry = PlaneSweepEstimator(Remembered(0.0), settings=SETTINGS).estimate(sighting, cloud=CLOUD)
    assert len(geometry.depth_m) == 1
    assert (geometry.depth_m > 0).mean() > 0.6
    assert np.median(errors(geometry, frames[4:5])) < 0.01


def test_what_is_beyond_the_planes_is_unknown() -> None:
    geometry = swept(walk(), settings=replace(SETTINGS, nearest_m=0.5, farthest_m=1.5))
    assert (geometry.depth_m > 0).mean() < 0.05


def test_the_thread_count_changes_no_byte_and_is_put_back() -> None:
    before = torch.get_num_threads()
    small = replace(SETTINGS, width_px=40, planes=16)
    one, two = (swept(walk(3), settings=replace(small, threads=threads)) for threads in (1, 2))
    assert torch.get_num_threads() == before
    np.testing.assert_array_equal(one.depth_m, two.depth_m)
    np.testing.assert_array_equal(one.confidence, two.confidence)


def test_it_says_how_far_it_is_and_stops_when_nobody_waits() -> None:
    class NobodyWaits(Exception):  # noqa: N818 - it stands for `Cancelled`, which is none either
        pass

    heard: list[tuple[int, int]] = []

    def report(done: int, total: int) -> None:
        heard.append((done, total))
        if done == 2:
            raise NobodyWaits

    with pytest.raises(NobodyWaits):
        PlaneSweepEstimator(Remembered(0.0), settings=SETTINGS).estimate(
            Sighting.of(hidden(walk())), cloud=CLOUD, report=report
        )
    assert heard == [(0, 5), (1, 5), (2, 5)]
