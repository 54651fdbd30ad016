"""Which files in a folder make up a base model, and the sizes its configuration states. Needs no torch. Any thread.

Two layouts are known: the authors' (``Wan2.2-TI2V-5B``) and that of diffusers (``Wan2.2-TI2V-5B-Diffusers``). Of a
configuration only what the networks need is read, each number within bounds; the tensors themselves are compared
with it before anything is loaded.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from spatia.checkpoints.catalogue import BASE, BASE_DIFFUSERS, shards
from spatia.checkpoints.tensors import AUTOENCODER_PICKLE, TEXT_ENCODER_PICKLE
from spatia.errors import InputError
from spatia.networks.config import WAN_TI2V_5B, TransformerConfig

STEM = "diffusion_pytorch_model"
TOKENIZER = "google/umt5-xxl"
TOKENIZER_FILES = ("tokenizer.json", "spiece.model")
MOST_JSON_BYTES = 16 << 20
MOST_LAYERS = 1000
WIDEST = 1 << 20
FETCH = {"original": f"spatia models fetch {BASE}", "diffusers": f"spatia models fetch {BASE_DIFFUSERS}"}
Layout = Literal["original", "diffusers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseFiles:
    """A base model on disk. Several files of one network are its shards, in order.

    The settings are the JSON beside the weights; None in the authors' layout, which has none for these two networks.
    """

    folder: Path
    layout: Layout
    config: TransformerConfig  # without a control branch
    transformer: tuple[Path, ...]
    autoencoder: tuple[Path, ...]
    autoencoder_settings: Mapping[str, Any] | None
    text_encoder: tuple[Path, ...]
    text_encoder_settings: Mapping[str, Any] | None
    tokenizer: Path


def find_base(folder: Path) -> BaseFiles:
    """The base model in `folder`. Raises `InputError` naming what is missing and the command that gets it."""
    try:
        return _find_base(folder)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(folder)) from error


def _find_base(folder: Path) -> BaseFiles:
    if not folder.is_dir():
        raise InputError("no such folder; a base model is wanted", where=str(folder), fix=FETCH["original"])
    if (folder / "model_index.json").is_file() or (folder / "transformer").is_dir():
        return _diffusers_base(folder)
    if any(folder.glob(f"{STEM}*")) or any((folder / name).is_file() for name in (TEXT_ENCODER_PICKLE, "config.json")):
        return _original_base(folder)
    raise InputError(
        f"no base model here: looked for {STEM}*.safetensors (the authors' layout) and for model_index.json or "
        "transformer/ (diffusers')",
        where=str(folder),
        fix=FETCH["original"],
    )


def _original_base(folder: Path) -> BaseFiles:
    settings = folder / "config.json"
    # Those who fetched the weights for the authors' code have no config.json: it names the files one by one.
    config = _original_config(_read_json(settings), settings) if settings.is_file() else WAN_TI2V_5B
    return BaseFiles(
        folder=folder,
        layout="original",
        config=config,
        transformer=_weights(folder, STEM, "original"),
        autoencoder=(_pickle_or_twin(folder / AUTOENCODER_PICKLE),),
        autoencoder_settings=None,
        text_encoder=(_pickle_or_twin(folder / TEXT_ENCODER_PICKLE),),
        text_encoder_settings=None,
        tokenizer=_tokenizer(folder / TOKENIZER, "original"),
    )


def _diffusers_base(folder: Path) -> BaseFiles:
    settings = _need(folder / "transformer" / "config.json", "diffusers")
    return BaseFiles(
        folder=folder,
        layout="diffusers",
        config=_diffusers_config(_read_json(settings), settings),
        transformer=_weights(folder / "transformer", STEM, "diffusers"),
        autoencoder=_weights(folder / "vae", STEM, "diffusers"),
        autoencoder_settings=_autoencoder_settings(_need(folder / "vae" / "config.json", "diffusers")),
        text_encoder=_weights(folder / "text_encoder", "model", "diffusers"),
        text_encoder_settings=_text_settings(_need(folder / "text_encoder" / "config.json", "diffusers")),
        tokenizer=_tokenizer(folder / "tokenizer", "diffusers"),
    )


def _original_config(settings: Mapping[str, Any], path: Path) -> TransformerConfig:
    width = _whole(settings, "dim", path)
    heads = _whole(settings, "num_heads", path)
    if width % heads:
        raise InputError(f"dim {width} is no multiple of num_heads {heads}", where=str(path), fix=FETCH["original"])
    channels = _channels(settings, "in_dim", "out_dim", path)
    return TransformerConfig(
        heads=heads,
        head_size=width // heads,
        **_sizes(settings, path),
        latent_channels=channels,
        control_channels=2 * channels,
    )


def _diffusers_config(settings: Mapping[str, Any], path: Path) -> TransformerConfig:
    # image_dim and added_kv_proj_dim are not read. A mirror of this model states them (1280, 5120), yet no checkpoint
    # of it has an image branch: spec/spatia_release.md 1.4. The tensors decide.
    channels = _channels(settings, "in_channels", "out_channels", path)
    return TransformerConfig(
        heads=_whole(settings, "num_attention_heads", path),
        head_size=_whole(settings, "attention_head_dim", path),
        **_sizes(settings, path),
        latent_channels=channels,
        control_channels=2 * channels,
    )


def _autoencoder_settings(path: Path) -> dict[str, Any]:
    settings = _read_json(path)
    _whole(settings, "num_res_blocks", path, most=MOST_LAYERS, default=2)
    _whole(settings, "patch_size", path, most=16, default=1)
    channels = _whole(settings, "z_dim", path)
    for key, least, most in (
        ("latents_mean", channels, channels),
        ("latents_std", channels, channels),
        ("dim_mult", 1, 16),
    ):
        numbers = settings.get(key)
        if (
            not isinstance(numbers, list)
            or not least <= len(numbers) <= most
            or any(type(number) not in (int, float) for number in numbers)
        ):
            raise InputError(f"{key} must list {least} to {most} numbers", where=str(path), fix=FETCH["diffusers"])
    return settings


def _text_settings(path: Path) -> dict[str, Any]:
    settings = _read_json(path)
    _whole(settings, "num_layers", path, most=MOST_LAYERS)
    return settings


def _sizes(settings: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """What both layouts call the same."""
    patch = settings.get("patch_size", list(WAN_TI2V_5B.patch))
    eps = settings.get("eps", WAN_TI2V_5B.eps)
    if not isinstance(patch, list) or len(patch) != 3 or any(type(side) is not int or side < 1 for side in patch):
        raise InputError(f"patch_size must be three whole numbers; got {patch!r}", where=str(path))
    if not isinstance(eps, float) or not 0 < eps < math.inf:
        raise InputError(f"eps must be a positive number; got {eps!r}", where=str(path))
    return {
        "ffn_size": _whole(settings, "ffn_dim", path),
        "layers": _whole(settings, "num_layers", path, most=MOST_LAYERS),
        "text_size": _whole(settings, "text_dim", path, default=WAN_TI2V_5B.text_size),
        "frequency_size": _whole(settings, "freq_dim", path, default=WAN_TI2V_5B.frequency_size),
        "patch": tuple(patch),
        "eps": eps,
    }


def _channels(settings: Mapping[str, Any], entry: str, exit_: str, path: Path) -> int:
    channels = _whole(settings, entry, path)
    if settings.get(exit_, channels) != channels:
        raise InputError(
            f"{entry} {channels} and {exit_} {settings[exit_]!r} differ: the model takes more than noisy latents",
            where=str(path),
            fix=FETCH["original"],
        )
    return channels


def _whole(settings: Mapping[str, Any], key: str, path: Path, *, most: int = WIDEST, default: int | None = None) -> int:
    number = settings.get(key, default)
    if type(number) is not int or not 1 <= number <= most:
        raise InputError(
            f"{key} must be a whole number from 1 to {most}; got {number!r}", where=str(path), fix=FETCH["original"]
        )
    return number


def _weights(folder: Path, stem: str, layout: Layout) -> tuple[Path, ...]:
    """One file, or the shards that an index or their own names announce."""
    index = folder / f"{stem}.safetensors.index.json"
    if index.is_file():
        placed = _read_json(index).get("weight_map")
        names = sorted({str(name) for name in placed.values()}) if isinstance(placed, dict) else []
        if not names or any(Path(name).name != name or not name.endswith(".safetensors") for name in names):
            raise InputError("weight_map names no files of this folder", where=str(index), fix=FETCH[layout])
    else:
        numbered = sorted(path.name for path in folder.glob(f"{stem}-*.safetensors"))
        names = next(filter(None, map(shards, numbered)), [f"{stem}.safetensors"])
    return tuple(_need(folder / name, layout) for name in names)


def _pickle_or_twin(path: Path) -> Path:
    """The safetensors twin that `spatia models convert` writes, else the authors' file."""
    twin = path.with_suffix(".safetensors")
    return twin if twin.is_file() else _need(path, "original", f"or {twin.name}")


def _tokenizer(folder: Path, layout: Layout) -> Path:
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        _need(folder / TOKENIZER_FILES[0], layout, f"or {TOKENIZER_FILES[1]}")
    return folder


def _need(path: Path, layout: Layout, alternative: str = "") -> Path:
    if not path.is_file():
        looked_for = f"{path.name} {alternative}".strip()
        raise InputError(f"missing; looked for {looked_for} in {path.parent}", where=str(path), fix=FETCH[layout])
    return path


def _read_json(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            text = file.read(MOST_JSON_BYTES + 1)
        if len(text) > MOST_JSON_BYTES:
            raise InputError(f"is longer than {MOST_JSON_BYTES} bytes", where=str(path), fix=FETCH["original"])
        content = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"is no JSON that can be read: {error}", where=str(path), fix=FETCH["original"]) from error
    if not isinstance(content, dict):
        raise InputError("must hold a JSON object", where=str(path), fix=FETCH["original"])
    return content
