"""Names in both directions, on every tensor of the full-size networks (meta tensors, no memory)."""

import pytest
import torch
from diffusers import AutoencoderKLWan
from diffusers.loaders.single_file_utils import convert_wan_transformer_to_diffusers
from transformers import UMT5Config, UMT5EncoderModel

from spatia.checkpoints import names, text_names, vae_names
from spatia.checkpoints.tensors import TensorSpec
from spatia.networks.config import SPATIA_CONTROL_LAYERS, WAN_TI2V_5B
from spatia.networks.transformer import WanControlTransformer

FULL_AUTOENCODER = {
    "base_dim": 160,
    "decoder_base_dim": 256,
    "z_dim": 48,
    "dim_mult": [1, 2, 4, 4],
    "num_res_blocks": 2,
    "temperal_downsample": [False, True, True],
    "is_residual": True,
    "in_channels": 12,
    "out_channels": 12,
    "patch_size": 2,
    "scale_factor_temporal": 4,
    "scale_factor_spatial": 16,
}
TOY_AUTOENCODER = {
    **FULL_AUTOENCODER,
    "base_dim": 8,
    "decoder_base_dim": 16,
    "z_dim": 4,
    "dim_mult": [1, 2, 2],
    "num_res_blocks": 1,
    "temperal_downsample": [True, False],
    "scale_factor_temporal": 2,
    "scale_factor_spatial": 8,
}


def specs(state: dict[str, torch.Tensor]) -> dict[str, TensorSpec]:
    return {name: TensorSpec(tuple(tensor.shape), "float32") for name, tensor in state.items()}


@pytest.fixture(scope="module")
def full_transformer() -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        state: dict[str, torch.Tensor] = WanControlTransformer.of(
            WAN_TI2V_5B.with_control(SPATIA_CONTROL_LAYERS)
        ).state_dict()
    return state


def test_every_name_of_the_full_transformer_comes_back(full_transformer: dict[str, torch.Tensor]) -> None:
    original = [names.to_original(name) for name in full_transformer]
    assert len(set(original)) == len(full_transformer) == 1061
    assert [names.to_diffusers(name) for name in original] == list(full_transformer)


def test_diffusers_own_converter_agrees_on_every_tensor(full_transformer: dict[str, torch.Tensor]) -> None:
    original = {names.to_original(name): tensor for name, tensor in full_transformer.items()}
    converted = convert_wan_transformer_to_diffusers(original)
    assert specs(converted) == specs(full_transformer)


def test_the_control_branch_is_what_the_release_has(full_transformer: dict[str, torch.Tensor]) -> None:
    control = {names.to_original(name): tensor for name, tensor in full_transformer.items() if name.startswith("vace_")}
    assert len(control) == 236
    assert sum(tensor.numel() for tensor in control.values()) == 1_395_398_656
    assert control["vace_patch_embedding.weight"].shape == (3072, 96, 1, 2, 2)
    assert control["vace_blocks.7.modulation"].shape == (1, 6, 3072)
    assert "vace_blocks.0.before_proj.weight" in control and "vace_blocks.1.before_proj.weight" not in control


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("pipe.dit.blocks.3.self_attn.q.lora_A.default.weight", "blocks.3.attn1.to_q.lora_A.weight"),
        ("pipe.dit.blocks.3.cross_attn.o.lora_B.weight", "blocks.3.attn2.to_out.0.lora_B.weight"),
        ("diffusion_model.blocks.0.ffn.0.lora_A.weight", "blocks.0.ffn.net.0.proj.lora_A.weight"),
        ("blocks.29.ffn.2.lora_B.weight", "blocks.29.ffn.net.2.lora_B.weight"),
        ("transformer.blocks.1.attn1.to_k.lora_B.weight", "blocks.1.attn1.to_k.lora_B.weight"),
    ],
)
def test_lora_names_find_our_modules(name: str, module: str) -> None:
    assert names.lora_names([name]) == {name: module}


def test_tensors_of_other_networks_in_a_lora_file_are_left_out() -> None:
    ours = "pipe.dit.blocks.0.self_attn.q.lora_A.weight"
    assert list(names.lora_names([ours, "pipe.vae.encoder.conv1.weight"])) == [ours]


def test_what_is_no_factor_of_a_lora_keeps_its_name() -> None:
    assert names.lora_names(["blocks.0.self_attn.q.alpha"]) == {
        "blocks.0.self_attn.q.alpha": "blocks.0.self_attn.q.alpha"
    }


@pytest.mark.parametrize("settings", [FULL_AUTOENCODER, TOY_AUTOENCODER])
def test_every_name_of_the_autoencoder_comes_back_and_its_shapes_tell_its_settings(settings: dict[str, object]) -> None:
    with torch.device("meta"):
        state = AutoencoderKLWan(**settings).state_dict()
    blocks = int(str(settings["num_res_blocks"]))
    original = [vae_names.to_original(name, residual_blocks=blocks) for name in state]
    assert len(set(original)) == len(state)
    assert [vae_names.to_diffusers(name) for name in original] == list(state)
    told = vae_names.config_of(dict(zip(original, specs(state).values(), strict=True)))
    assert {name: told[name] for name in settings} == settings


def test_the_autoencoder_has_the_authors_names() -> None:
    assert vae_names.to_original("encoder.conv_in.weight") == "encoder.conv1.weight"
    assert vae_names.to_original("quant_conv.bias") == "conv1.bias"
    assert vae_names.to_original("decoder.mid_block.attentions.0.to_qkv.weight") == "decoder.middle.1.to_qkv.weight"
    assert vae_names.to_original("decoder.norm_out.gamma") == "decoder.head.0.gamma"
    assert (
        vae_names.to_original("decoder.up_blocks.1.upsampler.time_conv.weight")
        == "decoder.upsamples.1.upsamples.3.time_conv.weight"
    )
    assert (
        vae_names.to_original("encoder.down_blocks.2.resnets.0.conv_shortcut.bias")
        == "encoder.downsamples.2.downsamples.0.shortcut.bias"
    )


def test_the_statistics_of_the_48_released_channels_are_known() -> None:
    assert len(vae_names.LATENT_MEAN) == len(vae_names.LATENT_DEVIATION) == 48
    assert min(vae_names.LATENT_DEVIATION) > 0


def test_every_name_of_the_text_encoder_comes_back_and_its_shapes_tell_its_settings() -> None:
    settings = {"vocab_size": 256384, "d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_heads": 64, "num_layers": 24}
    with torch.device("meta"):
        state = UMT5EncoderModel(UMT5Config(**settings)).state_dict()
    state.pop("encoder.embed_tokens.weight", None)  # tied to shared.weight
    original = [text_names.to_original(name) for name in state]
    assert "blocks.0.ffn.gate.0.weight" in original and "token_embedding.weight" in original
    assert [text_names.to_transformers(name) for name in original] == list(state)
    told = text_names.config_of(dict(zip(original, specs(state).values(), strict=True)))
    assert told == {**settings, "relative_attention_num_buckets": 32}
