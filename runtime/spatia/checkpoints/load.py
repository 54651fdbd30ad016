"""From files to networks: checked on the meta device first, then filled tensor by tensor. Any one thread.

A network is built without memory, compared with its files, and given their tensors one after the other, so that never
two copies of it exist. On the CPU a tensor that needs no cast stays a map of its file.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import AutoencoderKLWan
from torch import Tensor, nn
from transformers import AutoTokenizer, PreTrainedTokenizerBase, UMT5EncoderModel

from spatia.checkpoints.layout import BaseFiles
from spatia.checkpoints.names import lora_names
from spatia.checkpoints.tensors import FETCH_AGAIN, read_tensors
from spatia.checkpoints.wanted import (
    Part,
    autoencoder_part,
    check_lora,
    control_config,
    control_part,
    empty_transformer,
    text_encoder_part,
    transformer_part,
)
from spatia.errors import InputError
from spatia.networks.config import TransformerConfig
from spatia.networks.transformer import WanControlTransformer


def load_transformer(
    base: BaseFiles,
    *,
    control: Path | None,
    control_layers: tuple[int, ...] | None = None,
    dtype: torch.dtype,
    device: torch.device | str,
) -> WanControlTransformer:
    """The base's transformer with the control branch in `control`, or without one.

    The number of blocks tells the control layers where they are not given. Norms, the time embedding and the
    modulation stay in float32, as diffusers has it. Raises `InputError` for files that do not fit, before their
    weights are read.
    """
    config = base.config
    if control is not None:
        config = control_config(control, config, layers=control_layers or ())
    module = empty_transformer(config)
    parts = [transformer_part(base, module)]
    if control is not None:
        parts.append(control_part(control, module))
    for part in parts:
        part.check.require()
    for part in parts:
        _fill(part, dtype=dtype, device=device, float32=getattr(module, "_keep_in_fp32_modules", ()))
    return module


def load_autoencoder(base: BaseFiles, *, dtype: torch.dtype, device: torch.device | str) -> AutoencoderKLWan:
    """Raises `InputError` for files that do not fit, before their weights are read."""
    part = autoencoder_part(base)
    part.check.require()
    _fill(part, dtype=dtype, device=device)
    return part.module


def load_text_encoder(base: BaseFiles, *, dtype: torch.dtype, device: torch.device | str) -> UMT5EncoderModel:
    """Raises `InputError` for files that do not fit, before their weights are read."""
    part = text_encoder_part(base)
    part.check.require()
    # Its last projection overflows float16; transformers keeps it apart too.
    _fill(part, dtype=dtype, device=device, float32=("wo",) if dtype == torch.float16 else ())
    module: UMT5EncoderModel = part.module
    module.encoder.embed_tokens.weight = module.shared.weight
    return module


def load_tokenizer(base: BaseFiles) -> PreTrainedTokenizerBase:
    """Raises `InputError` where the folder holds no tokenizer that transformers knows."""
    try:
        return AutoTokenizer.from_pretrained(base.tokenizer, local_files_only=True)
    except Exception as error:  # tokenizers raises bare Exception for a file that it cannot parse
        raise InputError(f"no tokenizer can be read: {error}", where=str(base.tokenizer), fix=FETCH_AGAIN) from error


def read_lora(path: Path, *, config: TransformerConfig) -> dict[str, Tensor]:
    """Factors of a LoRA by our modules' names: ``<module>.lora_A.weight`` [rank, in], ``.lora_B.weight`` [out, rank].

    Raises `InputError` naming file, tensor, what was wanted and what was found, for a LoRA of another transformer.
    """
    check_lora(path, config).require()
    tensors = dict(read_tensors(path))
    return {ours: tensors[theirs] for theirs, ours in lora_names(tensors).items()}


def _fill(part: Part, *, dtype: torch.dtype, device: torch.device | str, float32: Sequence[str] = ()) -> None:
    """Gives the network its tensors; those under a module named in `float32` in float32, all others in `dtype`."""
    ours = {theirs: ours for ours, theirs in part.theirs.items()}
    for path in part.files:
        for theirs, tensor in read_tensors(path, device=str(device)):
            if theirs in ours:
                name = ours[theirs]
                kept = any(module in float32 for module in name.split("."))
                _put(part.module, name, tensor.to(torch.float32 if kept else dtype))


def _put(module: nn.Module, name: str, tensor: Tensor) -> None:
    owner, _, leaf = name.rpartition(".")
    setattr(module.get_submodule(owner), leaf, nn.Parameter(tensor, requires_grad=False))
