"""The networks without memory for their weights, and how a file compares with what they want. Any thread.

A network on torch's meta device has names, shapes and dtypes and nothing else. A `Part` pairs one with the files of
its weights and with the names these files use, so that checking and loading are the same for all.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLWan
from torch import nn
from transformers import UMT5Config, UMT5EncoderModel

from spatia.checkpoints import names, text_names, vae_names
from spatia.checkpoints.check import LONGEST_NAME, Check, check
from spatia.checkpoints.layout import BaseFiles
from spatia.checkpoints.tensors import FETCH_AGAIN, TensorSpec, tensors_of
from spatia.errors import InputError
from spatia.networks.config import TransformerConfig
from spatia.networks.transformer import WanControlTransformer

SHARED = "shared.weight"
TIED = "encoder.embed_tokens.weight"  # transformers' second name for it
AUTOENCODER_SETTINGS = (
    *("base_dim", "decoder_base_dim", "z_dim", "dim_mult", "num_res_blocks", "temperal_downsample", "latents_mean"),
    *("latents_std", "is_residual", "in_channels", "out_channels", "patch_size"),
    *("scale_factor_temporal", "scale_factor_spatial"),
)
TEXT_SETTINGS = (
    *("vocab_size", "d_model", "d_kv", "d_ff", "num_heads", "num_layers", "relative_attention_num_buckets"),
    *("relative_attention_max_distance", "layer_norm_epsilon", "feed_forward_proj"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Files of weights, the network on the meta device that they are for, and the name of our tensors in the files."""

    files: tuple[Path, ...]
    module: Any
    theirs: Mapping[str, str]  # ours -> theirs, of the tensors these files should hold
    found: Mapping[str, TensorSpec]

    @property
    def check(self) -> Check:
        state = self.module.state_dict()
        wanted = {
            theirs: TensorSpec(tuple(state[ours].shape), _name(state[ours].dtype))
            for ours, theirs in self.theirs.items()
        }
        return check(wanted, self.found, place=_place(self.files))


def transformer_part(base: BaseFiles, module: WanControlTransformer | None = None) -> Part:
    """The main blocks and what surrounds them; of a `module` with a control branch, all but that."""
    module = empty_transformer(base.config) if module is None else module
    back = names.to_original if base.layout == "original" else _same
    theirs = {name: back(name) for name in module.state_dict() if not name.startswith(names.CONTROL_PREFIX)}
    return Part(files=base.transformer, module=module, theirs=theirs, found=_merged(base.transformer))


def control_part(path: Path, module: WanControlTransformer) -> Part:
    """The control branch in `path`, for a transformer that has one."""
    ours = [name for name in module.state_dict() if name.startswith(names.CONTROL_PREFIX)]
    found = tensors_of(path)
    # The release keeps its own names; a file in diffusers' is known by its attention.
    back = _same if any(".attn1." in name for name in found) else names.to_original
    return Part(files=(path,), module=module, theirs={name: back(name) for name in ours}, found=found)


def autoencoder_part(base: BaseFiles) -> Part:
    """The autoencoder; its sizes from its configuration or, in the authors' layout, from its shapes."""
    found = _merged(base.autoencoder)
    back: Callable[[str], str] = _same
    settings = _chosen(base.autoencoder_settings, AUTOENCODER_SETTINGS)
    if settings is None:
        settings = _told(vae_names.config_of, found, base.autoencoder)
        back = partial(vae_names.to_original, residual_blocks=settings["num_res_blocks"])
    module = _empty(lambda: AutoencoderKLWan(**settings), base.autoencoder)
    _agree("latent channels", base.config.latent_channels, module.config.z_dim, base.autoencoder)
    return Part(files=base.autoencoder, module=module, theirs=_names(module, back), found=found)


def text_encoder_part(base: BaseFiles) -> Part:
    """The text encoder; its sizes from its configuration or, in the authors' layout, from its shapes."""
    found = _merged(base.text_encoder)
    back: Callable[[str], str] = _same
    settings = _chosen(base.text_encoder_settings, TEXT_SETTINGS)
    if settings is None:
        settings = _told(text_names.config_of, found, base.text_encoder)
        back = text_names.to_original
    module = _empty(lambda: UMT5EncoderModel(UMT5Config(**settings)), base.text_encoder)
    _agree("text widths", base.config.text_size, module.config.d_model, base.text_encoder)
    theirs = _names(module, back)
    del theirs[TIED]
    if TIED in found:  # a file may hold the embedding under either of its names, or under both
        if SHARED not in found:
            theirs[SHARED] = TIED
        else:
            del found[TIED]
    return Part(files=base.text_encoder, module=module, theirs=theirs, found=found)


def base_parts(base: BaseFiles) -> Iterator[Part]:
    """All three networks of a base model, each built when its turn comes."""
    yield transformer_part(base)
    yield autoencoder_part(base)
    yield text_encoder_part(base)


def control_config(path: Path, config: TransformerConfig, *, layers: tuple[int, ...] = ()) -> TransformerConfig:
    """The transformer with the control branch in `path`: layers as named or inferred, channels as in the file."""
    entry = tensors_of(path).get(f"{names.CONTROL_PREFIX}patch_embedding.weight")
    channels = entry.shape[1] if entry is not None and len(entry.shape) > 1 else None
    return config.with_control(layers or infer_control_layers(path, config), channels=channels)


def control_blocks(path: Path) -> int:
    """How many blocks the control branch in `path` has."""
    return len({name.split(".")[1] for name in tensors_of(path) if name.startswith(f"{names.CONTROL_PREFIX}blocks.")})


def infer_control_layers(path: Path, config: TransformerConfig) -> tuple[int, ...]:
    """Which main layers the control branch in `path` gives hints to: evenly spaced ones from the first on.

    A file says only how many blocks it has: 8 in 30 layers are every fourth (Spatia), 15 every second (Mirage). Raises
    `InputError` where no one spacing, or more than one, gives as many.
    """
    blocks = control_blocks(path)
    if not blocks:
        raise InputError(
            "holds no control branch, whose tensors have names such as vace_blocks.0.self_attn.q.weight",
            where=str(path),
            fix="name the control branch's file, such as Spatia's step-8500.safetensors",
        )
    fitting = [
        tuple(range(0, config.layers, step))
        for step in range(1, config.layers + 1)
        if len(range(0, config.layers, step)) == blocks
    ]
    if len(fitting) != 1:
        raise InputError(
            f"holds {blocks} control blocks, and it does not follow to which of the {config.layers} layers they belong",
            where=str(path),
            fix="name the layers (control_layers), or use a file with 8 blocks (Spatia) or 15 (Mirage)",
        )
    return fitting[0]


def check_lora(path: Path, config: TransformerConfig) -> Check:
    """Every factor of a LoRA against the linear layer that it changes; the rank is the file's own.

    Raises `InputError` for a file that holds none.
    """
    state = empty_transformer(config.with_control(())).state_dict()
    found = tensors_of(path)
    ours = names.lora_names(found)
    wanted: dict[str, TensorSpec] = {}
    for theirs, name in ours.items():
        module, factor, _ = name.rpartition(".lora_")
        weight = state.get(f"{module}.weight")
        if not factor or weight is None or weight.ndim != 2:
            continue
        a, b = theirs.replace(".lora_B.", ".lora_A."), theirs.replace(".lora_A.", ".lora_B.")
        ranks = [*(found[a].shape[:1] if a in found else ()), *(found[b].shape[1:2] if b in found else ())]
        rank = max([1, *ranks])
        wanted[a] = TensorSpec((rank, weight.shape[1]), "float32")
        wanted[b] = TensorSpec((weight.shape[0], rank), "float32")
    if not wanted:
        example = next(iter(found), "nothing")[:LONGEST_NAME]
        raise InputError(
            "holds no LoRA of this transformer: wanted names such as pipe.dit.blocks.0.self_attn.q.lora_A.weight, "
            f"found {example!r}",
            where=str(path),
            fix="use a LoRA for Wan2.2-TI2V-5B",
        )
    return check(wanted, {name: found[name] for name in ours}, place=str(path))


def empty_transformer(config: TransformerConfig) -> WanControlTransformer:
    with torch.device("meta"):
        return WanControlTransformer.of(config).eval().requires_grad_(False)


def _empty(build: Callable[[], Any], files: tuple[Path, ...]) -> Any:
    try:
        with torch.device("meta"):
            return build().eval().requires_grad_(False)
    except Exception as error:  # the libraries check their settings each in its own way
        raise InputError(f"its settings make no network: {error}", where=_place(files), fix=FETCH_AGAIN) from error


def _told(
    read: Callable[[Mapping[str, TensorSpec]], Mapping[str, Any]],
    found: Mapping[str, TensorSpec],
    files: tuple[Path, ...],
) -> Mapping[str, Any]:
    try:
        return read(found)
    except KeyError as error:
        raise InputError(f"holds no tensor {error}", where=_place(files), fix=FETCH_AGAIN) from error
    except (ValueError, IndexError, ZeroDivisionError) as error:
        raise InputError(f"its shapes fit no known network: {error}", where=_place(files), fix=FETCH_AGAIN) from error


def _agree(what: str, transformer: int, other: int, files: tuple[Path, ...]) -> None:
    if transformer != other:
        raise InputError(
            f"{what} differ: {other} here, {transformer} in the transformer", where=_place(files), fix=FETCH_AGAIN
        )


def _names(module: nn.Module, back: Callable[[str], str]) -> dict[str, str]:
    return {name: back(name) for name in module.state_dict()}


def _chosen(settings: Mapping[str, Any] | None, keys: tuple[str, ...]) -> Mapping[str, Any] | None:
    return None if settings is None else {key: settings[key] for key in keys if key in settings}


def _merged(files: tuple[Path, ...]) -> dict[str, TensorSpec]:
    """The tensors of all shards. Raises `InputError` for one that is in two of them."""
    merged: dict[str, TensorSpec] = {}
    for path in files:
        found = tensors_of(path)
        twice = next((name for name in found if name in merged), None)
        if twice is not None:
            raise InputError(
                f"holds {twice[:LONGEST_NAME]!r}, which an earlier shard holds too", where=str(path), fix=FETCH_AGAIN
            )
        merged |= found
    return merged


def _place(files: tuple[Path, ...]) -> str:
    return str(files[0] if len(files) == 1 else files[0].parent)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _same(name: str) -> str:
    return name
