"""Finds shaders and scenes: packaged first, checkout second."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal

from spatia.errors import DeviceError

Kind = Literal["shaders", "scenes"]


def root(kind: Kind) -> Traversable:
    """The folder of that kind. Raises `DeviceError` naming both places where it looked."""
    packaged: Traversable = files("spatia") / "_assets" / kind
    checkout: Traversable = Path(__file__).resolve().parents[2] / kind
    for place in (packaged, checkout):
        if place.is_dir():
            return place
    raise DeviceError(
        f"no folder of {kind}: looked in {packaged} and {checkout}", fix="reinstall with `pip install spatia-runtime`"
    )


def read_text(kind: Kind, name: str) -> str:
    """The text of one asset, such as ``read_text("shaders", "points/splat.vert")``."""
    place = root(kind)
    for part in name.split("/"):
        place = place / part
    if not place.is_file():
        raise DeviceError(f"no {name!r} among the {kind}", where=str(root(kind)), fix="reinstall spatia-runtime")
    return place.read_text(encoding="utf-8")
