"""Every estimator gives depth on the scene's surfaces, confidence in 0..1, and the same bytes each time."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from spatia.errors import InputError
from spatia.estimation.align import AlignedEstimator
from spatia.estimation.completion import CompletionEstimator
from spatia.estimation.fuse import points_of_geometry
from spatia.estimation.given import GivenDepth
from spatia.estimation.motion_residual import MotionResidual
from spatia.estimation.oracle import OracleEstimator, OracleSegmenter
from spatia.estimation.sam2.segmenter import Sam2Segmenter, Tracker
from spatia.estimation.sam2.settings import Sam2Settings
from spatia.estimation.segment import GivenMasks, NoSegmenter
from spatia.geom.camera import Intrinsics
from spatia.records.cloud import CloudSnapshot, Points, snapshot_of_points
from spatia.records.frames import Frames
from spatia.records.generation import Cancelled
from spatia.records.geometry import DynamicSegmenter, Geometry, Report, SceneEstimator, Sighting, ignore
from support.projectors import ForgetfulProjector
from support.scenes import BALL, BallBeforeWall, frames_of, sideways

SCENE = BallBeforeWall()
CLOUD = snapshot_of_points(Points.of(np.zeros((1, 3)), [0, 0, 0]))


def forgetful() -> ForgetfulProjector:
    forgotten = np.zeros((48, 64), dtype=np.bool_)
    forgotten[10:20, 10:20] = True
    return ForgetfulProjector(SCENE, forgotten)


# What 98 % of the points keep to, and how much of the frames becomes points: exact, but for an estimator that measures,
# and that leaves out what other views do not bear out.
ACCURACY_M = {"plane_sweep": 0.08}
COVERAGE = {"plane_sweep": 0.85}


def plane_sweep() -> SceneEstimator:
    pytest.importorskip("torch")
    from spatia.estimation.stereo.estimator import PlaneSweepEstimator, PlaneSweepSettings

    return PlaneSweepEstimator(forgetful(), settings=PlaneSweepSettings())


class Scaled(OracleEstimator):
    """Knows the scene, but not how large it is."""

    def estimate(self, sighting: Sighting, *, cloud: CloudSnapshot, report: Report = ignore) -> Geometry:
        report(0, 1)
        geometry = super().estimate(sighting, cloud=cloud, report=report)
        return replace(geometry, depth_m=geometry.depth_m * np.float32(1.3))


@pytest.fixture(params=["given", "oracle", "completion", "plane_sweep", "aligned"])
def estimator(request: pytest.FixtureRequest) -> SceneEstimator:
    estimators: dict[str, Callable[[], SceneEstimator]] = {
        "given": GivenDepth,
        "oracle": lambda: OracleEstimator(SCENE),
        "completion": lambda: CompletionEstimator(forgetful()),
        "plane_sweep": plane_sweep,
        "aligned": lambda: AlignedEstimator(Scaled(SCENE), forgetful()),
    }
    return estimators[request.param]()


def walk() -> Frames:
    return frames_of(SCENE, sideways(4, turn_rad=0.02))


def test_depth_and_confidence_fit_the_frames(estimator: SceneEstimator) -> None:
    frames = walk()
    geometry = estimator.estimate(Sighting.of(frames), cloud=CLOUD)
    assert len(geometry.cameras) == len(frames)
    np.testing.assert_array_equal(geometry.cameras.world_from_camera, frames.cameras.world_from_camera)
    assert ((geometry.confidence >= 0) & (geometry.confidence <= 1)).all()
    assert (geometry.confidence[geometry.depth_m == 0] == 0).all()
    assert np.isfinite(geometry.depth_m).all()


def test_points_lie_on_the_scenes_surfaces(estimator: SceneEstimator) -> None:
    frames = walk()
    points = points_of_geometry(frames, estimator.estimate(Sighting.of(frames), cloud=CLOUD), clip=3)
    to_wall = np.abs(points.positions_in_world[:, 2] - 4)
    to_ball = np.abs(np.linalg.norm(points.positions_in_world - [0, 0, 2.5], axis=1) - 0.5)
    assert np.mean(np.minimum(to_wall, to_ball) < ACCURACY_M.get(estimator.name, 0.02)) > 0.98
    assert len(points) > COVERAGE.get(estimator.name, 0.9) * frames.rgb[..., 0].size
    assert (points.clips == 3).all()


def test_the_same_frames_give_the_same_bytes(estimator: SceneEstimator) -> None:
    first, second = (estimator.estimate(Sighting.of(walk()), cloud=CLOUD) for _ in range(2))
    np.testing.assert_array_equal(first.depth_m, second.depth_m)
    np.testing.assert_array_equal(first.confidence, second.confidence)


def test_no_frames_give_no_points() -> None:
    none = walk()[0:0]
    assert len(points_of_geometry(none, GivenDepth().estimate(Sighting.of(none), cloud=CLOUD), clip=0)) == 0


def test_given_depth_wants_frames_with_depth() -> None:
    frames = frames_of(SCENE, sideways(2), with_depth=False)
    with pytest.raises(InputError, match="the frames carry no depth"):
        GivenDepth().estimate(Sighting.of(frames), cloud=CLOUD)


def test_given_depth_keeps_the_depth_cameras_lens() -> None:
    lens = Intrinsics.from_fov(fov_y_rad=0.9, width_px=64, height_px=48)
    assert GivenDepth(depth_intrinsics=lens).estimate(Sighting.of(walk()), cloud=CLOUD).cameras.intrinsics == lens
    wrong = Intrinsics.from_fov(fov_y_rad=0.9, width_px=32, height_px=24)
    with pytest.raises(InputError, match="the depth is 64x48, its camera 32x24"):
        GivenDepth(depth_intrinsics=wrong).estimate(Sighting.of(walk()), cloud=CLOUD)


def test_the_oracle_names_objects_and_movers() -> None:
    moving = BallBeforeWall(ball_speed_m_s=1.0)
    frames = frames_of(moving, sideways(3))
    geometry = OracleEstimator(moving).estimate(Sighting.of(frames), cloud=CLOUD)
    assert geometry.label is not None
    mask = OracleSegmenter(moving).segment(Sighting.of(frames), geometry, cloud=CLOUD)
    np.testing.assert_array_equal(mask, geometry.label == BALL)


def told_nothing() -> DynamicSegmenter:
    return Sam2Segmenter(Sam2Settings(), no_tracker, automatic=MotionResidual(forgetful()))


def no_tracker() -> Tracker:
    raise AssertionError("nothing moves, so there is nothing to track")


@pytest.fixture(params=["none", "oracle", "given", "motion_residual", "sam2"])
def segmenter(request: pytest.FixtureRequest) -> DynamicSegmenter:
    segmenters: dict[str, Callable[[], DynamicSegmenter]] = {
        "none": NoSegmenter,
        "oracle": lambda: OracleSegmenter(SCENE),
        "given": lambda: GivenMasks(np.zeros((48, 64), dtype=np.bool_)),
        "motion_residual": lambda: MotionResidual(forgetful()),
        "sam2": told_nothing,
    }
    return segmenters[request.param]()


def test_a_name_is_that_of_scenes(estimator: SceneEstimator, segmenter: DynamicSegmenter) -> None:
    assert estimator.name in ("given", "oracle", "completion", "plane_sweep")
    assert segmenter.name in ("none", "oracle", "given", "motion_residual", "sam2")


def test_nothing_moves_in_a_still_scene(segmenter: DynamicSegmenter) -> None:
    sighting = Sighting.of(walk())
    mask = segmenter.segment(sighting, OracleEstimator(SCENE).estimate(sighting, cloud=CLOUD), cloud=CLOUD)
    assert mask.shape == (4, 48, 64)
    assert mask.dtype == np.bool_
    assert not mask.any()


def test_only_keyframes_get_masks_and_depth(estimator: SceneEstimator, segmenter: DynamicSegmenter) -> None:
    sighting = Sighting.of(walk()).only(np.array([1, 3]))
    geometry = estimator.estimate(sighting, cloud=CLOUD)
    assert len(geometry.cameras) == 2
    assert segmenter.segment(sighting, geometry, cloud=CLOUD).shape == (2, 48, 64)


def test_whoever_reports_lets_a_cancel_through(estimator: SceneEstimator) -> None:
    reported: list[tuple[int, int]] = []

    def cancelled(done: int, total: int) -> None:
        reported.append((done, total))
        raise Cancelled

    try:
        estimator.estimate(Sighting.of(walk()), cloud=CLOUD, report=cancelled)
    except Cancelled:
        assert len(reported) == 1
    else:
        assert not reported


def test_closing_twice_is_no_mistake(estimator: SceneEstimator, segmenter: DynamicSegmenter) -> None:
    for part in (estimator, segmenter):
        part.close()
        part.close()
