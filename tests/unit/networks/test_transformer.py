"""Against diffusers' own Wan models, where those can do what ours does; the rest is in the golden numbers."""

from typing import Any

import pytest
import torch
from diffusers import WanTransformer3DModel, WanVACETransformer3DModel
from torch import Tensor

from spatia.networks.config import MIRAGE_CONTROL_LAYERS, SPATIA_CONTROL_LAYERS, WAN_TI2V_5B, TransformerConfig
from spatia.networks.transformer import WanControlTransformer

CONFIG = TransformerConfig(
    heads=2, head_size=24, ffn_size=64, layers=4, latent_channels=6, control_channels=12, text_size=10,
    frequency_size=16, control_layers=(0, 2),
)  # fmt: skip
FRAMES, HEIGHT, WIDTH = 3, 4, 6
TOKENS_A_FRAME = HEIGHT // 2 * (WIDTH // 2)


def diffusers_config(config: TransformerConfig) -> dict[str, Any]:
    return {
        "num_attention_heads": config.heads,
        "attention_head_dim": config.head_size,
        "in_channels": config.latent_channels,
        "out_channels": config.latent_channels,
        "text_dim": config.text_size,
        "freq_dim": config.frequency_size,
        "ffn_dim": config.ffn_size,
        "num_layers": config.layers,
        "eps": config.eps,
    }


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def network() -> WanControlTransformer:
    torch.manual_seed(0)
    network: WanControlTransformer = WanControlTransformer.of(CONFIG).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return network


LATENTS = random(2, 6, FRAMES, HEIGHT, WIDTH, seed=1)
TEXT = random(2, 7, 10, seed=2)
CONTROL = random(2, 12, FRAMES, HEIGHT, WIDTH, seed=3)


@torch.no_grad()
def test_without_control_it_is_diffusers_wan_with_a_timestep_for_each_token(network: WanControlTransformer) -> None:
    theirs = WanTransformer3DModel(**diffusers_config(CONFIG)).eval()
    state = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith("vace")}
    theirs.load_state_dict(state)
    by_frame = torch.tensor([[0.0, 400.0, 643.0], [10.0, 20.0, 30.0]])
    by_token = by_frame.repeat_interleave(TOKENS_A_FRAME, dim=1)
    expected = theirs(LATENTS, by_token, TEXT, return_dict=False)[0]
    torch.testing.assert_close(network(LATENTS, by_frame, TEXT), expected, atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_with_control_at_one_timestep_it_is_diffusers_vace(network: WanControlTransformer, scale: float) -> None:
    theirs = WanVACETransformer3DModel(
        **diffusers_config(CONFIG), vace_layers=list(CONFIG.control_layers), vace_in_channels=12
    ).eval()
    missing, unexpected = theirs.load_state_dict(network.state_dict(), strict=False)
    assert not unexpected and all("rope" in name for name in missing)
    expected = theirs(
        LATENTS, torch.tensor([643, 643]), TEXT, control_hidden_states=CONTROL,
        control_hidden_states_scale=torch.full((2,), scale), return_dict=False,
    )[0]  # fmt: skip
    ours = network(LATENTS, torch.full((2, FRAMES), 643.0), TEXT, control=CONTROL, control_scale=scale)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_a_hint_reaches_no_reference_before_attention_carries_it(network: WanControlTransformer) -> None:
    """With one layer, nothing mixes tokens after the hint: the references' prediction cannot know of the control."""
    torch.manual_seed(1)
    shallow = WanControlTransformer.of(
        TransformerConfig(
            heads=2, head_size=24, ffn_size=64, layers=1, latent_channels=6, control_channels=12, text_size=10,
            frequency_size=16, control_layers=(0,),
        )
    )  # fmt: skip
    timesteps = torch.full((2, FRAMES), 500.0)
    outputs = [shallow(LATENTS, timesteps, TEXT, control=c[:, :, 1:], references=1) for c in (CONTROL, -CONTROL)]
    assert torch.equal(outputs[0][:, :, :1], outputs[1][:, :, :1])
    assert not torch.equal(outputs[0][:, :, 1:], outputs[1][:, :, 1:])


@torch.no_grad()
def test_references_take_other_positions_than_the_frames_would(network: WanControlTransformer) -> None:
    timesteps = torch.full((2, FRAMES), 500.0)
    assert not torch.allclose(network(LATENTS, timesteps, TEXT, references=1), network(LATENTS, timesteps, TEXT))


def test_control_that_covers_other_frames_is_refused(network: WanControlTransformer) -> None:
    with pytest.raises(ValueError, match=r"control must cover .* \(2, 4, 6\); got \(3, 4, 6\)"):
        network(LATENTS, torch.zeros(2, FRAMES), TEXT, control=CONTROL, references=1)
    with pytest.raises(ValueError, match="no multiple of the patch"):
        network(LATENTS[..., :5], torch.zeros(2, FRAMES), TEXT)


@pytest.mark.parametrize(("layers", "blocks"), [(SPATIA_CONTROL_LAYERS, 8), (MIRAGE_CONTROL_LAYERS, 15), ((), 0)])
def test_the_5b_network_has_a_block_for_each_control_layer(layers: tuple[int, ...], blocks: int) -> None:
    with torch.device("meta"):
        network = WanControlTransformer.of(WAN_TI2V_5B.with_control(layers))
    control = {name for name in network.state_dict() if name.startswith("vace_blocks.")}
    assert len({name.split(".")[1] for name in control}) == blocks
    assert {name for name in control if "proj_in" in name} == (
        {"vace_blocks.0.proj_in.weight", "vace_blocks.0.proj_in.bias"} if blocks else set()
    )


@pytest.mark.parametrize("layers", [(0, 4), (2, 1), (1, 1), (-1,)])
def test_control_layers_must_be_layers_in_order(layers: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="control_layers"):
        CONFIG.with_control(layers)


def test_it_is_saved_and_opened_as_diffusers_models_are(network: WanControlTransformer, tmp_path: Any) -> None:
    network.save_pretrained(tmp_path)
    again = WanControlTransformer.from_pretrained(tmp_path)
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in network.state_dict().items())
