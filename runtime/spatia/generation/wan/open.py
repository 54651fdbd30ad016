"""Opens the networks that a scene's settings name: finds the files, fits them into the device, loads them.

Everything that can be wrong is looked for before anything heavy is done. On the generator's thread.
"""

import gc
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from spatia.checkpoints.catalogue import BASE, BASE_DIFFUSERS, CONTROL_FILE, LORA_FILE, SPATIA
from spatia.checkpoints.layout import BaseFiles, find_base
from spatia.checkpoints.load import load_autoencoder, load_text_encoder, load_tokenizer, load_transformer, read_lora
from spatia.checkpoints.shelf import Shelf, open_shelf
from spatia.checkpoints.tiny import TRANSFORMER as TINY_TRANSFORMER
from spatia.checkpoints.tiny import write_tiny_models
from spatia.errors import DeviceError, InputError
from spatia.generation.wan.networks import Networks, Work
from spatia.generation.wan.settings import NamedFiles, WanSettings, settings_of
from spatia.generation.wan.spatia import SpatiaGenerator
from spatia.networks import speed
from spatia.networks.autoencoder import Autoencoder, Decoder, TinyDecoder
from spatia.networks.lora import add_lora
from spatia.networks.text import TextEncoder

SPATIA_LORA, DISTILLED_LORA = "spatia", "distilled"


def open_spatia(choice: Mapping[str, Any]) -> SpatiaGenerator:
    """The generator of a scene's part. Raises `InputError` for missing files, `DeviceError` for a missing device."""
    settings = settings_of(choice)
    return SpatiaGenerator(WanSource(settings, find_files(settings.files)), settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFiles:
    base: BaseFiles
    control: Path
    control_layers: tuple[int, ...]
    lora: Path | None
    distilled_lora: Path | None
    tiny_decoder: Path | None
    made: tempfile.TemporaryDirectory[str] | None = None  # of toy networks, gone with their user


def find_files(named: NamedFiles) -> FoundFiles:
    """Raises `InputError` naming what is missing and the command that gets it."""
    if named.tiny:
        made = tempfile.TemporaryDirectory(prefix="spatia-tiny-")
        tiny = write_tiny_models(Path(made.name), layout="original")
        return FoundFiles(
            base=find_base(tiny.base),
            control=tiny.control,
            control_layers=TINY_TRANSFORMER.control_layers,
            lora=tiny.lora,
            distilled_lora=named.distilled_lora,
            tiny_decoder=named.tiny_decoder,
            made=made,
        )
    shelf = open_shelf(os.environ)
    lora = None if named.without_lora else named.lora or _on_shelf(shelf, LORA_FILE, "lora")
    for path in (named.control, lora, named.distilled_lora, named.tiny_decoder):
        if path is not None and not path.exists():
            raise InputError(
                "there is no such file", where=str(path), fix="see what is there with `spatia models list`"
            )
    return FoundFiles(
        base=find_base(named.base or _fetched_base(shelf)),
        control=named.control or _on_shelf(shelf, CONTROL_FILE, "control"),
        control_layers=named.control_layers,
        lora=lora,
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


class WanSource:
    """See `NetworkSource`. Loads once, and again only where the device has too little memory for what is loaded."""

    def __init__(self, settings: WanSettings, files: FoundFiles) -> None:
        self._settings = settings
        self._files = files
        self._device = device_of(settings.device)
        on_gpu = self._device.type == "cuda"
        named = settings.dtype if settings.dtype != "auto" else "bfloat16" if on_gpu else "float32"
        self._dtype: torch.dtype = getattr(torch, named)
        self._text = TextEncoder(self._open_text_encoder, load_tokenizer(files.base), free_after=False)
        self._loaded: Networks | None = None

    def check_prompts(self, prompts: tuple[str, ...]) -> None:
        for prompt in prompts:
            self._text.check_length(prompt)

    def networks_for(self, work: Work) -> Networks:
        if self._loaded is None:
            self._loaded = self._load(work)
        return self._loaded

    def fall_back(self, work: Work) -> bool:
        self._loaded = None
        gc.collect()
        return False

    def _load(self, work: Work) -> Networks:
        files, settings = self._files, self._settings
        transformer = load_transformer(
            files.base,
            control=files.control,
            control_layers=files.control_layers or None,
            dtype=self._dtype,
            device=self._device,
        )
        adapters = {SPATIA_LORA: files.lora, DISTILLED_LORA: files.distilled_lora}
        there = {name: path for name, path in adapters.items() if path is not None}
        for name, path in there.items():
            add_lora(transformer, read_lora(path, config=files.base.config), name=name)
        vae = load_autoencoder(files.base, dtype=self._dtype, device=self._device)
        speed.apply(transformer, vae, settings.speed, device=self._device, compute_dtype=self._dtype)
        autoencoder = Autoencoder(vae)
        decoder: Decoder = autoencoder
        if files.tiny_decoder is not None:
            decoder = TinyDecoder.open(files.tiny_decoder, dtype=self._dtype, device=self._device)
        return Networks(
            transformer=transformer,
            autoencoder=autoencoder,
            decoder=decoder,
            text=self._text,
            device=self._device,
            dtype=self._dtype,
            width_px=work.width_px,
            height_px=work.height_px,
            first_clip_adapters=tuple(name for name in there if name != SPATIA_LORA or settings.compat == "corrected"),
            later_clip_adapters=tuple(there),
            one_batch=settings.one_batch,
            notes=(),
        )

    def _open_text_encoder(self) -> Any:
        return load_text_encoder(self._files.base, dtype=self._dtype, device=self._device)


def device_of(name: str) -> torch.device:
    """Raises `DeviceError` for one that is not here."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(
            f"there are {torch.cuda.device_count()} CUDA devices here",
            where=f"generation.generator.device: {name}",
            fix="use auto or cpu, or `spatia doctor` to see what is missing",
        )
    return device
