"""Toy networks of the real classes with random weights, loaded through the real files once a test session."""

from functools import cache
from typing import Any

from spatia.generation.wan.files import FoundFiles, find_files
from spatia.generation.wan.open import WanSource
from spatia.generation.wan.settings import WanSettings, settings_of
from spatia.generation.wan.spatia import SpatiaGenerator
from spatia.scene.schema_generators import SpatiaGenerator as Choice


def tiny_settings(**choice: Any) -> WanSettings:
    """As a scene would say it."""
    named: dict[str, Any] = {"name": "spatia", "tiny": True, "device": "cpu", "steps": 3}
    return settings_of(Choice(**(named | choice)).model_dump(mode="json"))


@cache
def tiny_files() -> FoundFiles:
    return find_files(tiny_settings().files)


def tiny_source(settings: WanSettings) -> WanSource:
    return WanSource(settings, tiny_files())


def tiny_spatia(**choice: Any) -> SpatiaGenerator:
    """A generator of its own, on the files of the session."""
    settings = tiny_settings(**choice)
    return SpatiaGenerator(tiny_source(settings), settings)
