from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKLWan
from torch import Tensor, nn
from torch.nn import functional
from transformers import UMT5Config, UMT5EncoderModel

from spatia.networks import footprint, speed
from spatia.networks.autoencoder import Autoencoder
from spatia.networks.config import SPATIA_CONTROL_LAYERS, WAN_TI2V_5B
from spatia.networks.footprint import META, Footprint, measure
from spatia.networks.preflight import in_dtype
from spatia.networks.transformer import WanControlTransformer
from support.small_transformer import SMALL
from tools.bench.flops import wan_autoencoder

CPU = torch.device("cpu")
FLOAT = 4  # bytes


def test_inputs_and_weights_that_were_there_before_do_not_count() -> None:
    layer, x = nn.Linear(8, 16, device=META), torch.empty(2, 8, device=META)
    found = measure(lambda: layer(x))
    assert found.peak_bytes == 2 * 16 * FLOAT
    assert found.flops == 2 * 2 * 8 * 16


def test_what_is_collected_counts_no_longer() -> None:
    x = torch.empty(100, device=META)

    def chain() -> Tensor:
        y = x + 1
        y = y * 2  # both live here
        return y.sum()  # a 4-byte sum beside one of them

    assert measure(chain).peak_bytes == 2 * 100 * FLOAT


def test_a_view_has_no_bytes_of_its_own_and_keeps_those_of_its_base() -> None:
    x = torch.empty(100, device=META)

    def views() -> Tensor:
        row = (x + 1).view(10, 10)[0]  # keeps all 100
        return row.unsqueeze(0).expand(5, 10) + x.new_empty(5, 10)  # and 50 and 50 more

    assert measure(views).peak_bytes == 200 * FLOAT


def test_work_in_place_adds_nothing() -> None:
    x = torch.empty(100, device=META)
    assert measure(lambda: x.add_(1).mul_(2)).peak_bytes == 0


def test_weights_that_are_cast_in_place_leave_what_they_were() -> None:
    layer = nn.Linear(100, 100, bias=False, device=META)

    def cast() -> None:
        layer.to(torch.float64)
        layer.to(torch.float32)

    # float64 beside the float32 of before; then float32 beside float64, with the float32 of before gone.
    assert measure(cast).peak_bytes == 100 * 100 * 8


def test_what_is_copied_off_the_device_counts_no_longer() -> None:
    x = torch.empty(100, device=META)
    assert measure(lambda: [(x + 1).cpu() for _ in range(5)]).peak_bytes == 100 * FLOAT


@pytest.mark.parametrize("masked", [False, True])
def test_attention_holds_no_matrix_of_scores(masked: bool) -> None:
    length, heads, size = 4096, 2, 8
    q, k, v = (torch.empty(1, heads, length, size, device=META) for _ in range(3))
    mask = torch.empty(1, heads, length, length, device=META) if masked else None
    found = measure(lambda: functional.scaled_dot_product_attention(q, k, v, attn_mask=mask))
    output = heads * length * size * FLOAT
    assert output <= found.peak_bytes <= output + heads * length * FLOAT + 64  # and the log of each row's sum
    assert found.flops == 2 * 2 * heads * length * length * size


def test_a_forward_on_the_meta_device_peaks_where_the_real_one_does() -> None:
    def forward(device: torch.device) -> Footprint:
        with device:
            transformer = WanControlTransformer.of(SMALL)
            noisy, control, text = torch.zeros(1, 4, 4, 8, 8), torch.zeros(1, 8, 3, 8, 8), torch.zeros(1, 5, 16)
            timestep = torch.zeros(1, 4)
        return measure(lambda: transformer(noisy, timestep, text, control=control, references=1), device=device)

    # Within the flags and seeds that a GPU's attention returns, once a layer and short-lived.
    assert abs(forward(META).peak_bytes - forward(CPU).peak_bytes) <= 64


@pytest.mark.parametrize("frames", [1, 17])
def test_videos_are_estimated_as_they_run(frames: int) -> None:
    vae, size = wan_autoencoder(width=4, decoder_width=6), {"height_px": 96, "width_px": 128}
    encoded, decoded = run_for_real(vae, frames=frames, **size)
    vae = vae.to(META)
    encoding = footprint.encode_video(vae, frames=frames, **size)
    assert encoding.peak_bytes == encoded.peak_bytes
    assert encoding.flops == pytest.approx(encoded.flops, rel=0.01)  # attention on a CPU is not counted
    decoding = footprint.decode_video(vae, frames=frames, **size)
    bytes_on_the_cpu = frames * 96 * 128 * 3
    assert decoded.peak_bytes - 2 * bytes_on_the_cpu <= decoding.peak_bytes <= decoded.peak_bytes
    assert decoding.flops == pytest.approx(decoded.flops, rel=0.01)


# Rows and columns of tiles for a picture; for a video, which has all its pieces in each tile, columns alone.
@pytest.mark.parametrize(("frames", "height_px"), [(1, 96), (17, 32)])
def test_in_tiles_the_estimate_is_a_bound_and_no_wild_one(frames: int, height_px: int) -> None:
    vae, size = wan_autoencoder(width=4, decoder_width=6), {"height_px": height_px, "width_px": 128}
    vae.enable_tiling(64, 64, 48, 48)
    real = run_for_real(vae, frames=frames, **size)
    vae = vae.to(META)
    estimated = footprint.encode_video(vae, frames=frames, **size), footprint.decode_video(vae, frames=frames, **size)
    for bound, found in zip(estimated, real, strict=True):
        assert found.peak_bytes <= bound.peak_bytes <= 1.8 * found.peak_bytes
        assert bound.flops == pytest.approx(found.flops, rel=0.01)
    assert vae.use_tiling


def run_for_real(vae: AutoencoderKLWan, *, frames: int, height_px: int, width_px: int) -> tuple[Footprint, Footprint]:
    """Encoding and decoding on the CPU."""
    autoencoder = Autoencoder(vae)
    pixels = torch.zeros(frames, 3, height_px, width_px)
    latents = torch.zeros(48, 1 + (frames - 1) // 4, height_px // 16, width_px // 16)
    return (
        measure(lambda: autoencoder.encode(pixels), device=CPU),
        measure(lambda: autoencoder.decode(latents), device=CPU),
    )


def test_full_size_figures_are_the_known_ones() -> None:
    """spec/performance.md 1d and 1e."""
    size: dict[str, Any] = {"height_px": 704, "width_px": 1248}
    vae = in_dtype(on_meta(wan_autoencoder), torch.bfloat16)
    assert footprint.encode_video(vae, frames=121, **size).flops / 1e12 == pytest.approx(373, abs=1)
    assert footprint.decode_video(vae, frames=121, **size).flops / 1e12 == pytest.approx(1961, abs=1)
    main = in_dtype(on_meta(lambda: WanControlTransformer.of(WAN_TI2V_5B)), torch.bfloat16)
    plain = footprint.transformer_step(main, frames=81, references=0, prompts=1, **size)
    assert plain.flops / 1e12 == pytest.approx(280, abs=0.5)
    with_control = WAN_TI2V_5B.with_control(SPATIA_CONTROL_LAYERS)
    network = in_dtype(on_meta(lambda: WanControlTransformer.of(with_control)), torch.bfloat16)
    step = footprint.transformer_step(network, frames=81, references=0, prompts=1, **size)
    assert step.flops / plain.flops == pytest.approx(38 / 30, rel=0.02)
    branch_bytes = footprint.weight_bytes(network) - footprint.weight_bytes(main)
    assert branch_bytes == pytest.approx(2 * 1_395_398_656, rel=0.001)  # spec/spatia_release.md 1.3


def test_two_prompts_in_one_batch_take_more_memory_and_the_same_work() -> None:
    transformer = on_meta(lambda: WanControlTransformer.of(SMALL))
    size: dict[str, Any] = {"frames": 9, "references": 2, "height_px": 128, "width_px": 128}
    one = footprint.transformer_step(transformer, prompts=1, **size)
    by_turns = footprint.transformer_step(transformer, prompts=2, **size)
    together = footprint.transformer_step(transformer, prompts=2, in_one_batch=True, **size)
    assert by_turns.flops == together.flops == 2 * one.flops
    assert one.peak_bytes <= by_turns.peak_bytes < together.peak_bytes


def test_a_first_block_cache_is_counted_for_each_prompt() -> None:
    transformer = on_meta(lambda: WanControlTransformer.of(SMALL))
    size: dict[str, Any] = {"frames": 9, "references": 2, "height_px": 128, "width_px": 128, "prompts": 2}
    without = footprint.transformer_step(transformer, **size)
    speed.cache_first_block(transformer, 0.1)
    tokens_bytes = 5 * 16 * SMALL.width * FLOAT
    # For each prompt what the first block gave and changed, and what the others changed.
    assert footprint.transformer_step(transformer, **size).peak_bytes >= without.peak_bytes + 3 * tokens_bytes


def test_offloading_leaves_two_blocks_and_what_is_no_block() -> None:
    transformer = on_meta(lambda: WanControlTransformer.of(SMALL))
    blocks = [footprint.weight_bytes(block) for block in (*transformer.blocks, *transformer.vace_blocks)]
    rest = footprint.weight_bytes(transformer) - sum(blocks)
    assert footprint.offloaded_weight_bytes(transformer) == rest + 2 * max(blocks)


def test_a_text_encoder_is_measured_on_one_prompt() -> None:
    config = UMT5Config(vocab_size=32, d_model=16, d_kv=8, d_ff=32, num_heads=2, num_layers=1)
    text = on_meta(lambda: UMT5EncoderModel(config))
    found = footprint.text_encoder(text, tokens=64)
    assert found.peak_bytes >= 2 * 64 * 64 * FLOAT  # the bias of positions
    assert found.flops >= 64 * 2 * 4 * 16 * 16  # the projections of attention


def on_meta(build: Callable[[], Any]) -> Any:
    with META:
        return build()
