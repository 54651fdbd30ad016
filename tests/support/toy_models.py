"""One toy-size model on disk in both layouts."""

from dataclasses import dataclass
from pathlib import Path

from spatia.checkpoints.tiny import write_tiny_models


@dataclass(frozen=True, slots=True, kw_only=True)
class Toy:
    """A base model twice, with the control branch and the LoRA for it."""

    original: Path
    diffusers: Path
    control: Path
    lora: Path


def write_toy(root: Path) -> Toy:
    original, diffusers = write_tiny_models(root, layout="original"), write_tiny_models(root, layout="diffusers")
    return Toy(original=original.base, diffusers=diffusers.base, control=original.control, lora=original.lora)
