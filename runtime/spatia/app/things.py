"""PLY files that a person names, to be put into the world. Main thread."""

import os
from glob import escape, glob
from pathlib import Path

from spatia.errors import InputError
from spatia.records.cloud import Points
from spatia.worlds.ply import read_ply


def read_thing(path: Path, *, max_points: int) -> Points:
    """The points of a PLY file, one at least. Raises `InputError`."""
    points = read_ply(path, max_points=max_points).points
    if not len(points):
        raise InputError("it holds no points", where=str(path), fix="name another file")
    return points


def completed(typed: str) -> str:
    """A path that was begun, with what all folders and PLY files that begin so have in common."""
    begun = os.path.expanduser(typed)
    places = [f"{place}/" if os.path.isdir(place) else place for place in glob(f"{escape(begun)}*")]
    wanted = [place for place in places if place.lower().endswith((".ply", "/"))]
    common = os.path.commonprefix(wanted)  # noqa: RUF071 - letters are completed, not whole names
    return typed + common[len(begun) :] if common.startswith(begun) and common.isprintable() else typed
