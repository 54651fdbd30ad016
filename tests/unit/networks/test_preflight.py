import pytest
import torch
from diffusers import AutoencoderKLWan
from transformers import UMT5Config, UMT5EncoderModel

from spatia.networks import footprint
from spatia.networks.config import TransformerConfig
from spatia.networks.footprint import META
from spatia.networks.memory_plan import Estimate, Rung
from spatia.networks.options import SpeedOptions
from spatia.networks.preflight import Clip, estimate, in_dtype
from spatia.networks.transformer import WanControlTransformer
from tools.bench.flops import wan_autoencoder

CONFIG = TransformerConfig(heads=2, head_size=24, ffn_size=96, layers=4, text_size=32, control_layers=(0, 2))


@pytest.fixture(scope="module")
def transformer() -> WanControlTransformer:
    with META:
        transformer: WanControlTransformer = WanControlTransformer.of(CONFIG)
        in_dtype(transformer, torch.bfloat16)
    return transformer


@pytest.fixture(scope="module")
def vae() -> AutoencoderKLWan:
    with META:
        vae = wan_autoencoder(width=32, decoder_width=48)
    return in_dtype(vae, torch.bfloat16)


@pytest.fixture(scope="module")
def text() -> UMT5EncoderModel:
    config = UMT5Config(vocab_size=64, d_model=32, d_kv=8, d_ff=64, num_heads=4, num_layers=2)
    with META:
        return in_dtype(UMT5EncoderModel(config), torch.bfloat16)


def estimated(
    transformer: WanControlTransformer,
    vae: AutoencoderKLWan,
    text: UMT5EncoderModel | None = None,
    *,
    options: SpeedOptions | None = None,
    clips: tuple[Clip, ...] = (Clip(frames=1, references=2),),
    in_one_batch: bool = False,
) -> Estimate:
    return estimate(
        transformer=transformer,
        vae=vae,
        text=text,
        options=options or SpeedOptions(),
        clips=clips,
        width_px=512,
        height_px=320,
        in_one_batch=in_one_batch,
    )


@pytest.fixture(scope="module")
def plain(transformer: WanControlTransformer, vae: AutoencoderKLWan, text: UMT5EncoderModel) -> Estimate:
    return estimated(transformer, vae, text)


def test_every_part_stands_with_its_weights_and_its_rungs(
    plain: Estimate, transformer: WanControlTransformer, vae: AutoencoderKLWan, text: UMT5EncoderModel
) -> None:
    parts = {part.name: part for part in plain.parts}
    assert parts["transformer"].weights_bytes == footprint.weight_bytes(transformer)
    assert parts["autoencoder"].weights_bytes == footprint.weight_bytes(vae)
    assert parts["text encoder"].weights_bytes == footprint.weight_bytes(text)
    assert parts["text encoder"].after([Rung.FREE_TEXT_ENCODER]).weights_bytes == 0, "on the CPU"
    tiled = parts["autoencoder"].after([Rung.TILE_AUTOENCODER])
    assert tiled.activations_bytes < parts["autoencoder"].activations_bytes


def test_fp8_and_offloading_lighten_the_transformer_in_either_order(plain: Estimate) -> None:
    whole = plain.parts[0]
    in_fp8, offloaded = whole.after([Rung.FP8]), whole.after([Rung.OFFLOAD])
    both = whole.after([Rung.FP8, Rung.OFFLOAD])
    assert both == whole.after([Rung.OFFLOAD, Rung.FP8])
    assert both.weights_bytes < min(in_fp8.weights_bytes, offloaded.weights_bytes)
    assert max(in_fp8.weights_bytes, offloaded.weights_bytes) < whole.weights_bytes


def test_options_that_are_on_are_part_of_the_estimate(
    plain: Estimate, transformer: WanControlTransformer, vae: AutoencoderKLWan, text: UMT5EncoderModel
) -> None:
    chosen = estimated(transformer, vae, text, options=SpeedOptions(offload=True, tiling=True))
    assert chosen.peak_bytes() == plain.peak_bytes([Rung.OFFLOAD, Rung.TILE_AUTOENCODER])
    assert chosen.peak_bytes([Rung.FP8]) == plain.peak_bytes([Rung.OFFLOAD, Rung.TILE_AUTOENCODER, Rung.FP8])


def test_the_costliest_clip_counts(transformer: WanControlTransformer, vae: AutoencoderKLWan) -> None:
    clips = (Clip(frames=5), Clip(frames=1, references=7))
    alone = [
        footprint.transformer_step(
            transformer, frames=clip.frames, references=clip.references, height_px=320, width_px=512, prompts=1
        ).peak_bytes
        for clip in clips
    ]
    assert estimated(transformer, vae, clips=clips).parts[0].activations_bytes == max(alone)


def test_estimating_leaves_the_networks_as_they_were(transformer: WanControlTransformer, vae: AutoencoderKLWan) -> None:
    before = footprint.weight_bytes(transformer)
    estimated(transformer, vae, options=SpeedOptions(first_block_cache=0.1, fp8=True))
    assert footprint.weight_bytes(transformer) == before
    assert not transformer.is_cache_enabled
    assert not vae.use_tiling


def test_types_are_those_that_loading_gives(transformer: WanControlTransformer) -> None:
    assert transformer.blocks[0].scale_shift_table.dtype == torch.float32
    assert transformer.condition_embedder.time_embedder.linear_1.weight.dtype == torch.float32
    assert transformer.get_parameter("blocks.0.attn1.to_q.weight").dtype == torch.bfloat16
