"""Finds the weights that the settings mean and opens the tracker for them. Nothing is downloaded. Any thread.

Finding needs no torch, so that what is missing is told before a world is opened.
"""

import os
from importlib.util import find_spec
from pathlib import Path

from spatia.checkpoints.catalogue import INSTALL_MODELS
from spatia.checkpoints.hub_cache import cached_file, is_repository
from spatia.checkpoints.shelf import open_shelf
from spatia.errors import DeviceError, InputError
from spatia.estimation.sam2.segmenter import Tracker
from spatia.estimation.sam2.settings import DEFAULT_REPOSITORY, Sam2Settings

FETCH = "spatia models fetch sam2"
INSTALL_META = "pip install 'git+https://github.com/facebookresearch/sam2'"
CHECKPOINT = "sam2*_hiera_*.pt"  # as Meta names them


def open_tracker(settings: Sam2Settings) -> Tracker:
    """Raises `InputError` for weights that are missing or another network's, `DeviceError` for packages and devices."""
    weights = find_weights(settings)
    if settings.implementation == "meta":
        from spatia.estimation.sam2.meta_tracker import MetaTracker

        return MetaTracker.open(weights, device=settings.device)
    from spatia.estimation.sam2.transformers_tracker import TransformersTracker

    return TransformersTracker.open(weights, device=settings.device)


def find_weights(settings: Sam2Settings) -> Path:
    """A folder in transformers' layout, or Meta's checkpoint. Raises as `open_tracker`, with the command that helps."""
    if settings.implementation == "meta":
        _require("torch", "sam2", fix=INSTALL_META)
        return _meta_checkpoint(settings.weights or DEFAULT_REPOSITORY)
    _require("torch", "transformers", fix=INSTALL_MODELS)
    if settings.weights is None:
        return _complete(open_shelf(os.environ).folder("sam2"), fix=f"`{FETCH}`")
    folder = Path(settings.weights).expanduser()
    if folder.is_dir():
        return _complete(folder, fix=f"name a folder in transformers' layout, such as `{FETCH}` makes")
    command = f"hf download {settings.weights} config.json model.safetensors"
    return _complete(_cached(settings.weights, "config.json", command).parent, fix=f"`{command}`")


def _require(*packages: str, fix: str) -> None:
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise DeviceError(f"SAM 2 needs {' and '.join(missing)}, not installed here", where="segmenter 'sam2'", fix=fix)


def _complete(folder: Path, *, fix: str) -> Path:
    lacking = [pattern for pattern in ("config.json", "*.safetensors") if not any(folder.glob(pattern))]
    if lacking:
        raise InputError(f"SAM 2's weights are not here: no {', no '.join(lacking)}", where=str(folder), fix=fix)
    return folder


def _meta_checkpoint(weights: str) -> Path:
    path = Path(weights).expanduser()
    found = sorted(path.glob(CHECKPOINT)) if path.is_dir() else [path] if path.is_file() else []
    if path.exists() and (len(found) != 1 or not found[0].match(CHECKPOINT)):
        raise InputError(
            f"one checkpoint of Meta's is wanted, {CHECKPOINT}; found {', '.join(p.name for p in found) or 'none'}",
            where=str(path),
            fix=f"name the file, or a repository such as {DEFAULT_REPOSITORY}",
        )
    if found:
        return found[0]
    name = weights.rpartition("/")[2].replace("-", "_") + ".pt"
    return _cached(weights, name, f"hf download {weights} {name}")


def _cached(repository: str, file: str, command: str) -> Path:
    """A file of a repository on huggingface.co where its cache has it."""
    if not is_repository(repository):
        raise InputError(
            "there is no such folder",
            where=repository,
            fix=f"name one that is there, or a repository such as {DEFAULT_REPOSITORY}",
        )
    found = cached_file(repository, file)
    if found is None:
        raise InputError(
            f"there is no such folder, and the cache of Hugging Face has no {file} of a repository of this name",
            where=repository,
            fix=f"`{command}`",
        )
    return found
