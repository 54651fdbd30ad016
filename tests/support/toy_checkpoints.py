"""Toy models of the real classes with random weights, saved as the authors and as diffusers save theirs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLWan
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

from spatia.checkpoints import names, text_names, vae_names
from spatia.checkpoints.wanted import TIED
from spatia.networks.config import TransformerConfig
from spatia.networks.transformer import WanControlTransformer

CONFIG = TransformerConfig(
    heads=2,
    head_size=12,
    ffn_size=32,
    layers=6,
    latent_channels=4,
    control_channels=8,
    text_size=16,
    frequency_size=8,
    control_layers=(0, 2, 4),
)
TRANSFORMER_JSON = {
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "ffn_dim": 32,
    "num_layers": 6,
    "in_channels": 4,
    "out_channels": 4,
    "text_dim": 16,
    "freq_dim": 8,
    "patch_size": [1, 2, 2],
    "eps": 1e-6,
}
ORIGINAL_JSON = {
    "dim": 24,
    "num_heads": 2,
    "ffn_dim": 32,
    "num_layers": 6,
    "in_dim": 4,
    "out_dim": 4,
    "text_dim": 16,
    "freq_dim": 8,
    "eps": 1e-6,
    "model_type": "ti2v",
    "text_len": 512,
}
AUTOENCODER: dict[str, Any] = {
    "base_dim": 4,
    "decoder_base_dim": 8,
    "z_dim": 4,
    "dim_mult": [1, 2, 2],
    "num_res_blocks": 1,
    "temperal_downsample": [True, False],
    "is_residual": True,
    "in_channels": 12,
    "out_channels": 12,
    "patch_size": 2,
    "scale_factor_temporal": 2,
    "scale_factor_spatial": 8,
    "latents_mean": [0.0] * 4,
    "latents_std": [1.0] * 4,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Toy:
    """The networks in memory and the same ones on disk."""

    transformer: WanControlTransformer
    autoencoder: Any
    text_encoder: Any
    original: Path
    diffusers: Path
    control: Path
    lora: Path


def run_transformer(module: Any) -> Tensor:
    """The output of a toy transformer on always the same inputs, with its control branch."""
    draw = torch.Generator().manual_seed(7)
    latents = torch.randn(1, 4, 3, 4, 4, generator=draw)
    control = torch.randn(1, 8, 3, 4, 4, generator=draw)
    text = torch.randn(1, 5, 16, generator=draw)
    with torch.no_grad():
        output: Tensor = module(latents, torch.full((1, 3), 500.0), text, control=control)
    return output


def write_toy(root: Path) -> Toy:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        transformer = WanControlTransformer.of(CONFIG).eval()
        autoencoder = AutoencoderKLWan(**AUTOENCODER).eval()
        text_encoder = UMT5EncoderModel(
            UMT5Config(vocab_size=40, d_model=16, d_kv=4, d_ff=24, num_layers=2, num_heads=3)
        ).eval()
        factors = {
            f"pipe.dit.blocks.{block}.{module}.lora_{factor}.default.weight": torch.randn(shape)
            for block in range(4)
            for module, factor, shape in (
                ("self_attn.q", "A", (3, 24)),
                ("self_attn.q", "B", (24, 3)),
                ("ffn.0", "A", (3, 24)),
                ("ffn.0", "B", (32, 3)),
            )
        }
    state = transformer.state_dict()
    main = {name: tensor for name, tensor in state.items() if not name.startswith("vace_")}
    control = {names.to_original(name): tensor for name, tensor in state.items() if name.startswith("vace_")}
    text = {name: tensor for name, tensor in text_encoder.state_dict().items() if name != TIED}
    _write_original(root / "original", main, autoencoder.state_dict(), text)
    _write_diffusers(root / "diffusers", main, autoencoder, text_encoder)
    save_file(control, root / "control.safetensors")
    save_file(factors, root / "lora.safetensors")
    return Toy(
        transformer=transformer,
        autoencoder=autoencoder,
        text_encoder=text_encoder,
        original=root / "original",
        diffusers=root / "diffusers",
        control=root / "control.safetensors",
        lora=root / "lora.safetensors",
    )


def _write_original(
    folder: Path, main: Mapping[str, Tensor], autoencoder: Mapping[str, Tensor], text: Mapping[str, Tensor]
) -> None:
    folder.mkdir()
    renamed = {names.to_original(name): tensor for name, tensor in main.items()}
    half = len(renamed) // 2
    for number, part in enumerate((list(renamed)[:half], list(renamed)[half:]), start=1):
        save_file(
            {name: renamed[name] for name in part},
            folder / f"diffusion_pytorch_model-0000{number}-of-00002.safetensors",
        )
    (folder / "config.json").write_text(json.dumps(ORIGINAL_JSON))
    torch.save(
        {vae_names.to_original(name, residual_blocks=1): tensor for name, tensor in autoencoder.items()},
        folder / "Wan2.2_VAE.pth",
    )
    torch.save(
        {text_names.to_original(name): tensor for name, tensor in text.items()},
        folder / "models_t5_umt5-xxl-enc-bf16.pth",
    )
    _tokenizer().save_pretrained(folder / "google" / "umt5-xxl")


def _write_diffusers(folder: Path, main: dict[str, Tensor], autoencoder: Any, text_encoder: Any) -> None:
    (folder / "transformer").mkdir(parents=True)
    save_file(main, folder / "transformer" / "diffusion_pytorch_model.safetensors")
    # As one mirror has it: an image branch is stated, none is there.
    stated = {**TRANSFORMER_JSON, "image_dim": 1280, "added_kv_proj_dim": 5120}
    (folder / "transformer" / "config.json").write_text(json.dumps(stated))
    autoencoder.save_pretrained(folder / "vae")
    text_encoder.save_pretrained(folder / "text_encoder")
    _tokenizer().save_pretrained(folder / "tokenizer")
    (folder / "model_index.json").write_text("{}")


def _tokenizer() -> Any:
    words = Tokenizer(models.WordLevel({"<pad>": 0, "</s>": 1, "<unk>": 2, "a": 3, "room": 4}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")
