"""Every generator gives exactly the new frames, the same ones each time, and stops within a step of a cancel."""

import dataclasses

import numpy as np
import pytest

from spatia.generation.oracle import OracleGenerator
from spatia.generation.reprojection import ReprojectionGenerator
from spatia.geom.camera import Cameras
from spatia.records.arrays import F32
from spatia.records.frames import Frames
from spatia.records.generation import Cancelled, ClipRequest, Generator, Progress
from spatia.records.projection import Projection
from support.scenes import BallBeforeWall, frames_of, lens, sideways

SCENE = BallBeforeWall(ball_speed_m_s=0.5)
PRECEDING = 9
TOTAL = 21


@pytest.fixture(params=["oracle", "reprojection"])
def generator(request: pytest.FixtureRequest) -> Generator:
    return OracleGenerator(SCENE) if request.param == "oracle" else ReprojectionGenerator()


class CancelAt:
    """Lets a generator pass `checks` times, then stops it."""

    def __init__(self, checks: float) -> None:
        self.checks_left = checks

    def check(self) -> None:
        if self.checks_left <= 0:
            raise Cancelled
        self.checks_left -= 1


def request_in_scene(*, preceding: int = PRECEDING, with_depth: bool = True, holes: float = 0.1) -> ClipRequest:
    """A walk past the ball whose projection is the true depth with some pixels missing."""
    cameras = sideways(TOTAL, step_m=0.02, turn_rad=0.002, intrinsics=lens(width_px=64, height_px=40))
    walk = frames_of(SCENE, cameras)
    return ClipRequest(
        request_id=4,
        epoch=0,
        base_version=0,
        seed=1,
        cameras=cameras,
        time_s=walk.time_s,
        projection=projection_of(cameras, walk.time_s, holes=holes),
        preceding=without_depth(walk[:preceding], with_depth),
        references=without_depth(walk[2:4], with_depth),
    )


def projection_of(cameras: Cameras, time_s: F32, *, holes: float) -> Projection:
    true = SCENE.render(cameras, time_s)
    rng = np.random.Generator(np.random.PCG64(3))
    hole = (rng.uniform(size=true.depth_m.shape) < holes) | (true.depth_m == 0)
    return Projection(
        rgb=np.where(hole[..., None], 0, true.rgb).astype(np.uint8),
        depth_m=np.where(hole, 0, true.depth_m).astype(np.float32),
        index=np.where(hole, -1, 0).astype(np.int32),
    )


def without_depth(frames: Frames, with_depth: bool) -> Frames:
    return frames if with_depth else dataclasses.replace(frames, depth_m=None)


def clip_of(generator: Generator, request: ClipRequest) -> np.ndarray:
    clip = generator.generate(request, report=lambda progress: None, cancel=CancelAt(np.inf))
    assert clip.request_id == request.request_id
    return clip.rgb


@pytest.mark.parametrize("preceding", [0, 1, 9])
def test_a_clip_holds_the_new_frames_alone(generator: Generator, preceding: int) -> None:
    request = request_in_scene(preceding=preceding)
    rgb = clip_of(generator, request)
    assert rgb.shape == (TOTAL - preceding, 40, 64, 3)
    assert rgb.dtype == np.uint8
    truth = SCENE.render(request.cameras, request.time_s).rgb[preceding:]
    error = np.abs(rgb.astype(int) - truth)
    assert np.median(error) <= 1
    assert error.mean() < 3


def test_the_same_request_gives_the_same_bytes(generator: Generator) -> None:
    request = request_in_scene()
    np.testing.assert_array_equal(clip_of(generator, request), clip_of(generator, request))


@pytest.mark.parametrize("holes", [0.5, 1.0])
def test_frames_without_depth_and_a_memory_full_of_holes_still_give_a_clip(generator: Generator, holes: float) -> None:
    rgb = clip_of(generator, request_in_scene(with_depth=False, holes=holes))
    assert rgb.shape == (TOTAL - PRECEDING, 40, 64, 3)


def test_progress_rises_to_the_number_of_new_frames(generator: Generator) -> None:
    reports: list[Progress] = []
    generator.generate(request_in_scene(), report=reports.append, cancel=CancelAt(np.inf))
    done = [report.done for report in reports]
    assert done == sorted(set(done))
    assert done[-1] == reports[-1].total == TOTAL - PRECEDING
    assert {report.request_id for report in reports} == {4}


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_cancel_stops_the_clip_within_a_step(generator: Generator, step: int) -> None:
    reports: list[Progress] = []
    with pytest.raises(Cancelled):
        generator.generate(request_in_scene(), report=reports.append, cancel=CancelAt(step))
    assert len(reports) == step


def test_no_generator_here_claims_to_be_neural(generator: Generator) -> None:
    assert not generator.is_neural
    assert generator.name in {"oracle", "reprojection"}


def test_reprojection_fills_small_holes_with_what_other_frames_saw_there() -> None:
    request = request_in_scene(holes=0.3)
    sharp = clip_of(ReprojectionGenerator(), request)
    blind = clip_of(ReprojectionGenerator(), request_in_scene(holes=0.3, with_depth=False))
    truth = SCENE.render(request.cameras, request.time_s).rgb[PRECEDING:].astype(int)
    assert np.abs(sharp - truth).mean() < np.abs(blind - truth).mean()
