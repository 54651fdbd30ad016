"""What is converted loads as before, in our loader and in diffusers'."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanTransformer3DModel
from transformers import UMT5EncoderModel

from spatia.checkpoints.convert import convert_base, convert_pickles
from spatia.checkpoints.layout import find_base
from spatia.checkpoints.load import load_autoencoder, load_text_encoder
from spatia.errors import InputError
from support.toy_models import Toy

CPU: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}


def assert_equal(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def quiet(name: str, done: int, total: int) -> None:
    pass


def test_a_converted_base_is_the_same_model_in_the_layout_of_diffusers(toy: Toy, tmp_path: Path) -> None:
    said: list[tuple[str, int, int]] = []
    base = convert_base(toy.original, tmp_path / "out", progress=lambda *step: said.append(step))
    assert base.layout == "diffusers" and base.config == find_base(toy.original).config
    assert said[0] == ("transformer/diffusion_pytorch_model-00001-of-00003.safetensors", 0, 5)
    assert said[-1] == ("text_encoder/model.safetensors", 4, 5)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_libraries_own_loaders_take_a_converted_base(toy: Toy, tmp_path: Path) -> None:
    out = convert_base(toy.original, tmp_path / "out", progress=quiet).folder
    for network, part in ((WanTransformer3DModel, "transformer"), (AutoencoderKLWan, "vae")):
        converted, report = network.from_pretrained(out / part, output_loading_info=True)
        assert not report["missing_keys"] and not report["unexpected_keys"]
        wanted = network.from_pretrained(toy.diffusers / part)
        assert {**converted.config, "_name_or_path": ""} == {**wanted.config, "_name_or_path": ""}
        assert_equal(converted.state_dict(), wanted.state_dict())
    assert_equal(
        UMT5EncoderModel.from_pretrained(out / "text_encoder").state_dict(),
        UMT5EncoderModel.from_pretrained(toy.diffusers / "text_encoder").state_dict(),
    )
    assert UniPCMultistepScheduler.from_pretrained(out / "scheduler").config.flow_shift == 5.0


def test_nothing_is_overwritten(toy: Toy, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="exists already"):
        convert_base(toy.original, tmp_path / "out", progress=quiet)


def test_a_conversion_that_is_stopped_leaves_nothing(toy: Toy, tmp_path: Path) -> None:
    def stop(name: str, done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert_base(toy.original, tmp_path / "out", progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_base_in_the_layout_of_diffusers_needs_no_conversion(toy: Toy, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="layout of diffusers already"):
        convert_base(toy.diffusers, tmp_path / "out", progress=quiet)


def test_the_twins_of_the_pickles_are_used_instead_of_them(toy: Toy, tmp_path: Path) -> None:
    folder = tmp_path / "base"
    folder.mkdir()
    for path in toy.original.iterdir():
        if path.suffix != ".pth":
            (folder / path.name).symlink_to(path)
        else:
            (folder / path.name).write_bytes(path.read_bytes())
    twins = convert_pickles(folder, progress=quiet)
    assert [path.name for path in twins] == ["models_t5_umt5-xxl-enc-bf16.safetensors", "Wan2.2_VAE.safetensors"]
    assert convert_pickles(folder, progress=quiet) == []
    for path in folder.glob("*.pth"):
        path.unlink()
    base = find_base(folder)
    assert (base.autoencoder, base.text_encoder) == ((twins[1],), (twins[0],))
    of_pickles = find_base(toy.original)
    for load in (load_autoencoder, load_text_encoder):
        assert_equal(load(base, **CPU).state_dict(), load(of_pickles, **CPU).state_dict())


def test_a_place_that_cannot_be_written_is_named(toy: Toy, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        convert_base(toy.original, tmp_path / "file" / "out", progress=quiet)
