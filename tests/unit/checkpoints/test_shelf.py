from pathlib import Path

import pytest

from spatia.checkpoints.catalogue import CONTROL_FILE, LORA_FILE
from spatia.checkpoints.shelf import Shelf, open_shelf
from spatia.errors import SceneError


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def test_the_folder_that_is_named_goes_first_and_then_the_environments() -> None:
    environment = {"SPATIA_MODELS": "/weights", "XDG_DATA_HOME": "/data"}
    assert open_shelf(environment, to=Path("here")).root == Path("here")
    assert open_shelf(environment).root == Path("/weights")
    assert open_shelf({"XDG_DATA_HOME": "/data"}).root == Path("/data/spatia/models")


def test_the_default_is_in_the_users_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    expected = Path("/home/ada/.local/share/spatia/models")
    assert open_shelf({}).root == expected
    assert open_shelf({"XDG_DATA_HOME": "relative", "SPATIA_MODELS": ""}).root == expected
    assert open_shelf({"SPATIA_MODELS": "~/weights"}).root == Path("/home/ada/weights")


def test_an_empty_shelf_has_nothing(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "none")
    assert shelf.files("sam2") == []
    assert not shelf.has("sam2")
    assert shelf.find("spatia", CONTROL_FILE) is None


def test_a_model_is_there_when_all_its_files_are(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    put(shelf.folder("spatia"), "control/step-8500.safetensors", "README.md")
    assert shelf.lacking("spatia") == [LORA_FILE]
    put(shelf.folder("spatia"), "lora_weights_10000.safetensors")
    assert shelf.has("spatia")
    assert shelf.find("spatia", CONTROL_FILE) == tmp_path / "spatia/control/step-8500.safetensors"


def test_a_download_in_the_making_counts_for_nothing(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    put(shelf.folder("spatia"), ".cache/huggingface/download/step-8500.safetensors")
    assert shelf.files("spatia") == []
    assert not shelf.has("spatia")


def test_an_unknown_model_has_no_folder(tmp_path: Path) -> None:
    with pytest.raises(SceneError, match="unknown model"):
        Shelf(tmp_path).folder("../elsewhere")
