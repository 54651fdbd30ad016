"""`spatia doctor`: what this machine has, what it lacks, and the command that mends each lack."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spatia.checkpoints.catalogue import INSTALL_MODELS
from spatia.errors import SpatiaError
from spatia.version import __version__

MIN_FREE_GB = 2.0
State = Literal["ok", "optional", "missing"]
MODEL_PACKAGES = ("torch", "diffusers", "transformers", "peft", "accelerate", "safetensors", "huggingface_hub")
REPAIR = "pip install --force-reinstall "


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    name: str
    state: State
    found: str
    fix: str = ""


def examine() -> list[Finding]:
    """All checks, in the order in which a reader wants them. Takes a few seconds; changes nothing."""
    checks: tuple[Callable[[], list[Finding]], ...] = (
        _python,
        _packages,
        _opengl,
        _codecs,
        _networks,
        _perception,
        _gpu,
        _disk,
    )
    return [finding for check in checks for finding in check()]


def _python() -> list[Finding]:
    return [
        Finding(
            name="spatia",
            state="ok",
            found=f"{__version__} on Python {platform.python_version()}, {sys.platform} "
            f"{platform.machine()}, {os.cpu_count()} cores",
        )
    ]


def _packages() -> list[Finding]:
    findings = []
    for package in (
        "numpy",
        "numba",
        "moderngl",
        "glfw",
        "pyyaml",
        "msgpack",
        "pydantic",
        "typer",
        "rich",
        "pillow",
        "av",
    ):
        try:
            findings.append(Finding(name=package, state="ok", found=importlib.metadata.version(package)))
        except importlib.metadata.PackageNotFoundError:
            findings.append(
                Finding(name=package, state="missing", found="not installed", fix="pip install spatia-runtime")
            )
    return findings


def _opengl() -> list[Finding]:
    from spatia.projection.choose import gl_info, open_projector

    try:
        info = gl_info()
        findings = [Finding(name="OpenGL", state="ok", found=f"{info.version}, {info.renderer}")]
    except SpatiaError as error:
        findings = [Finding(name="OpenGL", state="optional", found=error.problem, fix=error.fix)]
    projector = open_projector("auto")
    try:
        return [*findings, Finding(name="projector", state="ok", found=f"{projector.name} is the default here")]
    finally:
        projector.close()


def _codecs() -> list[Finding]:
    try:
        import av
    except ImportError as error:
        return [Finding(name="av", state="missing", found=f"broken: {error}", fix=REPAIR + "av")]
    findings = []
    for codec, use in (("libx264", "walk.mp4"), ("ffv1", "lossless clips in a world")):
        if codec in av.codecs_available:
            findings.append(Finding(name=codec, state="ok", found=f"PyAV {av.__version__}"))
        else:
            findings.append(Finding(name=codec, state="missing", found=f"needed for {use}", fix=REPAIR + "av"))
    return findings


def _networks() -> list[Finding]:
    findings = []
    for package in MODEL_PACKAGES:
        if importlib.util.find_spec(package) is None:
            found = "not installed; for neural generators"
            findings.append(Finding(name=package, state="optional", found=found, fix=INSTALL_MODELS))
            continue
        try:
            findings.append(Finding(name=package, state="ok", found=importlib.metadata.version(package)))
        except importlib.metadata.PackageNotFoundError:
            found = "broken: it can be found but has no version"
            findings.append(Finding(name=package, state="optional", found=found, fix=REPAIR + package))
    return findings


def _perception() -> list[Finding]:
    """What gives depth to photos and clips, and finds what moves, beyond what needs no weights."""
    from spatia.estimation.depth_models.files import METRIC_WEIGHTS, DepthModelSettings, find_files
    from spatia.estimation.mapanything.install import EXAMPLE, examine
    from spatia.estimation.sam2.opening import find_weights
    from spatia.estimation.sam2.settings import Sam2Settings

    other = examine(Path(EXAMPLE).expanduser())
    findings = [
        Finding(name="MapAnything", state="ok" if other.state == "ok" else "optional", found=other.found, fix=other.fix)
    ]
    searches: dict[str, Callable[[], Path]] = {
        METRIC_WEIGHTS.rpartition("/")[2]: lambda: find_files(DepthModelSettings()).folder,
        "SAM 2": lambda: find_weights(Sam2Settings()),
    }
    for name, search in searches.items():
        try:
            findings.append(Finding(name=name, state="ok", found=str(search())))
        except SpatiaError as error:
            findings.append(Finding(name=name, state="optional", found=error.problem, fix=error.fix))
    return findings


def _gpu() -> list[Finding]:
    cpu = Finding(name="GPU", state="optional", found="none found; everything but neural generation runs without one")
    if importlib.util.find_spec("torch") is None:
        driver = shutil.which("nvidia-smi")
        fix = f"{INSTALL_MODELS} to use it" if driver else ""
        return [Finding(name="GPU", state="optional", found="NVIDIA driver found", fix=fix)] if driver else [cpu]
    try:
        import torch
    except (ImportError, OSError, RuntimeError, AttributeError) as error:  # a library or a file of it is missing
        return [Finding(name="GPU", state="optional", found=f"broken: torch: {error}", fix=REPAIR + "torch")]
    if not torch.cuda.is_available():
        return [cpu]
    memory_gb = torch.cuda.get_device_properties(0).total_memory / 1e9
    return [Finding(name="GPU", state="ok", found=f"{torch.cuda.get_device_name(0)}, {memory_gb:.0f} GB")]


def _disk() -> list[Finding]:
    findings = []
    for name, folder in (("disk here", Path.cwd()), ("temporary files", Path(tempfile.gettempdir()))):
        free_gb = shutil.disk_usage(folder).free / 1e9
        if not os.access(folder, os.W_OK):
            findings.append(
                Finding(
                    name=name, state="missing", found=f"{folder} cannot be written", fix="use --out with another folder"
                )
            )
        elif free_gb < MIN_FREE_GB:
            findings.append(
                Finding(name=name, state="missing", found=f"{free_gb:.1f} GB free", fix="free some space or use --out")
            )
        else:
            findings.append(Finding(name=name, state="ok", found=f"{free_gb:.0f} GB free"))
    return findings
