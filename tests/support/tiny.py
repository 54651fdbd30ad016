"""Toy networks of the real classes with random weights, loaded through the real files."""

from typing import Any

from spatia.generation.wan.files import find_files
from spatia.generation.wan.mirage import MirageGenerator
from spatia.generation.wan.open import WanSource
from spatia.generation.wan.settings import WanSettings, settings_of
from spatia.generation.wan.spatia import SpatiaGenerator
from spatia.scene.schema_generators import MirageGenerator as MirageChoice
from spatia.scene.schema_generators import SpatiaGenerator as SpatiaChoice


def tiny_settings(**choice: Any) -> WanSettings:
    """As a scene would say it; `name` is spatia where it is left out."""
    named: dict[str, Any] = {"name": "spatia", "tiny": True, "device": "cpu", "steps": 3} | choice
    part = MirageChoice(**named) if named["name"] == "mirage" else SpatiaChoice(**named)
    return settings_of(part.model_dump(mode="json"))


def tiny_source(settings: WanSettings) -> WanSource:
    return WanSource(settings, find_files(settings))


def tiny_spatia(**choice: Any) -> SpatiaGenerator:
    settings = tiny_settings(**choice)
    return SpatiaGenerator(tiny_source(settings), settings)


def tiny_mirage(**choice: Any) -> MirageGenerator:
    settings = tiny_settings(name="mirage", **choice)
    return MirageGenerator(tiny_source(settings), settings)
