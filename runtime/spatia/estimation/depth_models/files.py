"""Finds a depth network's files and reads what they say of it. Nothing is downloaded. Any thread.

Needs no torch, so that what is missing is told before a world is opened.
"""

import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from spatia.checkpoints.catalogue import INSTALL_MODELS
from spatia.checkpoints.hub_cache import cached_file, is_repository
from spatia.errors import DeviceError, InputError
from spatia.estimation.align import Unknown
from spatia.estimation.depth_models.pictures import Preparation

METRIC_WEIGHTS = "depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf"
CONFIG, PREPROCESSOR, TENSORS = "config.json", "preprocessor_config.json", "model.safetensors"
MAX_JSON_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthModelSettings:
    """`weights` is a folder in transformers' layout, or a repository on huggingface.co that has been fetched."""

    weights: str = METRIC_WEIGHTS
    device: str = "auto"  # "auto", "cpu", "cuda", "cuda:1", ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthFiles:
    """A network on this disk."""

    folder: Path
    preparation: Preparation
    metric: bool  # its answer is metres; otherwise inverse depth without a unit
    farthest: float  # of its answer, in metres; infinite where it has no bound

    @property
    def unknown(self) -> Unknown:
        """What `AlignedEstimator` has to find."""
        return "frame scale" if self.metric else "frame affine"


def find_files(settings: DepthModelSettings) -> DepthFiles:
    """Raises `DeviceError` without torch, `InputError` for files that are missing, with the command that gets them."""
    missing = [package for package in ("torch", "transformers") if find_spec(package) is None]
    if missing:
        what = f"it needs {' and '.join(missing)}, not installed here"
        raise DeviceError(what, where="estimator 'depth_model'", fix=INSTALL_MODELS)
    folder = Path(settings.weights).expanduser()
    command = f"hf download {METRIC_WEIGHTS} --local-dir {folder}"
    if not folder.is_dir():
        if not is_repository(settings.weights):
            raise InputError("there is no such folder", where=settings.weights, fix=f"`{command}`")
        command = f"hf download {settings.weights} {CONFIG} {PREPROCESSOR} {TENSORS}"
        folder = _cached_folder(settings.weights, command)
    lacking = [name for name in (CONFIG, PREPROCESSOR, TENSORS) if not (folder / name).is_file()]
    if lacking:
        raise InputError(f"the depth network lacks {', '.join(lacking)}", where=str(folder), fix=f"`{command}`")
    config = _read(folder / CONFIG)
    kind = config.get("model_type")
    if kind == "depth_anything":
        metric = config.get("depth_estimation_type", "relative") == "metric"
        farthest = config.get("max_depth", 1) if metric else None
    elif kind == "zoedepth":
        metric, farthest = True, None
    else:
        raise InputError(
            f"model_type is {kind!r}; depth_anything and zoedepth are known",
            where=str(folder / CONFIG),
            fix=f"use one of them, such as {METRIC_WEIGHTS}",
        )
    if farthest is not None and not (isinstance(farthest, int | float) and farthest > 0):
        raise InputError(f"max_depth is {farthest!r}", where=str(folder / CONFIG), fix=f"`{command}`")
    path = folder / PREPROCESSOR
    try:
        preparation = Preparation.of(_read(path))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"it does not say how pictures are prepared: {error}", where=str(path), fix=f"`{command}`"
        ) from error
    return DepthFiles(
        folder=folder,
        preparation=preparation,
        metric=metric,
        farthest=float("inf") if farthest is None else float(farthest),
    )


def _cached_folder(repository: str, command: str) -> Path:
    """Where Hugging Face's cache has a repository."""
    found = cached_file(repository, CONFIG)
    if found is None:
        raise InputError(
            "there is no such folder, nor is a repository of this name in the cache of Hugging Face",
            where=repository,
            fix=f"`{command}`",
        )
    return found.parent


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            read = json.loads(file.read(MAX_JSON_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"cannot be read: {error}", where=str(path), fix="fetch it again") from error
    if not isinstance(read, dict):
        raise InputError("an object was wanted", where=str(path), fix="fetch it again")
    return read
