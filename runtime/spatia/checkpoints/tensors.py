"""What tensors a file holds, without reading their weights; and the weights, one tensor at a time. Any thread.

Weights are read from safetensors. The two files that the authors publish as pickles only are read through torch's
loader for bare weights, by their names and no others; `spatia models convert` writes them as safetensors once. Nothing
here executes what a file says, and no size that a file claims is allocated before it is compared with the file's own.
"""

import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

from safetensors import SafetensorError, safe_open

from spatia.errors import InputError

TEXT_ENCODER_PICKLE = "models_t5_umt5-xxl-enc-bf16.pth"
AUTOENCODER_PICKLE = "Wan2.2_VAE.pth"
PICKLES = (TEXT_ENCODER_PICKLE, AUTOENCODER_PICKLE)
MOST_TENSORS = 20_000  # the transformer with its control branch has 1,061
FETCH_AGAIN = "delete it and fetch it again: `spatia models fetch`"
DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}  # others keep the file's name


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Shape and dtype; the dtype by torch's name, such as ``bfloat16``."""

    shape: tuple[int, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{self.dtype} [{', '.join(map(str, self.shape))}]"


def tensors_of(path: Path) -> dict[str, TensorSpec]:
    """Name, shape and dtype of every tensor in a file, in the file's order.

    Raises `InputError` naming the file for one that is missing, cut off, empty, no safetensors, or a pickle of
    another name than `PICKLES`.
    """
    _require_file(path)
    if path.suffix == ".safetensors":
        return _safetensors_header(path)
    return {
        name: TensorSpec(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))
        for name, tensor in _pickled_weights(path).items()
    }


def read_tensors(path: Path, *, device: str = "cpu") -> Iterator[tuple[str, Any]]:
    """Every tensor of a file with its name, one after the other, on `device`.

    On the CPU a tensor is a map of the file: its bytes are read when they are used. Raises as `tensors_of`.
    """
    names = tensors_of(path)
    if path.suffix == ".safetensors":
        with safe_open(path, framework="pt", device=device) as file:
            for name in names:
                yield name, file.get_tensor(name)
    else:
        for name, tensor in _pickled_weights(path).items():
            yield name, tensor.to(device)


def _require_file(path: Path) -> None:
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise InputError(
            f"cannot be opened: {getattr(error, 'strerror', None) or error}", where=str(path), fix=FETCH_AGAIN
        ) from error
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
        raise InputError(f"is {kind}; a file of weights is wanted", where=str(path), fix="name the file itself")
    if path.suffix != ".safetensors" and path.name not in PICKLES:
        raise InputError(
            f"weights are read from .safetensors, and from pickles only where they are called {' or '.join(PICKLES)}",
            where=str(path),
            fix="get the file as safetensors: a pickle can run any program",
        )
    if status.st_size == 0:
        raise InputError("is empty; weights are wanted", where=str(path), fix=FETCH_AGAIN)


def _safetensors_header(path: Path) -> dict[str, TensorSpec]:
    found: dict[str, TensorSpec] = {}
    try:
        # The numpy framework, since the header alone needs no torch.
        with safe_open(path, framework="np") as file:
            names = list(file.keys())
            _require_few(path, len(names))
            for name in names:
                view = file.get_slice(name)
                dtype = str(view.get_dtype())
                found[name] = TensorSpec(tuple(view.get_shape()), DTYPES.get(dtype, dtype))
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"is no whole safetensors file ({path.stat().st_size} bytes): {error}", where=str(path), fix=FETCH_AGAIN
        ) from error
    return found


def _pickled_weights(path: Path) -> Mapping[str, Any]:
    import torch

    try:
        weights = torch.load(  # noqa: TID251 - two files of known names exist as pickles only; bare weights, no code
            path, map_location="cpu", weights_only=True, mmap=is_zipfile(path)
        )
    except Exception as error:  # a damaged pickle fails in whatever the opcode at that place does
        # torch's own message recommends to load it without care.
        raise InputError(
            "holds no weights that can be read: it is damaged, or holds more than names and tensors",
            where=str(path),
            fix=FETCH_AGAIN,
        ) from error
    if not isinstance(weights, dict) or not all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided
        for name, tensor in weights.items()
    ):
        raise InputError("holds something else than names and dense tensors", where=str(path), fix=FETCH_AGAIN)
    _require_few(path, len(weights))
    return weights


def _require_few(path: Path, tensors: int) -> None:
    if tensors > MOST_TENSORS:
        raise InputError(
            f"holds {tensors} tensors; at most {MOST_TENSORS} are wanted", where=str(path), fix=FETCH_AGAIN
        )
