"""The generator at toy size, with the assertions that hold at full size."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from spatia.errors import GenerationError
from spatia.generation.wan.networks import Networks, Work
from spatia.generation.wan.spatia import SpatiaGenerator
from spatia.records.arrays import U8
from spatia.records.generation import Cancelled, ClipRequest, Progress
from support.generation import CancelAt, request_in_scene
from support.tiny import tiny_settings, tiny_source, tiny_spatia

STEPS = 3
STAGES = ["networks", "text"]
STAGES += [f"encode {what}" for what in ("projection", "holes", "references", "history")]
STAGES += ["denoise", "decode"]


class Watched:
    """A generator with what its transformer was given, forward by forward."""

    def __init__(self, **choice: Any) -> None:
        self.settings = tiny_settings(**({"steps": STEPS} | choice))
        self.source = tiny_source(self.settings)
        self.generator = SpatiaGenerator(self.source, self.settings)
        self.forwards: list[dict[str, Any]] = []
        self.networks.transformer.register_forward_pre_hook(self._note, with_kwargs=True)

    @property
    def networks(self) -> Networks:
        request = request_in_scene()
        return self.source.networks_for(Work.of(request, self.generator.layout(request)))

    def _note(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        latents, timestep, text = args
        lora = list(module.active_adapters()) if module.peft_config and self._lora_is_on() else []
        self.forwards.append(
            {"latents": latents.clone(), "timestep": timestep[0].tolist(), "text": text, "lora": lora, **kwargs}
        )

    def _lora_is_on(self) -> bool:
        adapted = [part for part in self.networks.transformer.modules() if hasattr(part, "disable_adapters")]
        return any(not part.disable_adapters for part in adapted)

    def clip(self, request: ClipRequest, reports: list[Progress] | None = None) -> U8:
        heard = [] if reports is None else reports
        return self.generator.generate(request, report=heard.append, cancel=CancelAt(np.inf)).rgb


def test_a_later_round_lays_out_references_history_and_new_frames() -> None:
    watched = Watched()
    watched.clip(request_in_scene(preceding=9))
    assert len(watched.forwards) == 2 * STEPS, "prompt and negative prompt"
    forward = watched.forwards[0]
    assert forward["latents"].shape == (1, 48, 2 + 3 + 3, 2, 4)
    assert forward["references"] == 2
    assert forward["control"].shape == (1, 96, 3 + 3, 2, 4), "history and new frames, and no references"
    assert forward["timestep"] == [0.0] * 5 + [999.0] * 3


def test_clean_latents_are_the_same_at_every_step() -> None:
    watched = Watched()
    watched.clip(request_in_scene(preceding=9))
    first, last = watched.forwards[0]["latents"], watched.forwards[-1]["latents"]
    assert torch.equal(first[:, :, :5], last[:, :, :5])
    assert not torch.equal(first[:, :, 5:], last[:, :, 5:])


def test_a_first_round_pins_the_photograph_of_its_first_pose() -> None:
    watched = Watched()
    watched.clip(request_in_scene(preceding=0, references=slice(0, 3)))
    assert watched.forwards[0]["timestep"] == [0.0] + [999.0] * 5
    assert watched.forwards[0]["references"] == 0
    pinned = [forward["latents"][:, :, :1] for forward in watched.forwards]
    assert all(torch.equal(pinned[0], latents) for latents in pinned)


def test_a_first_round_of_an_unseen_place_has_nothing_pinned() -> None:
    watched = Watched()
    watched.clip(request_in_scene(preceding=0))
    assert watched.forwards[0]["timestep"] == [999.0] * 6


@pytest.mark.parametrize(("preset", "first"), [("release", []), ("paper", ["spatia"])])
def test_the_adapter_is_off_in_the_releases_first_round_alone(preset: str, first: list[str]) -> None:
    watched = Watched(preset=preset)
    watched.clip(request_in_scene(preceding=0))
    assert watched.forwards[-1]["lora"] == first
    watched.clip(request_in_scene(preceding=9))
    assert watched.forwards[-1]["lora"] == ["spatia"]


def test_switching_the_adapter_leaves_the_base_weights_as_they_were() -> None:
    watched = Watched()
    before = watched.clip(request_in_scene(preceding=0))
    weights = {name: tensor.clone() for name, tensor in watched.networks.transformer.state_dict().items()}
    for _ in range(3):
        watched.clip(request_in_scene(preceding=9))
        assert np.array_equal(watched.clip(request_in_scene(preceding=0)), before)
    after = watched.networks.transformer.state_dict()
    assert all(torch.equal(weights[name], after[name]) for name in weights)


def test_without_guidance_there_is_one_forward_a_step() -> None:
    watched = Watched(guidance=1.0)
    watched.clip(request_in_scene())
    assert len(watched.forwards) == STEPS


def test_both_passes_in_one_batch_give_the_same_clip() -> None:
    apart, together = Watched(), Watched(speed={"one_batch": True})
    clips = [watched.clip(request_in_scene()).astype(int) for watched in (apart, together)]
    assert len(together.forwards) == STEPS
    assert np.abs(clips[0] - clips[1]).max() <= 1


def test_the_samplers_differ_and_each_repeats() -> None:
    clips = {name: Watched(sampler=name).clip(request_in_scene()) for name in ("unipc", "euler")}
    assert not np.array_equal(clips["unipc"], clips["euler"])
    for name, clip in clips.items():
        assert np.array_equal(clip, Watched(sampler=name).clip(request_in_scene()))


def test_the_releases_noise_is_the_same_for_every_request_and_the_papers_is_the_requests_own() -> None:
    noises = {}
    for preset in ("release", "paper"):
        for seed in (1, 2):
            watched = Watched(preset=preset)
            watched.clip(request_in_scene(seed=seed))
            noises[preset, seed] = watched.forwards[0]["latents"][:, :, 5:]
    assert torch.equal(noises["release", 1], noises["release", 2])
    assert not torch.equal(noises["paper", 1], noises["paper", 2])


def test_an_earlier_request_leaves_no_trace_in_a_later_clip() -> None:
    used, fresh = Watched(), Watched()
    used.clip(request_in_scene(preceding=0, holes=0.6))
    assert np.array_equal(used.clip(request_in_scene()), fresh.clip(request_in_scene()))


def test_a_clip_is_decoded_once() -> None:
    watched = Watched()
    pieces = Counter[str]()
    watched.networks.autoencoder.vae.decoder.register_forward_hook(lambda *_: pieces.update(["piece"]))
    watched.clip(request_in_scene(preceding=9))
    assert pieces["piece"] == 6, "a latent frame each of history and new frames, and none of the references"


def test_the_prompt_and_the_memory_and_the_references_all_matter() -> None:
    plain = Watched().clip(request_in_scene())
    others = [
        request_in_scene(prompt="night"),
        request_in_scene(holes=0.6),
        request_in_scene(references=slice(0, 1)),
    ]
    for other in others:
        assert not np.array_equal(Watched().clip(other), plain)


def test_progress_comes_with_every_step_and_a_cancel_stops_before_the_next() -> None:
    reports: list[Progress] = []
    watched = Watched()
    watched.clip(request_in_scene(), reports)
    assert [report.done for report in reports if report.stage == "denoise"] == [1, 2, 3]
    assert list(dict.fromkeys(report.stage for report in reports)) == STAGES
    at_first_step = next(i for i, report in enumerate(reports) if report.stage == "denoise")
    before = len(watched.forwards)
    with pytest.raises(Cancelled):
        watched.generator.generate(request_in_scene(), report=lambda p: None, cancel=CancelAt(at_first_step))
    assert len(watched.forwards) == before + 2, "one step, two passes"


@pytest.mark.parametrize(
    ("wrong", "where", "says"),
    [
        (request_in_scene(height_px=40), "camera.height_px", "multiples of 32"),
        (request_in_scene(total=20), "generation", "4k \\+ 1"),
        (request_in_scene(prompt="the " * 600), "prompt", "512"),
    ],
)
def test_what_no_network_could_serve_is_refused_before_one_is_loaded(wrong: ClipRequest, where: str, says: str) -> None:
    watched = tiny_spatia()
    with pytest.raises(GenerationError, match=says) as refused:
        watched.generate(wrong, report=lambda p: None, cancel=CancelAt(0))
    assert where in refused.value.where
    assert refused.value.fix
