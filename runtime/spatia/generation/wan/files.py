"""Which files a generator's settings mean: those that they name, or those on the shelf of fetched models. Any thread.

Needs no torch, so that a missing file is told before anything is opened.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from spatia.checkpoints.catalogue import BASE, BASE_DIFFUSERS, CONTROL_FILE, LORA_FILE, SPATIA
from spatia.checkpoints.layout import BaseFiles, find_base
from spatia.checkpoints.shelf import Shelf, open_shelf
from spatia.errors import InputError
from spatia.generation.wan.settings import WanSettings

SPATIA_LORA, DISTILLED_LORA = "spatia", "distilled"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFiles:
    base: BaseFiles
    control: Path
    control_layers: tuple[int, ...]
    lora: Path | None
    distilled_lora: Path | None
    tiny_decoder: Path | None

    @property
    def loras(self) -> dict[str, Path]:
        """Those that there are, by the names of their adapters."""
        named = {SPATIA_LORA: self.lora, DISTILLED_LORA: self.distilled_lora}
        return {name: path for name, path in named.items() if path is not None}


def find_files(settings: WanSettings) -> FoundFiles:
    """Raises `InputError` naming what is missing and the command that gets it."""
    named = settings.files
    if named.tiny:
        return _tiny_files(settings)
    shelf = open_shelf(os.environ)
    base = find_base(named.base or _fetched_base(shelf))
    control, lora = named.control, named.lora
    if settings.kind == "spatia":
        control = control or _on_shelf(shelf, CONTROL_FILE, "control")
        lora = lora or _on_shelf(shelf, LORA_FILE, "lora") if named.use_lora else None
    if control is None:
        raise InputError(
            "mirage needs control blocks, and none are published",
            where="generation.generator.control",
            fix="name your own vace.safetensors, or set tiny: true to try the road",
        )
    for path in (control, lora, named.distilled_lora, named.tiny_decoder):
        if path is not None and not path.exists():
            raise InputError("there is no such file", where=str(path), fix="name one that is there")
    return FoundFiles(
        base=base,
        control=control,
        control_layers=named.control_layers,
        lora=lora if named.use_lora else None,
        distilled_lora=named.distilled_lora,
        tiny_decoder=named.tiny_decoder,
    )


def _tiny_files(settings: WanSettings) -> FoundFiles:
    from spatia.checkpoints import tiny as toys  # needs torch, and this module does not

    named, tiny = settings.files, toys.kept_tiny_models(os.environ)
    masked = settings.kind == "mirage" and settings.compat == "corrected"
    return FoundFiles(
        base=find_base(tiny.base),
        control=tiny.masked_control if masked else tiny.control,
        control_layers=toys.TRANSFORMER.control_layers,
        lora=tiny.lora if named.use_lora else None,
        distilled_lora=named.distilled_lora,
        tiny_decoder=named.tiny_decoder,
    )


def _fetched_base(shelf: Shelf) -> Path:
    for name in (BASE, BASE_DIFFUSERS):
        if shelf.has(name):
            return shelf.folder(name)
    raise InputError(
        f"there is no base model in {shelf.root}",
        where="generation.generator.base",
        fix=f"`spatia models fetch {BASE}`, or name the folder that holds it; `tiny: true` tries the road without one",
    )


def _on_shelf(shelf: Shelf, pattern: str, key: str) -> Path:
    found = shelf.find(SPATIA, pattern)
    if found is None:
        raise InputError(
            f"there is no {pattern} in {shelf.folder(SPATIA)}",
            where=f"generation.generator.{key}",
            fix=f"`spatia models fetch {SPATIA}`, or name the file",
        )
    return found
