"""A file of weights is described without reading it, or refused with its name and what to do."""

import json
import os
import shutil
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from spatia.checkpoints.tensors import MOST_TENSORS, TensorSpec, read_tensors, tensors_of
from spatia.errors import InputError
from support.mutate import mutants

SAMPLE = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4, dtype=torch.bfloat16)}


def header(tensors: object, *, data: bytes = b"", length: int | None = None) -> bytes:
    text = json.dumps(tensors).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def test_names_shapes_and_dtypes_of_safetensors(tmp_path: Path) -> None:
    save_file(SAMPLE, tmp_path / "x.safetensors")
    assert tensors_of(tmp_path / "x.safetensors") == {
        "a.weight": TensorSpec((2, 3), "float32"),
        "b": TensorSpec((4,), "bfloat16"),
    }


@pytest.mark.parametrize("old_format", [False, True])
def test_the_authors_two_pickles_are_read_by_their_names(tmp_path: Path, old_format: bool) -> None:
    file = tmp_path / "Wan2.2_VAE.pth"
    torch.save(SAMPLE, file, _use_new_zipfile_serialization=not old_format)
    assert tensors_of(file)["b"] == TensorSpec((4,), "bfloat16")
    read = dict(read_tensors(file))
    assert all(torch.equal(read[name], tensor) for name, tensor in SAMPLE.items())


def test_a_pickle_of_another_name_is_refused_unread(tmp_path: Path) -> None:
    torch.save(SAMPLE, tmp_path / "model.pth")
    with pytest.raises(InputError, match=r"pickles only where they are called .*Wan2\.2_VAE\.pth") as caught:
        tensors_of(tmp_path / "model.pth")
    assert "safetensors" in caught.value.fix


class Runs:
    """Unpickled by a careless reader, it would make a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (str(self.folder),))


def test_a_pickle_that_would_run_a_program_runs_nothing(tmp_path: Path) -> None:
    torch.save({"a": Runs(tmp_path / "proof")}, tmp_path / "Wan2.2_VAE.pth")
    with pytest.raises(InputError, match="holds no weights that can be read"):
        tensors_of(tmp_path / "Wan2.2_VAE.pth")
    assert not (tmp_path / "proof").exists()


@pytest.mark.parametrize("content", [[torch.ones(1)], {"a": 1}, {1: torch.ones(1)}, {"a": torch.ones(2).to_sparse()}])
def test_a_pickle_must_hold_names_and_dense_tensors(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "Wan2.2_VAE.pth")
    with pytest.raises(InputError, match="something else than names and dense tensors"):
        tensors_of(tmp_path / "Wan2.2_VAE.pth")


@pytest.mark.parametrize("name", ["x.safetensors", "Wan2.2_VAE.pth"])
def test_files_that_are_none_are_named_with_the_way_out(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    with pytest.raises(InputError, match="cannot be opened: No such file") as caught:
        tensors_of(file)
    assert caught.value.where == str(file) and "spatia models fetch" in caught.value.fix
    file.touch()
    with pytest.raises(InputError, match="is empty"):
        tensors_of(file)
    file.unlink()
    file.mkdir()
    with pytest.raises(InputError, match="is a folder"):
        tensors_of(file)
    file.rmdir()
    file.symlink_to(file)
    with pytest.raises(InputError, match=r"cannot be opened: .*symbolic links"):
        tensors_of(file)
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(InputError, match="is no regular file"):
        tensors_of(file)


def test_a_file_that_was_cut_off_says_its_size(tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    save_file(SAMPLE, file)
    whole = file.read_bytes()
    for size in (1, 7, 20, len(whole) - 1):
        file.write_bytes(whole[:size])
        with pytest.raises(InputError, match=rf"is no whole safetensors file \({size} bytes\)"):
            tensors_of(file)


@pytest.mark.parametrize(
    "lie",
    [
        header({"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 4 << 40]}}, data=b"1234"),
        header({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, data=b"1234"),
        header({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}, data=b"1234"),
        header({"a": {"dtype": "F32", "shape": [1 << 32, 1 << 32], "data_offsets": [0, 0]}}),
        header({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, data=b"1234"),
        header({}, length=1 << 62),
        header([]),
        b"\x80\x04 a pickle under a false name",
        b"<!doctype html><title>Access denied</title>",
    ],
)
def test_a_header_that_lies_is_refused(tmp_path: Path, lie: bytes) -> None:
    (tmp_path / "x.safetensors").write_bytes(lie)
    with pytest.raises(InputError, match="is no whole safetensors file"):
        tensors_of(tmp_path / "x.safetensors")


def test_more_tensors_than_any_network_has_are_refused(tmp_path: Path) -> None:
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    (tmp_path / "x.safetensors").write_bytes(header({f"t{n}": empty for n in range(MOST_TENSORS + 1)}))
    with pytest.raises(InputError, match=f"holds {MOST_TENSORS + 1} tensors"):
        tensors_of(tmp_path / "x.safetensors")


@pytest.mark.parametrize("name", ["x.safetensors", "Wan2.2_VAE.pth"])
def test_no_damage_gets_past_as_anything_but_an_input_error(tmp_path: Path, name: str) -> None:
    good = tmp_path / f"good-{name}"
    if name.endswith("pth"):
        torch.save(SAMPLE, tmp_path / name)
        shutil.copy(tmp_path / name, good)
    else:
        save_file(SAMPLE, good)
    for damaged in mutants([good.read_bytes()], count=300, seed=5):
        (tmp_path / name).write_bytes(damaged)
        try:
            for _, tensor in read_tensors(tmp_path / name):
                tensor.sum()
        except InputError as error:
            assert error.where == str(tmp_path / name)
