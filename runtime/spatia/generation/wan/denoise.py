"""The denoising loop: noise in, latents out, under control, references and history. On the generator's thread."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from spatia.generation.wan.layout import ClipLayout
from spatia.generation.wan.settings import Sampling
from spatia.networks.sampler import Sampler
from spatia.networks.transformer import WanControlTransformer


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Conditions:
    """What a clip is to follow, on the transformer's device."""

    layout: ClipLayout
    clean: Tensor  # [C, references + history, h, w] float32
    trailing: Tensor  # [C, trailing, h, w] float32
    control: Tensor  # [control channels, history + new + trailing, h, w]
    text: Tensor  # [1, L, D]
    negative_text: Tensor | None  # [1, L, D]; None without guidance


def noise_of(layout: ClipLayout, *, channels: int, height: int, width: int, seed: int) -> Tensor:
    """[C, new, h, w] float32 from a CPU generator: the same on every device."""
    generator = torch.Generator("cpu").manual_seed(seed)
    return torch.randn(channels, layout.new, height, width, generator=generator)


@torch.no_grad()
def denoise(
    transformer: WanControlTransformer,
    conditions: Conditions,
    *,
    noise: Tensor,  # [C, new, h, w]
    sampling: Sampling,
    one_batch: bool = False,
    check: Callable[[int, int], object],
) -> Tensor:
    """The latents of history and new, [C, history + new, h, w] float32. `check` is called after every step.

    With `one_batch` both passes of the guidance go through the network together: faster where the device has room.
    """
    layout = conditions.layout
    clean, trailing = conditions.clean[None], conditions.trailing[None]
    latents = torch.cat([clean, noise[None].to(clean.device), trailing], dim=2)
    sampler = Sampler(sampling.sampler, steps=sampling.steps, shift=sampling.shift)
    flow_of = _guided(transformer, conditions, sampling, one_batch=one_batch)
    for done, timestep in enumerate(sampler.timesteps, start=1):
        by_frame = torch.tensor([layout.timesteps(float(timestep))], device=latents.device)
        latents = sampler.step(flow_of(latents, by_frame), timestep, latents)
        latents[:, :, : layout.clean] = clean
        latents[:, :, layout.total - layout.trailing :] = trailing
        check(done, len(sampler.timesteps))
    return latents[0, :, layout.references : layout.references + layout.video]


Flow = Callable[[Tensor, Tensor], Tensor]  # latents [1, C, F, h, w] and timesteps [1, F] to the flow, float32


def _guided(transformer: WanControlTransformer, conditions: Conditions, sampling: Sampling, *, one_batch: bool) -> Flow:
    """The flow under the prompt, pushed away from that under the negative prompt."""
    dtype = conditions.control.dtype

    def flow(latents: Tensor, timesteps: Tensor, text: Tensor, context: str) -> Tensor:
        count = len(text)
        with transformer.cache_context(context):  # a cache of features must not mix the two passes
            predicted: Tensor = transformer(
                latents.to(dtype).expand(count, -1, -1, -1, -1),
                timesteps.expand(count, -1),
                text,
                control=conditions.control[None].expand(count, -1, -1, -1, -1),
                references=conditions.layout.references,
                control_scale=sampling.control_scale,
            )
        return predicted.float()

    def guided(latents: Tensor, timesteps: Tensor) -> Tensor:
        negative_text = conditions.negative_text
        if negative_text is None:
            return flow(latents, timesteps, conditions.text, "prompt")
        if one_batch:
            wanted, unwanted = flow(latents, timesteps, torch.cat([conditions.text, negative_text]), "both").split(1)
        else:
            wanted = flow(latents, timesteps, conditions.text, "prompt")
            unwanted = flow(latents, timesteps, negative_text, "negative prompt")
        return unwanted + sampling.guidance * (wanted - unwanted)

    return guided
