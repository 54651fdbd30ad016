import pytest

from spatia.checkpoints.catalogue import BASE, BASE_DIFFUSERS, CONTROL_FILE, LORA_FILE, MODELS, SPATIA, known
from spatia.errors import SceneError

SHARDS = [f"diffusion_pytorch_model-0000{n}-of-00003.safetensors" for n in (1, 2, 3)]
BASE_FILES = [*SHARDS, "models_t5_umt5-xxl-enc-bf16.pth", "Wan2.2_VAE.pth", "google/umt5-xxl/spiece.model"]


def test_names_are_unique_and_none_is_hidden_in_another_folder() -> None:
    names = [model.name for model in MODELS]
    assert len(set(names)) == len(names)
    assert all("/" not in name and not name.startswith(".") for name in names)


def test_every_repository_and_licence_has_an_address() -> None:
    for model in MODELS:
        assert model.repository.count("/") == 1
        assert model.licence.url.startswith("https://")
        assert model.licence.restricts == (model.licence.id != "Apache-2.0")


def test_a_restricted_model_says_what_its_licence_asks_for() -> None:
    assert known("spatia").licence.meaning.startswith("share alike")
    assert known("mapanything").licence.meaning.startswith("non-commercial")
    assert "mapanything-apache" in known("mapanything").note


def test_an_unknown_name_gets_the_nearest_one() -> None:
    with pytest.raises(SceneError, match="did you mean 'spatia'"):
        known("spatai")


def test_examples_and_other_weights_are_not_wanted() -> None:
    model = known(BASE)
    others = ["assets/logo.png", "examples/i2v_input.JPG", ".gitattributes", "nohup.out"]
    assert model.wanted([*BASE_FILES, "config.json", "README.md", *others]) == sorted(
        [*BASE_FILES, "config.json", "README.md"]
    )
    assert "sam2.1_hiera_large.pt" not in known("sam2").wanted(["model.safetensors", "sam2.1_hiera_large.pt"])


def test_nothing_is_lacking_in_a_whole_set() -> None:
    assert known(BASE).lacking(BASE_FILES) == []


def test_a_file_that_nothing_matches_is_lacking() -> None:
    assert known(BASE).lacking([name for name in BASE_FILES if not name.endswith("VAE.pth")]) == ["Wan2.2_VAE.*"]
    assert known(SPATIA).lacking([]) == [CONTROL_FILE, LORA_FILE]


def test_a_shard_is_lacking_when_a_sibling_announces_it() -> None:
    assert known(BASE).lacking([name for name in BASE_FILES if name != SHARDS[1]]) == [SHARDS[1]]
    diffusers = known(BASE_DIFFUSERS).lacking(["text_encoder/model-00001-of-00002.safetensors"])
    assert "text_encoder/model-00002-of-00002.safetensors" in diffusers


def test_a_name_that_announces_a_hundred_thousand_shards_announces_none() -> None:
    assert known("sam2").lacking(["config.json", "model.safetensors", "x-00001-of-99999.safetensors"]) == []


def test_weights_are_found_at_any_depth_of_spatias_repository() -> None:
    assert known(SPATIA).lacking(["control/step-8500.safetensors", "lora_weights_10000.safetensors"]) == []
