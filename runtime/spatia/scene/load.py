"""From a scene file and ``--set`` overrides to a checked `Scene`; each error says where, and what to do. Any thread."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from spatia.errors import SceneError, near_miss
from spatia.scene.guarded_yaml import MAX_BYTES, Document, Location, parse
from spatia.scene.schema import FORMAT_VERSION, Scene
from spatia.scene.schema_base import TypedPath

MAX_REPORTED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneFile:
    """A checked scene, the text it was read from, and where each of its values stands."""

    scene: Scene
    name: str  # of the file, as the user wrote it
    text: bytes
    overrides: tuple[str, ...]
    places: "Places"

    def where(self, *location: str | int) -> str:
        """``file:line:col: rounds.0.path.1`` for errors found later; ``--set …`` for what an override said."""
        return self.places.where(location)


def load_scene(path: Path | str, overrides: Sequence[str] = (), *, allow_outside: bool = False) -> SceneFile:
    """Read, override and check a scene file.

    Paths in the file are relative to its folder and, unless `allow_outside`, must stay below it; paths in overrides are
    relative to the current folder and may be anywhere, for they were typed by the person who runs the scene.

    Raises `SceneError` for everything that is wrong with the file or an override.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        nearby = near_miss(path.name, [other.name for other in _scenes_beside(path)])
        fix = "check the path, or begin with `spatia scene new`"
        raise SceneError(f"no such scene file{nearby}", where=str(path), fix=fix) from error
    except IsADirectoryError as error:
        fix = "name a scene file; `spatia run` takes the folder of a photo case, and with --resume that of a run"
        raise SceneError("cannot be read: it is a folder", where=str(path), fix=fix) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise SceneError(f"cannot be read: {error}", where=str(path), fix="check the path") from error
    return read_scene(text, name=str(path), folder=path.parent, overrides=overrides, allow_outside=allow_outside)


def read_scene(
    text: bytes, *, name: str, folder: Path, overrides: Sequence[str] = (), allow_outside: bool = False
) -> SceneFile:
    """As `load_scene`, for a text in hand; `folder` is where its relative paths begin."""
    document = parse(text, name=name)
    if not isinstance(document.data, dict):
        raise SceneError("must be a mapping of keys to values", where=f"{name}:1:1", fix="begin with `spatia: 1`")
    places = Places(name=name, document=document, overridden={})
    for override in overrides:
        _apply(override, document.data, places)
    _check_version(document.data, places)
    try:
        scene = Scene.model_validate(document.data, context={"folder": folder, "allow_outside": allow_outside})
    except ValidationError as error:
        raise _scene_error(error.errors(include_url=False), document.data, places) from error
    return SceneFile(scene=scene, name=name, text=text, overrides=tuple(overrides), places=places)


def saved_scene(text: str, *, where: str) -> Scene:
    """The scene that a world keeps as JSON of what a run began with. Raises `SceneError`."""
    try:
        # Not pydantic's own JSON mode, which refuses a `Path` where the file holds text.
        return Scene.model_validate(json.loads(text))
    except ValueError as error:  # pydantic's is one of them
        fix = "go on with the version of spatia-runtime that began it"
        raise SceneError(f"the scene of this world cannot be read: {error}", where=where, fix=fix) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Finds the line, or the override, that a value came from."""

    name: str
    document: Document
    overridden: dict[Location, str]

    def mark(self, location: Location, *, of_key: bool = False) -> str:
        """The place of the value at `location`, or of the nearest thing around it."""
        for length in range(len(location), -1, -1):
            part = location[:length]
            if part in self.overridden:
                return self.overridden[part]
            marks = self.document.keys if of_key and part == location else self.document.values
            if part in marks:
                line, column = marks[part]
                return f"{self.name}:{line}:{column}"
        return self.name

    def where(self, location: Location, *, of_key: bool = False) -> str:
        mark, dotted = self.mark(location, of_key=of_key), ".".join(map(str, location))
        return mark if not dotted or mark == f"--set {dotted}" else f"{mark}: {dotted}"


def _scenes_beside(path: Path) -> list[Path]:
    try:
        return sorted(path.parent.glob("*.yaml"))
    except OSError:
        return []


def _apply(override: str, data: dict[str, Any], places: Places) -> None:
    """Put one ``dotted.key=value`` into the data."""
    dotted, equals, text = override.partition("=")
    where = f"--set {dotted}"
    if not equals or not dotted:
        raise SceneError(f"must be key=value; got {override!r}", where="--set", fix="such as --set seed=2")
    value = _typed(parse(text or "null", name=where).data)
    location: Location = ()
    target: Any = data
    *parents, last = dotted.split(".")
    for part in parents:
        key = _key(target, part, where)
        if isinstance(target, dict) and target.get(key) is None:
            target[key] = {}
        target = target[key]
        location = (*location, key)
    key = _key(target, last, where)
    target[key] = value
    places.overridden[(*location, key)] = where


def _key(target: Any, part: str, where: str) -> Any:
    """`part` as a key of a mapping, or as an index into a list that has it."""
    if isinstance(target, dict):
        return part
    if not isinstance(target, list):
        raise SceneError(f"{part!r} cannot be set inside the value {str(target)[:60]!r}", where=where)
    if not (part.isascii() and part.isdigit() and len(part) < 6 and int(part) < len(target)):
        raise SceneError(f"there is no item {part!r} in a list of {len(target)}", where=where, fix="items count from 0")
    return int(part)


def _typed(value: Any) -> Any:
    if isinstance(value, str):
        return TypedPath(value)
    if isinstance(value, list):
        return [_typed(item) for item in value]
    if isinstance(value, dict):
        return {key: _typed(item) for key, item in value.items()}
    return value


def _check_version(data: Mapping[str, Any], places: Places) -> None:
    """Before all else: a later format would fail on its first new key and blame that."""
    version = data.get("spatia")
    if version == FORMAT_VERSION and not isinstance(version, bool):
        return
    if "spatia" not in data:
        problem, fix = "needs the version of its format", f"add the line `spatia: {FORMAT_VERSION}`"
    elif isinstance(version, int) and version > FORMAT_VERSION:
        problem, fix = f"is of format {version}; this spatia reads {FORMAT_VERSION}", "install a newer spatia-runtime"
    else:
        problem, fix = f"the format must be {FORMAT_VERSION}; got {version!r}", f"write `spatia: {FORMAT_VERSION}`"
    raise SceneError(problem, where=places.where(("spatia",)), fix=fix)


def _scene_error(details: list[ErrorDetails], data: Any, places: Places) -> SceneError:
    """One error for all that pydantic found: the first in full, the others as further lines."""
    locations = [_location(detail, data) for detail in details]
    told: list[tuple[str, str, str]] = []
    for detail, location in zip(details, locations, strict=True):
        if detail["type"] == "too_short" and any(
            other[: len(location)] == location for other in locations if other != location
        ):
            continue  # short only because an item in it was wrong
        where = places.where(location, of_key=detail["type"] == "unknown_key")
        told.append((where, _problem(detail, location), _fix(detail)))
    where, problem, fix = told[0]
    for other_where, other_problem, _ in told[1:MAX_REPORTED]:
        problem += f"\n  {other_where}: {other_problem}"
    if len(told) > MAX_REPORTED:
        problem += f"\n  and {len(told) - MAX_REPORTED} more"
    return SceneError(problem, where=where, fix=fix)


def _location(detail: ErrorDetails, data: Any) -> Location:
    """pydantic's location without the tags of unions, with the key that an error is about."""
    location = tuple(part for part in detail["loc"] if not (isinstance(part, str) and part.startswith("<")))
    if detail["type"] == "unknown_key":
        return (*location, detail["ctx"]["key"])
    value = data
    for depth, part in enumerate(location):
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return location if detail["type"] == "missing" else location[:depth]
    return location


_WORDS = {  # where pydantic speaks of Python
    "tuple_type": "must be a list",
    "model_type": "must be a mapping of keys to values",
    "too_long": "must have at most {max_length} items; got {actual_length}",
    "too_short": "must have at least {min_length} items; got {actual_length}",
}


_FIXES = {  # by how pydantic's names of the mistake begin
    "missing": "add it",
    "int_": "write a whole number, without quotes",
    "float_": "write a number, without quotes",
    "string_type": "write text, in quotes where it looks like something else",
    "bool_": "write true or false",
}


def _problem(detail: ErrorDetails, location: Location) -> str:
    kind, found, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "missing":
        return "too few items" if isinstance(location[-1], int) else "is missing"
    message = _WORDS[kind].format(**context) if kind in _WORDS else detail["msg"]
    message = message.replace("Input should be", "must be").replace("String should", "text must")
    if kind in ("unknown_key", "choice") or isinstance(found, dict | list) or len(repr(found)) > 60:
        return message
    hint = near_miss(str(found), _quoted(context["expected"])) if kind == "literal_error" else ""
    return f"{message}; got {found!r}{hint}"


def _fix(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    choices = _quoted(context["expected"]) if detail["type"] == "literal_error" else context.get("choices")
    if choices:
        return f"use one of: {', '.join(choices)}"
    return next((fix for kind, fix in _FIXES.items() if detail["type"].startswith(kind)), "")


def _quoted(text: str) -> list[str]:
    return re.findall("'([^']*)'", text)
