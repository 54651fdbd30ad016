"""Whether another interpreter has MapAnything, and how to give it to one. Changes nothing; any thread."""

import json
import shlex
import subprocess
from dataclasses import dataclass
from os.path import exists, expanduser
from pathlib import Path
from typing import Literal

from spatia.errors import DeviceError

CHILD = Path(__file__).with_name("child.py")
WEIGHTS = "facebook/map-anything-apache"  # Apache 2.0; facebook/map-anything is CC-BY-NC 4.0
SOURCE = "mapanything @ git+https://github.com/facebookresearch/map-anything.git@v1.1.3"
LEAN_PACKAGES = (
    "einops huggingface_hub hydra-core jaxtyping natsort opencv-python-headless==4.10.0.84 orjson safetensors timm tqdm"
)
NEEDED = ("numpy", "torch", "mapanything")
OLDEST_PYTHON = (3, 10)
ANSWER_WITHIN_S = 60.0
EXAMPLE = "~/.venvs/mapanything/bin/python"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What one interpreter has, in words for people; `fix` is empty when nothing is missing."""

    state: Literal["ok", "missing"]
    found: str
    fix: str = ""


def install_lines(python: Path | str = EXAMPLE, *, weights: str = WEIGHTS) -> tuple[str, ...]:
    """Commands for a shell, in order: an environment, torch, MapAnything, and its weights.

    Without the first where the interpreter is there. The last makes work without a network possible: it fetches what
    Hugging Face has, and the code of DINOv2, which MapAnything asks torch.hub for.
    """
    path, python = Path(python), _quoted(python)
    get_weights = f"from mapanything.models import MapAnything; MapAnything.from_pretrained({weights!r})"
    steps = (
        f"{python} -m pip install torch torchvision",
        f'{python} -m pip install "{SOURCE}"',
        f'{python} -c "{get_weights}"',
    )
    if path.parent.name != "bin" or exists(expanduser(path)):
        return steps
    return (f"python3 -m venv {_quoted(path.parent.parent)}", *steps)


def lean_install_line(python: Path | str = EXAMPLE) -> str:
    """Instead of the line that installs MapAnything: without the viewers and the other torch that it pins."""
    python = _quoted(python)
    return f'{python} -m pip install {LEAN_PACKAGES} && {python} -m pip install --no-deps uniception==0.1.7 "{SOURCE}"'


def install_words(python: Path | str = EXAMPLE, *, weights: str = WEIGHTS) -> str:
    """How to install it, as errors and `spatia doctor` say it."""
    lines = [
        "install MapAnything (Linux, Python >= 3.10, not into the runtime's own environment):",
        *(f"    {line}" for line in install_lines(python, weights=weights)),
        "  or, with fewer packages, in place of the line that names GitHub:",
        f"    {lean_install_line(python)}",
    ]
    if str(python) == EXAMPLE:
        lines.append(f"  then estimation: {{estimator: {{name: mapanything, python: {EXAMPLE}}}}}")
    return "\n".join(lines)


def examine(python: Path | str, *, weights: str = WEIGHTS) -> Installation:
    """Ask `python` what it has; empty where none is named. Takes some tenths of a second; nothing heavy is imported."""

    def missing(found: str, *, elsewhere: bool = False) -> Installation:
        fix = install_words(EXAMPLE if elsewhere else python, weights=weights)
        return Installation(state="missing", found=found, fix=fix)

    if not str(python):
        return missing("no interpreter is named for it", elsewhere=True)
    command = [expanduser(python), str(CHILD), "examine"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=ANSWER_WITHIN_S, stdin=subprocess.DEVNULL)
    except (OSError, ValueError) as problem:
        return missing(f"{python} cannot be started: {problem}")
    except subprocess.TimeoutExpired:
        return missing(f"{python} gave no answer within {ANSWER_WITHIN_S:g} s", elsewhere=True)
    try:
        answer = json.loads(done.stdout)
        version = tuple(int(part) for part in answer["python"].split(".")[:2])
        packages = {name: answer["packages"][name] for name in NEEDED}
        is_environment = bool(answer["environment"])
    except (ValueError, KeyError, TypeError, AttributeError):
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["nothing"]
        return missing(f"{python} is no Python >= 3.10; it said: {said[-1]}", elsewhere=True)
    if version < OLDEST_PYTHON:
        return missing(f"{python} is Python {answer['python']}; 3.10 or newer is wanted", elsewhere=True)
    lacking = [name for name in NEEDED if packages[name] is None]
    if lacking:
        return missing(f"{python} lacks {', '.join(lacking)}", elsewhere=not is_environment)
    found = ", ".join(f"{name} {packages[name]}" for name in reversed(NEEDED))
    return Installation(state="ok", found=f"{found} on Python {answer['python']} at {python}")


def require(python: Path | str, *, weights: str = WEIGHTS) -> Installation:
    """`examine`, for those who cannot do without. Raises `DeviceError` with what is missing and how to install it."""
    found = examine(python, weights=weights)
    if found.state == "missing":
        raise DeviceError(found.found, where="estimator 'mapanything'", fix=found.fix)
    return found


def _quoted(path: Path | str) -> str:
    """For a shell, which expands ~ only where it is not quoted."""
    text = str(path)
    return f"~/{shlex.quote(text[2:])}" if text.startswith("~/") else shlex.quote(text)
