"""Both layouts give the networks that were saved; a file that does not fit is refused before its weights are read."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from safetensors.torch import load_file, save_file
from transformers import UMT5EncoderModel

from spatia.checkpoints import names
from spatia.checkpoints.layout import BaseFiles, find_base
from spatia.checkpoints.load import load_autoencoder, load_text_encoder, load_tokenizer, load_transformer, read_lora
from spatia.checkpoints.tiny import TRANSFORMER
from spatia.checkpoints.wanted import base_parts, empty_transformer, infer_control_layers
from spatia.errors import InputError
from spatia.networks.config import MIRAGE_CONTROL_LAYERS, SPATIA_CONTROL_LAYERS, WAN_TI2V_5B
from spatia.networks.lora import add_lora, use_lora
from spatia.networks.transformer import WanControlTransformer
from support.toy_models import Toy

CPU: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}


@pytest.fixture(params=["original", "diffusers"])
def base(request: pytest.FixtureRequest, toy: Toy) -> BaseFiles:
    return find_base(getattr(toy, request.param))


def load_with_control(base: BaseFiles, control: Path, dtype: torch.dtype = torch.float32) -> WanControlTransformer:
    layers = TRANSFORMER.control_layers
    return load_transformer(base, control=control, control_layers=layers, dtype=dtype, device="cpu")


def run_transformer(module: WanControlTransformer) -> torch.Tensor:
    """The output on always the same inputs, with the control branch."""
    draw = torch.Generator().manual_seed(7)
    latents = torch.randn(1, TRANSFORMER.latent_channels, 3, 4, 4, generator=draw)
    control = torch.randn(1, TRANSFORMER.control_channels, 3, 4, 4, generator=draw)
    text = torch.randn(1, 5, TRANSFORMER.text_size, generator=draw)
    with torch.no_grad():
        output: torch.Tensor = module(latents, torch.full((1, 3), 500.0), text, control=control)
    return output


def test_both_layouts_give_the_same_outputs(toy: Toy) -> None:
    original = load_with_control(find_base(toy.original), toy.control)
    diffusers = load_with_control(find_base(toy.diffusers), toy.control)
    output = run_transformer(original)
    assert output.std() > 0.1 and torch.equal(output, run_transformer(diffusers))
    assert not any(parameter.is_meta or parameter.requires_grad for parameter in original.parameters())


def test_the_transformer_has_the_weights_that_diffusers_loads(toy: Toy, base: BaseFiles) -> None:
    theirs = WanTransformer3DModel.from_pretrained(toy.diffusers / "transformer").state_dict()
    ours = load_transformer(base, control=None, **CPU).state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_the_control_branch_comes_from_its_file(toy: Toy, base: BaseFiles) -> None:
    loaded = load_with_control(base, toy.control).state_dict()
    control = load_file(toy.control)
    assert {names.to_original(name) for name in loaded if name.startswith("vace_")} == control.keys()
    assert all(torch.equal(loaded[names.to_diffusers(name)], tensor.float()) for name, tensor in control.items())


def test_norms_and_modulation_stay_in_float32(toy: Toy, base: BaseFiles) -> None:
    loaded = load_with_control(base, toy.control, torch.bfloat16)
    dtypes = {name: tensor.dtype for name, tensor in loaded.state_dict().items()}
    assert dtypes["blocks.1.attn1.to_q.weight"] == dtypes["vace_blocks.0.proj_in.weight"] == torch.bfloat16
    assert dtypes["blocks.1.norm2.weight"] == dtypes["vace_blocks.1.scale_shift_table"] == torch.float32
    assert dtypes["condition_embedder.time_embedder.linear_1.weight"] == torch.float32
    assert dtypes["condition_embedder.text_embedder.linear_1.weight"] == torch.bfloat16


def test_the_autoencoder_gives_the_latents_and_pixels_of_the_one_that_diffusers_loads(
    toy: Toy, base: BaseFiles
) -> None:
    theirs, ours = AutoencoderKLWan.from_pretrained(toy.diffusers / "vae"), load_autoencoder(base, **CPU)
    pixels = torch.rand(1, 3, 1, 32, 32, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        latents = ours.encode(pixels).latent_dist.mode()
        assert torch.equal(latents, theirs.encode(pixels).latent_dist.mode())
        assert torch.equal(ours.decode(latents).sample, theirs.decode(latents).sample)
    assert ours.config.latents_mean == theirs.config.latents_mean


def test_the_text_encoder_gives_the_embeddings_of_the_one_that_transformers_loads(toy: Toy, base: BaseFiles) -> None:
    theirs = UMT5EncoderModel.from_pretrained(toy.diffusers / "text_encoder", dtype=torch.float32)
    tokens = torch.tensor([[3, 4, 1, 0]])
    with torch.no_grad():
        ours = load_text_encoder(base, **CPU)(tokens).last_hidden_state
        assert torch.equal(ours, theirs(tokens).last_hidden_state)


def test_the_tokenizer_is_the_folders(base: BaseFiles) -> None:
    tokenizer = load_tokenizer(base)
    assert tokenizer.convert_ids_to_tokens(tokenizer("a room").input_ids) == ["\u2581a", "\u2581room", "</s>"]


def test_a_folder_without_a_tokenizer_that_can_be_read_is_named(toy: Toy, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(toy.original, tmp_path / "base"))
    (folder / "google" / "umt5-xxl" / "tokenizer.json").write_text("{")
    with pytest.raises(InputError, match="no tokenizer can be read") as caught:
        load_tokenizer(find_base(folder))
    assert caught.value.where == str(folder / "google" / "umt5-xxl")


def test_all_networks_are_as_wanted(base: BaseFiles) -> None:
    assert [part.check.table() for part in base_parts(base)] == ["", "", ""]


def test_a_text_encoder_saved_under_its_other_name_loads(toy: Toy, tmp_path: Path) -> None:
    shutil.copytree(toy.diffusers, tmp_path / "base")
    file = tmp_path / "base" / "text_encoder" / "model.safetensors"
    weights = load_file(file)
    weights["encoder.embed_tokens.weight"] = weights.pop("shared.weight")
    save_file(weights, file)
    load_text_encoder(find_base(tmp_path / "base"), **CPU)


def test_the_full_size_state_loads_from_the_authors_names_with_nothing_missing_and_nothing_unexpected() -> None:
    module = empty_transformer(WAN_TI2V_5B.with_control(SPATIA_CONTROL_LAYERS))
    original = {names.to_original(name): tensor for name, tensor in module.state_dict().items()}
    result = module.load_state_dict(
        {names.to_diffusers(name): torch.empty_like(tensor) for name, tensor in original.items()},
        assign=True,
        strict=False,
    )
    assert (result.missing_keys, result.unexpected_keys) == ([], [])


def test_a_lora_changes_the_output_and_leaves_when_switched_off(toy: Toy) -> None:
    transformer = load_with_control(find_base(toy.original), toy.control)
    before = run_transformer(transformer)
    add_lora(transformer, read_lora(toy.lora, config=TRANSFORMER), name="round")
    use_lora(transformer, "round")
    assert not torch.equal(run_transformer(transformer), before)
    use_lora(transformer)
    assert torch.equal(run_transformer(transformer), before)


def test_a_lora_for_another_width_names_file_tensor_wanted_and_found(toy: Toy, tmp_path: Path) -> None:
    file = tmp_path / "wide.safetensors"
    name = "pipe.dit.blocks.0.self_attn.q.lora_A.weight"
    save_file({name: torch.zeros(4, 96), name.replace("lora_A", "lora_B"): torch.zeros(48, 4)}, file)
    with pytest.raises(InputError) as caught:
        read_lora(file, config=TRANSFORMER)
    said = str(caught.value)
    assert str(file) in said and f"misshapen {name}: wanted float32 [4, 48], found float32 [4, 96]" in said


def test_a_lora_with_half_of_a_pair_is_refused(toy: Toy, tmp_path: Path) -> None:
    file = tmp_path / "half.safetensors"
    save_file({"blocks.0.self_attn.q.lora_A.weight": torch.zeros(4, 48)}, file)
    with pytest.raises(
        InputError, match=r"missing   blocks\.0\.self_attn\.q\.lora_B\.weight: wanted float32 \[48, 4\]"
    ):
        read_lora(file, config=TRANSFORMER)


def test_a_file_without_factors_is_no_lora(toy: Toy) -> None:
    with pytest.raises(InputError, match="holds no LoRA of this transformer"):
        read_lora(toy.control, config=TRANSFORMER)


def test_a_control_branch_of_another_width_is_refused_with_the_first_rows(toy: Toy, tmp_path: Path) -> None:
    file = tmp_path / "control.safetensors"
    weights = load_file(toy.control)
    weights["vace_blocks.0.before_proj.weight"] = torch.zeros(96, 96)
    del weights["vace_blocks.1.norm3.bias"]
    weights["vace_blocks.1.extra"] = torch.zeros(1)
    save_file(weights, file)
    with pytest.raises(InputError) as caught:
        load_with_control(find_base(toy.original), file)
    assert caught.value.where == str(file)
    assert "vace_blocks.0.before_proj.weight: wanted float32 [48, 48], found float32 [96, 96]" in str(caught.value)
    assert re.search(r"missing +vace_blocks\.1\.norm3\.bias: wanted float32 \[48\]", str(caught.value))
    assert re.search(r"extra +vace_blocks\.1\.extra", str(caught.value))


@pytest.mark.parametrize(("blocks", "layers"), [(8, SPATIA_CONTROL_LAYERS), (15, MIRAGE_CONTROL_LAYERS)])
def test_the_number_of_blocks_tells_the_control_layers(blocks: int, layers: tuple[int, ...], tmp_path: Path) -> None:
    file = tmp_path / "control.safetensors"
    save_file({f"vace_blocks.{n}.modulation": torch.zeros(1) for n in range(blocks)}, file)
    assert infer_control_layers(file, WAN_TI2V_5B) == layers


@pytest.mark.parametrize("blocks", [2, 7])
def test_layers_that_do_not_follow_from_the_number_of_blocks_must_be_named(blocks: int, tmp_path: Path) -> None:
    file = tmp_path / "control.safetensors"
    save_file({f"vace_blocks.{n}.modulation": torch.zeros(1) for n in range(blocks)}, file)
    with pytest.raises(InputError, match=f"holds {blocks} control blocks.*30 layers"):
        infer_control_layers(file, WAN_TI2V_5B)


def test_a_file_without_control_blocks_is_no_control_branch(toy: Toy) -> None:
    with pytest.raises(InputError, match="holds no control branch") as caught:
        infer_control_layers(toy.lora, WAN_TI2V_5B)
    assert caught.value.where == str(toy.lora)


def test_an_autoencoder_for_other_latents_is_refused(toy: Toy, tmp_path: Path) -> None:
    shutil.copytree(toy.original, tmp_path / "base")
    weights = torch.load(  # noqa: TID251 - written by this test
        tmp_path / "base" / "Wan2.2_VAE.pth", weights_only=True
    )
    weights["conv2.weight"], weights["conv2.bias"] = torch.zeros(6, 6, 1, 1, 1), torch.zeros(6)
    torch.save(weights, tmp_path / "base" / "Wan2.2_VAE.pth")
    with pytest.raises(InputError, match="latent channels differ: 6 here, 48 in the transformer"):
        load_autoencoder(find_base(tmp_path / "base"), **CPU)
