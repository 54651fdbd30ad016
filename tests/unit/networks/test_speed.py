import copy
import shutil
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKLWan
from diffusers.models.attention_dispatch import AttentionBackendName, attention_backend
from torch import Tensor

from spatia.errors import SceneError
from spatia.networks import speed
from spatia.networks.lora import add_lora, use_lora
from spatia.networks.options import SpeedOptions
from spatia.networks.transformer import WanControlTransformer
from support.small_transformer import SMALL

CPU = torch.device("cpu")
BY_ROUNDING = 1e-5


@pytest.fixture(scope="module")
def plain() -> WanControlTransformer:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformer: WanControlTransformer = WanControlTransformer.of(SMALL)
    transformer.requires_grad_(False).eval()
    return transformer


@pytest.fixture
def transformer(plain: WanControlTransformer) -> WanControlTransformer:
    return copy.deepcopy(plain)


def switch_on(transformer: WanControlTransformer, **options: Any) -> WanControlTransformer:
    with torch.device("meta"):
        vae = AutoencoderKLWan(base_dim=4, num_res_blocks=1)
    speed.apply(transformer, vae, SpeedOptions(**options), device=CPU, compute_dtype=torch.float32)
    return transformer


def flow(transformer: WanControlTransformer, *, change: float = 0.0, prompt: str = "cond") -> Tensor:
    """A forward at inputs that differ by `change` from those of another call, with the text of the prompt."""
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(1, 4, 4, 8, 8, generator=generator) + change
    control = torch.randn(1, 8, 3, 8, 8, generator=generator)
    text = torch.randn(1, 6, 16, generator=generator) * (1 if prompt == "cond" else -1)
    with torch.no_grad(), transformer.cache_context(prompt):
        result: Tensor = transformer(latents, torch.full((1, 4), 500.0), text, control=control, references=1)
    return result


class Calls:
    """How often each main block was computed."""

    def __init__(self, transformer: WanControlTransformer) -> None:
        self.counts = [0] * len(transformer.blocks)
        for index, block in enumerate(transformer.blocks):
            block.get_submodule("norm1").register_forward_pre_hook(self._counter(index))

    def _counter(self, index: int) -> Any:
        def count(_module: object, _arguments: object) -> None:
            self.counts[index] += 1

        return count


def test_with_a_tiny_threshold_the_cache_skips_nothing_and_changes_nothing(
    plain: WanControlTransformer, transformer: WanControlTransformer
) -> None:
    calls = Calls(transformer)
    switch_on(transformer, first_block_cache=1e-6)
    for change in (0.0, 0.01, 0.02):
        assert torch.equal(flow(transformer, change=change), flow(plain, change=change))
    assert calls.counts == [3, 3, 3, 3]


def test_with_a_large_threshold_only_the_first_block_runs_when_little_changes(
    plain: WanControlTransformer, transformer: WanControlTransformer
) -> None:
    calls = Calls(transformer)
    switch_on(transformer, first_block_cache=0.2)
    assert torch.equal(flow(transformer), flow(plain))
    cached = flow(transformer, change=1e-3)
    assert calls.counts == [2, 1, 1, 1]
    assert 0 < (cached - flow(plain, change=1e-3)).abs().max() < 0.01


def test_each_prompt_has_a_cache_of_its_own(plain: WanControlTransformer, transformer: WanControlTransformer) -> None:
    calls = Calls(transformer)
    switch_on(transformer, first_block_cache=0.999)
    flow(transformer)
    assert torch.equal(flow(transformer, prompt="uncond"), flow(plain, prompt="uncond"))
    assert calls.counts == [2, 2, 2, 2]


def test_a_round_starts_with_an_empty_cache(plain: WanControlTransformer, transformer: WanControlTransformer) -> None:
    switch_on(transformer, first_block_cache=0.2)
    flow(transformer)
    speed.reset(transformer)
    assert torch.equal(flow(transformer, change=1e-3), flow(plain, change=1e-3))


def test_without_a_cache_contexts_and_resets_do_nothing(plain: WanControlTransformer) -> None:
    before = flow(plain)
    speed.reset(plain)
    assert torch.equal(flow(plain), before)


def test_fp8_keeps_linear_layers_in_8_bits_and_computes_as_before(
    plain: WanControlTransformer, transformer: WanControlTransformer
) -> None:
    switch_on(transformer, fp8=True)
    change = (flow(transformer) - flow(plain)).abs().mean() / flow(plain).abs().mean()
    assert 0 < change < 0.1
    assert transformer.get_parameter("blocks.0.ffn.net.2.weight").dtype == torch.float8_e4m3fn
    for kept in (
        "blocks.0.scale_shift_table",
        "blocks.0.norm2.weight",
        "blocks.0.attn1.norm_q.weight",
        "patch_embedding.weight",
        "condition_embedder.time_proj.weight",
        "proj_out.weight",
    ):
        assert transformer.get_parameter(kept).dtype == torch.float32


def lora() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(2)
    shapes = {"attn1.to_q": (24, 24), "ffn.net.0.proj": (32, 24)}
    factors = {}
    for layer in range(4):
        for name, (height, width) in shapes.items():
            factors[f"blocks.{layer}.{name}.lora_A.weight"] = torch.randn(2, width, generator=generator)
            factors[f"blocks.{layer}.{name}.lora_B.weight"] = torch.randn(height, 2, generator=generator)
    return factors


@pytest.mark.parametrize("options", [{"fp8": True}, {"offload": True}, {"fp8": True, "offload": True}])
def test_adapters_go_on_and_off_under_fp8_and_offloading(
    plain: WanControlTransformer, transformer: WanControlTransformer, options: dict[str, bool]
) -> None:
    without_lora = switch_on(copy.deepcopy(plain), **options)
    add_lora(transformer, lora(), name="spatia")
    use_lora(transformer, "spatia")
    wanted = flow(transformer)
    switch_on(transformer, **options)
    tolerance = 0.15 if "fp8" in options else 0.0
    assert (flow(transformer) - wanted).abs().mean() <= tolerance * wanted.abs().mean()
    use_lora(transformer)
    assert torch.equal(flow(transformer), flow(without_lora))
    use_lora(transformer, "spatia")
    assert (flow(transformer) - wanted).abs().mean() <= tolerance * wanted.abs().mean()
    factors = [parameter for name, parameter in transformer.named_parameters() if ".lora_" in name]
    assert factors
    assert all(factor.dtype == torch.float32 for factor in factors)


def test_offloading_changes_nothing(plain: WanControlTransformer, transformer: WanControlTransformer) -> None:
    """On a CPU there is nowhere to go: this holds the call and its arguments to the installed diffusers."""
    switch_on(transformer, offload=True)
    assert torch.equal(flow(transformer), flow(plain))


def test_the_layers_of_a_block_run_only_inside_it(transformer: WanControlTransformer) -> None:
    """A block's weights are on the device from the start of its forward to its end."""
    inside: list[object] = []
    outside: list[str] = []

    def check(name: str, block: object) -> Any:
        return lambda _layer, _arguments: None if block in inside else outside.append(name)

    for stack in (transformer.blocks, transformer.vace_blocks):
        for block in stack:
            block.register_forward_pre_hook(lambda block, _arguments: inside.append(block))
            block.register_forward_hook(lambda _block, _arguments, _output: inside.clear())
            for name, layer in block.named_modules():
                if name:
                    layer.register_forward_pre_hook(check(name, block))
    flow(transformer)
    assert outside == []


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None and shutil.which("clang++") is None, reason="no C++ compiler")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_compiled_blocks_compute_the_same() -> None:
    config = replace(SMALL, layers=1, control_layers=())
    transformer = WanControlTransformer.of(config).requires_grad_(False).eval()
    arguments = (torch.randn(1, 4, 2, 4, 4), torch.full((1, 2), 500.0), torch.randn(1, 3, 16))
    wanted = transformer(*arguments)
    switch_on(transformer, compile=True)
    assert torch.allclose(transformer(*arguments), wanted, atol=BY_ROUNDING)


def test_an_attention_backend_holds_for_this_network_alone(
    plain: WanControlTransformer, transformer: WanControlTransformer
) -> None:
    switch_on(transformer, attention="_native_math")
    assert torch.allclose(flow(transformer), flow(plain), atol=BY_ROUNDING)
    chosen = {module.processor._attention_backend for module in transformer.modules() if hasattr(module, "processor")}
    assert chosen == {AttentionBackendName._NATIVE_MATH}
    assert {module.processor._attention_backend for module in plain.modules() if hasattr(module, "processor")} == {None}


@pytest.fixture(autouse=True)
def _no_backend_leaks() -> Iterator[None]:
    """Attention of networks without a backend of their own must stay torch's."""
    with attention_backend("native"):
        yield


def test_an_unknown_attention_backend_is_refused_with_the_known_ones(transformer: WanControlTransformer) -> None:
    with pytest.raises(SceneError, match="'flahs'; did you mean 'flash'") as refused:
        switch_on(transformer, attention="flahs")
    assert "native" in refused.value.fix


def test_a_backend_that_is_not_installed_is_refused(transformer: WanControlTransformer) -> None:
    with pytest.raises(SceneError, match="'_native_npu' cannot be used"):
        switch_on(transformer, attention="_native_npu")


def test_backends_that_download_programs_are_unknown() -> None:
    assert not [name for name in speed.attention_backends() if name.endswith("_hub")]


def test_tiling_is_the_autoencoders() -> None:
    with torch.device("meta"):
        transformer: WanControlTransformer = WanControlTransformer.of(SMALL)
        vae = AutoencoderKLWan(base_dim=4, num_res_blocks=1)
    speed.apply(transformer, vae, SpeedOptions(tiling=True), device=CPU, compute_dtype=torch.float32)
    assert vae.use_tiling


def test_a_threshold_must_be_a_share() -> None:
    with pytest.raises(ValueError, match="first_block_cache must lie between 0 and 1; got 2"):
        SpeedOptions(first_block_cache=2)
