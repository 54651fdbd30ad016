"""The memory of a round's networks before their weights are read. Any thread; touches no device.

The networks come on the meta device; a few forwards there take seconds. `memory_plan` says what follows from the bytes.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from diffusers import AutoencoderKLWan, ModelMixin
from torch import nn
from transformers import UMT5EncoderModel

from spatia.networks import footprint, speed
from spatia.networks.memory_plan import Estimate, Part, Rung, rungs_of
from spatia.networks.options import SpeedOptions
from spatia.networks.transformer import WanControlTransformer

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """What a round generates: `frames` of video, 4k + 1, with so many reference frames beside them."""

    frames: int
    references: int = 0


def in_dtype(network: Network, dtype: torch.dtype) -> Network:
    """The network on the meta device in the types that loading gives it: what diffusers keeps in float32 stays so."""
    kept = getattr(network, "_keep_in_fp32_modules", None) or () if isinstance(network, ModelMixin) else ()
    for name, parameter in network.named_parameters():
        in_float32 = any(part in kept for part in name.split("."))
        parameter.data = parameter.data.to(torch.float32 if in_float32 else dtype)
    return network


def estimate(
    *,
    transformer: WanControlTransformer,
    vae: AutoencoderKLWan,
    text: UMT5EncoderModel | None,
    options: SpeedOptions,
    clips: Sequence[Clip],
    width_px: int,
    height_px: int,
    prompts: int = 2,
    in_one_batch: bool = False,
) -> Estimate:
    """What the costliest of `clips` needs with the networks on one GPU.

    They are given on the meta device, the transformer with the adapters that will be on (LoRA on the feed-forward
    layers adds much to the activations), all without `options`, which are tried on copies. `text` is None where prompts
    are embedded elsewhere. `prompts` is two with guidance, which may run `in_one_batch`.
    """
    size = {"width_px": width_px, "height_px": height_px}

    def denoising(*, fp8: bool) -> Part:
        network = copy.deepcopy(transformer)
        if fp8:
            speed.keep_in_fp8(network, compute_dtype=transformer.dtype)
        # One forward after the other adds nothing, but to a cache, which remembers each prompt.
        counted = 1
        if options.first_block_cache is not None:
            speed.cache_first_block(network, options.first_block_cache)
            counted = prompts
        steps = [
            footprint.transformer_step(
                network,
                frames=clip.frames,
                references=clip.references,
                prompts=prompts if in_one_batch else counted,
                in_one_batch=in_one_batch,
                **size,
            )
            for clip in clips
        ]
        part = Part(
            name="transformer",
            weights_bytes=footprint.weight_bytes(network),
            activations_bytes=max(step.peak_bytes for step in steps),
        )
        offloaded = replace(part, weights_bytes=footprint.offloaded_weight_bytes(network))
        return replace(part, lighter={Rung.OFFLOAD: offloaded})

    def video(*, tiled: bool) -> Part:
        network = copy.deepcopy(vae)
        if tiled:
            network.enable_tiling()
        frames = max(clip.frames for clip in clips)
        encoded = footprint.encode_video(network, frames=frames, **size)
        decoded = footprint.decode_video(network, frames=frames, **size)
        return Part(
            name="autoencoder",
            weights_bytes=footprint.weight_bytes(network),
            activations_bytes=max(encoded.peak_bytes, decoded.peak_bytes),
        )

    in_fp8 = denoising(fp8=True)
    plain = denoising(fp8=False)
    offloaded = plain.after([Rung.OFFLOAD])
    lighter = {
        Rung.FP8: in_fp8,
        Rung.OFFLOAD: replace(offloaded, lighter={Rung.FP8: in_fp8.after([Rung.OFFLOAD])}),
    }
    parts = [
        replace(plain, lighter=lighter),
        replace(video(tiled=False), lighter={Rung.TILE_AUTOENCODER: video(tiled=True)}),
    ]
    if text is not None:
        prompt = Part(
            name="text encoder",
            weights_bytes=footprint.weight_bytes(text),
            activations_bytes=footprint.text_encoder(text).peak_bytes,
        )
        elsewhere = replace(prompt, weights_bytes=0, activations_bytes=0)
        parts.append(replace(prompt, lighter={Rung.FREE_TEXT_ENCODER: elsewhere}))
    return Estimate(**size, parts=tuple(part.after(rungs_of(options)) for part in parts))
