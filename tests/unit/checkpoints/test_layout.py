"""What makes up a base model is found in both layouts; what is missing is named with the command that gets it."""

import json
import shutil
from pathlib import Path

import pytest

from spatia.checkpoints.layout import BaseFiles, find_base
from spatia.checkpoints.tiny import TRANSFORMER
from spatia.checkpoints.wanted import base_parts
from spatia.errors import InputError
from spatia.networks.config import WAN_TI2V_5B
from support.toy_models import Toy


@pytest.fixture(params=["original", "diffusers"])
def folder(request: pytest.FixtureRequest, toy: Toy, tmp_path: Path) -> Path:
    return Path(shutil.copytree(getattr(toy, request.param), tmp_path / request.param))


def test_both_layouts_state_the_same_sizes(toy: Toy) -> None:
    original, diffusers = find_base(toy.original), find_base(toy.diffusers)
    assert original.config == diffusers.config == TRANSFORMER.with_control(())
    assert (original.layout, diffusers.layout) == ("original", "diffusers")
    assert [path.name for path in original.transformer] == [
        f"diffusion_pytorch_model-0000{number}-of-00003.safetensors" for number in (1, 2, 3)
    ]


def test_weights_without_a_configuration_are_the_released_model(toy: Toy, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(toy.original, tmp_path / "base"))
    (folder / "config.json").unlink()
    assert find_base(folder).config == WAN_TI2V_5B


def test_an_index_names_the_shards(toy: Toy, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(toy.original, tmp_path / "base"))
    index = folder / "diffusion_pytorch_model.safetensors.index.json"
    first = "diffusion_pytorch_model-00001-of-00003.safetensors"
    (folder / "diffusion_pytorch_model-00003-of-00003.safetensors").rename(folder / "rest.safetensors")
    index.write_text(json.dumps({"weight_map": {"x": first, "y": "rest.safetensors"}}))
    assert [path.name for path in find_base(folder).transformer] == [first, "rest.safetensors"]


def test_without_an_index_the_shards_names_say_how_many_there_are(toy: Toy, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(toy.original, tmp_path / "base"))
    (folder / "diffusion_pytorch_model.safetensors.index.json").unlink()
    assert len(find_base(folder).transformer) == 3
    (folder / "diffusion_pytorch_model-00003-of-00003.safetensors").unlink()
    with pytest.raises(InputError, match="looked for diffusion_pytorch_model-00003-of-00003"):
        find_base(folder)


@pytest.mark.parametrize("name", ["../x.safetensors", "/x.safetensors", "x.pth", 3])
def test_an_index_reaches_no_file_outside_its_folder(name: object, toy: Toy, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(toy.original, tmp_path / "base"))
    (folder / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps({"weight_map": {"x": name}}))
    with pytest.raises(InputError, match="weight_map names no files of this folder"):
        find_base(folder)


@pytest.mark.parametrize(
    ("layout", "name"),
    [
        *(
            ("original", name)
            for name in (
                "diffusion_pytorch_model-00002-of-00003.safetensors",
                "Wan2.2_VAE.pth",
                "models_t5_umt5-xxl-enc-bf16.pth",
                "google/umt5-xxl/tokenizer.json",
            )
        ),
        *(
            ("diffusers", name)
            for name in (
                "transformer/config.json",
                "transformer/diffusion_pytorch_model.safetensors",
                "vae/config.json",
                "vae/diffusion_pytorch_model.safetensors",
                "text_encoder/config.json",
                "text_encoder/model.safetensors",
                "tokenizer/tokenizer.json",
            )
        ),
    ],
)
def test_a_missing_file_is_named_with_the_command_that_gets_it(
    layout: str, name: str, toy: Toy, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(getattr(toy, layout), tmp_path / "base"))
    (folder / name).unlink()
    with pytest.raises(InputError) as caught:
        find_base(folder)
    assert caught.value.where == str(folder / name)
    assert f"looked for {Path(name).name}" in caught.value.problem
    model = {"original": "wan2.2-ti2v-5b", "diffusers": "wan2.2-ti2v-5b-diffusers"}[layout]
    assert caught.value.fix == f"spatia models fetch {model}"


def test_a_folder_of_something_else_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"looked for diffusion_pytorch_model\*\.safetensors .* model_index\.json"):
        find_base(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        find_base(tmp_path / "nowhere")
    with pytest.raises(InputError, match="cannot be read: File name too long"):
        find_base(tmp_path / ("x" * 5000))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_layers", 10**9),
        ("num_layers", 0),
        ("num_layers", True),
        ("num_layers", "6"),
        ("num_layers", None),
        ("ffn_dim", -1),
        ("ffn_dim", 1.5),
        ("text_dim", [16]),
        ("freq_dim", 1 << 40),
        ("patch_size", [1, 2]),
        ("patch_size", [1, 2, 0]),
        ("patch_size", "122"),
        ("eps", 0.0),
        ("eps", "small"),
    ],
)
def test_sizes_that_no_network_has_are_refused(key: str, value: object, folder: Path) -> None:
    file = folder / ("config.json" if folder.name == "original" else "transformer/config.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), key: value}))
    with pytest.raises(InputError, match=f"{key} must be") as caught:
        find_base(folder)
    assert caught.value.where == str(file)


def test_a_model_that_takes_more_than_latents_is_refused(toy: Toy, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(toy.original, tmp_path / "base"))
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "in_dim": 36}))
    with pytest.raises(InputError, match="in_dim 36 and out_dim 48 differ"):
        find_base(folder)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, "\x00", "nope", '{"a": ' * 5000])
def test_what_is_no_json_object_is_refused(text: str, folder: Path) -> None:
    for name in ("config.json", "transformer/config.json", "vae/config.json", "text_encoder/config.json"):
        if (folder / name).exists():
            kept = (folder / name).read_text()
            (folder / name).write_text(text)
            with pytest.raises(InputError) as caught:
                find_base(folder)
            assert caught.value.where == str(folder / name)
            (folder / name).write_text(kept)


def test_an_image_branch_that_a_mirror_states_is_ignored(toy: Toy, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(toy.diffusers, tmp_path / "base"))
    file = folder / "transformer" / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "image_dim": 1280, "added_kv_proj_dim": 5120}))
    assert next(base_parts(find_base(folder))).check.ok


def test_a_base_is_found_through_links(toy: Toy, tmp_path: Path) -> None:
    folder = tmp_path / "linked"
    folder.mkdir()
    for path in toy.original.iterdir():
        (folder / path.name).symlink_to(path)
    assert isinstance(find_base(folder), BaseFiles)


@pytest.mark.parametrize(
    ("network", "key", "value"),
    [
        ("vae", "num_res_blocks", 10**9),
        ("vae", "dim_mult", [1] * 1000),
        ("vae", "dim_mult", ["1"]),
        ("vae", "latents_mean", [0.0] * 3),
        ("vae", "latents_std", None),
        ("vae", "patch_size", 10**30),
        ("vae", "z_dim", -4),
        ("text_encoder", "num_layers", 10**9),
    ],
)
def test_settings_that_would_build_without_end_are_refused(
    network: str, key: str, value: object, toy: Toy, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(toy.diffusers, tmp_path / "base"))
    file = folder / network / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), key: value}))
    with pytest.raises(InputError, match=f"{key} must") as caught:
        find_base(folder)
    assert caught.value.where == str(file)


@pytest.mark.parametrize(
    ("network", "key", "value"),
    [
        ("vae", "base_dim", "x"),
        ("vae", "base_dim", 10**30),
        ("vae", "temperal_downsample", []),
        ("vae", "in_channels", None),
        ("text_encoder", "d_kv", 10**30),
        ("text_encoder", "num_heads", "x"),
        ("text_encoder", "feed_forward_proj", "a-b-c"),
    ],
)
def test_settings_that_make_no_network_are_named(
    network: str, key: str, value: object, toy: Toy, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(toy.diffusers, tmp_path / "base"))
    file = folder / network / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), key: value}))
    with pytest.raises(InputError, match="its settings make no network"):
        list(base_parts(find_base(folder)))
