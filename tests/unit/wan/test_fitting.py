"""The ladder, on a device that says it has little memory. The networks are toy-size; the arithmetic is not."""

import numpy as np
import pytest
import torch

from spatia.errors import DeviceError, GenerationError
from spatia.generation.wan.files import find_files
from spatia.generation.wan.networks import Networks, Work
from spatia.generation.wan.open import WanSource
from spatia.generation.wan.settings import WanSettings
from spatia.generation.wan.spatia import SpatiaGenerator
from spatia.records.generation import Clip, ClipRequest, Progress
from support.generation import CancelAt, request_in_scene
from support.tiny import tiny_settings, tiny_spatia

GIB = 2**30
PLENTY = 100 * GIB


class Device:
    """A device with so many bytes free."""

    def __init__(self, free_bytes: int) -> None:
        self.free_bytes = free_bytes

    def __call__(self, device: torch.device) -> int:
        return self.free_bytes


class OutOfMemory:
    """A source whose networks fail a number of times, as a device does that has less than it said."""

    def __init__(self, source: WanSource, *, failures: int) -> None:
        self.source = source
        self.failures_left = failures

    def check_prompts(self, prompts: tuple[str, ...]) -> None:
        self.source.check_prompts(prompts)

    def networks_for(self, work: Work) -> Networks:
        networks = self.source.networks_for(work)
        if self.failures_left:
            self.failures_left -= 1
            raise torch.OutOfMemoryError("tried to allocate 3 GiB")
        return networks

    def fall_back(self, work: Work) -> bool:
        return self.source.fall_back(work)


def small_request(*, height_px: int = 32) -> ClipRequest:
    """Nine frames: an estimate runs every piece of video on the meta device."""
    return request_in_scene(total=9, preceding=5, height_px=height_px)


def source_with(free_bytes: int, settings: WanSettings) -> WanSource:
    return WanSource(settings, find_files(settings), free_bytes_of=Device(free_bytes))


def work_of_request() -> Work:
    request = small_request()
    return Work.of(request, tiny_spatia().layout(request))


@pytest.fixture(scope="module")
def needed_bytes() -> int:
    """What the request takes with nothing done for it."""
    settings = tiny_settings()
    source = source_with(PLENTY, settings)
    source.networks_for(work_of_request())
    return source.plan_of(work_of_request()).peak_bytes


def generate(generator: SpatiaGenerator, reports: list[Progress] | None = None) -> Clip:
    heard = [] if reports is None else reports
    return generator.generate(small_request(), report=heard.append, cancel=CancelAt(np.inf))


def test_with_room_for_all_nothing_is_done_and_nothing_said(needed_bytes: int) -> None:
    settings = tiny_settings()
    assert generate(SpatiaGenerator(source_with(needed_bytes, settings), settings)).notes == ()


def test_the_gentlest_rung_is_announced_and_taken(needed_bytes: int, caplog: pytest.LogCaptureFixture) -> None:
    settings = tiny_settings()
    source = source_with(needed_bytes - 1, settings)
    networks = source.networks_for(work_of_request())
    (note,) = networks.notes
    assert "1.0 GiB free" in note and "expected peak" in note
    assert note in caplog.text
    networks.text.encode(["a room"])
    assert networks.text.is_loaded == ("freed after encoding" not in note)
    clip = generate(SpatiaGenerator(source, settings))
    assert clip.notes == (note,)


def test_the_last_resort_is_a_smaller_picture_which_comes_back_in_the_size_asked_for() -> None:
    settings = tiny_settings(fit=["free_text_encoder", "smaller"])
    source = OutOfMemory(source_with(PLENTY, settings), failures=2)
    tall = small_request(height_px=256)
    clip = SpatiaGenerator(source, settings).generate(tall, report=lambda p: None, cancel=CancelAt(np.inf))
    assert clip.rgb.shape[1:] == (256, 64, 3)
    assert "64 x 192 instead of the size asked for" in clip.notes[0]


def test_what_does_not_fit_at_all_is_refused_before_a_weight_is_read() -> None:
    settings = tiny_settings(fit=["free_text_encoder"])
    reports: list[Progress] = []
    with pytest.raises(DeviceError, match="GiB is free") as refused:
        generate(SpatiaGenerator(source_with(GIB // 2, settings), settings), reports)
    assert refused.value.fix
    assert [(report.stage, report.done) for report in reports] == [("networks", 0)]


def test_out_of_memory_in_the_middle_goes_one_rung_down(needed_bytes: int) -> None:
    settings = tiny_settings()
    source = OutOfMemory(source_with(PLENTY, settings), failures=1)
    clip = generate(SpatiaGenerator(source, settings))
    assert clip.notes, "the second attempt expects less than the first"


def test_out_of_memory_with_no_rung_left_fails_the_request_and_the_next_one_works() -> None:
    settings = tiny_settings(fit=[])
    source = OutOfMemory(source_with(PLENTY, settings), failures=1)
    generator = SpatiaGenerator(source, settings)
    with pytest.raises(GenerationError, match="tried to allocate 3 GiB") as failed:
        generate(generator)
    assert failed.value.fix
    assert len(generate(generator).rgb) == 4
