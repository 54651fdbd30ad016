"""Mirage's generator at toy size, with the assertions that hold at full size."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from spatia.errors import GenerationError, InputError
from spatia.generation.wan.mirage import MirageGenerator
from spatia.generation.wan.networks import Networks, Work
from spatia.generation.wan.spatia import SpatiaGenerator
from spatia.records.generation import Clip, ClipLatents, ClipRequest
from spatia.records.latents import LatentReadout
from support.generation import CancelAt, request_in_scene
from support.tiny import tiny_settings, tiny_source

CHANNELS, HEIGHT, WIDTH = 48, 2, 4
STEPS = 2


def with_latents(request: ClipRequest, *, visible: float = 1.0, value: float = 0.5) -> ClipRequest:
    """The request with a readout of a latent memory that knows a share of the cells, the left ones first."""
    frames = (len(request.cameras) + 3) // 4
    seen = np.zeros((frames, HEIGHT, WIDTH), dtype=np.bool_)
    seen[:, :, : round(visible * WIDTH)] = True
    readout = LatentReadout(
        latents=np.where(seen[:, None], np.float32(value), np.float32(0)).repeat(CHANNELS, axis=1),
        visible=seen,
        depth_m=seen.astype(np.float32),
        index=np.where(seen, 0, -1).astype(np.int32),
    )
    return dataclasses.replace(request, latents=readout)


def with_tail(request: ClipRequest, fingerprint: str = "") -> ClipRequest:
    values = np.arange(3, dtype=np.float32)[None, :, None, None] + np.zeros((CHANNELS, 1, HEIGHT, WIDTH), np.float32)
    return dataclasses.replace(request, preceding_latents=ClipLatents(latents=values, fingerprint=fingerprint))


class Watched:
    """A generator with what its transformer and its autoencoder were given."""

    def __init__(self, **choice: Any) -> None:
        settings = tiny_settings(name="mirage", **({"steps": STEPS, "preset": "release"} | choice))
        self.source = tiny_source(settings)
        self.generator = MirageGenerator(self.source, settings)
        self.forwards: list[dict[str, Any]] = []
        self.encoded = 0
        self.networks.transformer.register_forward_pre_hook(self._note, with_kwargs=True)
        self.networks.autoencoder.vae.encoder.register_forward_hook(self._count)

    @property
    def networks(self) -> Networks:
        request = request_in_scene()
        return self.source.networks_for(Work.of(request, self.generator.layout(request)))

    def _note(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        latents, timestep, _ = args
        self.forwards.append({"latents": latents.clone(), "timestep": timestep[0].tolist(), **kwargs})

    def _count(self, *_: object) -> None:
        self.encoded += 1

    def clip(self, request: ClipRequest) -> Clip:
        return self.generator.generate(request, report=lambda progress: None, cancel=CancelAt(np.inf))


LATER = request_in_scene(preceding=9, total=41)  # 9 frames seen, 32 new


def test_a_chunk_begins_with_the_last_frame_and_trails_the_latents_before_it() -> None:
    watched = Watched()
    clip = watched.clip(with_tail(with_latents(LATER)))
    forward = watched.forwards[0]
    assert forward["references"] == 2
    assert forward["timestep"] == [0.0] * (2 + 1) + [999.0] * 8 + [0.0] * 2
    assert forward["control"].shape[2] == 1 + 8 + 2, "target and trailing latents, and no references"
    clean = forward["latents"][0, 0, :, 0, 0].tolist()
    assert clean[2] == 2.0 and clean[-2:] == [0.0, 1.0], "the last of three before the chunk, the others behind it"
    assert clip.rgb.shape == (32, 32, 64, 3)
    assert len(watched.forwards) == STEPS, "no guidance"


def test_a_first_chunk_has_nothing_behind_it() -> None:
    first = with_latents(request_in_scene(preceding=0, total=33, references=slice(0, 3)))
    watched = Watched()
    clip = watched.clip(first)
    assert watched.forwards[0]["timestep"] == [0.0] * (2 + 1) + [999.0] * 8
    assert len(clip.rgb) == 33
    assert clip.latents is not None and clip.latents.latents.shape == (48, 9, 2, 4)


def test_what_the_latent_memory_knows_goes_to_the_network_without_encoding() -> None:
    known, encoding = with_tail(with_latents(LATER)), with_tail(with_latents(LATER, visible=0.0))
    watched = Watched()
    watched.clip(known)
    first = watched.encoded
    watched.clip(known)
    again = watched.encoded - first
    assert again == 11, "the white video alone: references are kept, the scene is read"
    control = watched.forwards[0]["control"]
    assert torch.equal(control[:, :CHANNELS], torch.full_like(control[:, :CHANNELS], 0.5))
    watched.clip(encoding)
    assert watched.encoded - first - again == 22, "a memory that knows nothing yet: the projection is encoded as well"


def test_the_control_is_in_the_order_of_the_sequence() -> None:
    readout = with_latents(LATER)
    assert readout.latents is not None
    rising = np.arange(11, dtype=np.float32)[:, None, None, None] + np.zeros_like(readout.latents.latents)
    request = dataclasses.replace(readout, latents=dataclasses.replace(readout.latents, latents=rising))
    watched = Watched()
    watched.clip(with_tail(request))
    assert watched.forwards[0]["control"][0, 0, :, 0, 0].tolist() == [*range(2, 11), 0, 1]


def test_the_papers_control_is_one_channel_of_what_is_known() -> None:
    watched = Watched(preset="paper")
    blind = dataclasses.replace(
        with_latents(LATER, visible=0.5), projection=request_in_scene(preceding=9, total=41, holes=1.0).projection
    )
    watched.clip(with_tail(blind))
    control = watched.forwards[0]["control"]
    assert control.shape[1] == CHANNELS + 1
    assert control[0, -1, 0, 0].tolist() == [1.0, 1.0, 0.0, 0.0]


def test_the_paper_encodes_the_frames_before_and_the_clip_again_and_the_release_keeps_what_it_denoised() -> None:
    release, paper = Watched(), Watched(preset="paper")
    clips = [watched.clip(with_tail(with_latents(LATER))) for watched in (release, paper)]
    for clip in clips:
        assert clip.latents is not None and clip.latents.latents.shape == (48, 8, 2, 4)
        assert clip.latents.fingerprint == release.networks.autoencoder.fingerprint
    assert paper.forwards[0]["latents"][0, 0, 2, 0, 0] != 2.0, "the kept latents are left alone"
    final = release.forwards[-1]["latents"]
    assert clips[0].latents is not None
    assert not np.array_equal(clips[0].latents.latents, final[0, :, 3:11].numpy()), "one step further"


@pytest.mark.parametrize("name", ["spatia", "mirage"])
@pytest.mark.parametrize("control_from", ["rgb", "latent"])
def test_either_generator_reads_either_memory(name: str, control_from: str) -> None:
    settings = tiny_settings(name=name, preset="release", control_from=control_from, steps=1, guidance=1.0)
    source = tiny_source(settings)
    generator = MirageGenerator(source, settings) if name == "mirage" else SpatiaGenerator(source, settings)
    seen: list[torch.Tensor] = []
    networks = source.networks_for(Work.of(LATER, generator.layout(LATER)))
    networks.transformer.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["control"]), with_kwargs=True
    )
    generator.generate(with_latents(LATER), report=lambda progress: None, cancel=CancelAt(np.inf))
    scene = seen[0][:, :CHANNELS]
    assert bool((scene == 0.5).all()) == (control_from == "latent")


def test_a_request_without_latents_is_refused_where_they_are_to_be_read() -> None:
    with pytest.raises(GenerationError, match="keeps none") as refused:
        Watched().clip(LATER)
    assert "control_from: rgb" in refused.value.fix


def test_control_blocks_of_the_other_kind_are_refused() -> None:
    """As the scene names files: the release's control for the paper's mask."""
    from spatia.generation.wan.files import find_files
    from spatia.generation.wan.open import WanSource

    released = find_files(tiny_settings(name="mirage", preset="release"))
    with pytest.raises(InputError, match="take 96 channels; mirage with compat corrected gives 49"):
        WanSource(tiny_settings(name="mirage", preset="paper"), released)


def test_latents_of_another_autoencoder_are_refused_before_anything_is_encoded() -> None:
    watched = Watched()
    foreign = dataclasses.replace(with_latents(LATER), latents_fingerprint="0123456789abcdef")
    with pytest.raises(GenerationError, match="made by the autoencoder 0123456789abcdef; the generator's is"):
        watched.clip(foreign)
    assert watched.encoded == 0 and watched.forwards == []
