"""From the authors' layout to safetensors that any program reads. One thread, minutes of disk work at full size.

Tensors keep their bytes; names and configurations change. Weights go from map to disk without passing through memory
as a whole. What is written appears under its name when it is complete, and nothing is overwritten.
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from diffusers import UniPCMultistepScheduler, WanTransformer3DModel
from safetensors import SafetensorError
from safetensors.torch import save_file

from spatia.checkpoints.layout import STEM, BaseFiles, find_base
from spatia.checkpoints.names import CONTROL_PREFIX
from spatia.checkpoints.tensors import PICKLES, read_tensors
from spatia.checkpoints.wanted import Part, autoencoder_part, text_encoder_part, transformer_part
from spatia.errors import InputError
from spatia.networks.transformer import WanControlTransformer

# Called before each file of weights with its name, how many are done and how many there are.
Progress = Callable[[str, int, int], object]
SHIFT = 5.0  # spec/spatia_release.md 1.5
PIPELINE = {
    "_class_name": "WanPipeline",
    "expand_timesteps": True,
    "scheduler": ["diffusers", "UniPCMultistepScheduler"],
    "text_encoder": ["transformers", "UMT5EncoderModel"],
    "tokenizer": ["transformers", "T5TokenizerFast"],
    "transformer": ["diffusers", "WanTransformer3DModel"],
    "transformer_2": [None, None],
    "vae": ["diffusers", "AutoencoderKLWan"],
}


def convert_base(folder: Path, out: Path, *, progress: Progress) -> BaseFiles:
    """Writes the base model in `folder` (the authors' layout) to `out` (that of diffusers).

    Raises `InputError` where `out` exists, `folder` is no whole base model of that layout, or the disk is too full.
    """
    base = find_base(folder)
    if base.layout != "original":
        raise InputError("has the layout of diffusers already", where=str(folder), fix="use it as it is")
    parts = {
        "transformer": transformer_part(base),
        "vae": autoencoder_part(base),
        "text_encoder": text_encoder_part(base),
    }
    for part in parts.values():
        part.check.require()
    with _staged(out, _bytes(*(path for part in parts.values() for path in part.files))) as staging:
        total, done = sum(len(part.files) for part in parts.values()), 0
        for name, part in parts.items():
            (staging / name).mkdir(parents=True)
            stem = "model" if name == "text_encoder" else STEM
            for file in _write_part(part, staging / name, stem):
                progress(f"{name}/{file}", done, total)
                done += 1
        save_transformer_config(parts["transformer"].module, staging / "transformer")
        parts["vae"].module.save_config(staging / "vae")
        parts["text_encoder"].module.config.save_pretrained(staging / "text_encoder")
        shutil.copytree(base.tokenizer, staging / "tokenizer")
        save_pipeline(staging)
    return find_base(out)


def convert_pickles(folder: Path, *, progress: Progress) -> list[Path]:
    """Writes a safetensors twin beside each of the authors' two pickles that has none yet; the names inside stay.

    Raises `InputError` for a pickle that is damaged or no bare weights, or where the disk is too full.
    """
    pickles = [folder / name for name in PICKLES if (folder / name).is_file()]
    pickles = [path for path in pickles if not path.with_suffix(".safetensors").exists()]
    twins = []
    for done, path in enumerate(pickles):
        twin = path.with_suffix(".safetensors")
        progress(twin.name, done, len(pickles))
        with _staged(twin, _bytes(path)) as staging:
            _save(dict(read_tensors(path)), staging)
        twins.append(twin)
    return twins


def save_transformer_config(transformer: WanControlTransformer, folder: Path) -> None:
    """The configuration of diffusers' own transformer of the same sizes, without a control branch."""
    own = ("_", CONTROL_PREFIX)
    with torch.device("meta"):
        theirs = WanTransformer3DModel(**{k: v for k, v in transformer.config.items() if not k.startswith(own)})
    theirs.save_config(folder)


def save_pipeline(folder: Path) -> None:
    """What makes a pipeline of diffusers out of the parts in a folder."""
    scheduler = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=SHIFT)
    scheduler.save_config(folder / "scheduler")
    (folder / "model_index.json").write_text(json.dumps(PIPELINE, indent=2) + "\n", encoding="utf-8")


def _write_part(part: Part, folder: Path, stem: str) -> Iterator[str]:
    """Yields the name of each file before it is written, one for each of the part's own."""
    ours = {theirs: ours for ours, theirs in part.theirs.items()}
    count = len(part.files)
    weight_map: dict[str, str] = {}
    for number, path in enumerate(part.files, start=1):
        name = f"{stem}.safetensors" if count == 1 else f"{stem}-{number:05}-of-{count:05}.safetensors"
        yield name
        tensors = {ours[theirs]: tensor for theirs, tensor in read_tensors(path)}
        _save(tensors, folder / name)
        weight_map |= dict.fromkeys(tensors, name)
    if count > 1:
        index = {"metadata": {"total_size": _bytes(*part.files)}, "weight_map": weight_map}
        (folder / f"{stem}.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _save(tensors: dict[str, torch.Tensor], path: Path) -> None:
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata={"format": "pt"})


@contextmanager
def _staged(target: Path, size_bytes: int) -> Iterator[Path]:
    """A path to write to that becomes `target` when all went well and is removed otherwise."""
    if target.exists():
        raise InputError("exists already; nothing is overwritten", where=str(target), fix="name another place")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        free_bytes = shutil.disk_usage(target.parent).free
        if free_bytes < size_bytes:
            raise InputError(
                f"{size_bytes / 1e9:.1f} GB are needed, {free_bytes / 1e9:.1f} GB are free",
                where=str(target.parent),
                fix="make room, or name a place on another disk",
            )
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as folder:
            staging = Path(folder) / target.name
            yield staging
            staging.rename(target)
    except (OSError, SafetensorError) as error:
        raise InputError(f"cannot be written: {error}", where=str(target), fix="name another place") from error


def _bytes(*files: Path) -> int:
    return sum(path.stat().st_size for path in files)
