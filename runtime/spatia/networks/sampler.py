"""The sampler: from noise to latents in a few steps, on the release's noise levels. Inference on one thread."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from diffusers import FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler
from torch import Tensor

Name = Literal["unipc", "euler"]

TRAINING_STEPS = 1000


class Sampler:
    """One walk down the noise levels. Belongs to one clip, since UniPC remembers the step before."""

    def __init__(self, name: Name, *, steps: int, shift: float) -> None:
        self._scheduler = SCHEDULERS[name](shift)
        # The schedulers' own levels begin at 1 and end above 0; the release's begin at 0.999 (spec/spatia_release.md
        # 1.5). The shift is theirs: s -> shift * s / (1 + (shift - 1) * s).
        self._scheduler.set_timesteps(sigmas=np.linspace(0.999, 0.0, steps + 1)[:-1])

    @property
    def timesteps(self) -> Tensor:
        """[steps], from noise to clean."""
        return self._scheduler.timesteps

    @property
    def sigmas(self) -> Tensor:
        """[steps + 1] noise levels; the last is 0."""
        return self._scheduler.sigmas

    def step(self, flow: Tensor, timestep: Tensor, latents: Tensor) -> Tensor:
        """The latents at the next level. Call once for each of `timesteps`, in their order."""
        return self._scheduler.step(flow, timestep, latents, return_dict=False)[0]


def _unipc(shift: float) -> UniPCMultistepScheduler:
    return UniPCMultistepScheduler(
        num_train_timesteps=TRAINING_STEPS, prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift
    )


def _euler(shift: float) -> FlowMatchEulerDiscreteScheduler:
    return FlowMatchEulerDiscreteScheduler(num_train_timesteps=TRAINING_STEPS, shift=shift)


SCHEDULERS: dict[Name, Callable[[float], Any]] = {"unipc": _unipc, "euler": _euler}
