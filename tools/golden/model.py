"""Checks folders like model_a: the transformer, its control branch, LoRA and the sampler, against the authors' modules.

Forwards hold within 1e-4 and denoising loops within 1e-3, both in float32 on the CPU.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from spatia.checkpoints.names import lora_names, to_diffusers
from spatia.checkpoints.tensors import read_tensors
from spatia.errors import InputError
from spatia.generation.wan.denoise import Conditions, denoise
from spatia.generation.wan.layout import ClipLayout
from spatia.generation.wan.settings import Sampling
from spatia.networks.config import TransformerConfig
from spatia.networks.lora import add_lora, use_lora
from spatia.networks.sampler import Sampler
from spatia.networks.transformer import WanControlTransformer
from tools.golden.comparison import Comparison, GoldenCase, Skipped, compared

FORWARD_LIMIT = 1e-4
LOOP_LIMIT = 1e-3
SCHEDULE_LIMIT = 1e-6

FORWARD = re.compile(
    r"out_(?P<round>first|history|mirage)_round(?P<lora>_lora)?(_scale_(?P<scale>\d+p\d+))?|out_no_control"
)
LOOP = re.compile(r"denoised_(?P<round>first|history)_round(?P<lora>_lora)?_(?P<steps>\d+)steps")
SCHEDULE = re.compile(r"unipc_(?P<what>timesteps|sigmas)_(?P<steps>\d+)")
LORA = "golden"


class ModelChecker:
    """Every tensor whose name says how it was made is made again."""

    inputs = frozenset(
        {
            "latents",
            "reference_latents",
            "history_latents",
            "preceding_latents",
            "first_frame_latent",
            "noise",
            "context",
            "context_negative",
            "vace_context",
            "vace_context_target_preceding",
            "timestep_history_round",
            "timestep_mirage_round",
        }
    )

    def recognises(self, case: GoldenCase) -> bool:
        return {"latents", "context"} <= case.tensors.keys() and (case.folder / "weights.safetensors").is_file()

    def check(self, case: GoldenCase) -> Iterator[Comparison | Skipped]:
        model = _Model(case)
        shift = _number(case, "shift")
        for name, golden in case.tensors.items():
            if FORWARD.fullmatch(name):
                yield compared(name, model.forward(name).numpy(), golden, limit=FORWARD_LIMIT)
            elif found := LOOP.fullmatch(name):
                yield compared(name, model.denoised(found, shift=shift).numpy(), golden, limit=LOOP_LIMIT)
            elif found := SCHEDULE.fullmatch(name):
                sampler = Sampler("unipc", steps=int(found["steps"]), shift=shift)
                ours = sampler.timesteps if found["what"] == "timesteps" else sampler.sigmas
                yield compared(name, ours.float().numpy(), golden, limit=SCHEDULE_LIMIT)


class _Model:
    """The network of a case, with its tensors."""

    def __init__(self, case: GoldenCase) -> None:
        self._case = case
        self._tensors = {name: torch.from_numpy(tensor) for name, tensor in case.tensors.items()}
        config = _config(case)
        self._network = WanControlTransformer.of(config).eval()
        weights = dict(read_tensors(case.folder / "weights.safetensors"))
        try:
            self._network.load_state_dict({_module_name(name): tensor for name, tensor in weights.items()})
        except RuntimeError as error:
            raise InputError(f"the weights do not fit config.json: {error}", where=str(case.folder)) from error
        self._has_lora = (case.folder / "lora.safetensors").is_file()
        if self._has_lora:
            add_lora(self._network, _lora(case.folder / "lora.safetensors"), name=LORA)

    def forward(self, name: str) -> Tensor:
        found = cast(re.Match[str], FORWARD.fullmatch(name))
        self._switch(found["lora"] is not None)
        scale = 1.0 if found["scale"] is None else float(found["scale"].replace("p", "."))
        if found["round"] == "history":
            return self._run(["reference_latents", "latents"], "vace_context", "timestep_history_round", scale)
        if found["round"] == "mirage":
            order = ["reference_latents", "latents", "preceding_latents"]
            return self._run(order, "vace_context_target_preceding", "timestep_mirage_round", scale)
        return self._run(["latents"], "vace_context" if found["round"] else None, None, scale)

    @torch.no_grad()
    def _run(self, order: list[str], control: str | None, timestep: str | None, scale: float) -> Tensor:
        latents = torch.cat([self._get(part) for part in order], dim=2)
        if timestep is None:  # a single one, so the first frame's tokens get 0
            by_frame = torch.full((1, latents.shape[2]), _number(self._case, "timestep"))
            by_frame[:, 0] = 0
        else:
            by_frame = self._get(timestep)[None]
        predicted: Tensor = self._network(
            latents,
            by_frame,
            self._get("context"),
            control=None if control is None else self._get(control),
            references=self._get("reference_latents").shape[2] if len(order) > 1 else 0,
            control_scale=scale,
        )
        return predicted

    def denoised(self, found: re.Match[str], *, shift: float) -> Tensor:
        """With references and history, or with the first frame alone, pinned; references dropped at the end."""
        self._switch(found["lora"] is not None)
        first = found["round"] == "first"
        pinned = [self._get("first_frame_latent")]
        if not first:
            pinned = [self._get("reference_latents"), self._get("history_latents")]
        noise = self._get("noise")[0]
        history = pinned[-1].shape[2]
        conditions = Conditions(
            layout=ClipLayout(
                references=0 if first else pinned[0].shape[2], history=history, new=noise.shape[1] - history
            ),
            clean=torch.cat(pinned, dim=2)[0],
            trailing=noise[:, :0],
            control=self._get("vace_context")[0],
            text=self._get("context"),
            negative_text=self._get("context_negative"),
        )
        sampling = Sampling(
            sampler="unipc",
            steps=int(found["steps"]),
            shift=shift,
            guidance=_number(self._case, "cfg_scale"),
            control_scale=1.0,
            prompt_suffix="",
            negative_prompt="",
            noise_seed=None,
        )
        latents = denoise(
            self._network, conditions, noise=noise[:, history:], sampling=sampling, check=lambda done, total: None
        )
        return latents[None]

    def _switch(self, lora: bool) -> None:
        if lora and not self._has_lora:
            raise InputError("no lora.safetensors here", where=str(self._case.folder), fix="copy the whole folder")
        use_lora(self._network, *([LORA] if lora else []))

    def _get(self, name: str) -> Tensor:
        if name not in self._tensors:
            raise InputError(f"no tensor {name}", where=str(self._case.folder), fix="copy tensors.safetensors again")
        return self._tensors[name]


def _module_name(name: str) -> str:
    """``dit.`` and ``vace.`` say which of the authors' two networks a tensor is of; ours is one."""
    return to_diffusers(name.removeprefix("dit.").removeprefix("vace."))


def _lora(path: Path) -> dict[str, Tensor]:
    weights = dict(read_tensors(path))
    return {ours: weights[theirs] for theirs, ours in lora_names(weights).items()}


def _config(case: GoldenCase) -> TransformerConfig:
    config: Mapping[str, Any] = case.config
    try:
        return TransformerConfig(
            heads=int(config["num_heads"]),
            head_size=int(config["dim"]) // int(config["num_heads"]),
            ffn_size=int(config["ffn_dim"]),
            layers=int(config["num_layers"]),
            latent_channels=int(config["latent_channels"]),
            control_channels=2 * int(config["latent_channels"]),
            text_size=int(config["text_dim"]),
            frequency_size=int(config["freq_dim"]),
            control_layers=tuple(map(int, config["vace_layers"])),
            patch=(int(config["patch_size"][0]), int(config["patch_size"][1]), int(config["patch_size"][2])),
            eps=float(config["eps"]),
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(f"config.json: {error!r}", where=str(case.folder), fix="copy the file again") from error


def _number(case: GoldenCase, key: str) -> float:
    value = case.config.get(key)
    if not isinstance(value, int | float):
        raise InputError(f"config.json: {key} must be a number; got {value!r}", where=str(case.folder))
    return float(value)
