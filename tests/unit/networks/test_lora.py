import torch
from torch import Tensor

from spatia.networks.config import TransformerConfig
from spatia.networks.lora import add_lora, use_lora
from spatia.networks.transformer import WanControlTransformer

CONFIG = TransformerConfig(
    heads=2, head_size=12, ffn_size=32, layers=2, latent_channels=4, text_size=6, frequency_size=8
)
RANKS = {"blocks.0.attn1.to_q": 2, "blocks.0.ffn.net.2": 5, "blocks.1.attn2.to_out.0": 3}


def network() -> WanControlTransformer:
    torch.manual_seed(0)
    made: WanControlTransformer = WanControlTransformer.of(CONFIG).eval()
    return made


def factors(of: WanControlTransformer, *, seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for name, rank in RANKS.items():
        out_size, in_size = of.get_submodule(name).weight.shape
        found[f"{name}.lora_A.weight"] = torch.randn(rank, in_size, generator=generator)
        found[f"{name}.lora_B.weight"] = torch.randn(out_size, rank, generator=generator)
    return found


@torch.no_grad()
def flow(of: WanControlTransformer) -> Tensor:
    generator = torch.Generator().manual_seed(9)
    latents, text = torch.randn(1, 4, 2, 4, 4, generator=generator), torch.randn(1, 3, 6, generator=generator)
    predicted: Tensor = of(latents, torch.full((1, 2), 500.0), text)
    return predicted


def merged(*adapters: dict[str, Tensor]) -> WanControlTransformer:
    """The release's way: the product of the factors is added to the weights, whatever the rank."""
    base = network()
    with torch.no_grad():
        for adapter in adapters:
            for name in RANKS:
                base.get_submodule(name).weight += adapter[f"{name}.lora_B.weight"] @ adapter[f"{name}.lora_A.weight"]
    return base


def test_adapters_of_mixed_ranks_act_as_if_they_were_added_to_the_weights() -> None:
    adapted = network()
    first, second = factors(adapted, seed=1), factors(adapted, seed=2)
    add_lora(adapted, first, name="first")
    add_lora(adapted, second, name="second")
    cases = {("first",): merged(first), ("second",): merged(second), ("first", "second"): merged(first, second)}
    for names, same in cases.items():
        use_lora(adapted, *names)
        torch.testing.assert_close(flow(adapted), flow(same), atol=1e-4, rtol=1e-4)


def test_an_adapter_is_off_until_it_is_used_and_leaves_no_trace() -> None:
    plain, adapted = flow(network()), network()
    add_lora(adapted, factors(adapted, seed=1), name="first")
    assert torch.equal(flow(adapted), plain)
    for _ in range(10):
        use_lora(adapted, "first")
        use_lora(adapted)
    assert torch.equal(flow(adapted), plain)


def test_a_network_without_adapters_has_none_to_switch_off() -> None:
    use_lora(network())
