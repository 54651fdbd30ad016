from dataclasses import replace

import numpy as np
import pytest

from spatia.app.perception import Perception, PerceptionSettings
from spatia.app.round import RoundOrder, RoundResult, Surroundings
from spatia.app.stages import Stages
from spatia.clock import ManualClock
from spatia.errors import EstimateRejectedError, EstimationError
from spatia.estimation.oracle import OracleEstimator
from spatia.estimation.segment import NoSegmenter
from spatia.memory.cloud import PointMemory
from spatia.records.cloud import CloudSnapshot
from spatia.records.generation import Cancelled, Clip
from spatia.records.geometry import Geometry, Report, SceneEstimator, Sighting, ignore
from spatia.records.projection import MetricSplat
from support.generators import no_frames
from support.projectors import ForgetfulProjector
from support.scenes import BallBeforeWall, sideways

SCENE = BallBeforeWall()
PROJECTOR = ForgetfulProjector(SCENE, np.zeros((48, 64), dtype=np.bool_))


class NotFinite(OracleEstimator):
    def estimate(self, sighting: Sighting, *, cloud: CloudSnapshot, report: Report = ignore) -> Geometry:
        geometry = super().estimate(sighting, cloud=cloud, report=report)
        depth_m = geometry.depth_m.copy()
        depth_m[0, 3, 4] = np.nan
        return replace(geometry, depth_m=depth_m)


class Rejecting(OracleEstimator):
    def estimate(self, sighting: Sighting, *, cloud: CloudSnapshot, report: Report = ignore) -> Geometry:
        raise EstimateRejectedError("41 % of the known pixels agree, 60 % are wanted", where="estimator 'rejecting'")


def perceived(estimator: SceneEstimator, *, cancelled: bool = False) -> RoundResult:
    cameras = sideways(5)
    time_s = np.zeros(5, dtype=np.float32)
    cloud = PointMemory().snapshot()
    nothing = no_frames()
    order = RoundOrder(
        request_id=7,
        epoch=0,
        clip=0,
        seed=1,
        cameras=cameras,
        time_s=time_s,
        new_frame_count=5,
        snapshot=cloud,
        latents=None,
        preceding_latents=None,
        preceding=nothing,
        surroundings=Surroundings(
            context=nothing, context_moving=np.zeros(nothing.rgb.shape[:3], dtype=np.bool_), history=None
        ),
        references=nothing,
        reference_numbers=(),
        prompt="",
        deadline_s=None,
    )
    perception = Perception(
        projector=PROJECTOR,
        estimator=estimator,
        segmenter=NoSegmenter(),
        settings=PerceptionSettings(keyframe_stride=2, check_poses=False),
    )
    clip = Clip(request_id=7, rgb=SCENE.render(cameras, time_s).rgb)
    projection = PROJECTOR.project(cloud, cameras, look=MetricSplat())
    stages = Stages(7, clock=ManualClock(), is_cancelled=lambda: cancelled)
    return perception.perceive(order, clip, projection, stages)


def test_keyframes_become_points_and_the_last_frame_gets_depth() -> None:
    result = perceived(OracleEstimator(SCENE))
    assert result.archived.keyframes.tolist() == [0, 2, 4]
    assert len(result.points) > 0.9 * 3 * 48 * 64


def test_depth_that_is_not_finite_fails_the_round() -> None:
    with pytest.raises(EstimationError, match="not finite"):
        perceived(NotFinite(SCENE))


def test_a_rejected_estimate_keeps_the_frames_and_leaves_the_memory_alone() -> None:
    result = perceived(Rejecting(SCENE))
    assert len(result.archived) == 5
    assert len(result.points) == 0
    assert result.votes is not None and len(result.votes) == 0
    assert (result.archived.keyframe_depth_m == 0).all()
    (note,) = result.notes
    assert note == "nothing of this clip enters the memory: 41 % of the known pixels agree, 60 % are wanted"


def test_a_round_that_nobody_waits_for_ends_before_its_next_stage() -> None:
    with pytest.raises(Cancelled):
        perceived(OracleEstimator(SCENE), cancelled=True)
