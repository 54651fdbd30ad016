import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from spatia.app.models_cli import convert_in_console, fetch_in_console, fetch_models, print_check, print_list
from spatia.checkpoints.catalogue import BASE, BASE_DIFFUSERS, MODELS, Model, known
from spatia.checkpoints.shelf import Shelf
from spatia.errors import DeviceError, InputError, SceneError
from support.fake_hub import EVERYTHING, FakeHub

SPATIA = known("spatia")
SHARE_ALIKE = "CC-BY-SA-4.0"
PACKAGES = ("torch", "diffusers", "transformers", "peft", "accelerate", "safetensors", "huggingface_hub")


class Asked:
    """Answers every question with `answer` and keeps the questions."""

    def __init__(self, answer: bool) -> None:
        self.answer = answer
        self.questions: list[str] = []

    def __call__(self, question: str) -> bool:
        self.questions.append(question)
        return self.answer


def fetch(
    shelf: Shelf, *models: Model, hub: FakeHub | None = None, accepted: tuple[str, ...] = (), ask: Asked | None = None
) -> None:
    fetch_models(models, shelf=shelf, hub=hub or FakeHub(EVERYTHING), accepted=accepted, ask=ask)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "models")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    pytest.importorskip("diffusers", reason="the networks' packages are not installed")
    from spatia.checkpoints.tiny import write_tiny_models

    folder = tmp_path_factory.mktemp("tiny")
    write_tiny_models(folder, layout="original")
    return Shelf(folder)


def test_the_list_names_every_model_its_licence_and_whether_it_is_here(
    shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf.folder("sam2").mkdir(parents=True)
    (shelf.folder("sam2") / "config.json").write_text("{}")
    print_list(shelf.root)
    printed = capsys.readouterr().out
    for model in MODELS:
        assert model.name in printed
        assert model.licence.meaning in printed
    assert "in part" in printed
    assert "Mirage: no weights are published" in printed
    assert str(shelf.root) in printed


def test_without_a_terminal_a_licence_has_to_be_accepted_by_name(shelf: Shelf) -> None:
    with pytest.raises(InputError, match=SHARE_ALIKE) as caught:
        fetch(shelf, SPATIA)
    assert caught.value.fix == "spatia models fetch spatia --accept-licence CC-BY-SA-4.0"
    assert not shelf.root.exists()


def test_another_licence_that_is_accepted_does_not_do(shelf: Shelf) -> None:
    with pytest.raises(InputError, match="has to be accepted first"):
        fetch(shelf, SPATIA, accepted=("Apache-2.0",))


def test_an_accepted_model_is_here_afterwards(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    fetch(shelf, SPATIA, accepted=("cc-by-sa-4.0",))
    assert shelf.has("spatia")
    printed = capsys.readouterr().out
    assert "share alike" in printed
    assert "spatia needs a base, and none is here; get one with: spatia models fetch wan2.2-ti2v-5b" in printed


def test_a_licence_is_asked_for_once(shelf: Shelf) -> None:
    ask = Asked(True)
    fetch(shelf, known("mapanything"), ask=ask)
    fetch(shelf, known("mapanything"), ask=ask)
    assert ask.questions == ["Accept CC-BY-NC-4.0 for mapanything?"]


def test_a_licence_that_is_refused_fetches_nothing(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    hub = FakeHub(EVERYTHING)
    with pytest.raises(InputError, match="was not accepted"):
        fetch(shelf, known("mapanything"), hub=hub, ask=Asked(False))
    assert hub.asked == []
    printed = capsys.readouterr().out
    assert "non-commercial" in printed
    assert "mapanything-apache" in printed


def test_the_base_is_offered_with_spatia(shelf: Shelf) -> None:
    ask = Asked(True)
    fetch(shelf, SPATIA, ask=ask)
    assert ask.questions[0] == "spatia needs a base, and none is here. Fetch wan2.2-ti2v-5b too?"
    assert shelf.has(BASE)
    ask.questions.clear()
    fetch(shelf, SPATIA, ask=ask)
    assert ask.questions == []


def test_every_question_is_asked_before_the_first_download(shelf: Shelf) -> None:
    with pytest.raises(InputError, match="mapanything"):
        fetch(shelf, SPATIA, known("mapanything"), accepted=(SHARE_ALIKE,))
    assert not shelf.has("spatia")


def test_an_unknown_name_is_an_error_before_the_network_is_asked(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
    with pytest.raises(SceneError, match="did you mean 'spatia'"):
        fetch_in_console(["spatai"], to=tmp_path, accepted=[], with_base=False)


def test_offline_a_fetch_says_so(shelf: Shelf) -> None:
    errors = pytest.importorskip("huggingface_hub.errors", reason="huggingface_hub is not installed")
    with pytest.raises(DeviceError, match="HF_HUB_OFFLINE"):
        fetch(shelf, SPATIA, hub=FakeHub(EVERYTHING, failure=errors.OfflineModeIsEnabled("off")))


def check(shelf: Shelf, target: str | None = None, *, control: Path | None = None, every_row: bool = False) -> bool:
    return print_check(target, to=shelf.root, control=control, lora=None, every_row=every_row)


def test_a_whole_shelf_checks_out(tiny: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(tiny)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["transformer", "autoencoder", "text", "control", "LoRA"]


def test_a_base_is_checked_alone_when_it_is_named(tiny: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(tiny, BASE)
    assert check(tiny, str(tiny.folder(BASE)))
    assert "control" not in capsys.readouterr().out


def test_what_is_wrong_is_listed_and_counted(tiny: Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    path = tmp_path / "control.safetensors"
    tensors = load_file(tiny.folder("spatia") / "step-8500.safetensors")
    del tensors["vace_patch_embedding.bias"]
    tensors["vace_blocks.1.after_proj.bias"] = torch.zeros(3)
    tensors["vace_blocks.1.norm3.bias"] = tensors["vace_blocks.1.norm3.bias"].to(torch.int8)
    tensors |= {f"\x1b[2Jmore.{n}": torch.zeros(1) for n in range(50)}
    save_file(tensors, path)
    assert not check(tiny, control=path)
    printed = capsys.readouterr().out
    assert "missing   vace_patch_embedding.bias: wanted float32 [48]" in printed
    assert "misshapen vace_blocks.1.after_proj.bias: wanted float32 [48], found float32 [3]" in printed
    assert "dtype     vace_blocks.1.norm3.bias" in printed
    assert "and 13 more" in printed
    assert "\x1b[2J" not in printed
    assert not check(tiny, control=path, every_row=True)
    assert "more.49" in capsys.readouterr().out


def test_a_file_without_a_control_branch_lacks_all_of_it(tiny: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    assert not check(tiny, control=tiny.folder("spatia") / "lora_weights_10000.safetensors")
    assert "missing   vace_patch_embedding.weight" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("mapanything", "not a network of ours"),
        ("spatai", "did you mean 'spatia'"),
        ("spatia", r"is not here.*\n.*spatia models fetch spatia"),
        (None, r"no such folder.*\n.*spatia models fetch wan2.2-ti2v-5b"),
    ],
)
def test_what_cannot_be_checked_is_an_error_with_a_fix(shelf: Shelf, target: str | None, words: str) -> None:
    pytest.importorskip("diffusers", reason="the networks' packages are not installed")
    with pytest.raises(InputError, match=words):
        check(shelf, target)


def test_a_base_in_the_other_layout_checks_out_too(tiny: Shelf, tmp_path: Path) -> None:
    convert_in_console(tiny.folder(BASE), tmp_path / BASE_DIFFUSERS)
    assert Shelf(tmp_path).has(BASE_DIFFUSERS)
    assert check(Shelf(tmp_path))


def test_pickles_become_safetensors_beside_them_once(
    tiny: Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Shelf(tmp_path)
    shutil.copytree(tiny.folder(BASE), copy.folder(BASE))
    convert_in_console(copy.folder(BASE), None)
    for pickle in copy.folder(BASE).glob("*.pth"):
        pickle.unlink()
    assert copy.has(BASE)
    assert check(copy)
    convert_in_console(copy.folder(BASE), None)
    assert "nothing to do" in capsys.readouterr().out


def test_a_folder_that_is_no_base_is_not_converted(tmp_path: Path) -> None:
    pytest.importorskip("diffusers", reason="the networks' packages are not installed")
    with pytest.raises(InputError, match="no such folder"):
        convert_in_console(tmp_path / "none", None)


@pytest.mark.parametrize(
    ("command", "status", "words"),
    [
        (["list"], 0, "wan2.2-ti2v-5b"),
        (["fetch", "spatia"], 2, "pip install 'spatia-runtime[models]'"),
        (["check"], 2, "pip install 'spatia-runtime[models]'"),
        (["convert", "."], 2, "pip install 'spatia-runtime[models]'"),
    ],
)
def test_without_the_networks_packages_a_command_works_or_says_what_to_install(
    command: list[str], status: int, words: str
) -> None:
    without = f"import sys; sys.modules.update(dict.fromkeys({PACKAGES})); from spatia.__main__ import main; main()"
    run = subprocess.run(
        [sys.executable, "-c", without, "models", *command], capture_output=True, text=True, check=False
    )
    assert run.returncode == status
    assert words in run.stdout + run.stderr
    assert "Traceback" not in run.stderr
