"""The names that scenes may use for generators, and how each is built.

A generator is built from plain data, since it may be built in a process of its own.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from spatia.app.doctor import MODEL_PACKAGES
from spatia.app.estimators import known
from spatia.checkpoints.catalogue import INSTALL_MODELS
from spatia.errors import DeviceError, unknown_name
from spatia.generation.oracle import OracleGenerator
from spatia.generation.reprojection import ReprojectionGenerator
from spatia.records.generation import Generator
from spatia.records.truth import TrueScene
from spatia.scene.schema import Generation
from spatia.worlds.procedural import procedural_world

Spec = dict[str, Any]  # {"generator": its part of the scene, "procedural": name of the true world or ""}


def build_generator(spec: Spec) -> Generator:
    """Raises `SceneError` for a name that is in no list, or an oracle of a world that has no truth."""
    choice, procedural = spec["generator"], str(spec["procedural"])
    name = choice["name"]
    if name not in GENERATORS:
        raise unknown_name("generator", name, GENERATORS, where="generation.generator.name")
    truth = procedural_world(procedural) if procedural and name == "oracle" else None
    return GENERATORS[name](truth, choice)


def frames_with_depth(generation: Generation) -> int:
    """Of the frames before a clip, how many its generator wants with depth: the last one is compared in any case."""
    return generation.preceding_frames if generation.generator.name in WARPING else 1


def check_generator(name: str, *, truth: TrueScene | None) -> None:
    """Raises `SceneError` for an oracle of a world without truth: before the first frame, not in a worker."""
    if name == "oracle":
        known(truth, where="generation.generator.name")


def check_files(choice: dict[str, Any]) -> None:
    """Raises `SpatiaError` for a generator whose packages or weights are missing: before the first frame as well."""
    if choice["name"] in NEURAL:
        with _models_installed():
            for package in MODEL_PACKAGES:
                if find_spec(package) is None:
                    raise ModuleNotFoundError(name=package)
            from spatia.generation.wan.files import find_files
            from spatia.generation.wan.settings import settings_of

        settings = settings_of(choice)
        if not settings.files.tiny:
            find_files(settings)


def _on_wan(choice: dict[str, Any]) -> Generator:
    with _models_installed():
        from spatia.generation.wan.open import open_generator  # torch and diffusers: seconds

    return open_generator(choice)


@contextmanager
def _models_installed() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise DeviceError(
            f"a generator with networks needs {error.name}, which is not installed",
            fix=f"{INSTALL_MODELS}, or a generator without networks: oracle, reprojection",
        ) from error


GENERATORS: dict[str, Callable[[TrueScene | None, dict[str, Any]], Generator]] = {
    "oracle": lambda truth, choice: OracleGenerator(known(truth, where="generation.generator.name")),
    "reprojection": lambda truth, choice: ReprojectionGenerator(),
    "spatia": lambda truth, choice: _on_wan(choice),
    "mirage": lambda truth, choice: _on_wan(choice),
}
WARPING = frozenset({"reprojection"})  # these carry earlier frames into new views by their depth
# Names of generators that are networks: the report says which kind made a walk.
NEURAL = frozenset({"spatia", "mirage"})
