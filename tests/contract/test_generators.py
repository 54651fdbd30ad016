"""Every generator gives exactly the new frames, the same ones each time, and stops within a step of a cancel."""

from itertools import groupby

import numpy as np
import pytest

from spatia.app.registry import GENERATORS, NEURAL
from spatia.generation.oracle import OracleGenerator
from spatia.generation.reprojection import ReprojectionGenerator
from spatia.records.generation import Cancelled, ClipRequest, Generator, Progress
from support.generation import PRECEDING, SCENE, TOTAL, CancelAt, request_in_scene
from support.tiny import tiny_mirage, tiny_spatia


@pytest.fixture(params=["oracle", "reprojection", "spatia", "mirage"])
def generator(request: pytest.FixtureRequest) -> Generator:
    match request.param:
        case "oracle":
            return OracleGenerator(SCENE)
        case "reprojection":
            return ReprojectionGenerator()
        case "mirage":
            return tiny_mirage(steps=2, control_from="rgb")
        case _:
            return tiny_spatia(steps=2)


def clip_of(generator: Generator, request: ClipRequest) -> np.ndarray:
    clip = generator.generate(request, report=lambda progress: None, cancel=CancelAt(np.inf))
    assert clip.request_id == request.request_id
    return clip.rgb


@pytest.mark.parametrize("preceding", [0, 1, 9])
def test_a_clip_holds_the_new_frames_alone(generator: Generator, preceding: int) -> None:
    request = request_in_scene(preceding=preceding)
    rgb = clip_of(generator, request)
    assert rgb.shape == (TOTAL - preceding, 32, 64, 3)
    assert rgb.dtype == np.uint8
    if generator.is_neural:
        return  # toy weights: the frames are noise
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
    assert rgb.shape == (TOTAL - PRECEDING, 32, 64, 3)


def test_progress_rises_to_the_end_of_each_stage(generator: Generator) -> None:
    reports: list[Progress] = []
    generator.generate(request_in_scene(), report=reports.append, cancel=CancelAt(np.inf))
    for _, stage in groupby(reports, key=lambda report: report.stage):
        steps = list(stage)
        done = [report.done for report in steps]
        assert done == sorted(set(done))
        assert done[-1] == steps[-1].total
    assert {report.request_id for report in reports} == {4}


def test_a_generator_without_networks_counts_its_new_frames(generator: Generator) -> None:
    reports: list[Progress] = []
    generator.generate(request_in_scene(), report=reports.append, cancel=CancelAt(np.inf))
    if not generator.is_neural:
        assert reports[-1].total == TOTAL - PRECEDING


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_cancel_stops_the_clip_within_a_step(generator: Generator, step: int) -> None:
    reports: list[Progress] = []
    with pytest.raises(Cancelled):
        generator.generate(request_in_scene(), report=reports.append, cancel=CancelAt(step))
    assert len(reports) <= step + 1


def test_a_generator_says_whether_it_is_neural(generator: Generator) -> None:
    assert generator.is_neural == (generator.name in {"spatia", "mirage"})
    assert generator.name in GENERATORS and (generator.name in NEURAL) == generator.is_neural


def test_reprojection_fills_small_holes_with_what_other_frames_saw_there() -> None:
    request = request_in_scene(holes=0.3)
    sharp = clip_of(ReprojectionGenerator(), request)
    blind = clip_of(ReprojectionGenerator(), request_in_scene(holes=0.3, with_depth=False))
    truth = SCENE.render(request.cameras, request.time_s).rgb[PRECEDING:].astype(int)
    assert np.abs(sharp - truth).mean() < np.abs(blind - truth).mean()
