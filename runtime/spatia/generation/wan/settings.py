"""What a diffusion generator is told, as plain data, so that another process can build it. Any thread; no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from spatia.networks.options import SpeedOptions

Compat = Literal["release", "corrected"]
ControlFrom = Literal["rgb", "latent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedFiles:
    """Where the user says the networks lie; None leaves it to the shelf of fetched models.

    With `tiny`, toy networks of random weights are made instead: their frames are noise.
    """

    base: Path | None  # folder of Wan2.2-TI2V-5B, original or diffusers layout
    control: Path | None
    control_layers: tuple[int, ...]  # () tells them by the number of blocks
    lora: Path | None
    use_lora: bool
    distilled_lora: Path | None
    tiny_decoder: Path | None
    tiny: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How noise becomes a clip. The presets' numbers stand in scene/schema_generators.py."""

    sampler: Literal["unipc", "euler"]
    steps: int
    shift: float
    guidance: float  # 1 leaves the negative prompt out, and half of the work
    control_scale: float
    prompt_suffix: str
    negative_prompt: str
    noise_seed: int | None  # the same noise for every clip, as in the release; None takes each request's own seed


@dataclass(frozen=True, slots=True, kw_only=True)
class WanSettings:
    """All of it."""

    kind: Literal["spatia", "mirage"]
    files: NamedFiles
    sampling: Sampling
    compat: Compat
    control_from: ControlFrom  # which memory tells the network what is there
    device: str  # "auto", "cpu", "cuda", "cuda:1", ...
    dtype: Literal["auto", "bfloat16", "float32"]
    fit: tuple[str, ...]  # what may be done for want of memory
    speed: SpeedOptions
    one_batch: bool


def settings_of(choice: Mapping[str, Any]) -> WanSettings:
    """From the generator's part of a scene, as plain data."""
    speed, distilled = choice["speed"], choice["speed"]["distilled"]
    return WanSettings(
        kind=choice["name"],
        files=NamedFiles(
            base=_path(choice["base"]),
            control=_path(choice["control"]),
            control_layers=tuple(choice["control_layers"]),
            lora=_path(choice["lora"]),
            use_lora=choice["use_lora"],
            distilled_lora=_path(distilled["lora"]) if distilled else None,
            tiny_decoder=_path(speed["tiny_decoder"]),
            tiny=choice["tiny"],
        ),
        sampling=Sampling(
            sampler=choice["sampler"],
            steps=distilled["steps"] if distilled else choice["steps"],
            shift=choice["shift"],
            guidance=1.0 if distilled else choice["guidance"],
            control_scale=choice["control_scale"],
            prompt_suffix=choice["prompt_suffix"],
            negative_prompt=choice["negative_prompt"],
            noise_seed=choice["noise_seed"],
        ),
        compat=choice["compat"],
        control_from=choice["control_from"],
        device=choice["device"],
        dtype=choice["dtype"],
        fit=tuple(choice["fit"]),
        speed=SpeedOptions(
            compile=speed["compile"],
            first_block_cache=speed["first_block_cache"],
            fp8=speed["fp8"],
            offload=speed["offload"],
            tiling=speed["tiling"],
            attention=speed["attention"],
        ),
        one_batch=speed["one_batch"],
    )


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
