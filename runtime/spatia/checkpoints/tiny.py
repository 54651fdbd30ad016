"""Toy-size models with random weights, of the real classes and in the real files, for tests and for trying the road.

What they generate is noise. Their folders are laid out as a shelf's are, so ``SPATIA_MODELS`` may point at them. The
weights of a seed are the same in both layouts. Any thread.
"""

import hashlib
import json
import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import punctuation

import numpy as np
import torch
from diffusers import AutoencoderKLWan
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import T5Tokenizer, UMT5Config, UMT5EncoderModel

from spatia.checkpoints import catalogue, names, text_names, vae_names
from spatia.checkpoints.convert import save_pipeline, save_transformer_config
from spatia.checkpoints.layout import STEM, TOKENIZER, Layout
from spatia.checkpoints.tensors import AUTOENCODER_PICKLE, TEXT_ENCODER_PICKLE
from spatia.errors import InputError
from spatia.networks.config import TransformerConfig
from spatia.networks.text import MOST_TOKENS
from spatia.networks.transformer import WanControlTransformer
from spatia.streams import Streams

LAYOUTS: dict[Layout, str] = {"original": catalogue.BASE, "diffusers": catalogue.BASE_DIFFUSERS}

TRANSFORMER = TransformerConfig(
    heads=2, head_size=24, ffn_size=96, layers=4, text_size=32, frequency_size=32, control_layers=(0, 2)
)
VAE_WIDTH, VAE_DECODER_WIDTH = 4, 6  # 160 and 256 in Wan2.2
VAE_LEVELS = (1, 2, 4, 4)
TEXT_LAYERS, TEXT_HEADS = 2, 4
LORA_RANK = 4
LORA_TARGETS = (
    *(f"{attention}.{projection}" for attention in ("attn1", "attn2") for projection in ("to_q", "to_k", "to_v")),
    *("attn1.to_out.0", "attn2.to_out.0", "ffn.net.0.proj", "ffn.net.2"),
)
SHARDS = 3

# Pieces of words for a vocabulary that, like umT5's, falls back on letters; other scripts are unknown to it.
SPACE = "\u2581"
WORDS = (
    "the a of and in on with to is at from by under over sea coast lighthouse room house street forest light day night"
)
LETTERS = "abcdefghijklmnopqrstuvwxyz"
PIECES = (
    *(("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), (SPACE, -3.0)),
    *((SPACE + word, -4.0) for word in WORDS.split()),
    *((letter, -6.0) for letter in LETTERS + LETTERS.upper() + "0123456789" + punctuation),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TinyModels:
    """Where the models were written: the base model's folder, the control branch and the LoRA."""

    base: Path
    control: Path  # Spatia's, and Mirage's under the release's mask
    lora: Path
    masked_control: Path  # Mirage's, with one channel of mask: no weights of this kind are published


def write_tiny_models(folder: Path, *, layout: Layout, seed: int = 0) -> TinyModels:
    """Writes a base model in `layout` with the control branch and LoRA for it; replaces what is there."""
    streams = Streams(seed)
    transformer = WanControlTransformer.of(TRANSFORMER)
    parts: dict[str, nn.Module] = {"transformer": transformer, "vae": _vae(), "text_encoder": _text_encoder()}
    for name, part in parts.items():
        _fill(part, streams, name)
    tiny = _in_folder(folder, layout=layout)
    write = _write_original if layout == "original" else _write_diffusers
    write(tiny.base, {n: _state(p) for n, p in parts.items()})
    tiny.control.parent.mkdir(parents=True, exist_ok=True)
    hints = {names.to_original(n): t for n, t in _state(transformer).items() if n.startswith(names.CONTROL_PREFIX)}
    save_file(_in_bfloat16(hints), tiny.control)
    tiny.masked_control.parent.mkdir(parents=True, exist_ok=True)
    entry = hints["vace_patch_embedding.weight"][:, : TRANSFORMER.latent_channels + 1].contiguous()
    save_file(_in_bfloat16(hints | {"vace_patch_embedding.weight": entry}), tiny.masked_control)
    save_file(_in_bfloat16(_lora(transformer, streams)), tiny.lora)
    return tiny


def kept_tiny_models(environment: Mapping[str, str]) -> TinyModels:
    """The models of seed 0 in the authors' layout, written once into the user's cache (XDG_CACHE_HOME).

    Raises `InputError` where that cannot be written.
    """
    cache = Path(environment.get("XDG_CACHE_HOME", ""))
    if not cache.is_absolute():
        cache = Path("~/.cache").expanduser()
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]  # another version makes others
    folder = cache / "spatia" / f"tiny-{recipe}"
    try:
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix="part-", dir=folder.parent) as part:
                write_tiny_models(Path(part) / "models", layout="original")
                try:
                    (Path(part) / "models").rename(folder)
                except OSError:
                    if not folder.is_dir():  # else someone was faster
                        raise
    except OSError as error:
        raise InputError(
            f"toy networks cannot be written: {error}", where=str(folder), fix="set XDG_CACHE_HOME to a folder of yours"
        ) from error
    return _in_folder(folder, layout="original")


def _in_folder(folder: Path, *, layout: Layout) -> TinyModels:
    beside = folder / catalogue.SPATIA
    return TinyModels(
        base=folder / LAYOUTS[layout],
        control=beside / "step-8500.safetensors",
        lora=beside / "lora_weights_10000.safetensors",
        masked_control=folder / "mirage" / "vace.safetensors",
    )


def _write_original(folder: Path, states: Mapping[str, dict[str, Tensor]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    base = {names.to_original(name): tensor for name, tensor in _without_control(states["transformer"]).items()}
    _save_sharded(base, folder)
    config = {
        "_class_name": "WanModel",
        "_diffusers_version": "0.33.0",
        "dim": TRANSFORMER.width,
        "eps": TRANSFORMER.eps,
        "ffn_dim": TRANSFORMER.ffn_size,
        "freq_dim": TRANSFORMER.frequency_size,
        "in_dim": TRANSFORMER.latent_channels,
        "model_type": "ti2v",
        "num_heads": TRANSFORMER.heads,
        "num_layers": TRANSFORMER.layers,
        "out_dim": TRANSFORMER.latent_channels,
        "text_dim": TRANSFORMER.text_size,
        "text_len": MOST_TOKENS,
    }
    _write_json(config, folder / "config.json")
    text = {text_names.to_original(name): tensor for name, tensor in states["text_encoder"].items()}
    torch.save(_in_bfloat16(text), folder / TEXT_ENCODER_PICKLE)
    torch.save({vae_names.to_original(n): t for n, t in states["vae"].items()}, folder / AUTOENCODER_PICKLE)
    _tokenizer().save_pretrained(folder / TOKENIZER)


def _write_diffusers(folder: Path, states: Mapping[str, dict[str, Tensor]]) -> None:
    with torch.device("meta"):
        save_transformer_config(WanControlTransformer.of(TRANSFORMER), folder / "transformer")
        _vae().save_config(folder / "vae")
    _text_config().save_pretrained(folder / "text_encoder")
    for part, file, tensors in (
        ("transformer", f"{STEM}.safetensors", _without_control(states["transformer"])),
        ("vae", f"{STEM}.safetensors", states["vae"]),
        ("text_encoder", "model.safetensors", _in_bfloat16(states["text_encoder"])),
    ):
        save_file(tensors, folder / part / file, metadata={"format": "pt"})
    _tokenizer().save_pretrained(folder / "tokenizer")
    save_pipeline(folder)


def _fill(model: nn.Module, streams: Streams, part: str) -> None:
    """Weights under which signals neither die nor grow, each drawn for its name alone; norms near 1, biases near 0.

    Norms and biases are not left at 1 and 0, so that exchanging two of them shows.
    """
    with torch.no_grad():
        for name, weight in model.named_parameters():
            draw = torch.from_numpy(streams.generator(f"{part}/{name}").standard_normal(weight.shape, dtype=np.float32))
            inputs = weight[0].numel()
            if name.endswith("bias"):
                weight.copy_(0.02 * draw)
            elif inputs == 1:
                weight.copy_(1 + 0.05 * draw)
            else:
                weight.copy_(draw / math.sqrt(inputs))


def _lora(transformer: WanControlTransformer, streams: Streams) -> dict[str, Tensor]:
    """Rank 4 for every projection of the main blocks, in the release's names; moves each by about a tenth of itself."""
    adapter: dict[str, Tensor] = {}
    for layer in range(TRANSFORMER.layers):
        for target in LORA_TARGETS:
            module = f"blocks.{layer}.{target}"
            outputs, inputs = transformer.get_submodule(module).weight.shape
            drawn = streams.generator(f"lora/{module}")
            down = drawn.standard_normal((LORA_RANK, inputs), dtype=np.float32) / math.sqrt(inputs)
            up = drawn.standard_normal((outputs, LORA_RANK), dtype=np.float32) * 0.1 / math.sqrt(LORA_RANK)
            key = f"pipe.dit.{names.to_original(module)}"
            adapter[f"{key}.lora_A.default.weight"] = torch.from_numpy(down)
            adapter[f"{key}.lora_B.default.weight"] = torch.from_numpy(up)
    return adapter


def _vae() -> AutoencoderKLWan:
    return AutoencoderKLWan(
        base_dim=VAE_WIDTH,
        decoder_base_dim=VAE_DECODER_WIDTH,
        z_dim=TRANSFORMER.latent_channels,
        dim_mult=list(VAE_LEVELS),
        latents_mean=list(vae_names.LATENT_MEAN),
        latents_std=list(vae_names.LATENT_DEVIATION),
        is_residual=True,
        in_channels=12,
        out_channels=12,
        patch_size=2,
        scale_factor_spatial=16,
    )


def _text_config() -> UMT5Config:
    return UMT5Config(
        architectures=["UMT5EncoderModel"],
        vocab_size=len(PIECES),
        d_model=TRANSFORMER.text_size,
        d_kv=TRANSFORMER.text_size // TEXT_HEADS,
        d_ff=2 * TRANSFORMER.text_size,
        num_layers=TEXT_LAYERS,
        num_heads=TEXT_HEADS,
        tie_word_embeddings=False,
    )


def _text_encoder() -> UMT5EncoderModel:
    return UMT5EncoderModel(_text_config())


def _tokenizer() -> T5Tokenizer:
    return T5Tokenizer(vocab=list(PIECES), extra_ids=0, model_max_length=MOST_TOKENS)


def _state(model: nn.Module) -> dict[str, Tensor]:
    """Every tensor once, under the first of its names."""
    return {name: weight.detach() for name, weight in model.named_parameters()}


def _without_control(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if not name.startswith(names.CONTROL_PREFIX)}


def _in_bfloat16(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.to(torch.bfloat16) for name, tensor in state.items()}


def _save_sharded(state: Mapping[str, Tensor], folder: Path) -> None:
    """In three files with an index that says which tensor lies where, as the base model is published."""
    files = [f"{STEM}-{n:05}-of-{SHARDS:05}.safetensors" for n in range(1, SHARDS + 1)]
    order = sorted(state)
    place = {name: files[at * SHARDS // len(order)] for at, name in enumerate(order)}
    for file in files:
        save_file({name: state[name] for name in order if place[name] == file}, folder / file)
    total = sum(tensor.nbytes for tensor in state.values())
    index = {"metadata": {"total_size": total}, "weight_map": place}
    _write_json(index, folder / f"{STEM}.safetensors.index.json")


def _write_json(content: object, path: Path) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
