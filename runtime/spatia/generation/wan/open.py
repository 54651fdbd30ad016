"""Opens the networks that a scene's settings name: fits them into the device, loads them.

Everything that can be wrong is looked for before anything heavy is done. On the generator's thread.
"""

import gc
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from spatia.checkpoints.load import load_autoencoder, load_text_encoder, load_tokenizer, load_transformer, read_lora
from spatia.checkpoints.wanted import control_config
from spatia.errors import DeviceError, InputError
from spatia.generation.wan.files import SPATIA_LORA, FoundFiles, find_files
from spatia.generation.wan.fitting import Fitter, FreeBytes, free_bytes_of
from spatia.generation.wan.generator import WanGenerator
from spatia.generation.wan.mirage import MirageGenerator
from spatia.generation.wan.networks import Networks, Work
from spatia.generation.wan.settings import WanSettings, settings_of
from spatia.generation.wan.spatia import SpatiaGenerator
from spatia.networks import speed
from spatia.networks.autoencoder import Autoencoder, Decoder, TinyDecoder
from spatia.networks.config import TransformerConfig
from spatia.networks.device import device_of
from spatia.networks.lora import add_lora
from spatia.networks.memory_plan import Plan, Rung
from spatia.networks.options import SpeedOptions
from spatia.networks.text import TextEncoder

log = logging.getLogger("spatia.generation")


def open_generator(choice: Mapping[str, Any]) -> WanGenerator:
    """The generator of a scene's part. Raises `InputError` for missing files, `DeviceError` for a missing device."""
    settings = settings_of(choice)
    kind = SpatiaGenerator if settings.kind == "spatia" else MirageGenerator
    return kind(WanSource(settings, find_files(settings)), settings)


class WanSource:
    """See `NetworkSource`. Loads once, and again only to need less memory than before."""

    def __init__(self, settings: WanSettings, files: FoundFiles, *, free_bytes_of: FreeBytes = free_bytes_of) -> None:
        self._settings = settings
        self._files = files
        self._free_bytes_of = free_bytes_of
        self._device = device_of(settings.device, where="generation.generator.device")
        named = settings.dtype if settings.dtype != "auto" else "bfloat16" if self._device.type == "cuda" else "float32"
        self._dtype: torch.dtype = getattr(torch, named)
        base = files.base
        self._config = control_config(files.control, base.config, layers=files.control_layers)
        _check_control(self._config, settings, where=str(files.control))
        self._fitter = Fitter(files, self._config, settings, dtype=self._dtype)
        self._tokenizer = load_tokenizer(base)
        self._rungs: frozenset[Rung] = frozenset()
        self._text = self._text_encoder()
        self._loaded: Networks | None = None

    def check_prompts(self, prompts: tuple[str, ...]) -> None:
        for prompt in prompts:
            self._text.check_length(prompt)

    def networks_for(self, work: Work) -> Networks:
        free_bytes = self._free_bytes_of(self._device)
        if free_bytes is None:
            return self._at(work.width_px, work.height_px, self._settings.speed, notes=())
        plan = self._fitter.fit(work, free_bytes=free_bytes)
        rungs = self._rungs | set(plan.rungs)
        if rungs != self._rungs:
            self._unload()
            self._rungs = rungs
            self._text = self._text_encoder()
        if plan.rungs:
            log.warning("GPU memory: %s", plan.sentence)
        options = replace(plan, rungs=tuple(sorted(rungs))).options(self._settings.speed)
        return self._at(plan.width_px, plan.height_px, options, notes=(plan.sentence,) if plan.rungs else ())

    def plan_of(self, work: Work) -> Plan:
        """How `work` was fitted; `KeyError` for one that was not."""
        return self._fitter.plans[work]

    def fall_back(self, work: Work) -> bool:
        free_bytes = self._free_bytes_of(self._device)
        self._unload()
        if free_bytes is None:
            return False
        self._fitter.failed(work)
        try:
            self._fitter.fit(work, free_bytes=free_bytes)
        except DeviceError:
            self._fitter.forget()  # by the next request the device may have more
            return False
        return True

    def _at(self, width_px: int, height_px: int, options: SpeedOptions, *, notes: tuple[str, ...]) -> Networks:
        if self._loaded is None:
            self._loaded = self._load(options)
        return replace(self._loaded, width_px=width_px, height_px=height_px, notes=notes)

    def _unload(self) -> None:
        self._loaded = None
        self._text.free()
        gc.collect()  # hooks and modules refer to each other
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _load(self, options: SpeedOptions) -> Networks:
        files, settings = self._files, self._settings
        # Before the weights, which take minutes.
        loras = {name: read_lora(path, config=files.base.config) for name, path in files.loras.items()}
        transformer = load_transformer(
            files.base,
            control=files.control,
            control_layers=self._config.control_layers,
            dtype=self._dtype,
            device="cpu" if options.offload else self._device,
        )
        for name, weights in loras.items():
            add_lora(transformer, weights, name=name)
        vae = load_autoencoder(files.base, dtype=self._dtype, device=self._device)
        speed.apply(transformer, vae, options, device=self._device, compute_dtype=self._dtype)
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
            width_px=0,
            height_px=0,
            first_clip_adapters=tuple(n for n in loras if n != SPATIA_LORA or settings.compat == "corrected"),
            later_clip_adapters=tuple(loras),
            one_batch=settings.one_batch,
            notes=(),
        )

    def _text_encoder(self) -> TextEncoder:
        """Where the device has no room for it beside the others, it works on the CPU and is dropped after use."""
        freed = Rung.FREE_TEXT_ENCODER in self._rungs
        device = torch.device("cpu") if freed else self._device
        return TextEncoder(
            lambda: load_text_encoder(self._files.base, dtype=self._dtype, device=device),
            self._tokenizer,
            free_after=freed,
        )


def _check_control(config: TransformerConfig, settings: WanSettings, *, where: str) -> None:
    """Two videos' latents (a projection and a mask) or, in the paper's Mirage, one video's and one channel of mask."""
    masked = settings.kind == "mirage" and settings.compat == "corrected"
    wanted = config.latent_channels + 1 if masked else 2 * config.latent_channels
    if config.control_channels != wanted:
        raise InputError(
            f"the control blocks take {config.control_channels} channels; {settings.kind} with compat "
            f"{settings.compat} gives {wanted}",
            where=where,
            fix="set generation.generator.compat to what the file was trained with",
        )
