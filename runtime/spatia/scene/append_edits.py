"""Edits made by hand, written into the scene file behind those of its last round. Any thread.

The text around them stays as it was, comments and all. Where they go is found by the marks of the values around; what
comes out is read again, and only a text that says the old scene plus the edits, and nothing else, takes the place of
the file. So a scene that is written in an unforeseen way is refused, never damaged.
"""

import json
import math
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from spatia.errors import SceneError
from spatia.records import edits as record
from spatia.scene.guarded_yaml import Document, Location, parse
from spatia.scene.load import SceneFile, read_scene
from spatia.scene.schema_edits import packed_keys

MAX_TRIES = 64  # places tried: more than the lines of any value that a person writes
BOM = b"\xef\xbb\xbf"

_BARE = re.compile(r"[A-Za-z/][A-Za-z0-9_ ./-]*[A-Za-z0-9_]")


def append_edits(
    scene_file: SceneFile, edits: Sequence[record.Edit], *, labels: Mapping[str, int] | None = None
) -> SceneFile:
    """Write `edits` into the file that this scene was read from, and read it again.

    `labels` are the world's objects by name, so that an edit speaks of the sofa and not of number 7. Raises
    `SceneError`, with the file as it was, where it has changed since it was read or cannot be written, and for an edit
    that a scene cannot say.
    """
    path = Path(scene_file.name).resolve()
    try:
        found = path.read_bytes()
    except OSError as error:
        raise _unwritable(scene_file, error) from error
    if found != scene_file.text:
        fix = "save the edits under another name, or load the scene again"
        raise SceneError("has changed on disk since it was read; nothing was written", where=scene_file.name, fix=fix)
    names = {number: name for name, number in sorted((labels or {}).items(), reverse=True)}
    data = [_scene_edit(edit, names, folder=path.parent) for edit in edits]
    if not data:
        return scene_file
    text = _with_edits(scene_file, data)
    written = read_scene(
        text, name=scene_file.name, folder=path.parent, overrides=scene_file.overrides, allow_outside=True
    )
    try:
        _replace(path, text)
    except OSError as error:
        raise _unwritable(scene_file, error) from error
    return written


def _unwritable(scene_file: SceneFile, error: OSError) -> SceneError:
    fix = "copy the scene to a folder of your own and walk there"
    return SceneError(f"cannot be written: {error.strerror}", where=scene_file.name, fix=fix)


def _replace(path: Path, text: bytes) -> None:
    """The whole file or none of it, whenever the power goes."""
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            shutil.copymode(path, file.name)
            os.replace(file.name, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(file.name)
            raise


# -- where -------------------------------------------------------------------------------------------------------------


def _with_edits(scene_file: SceneFile, edits: list[dict[str, Any]]) -> bytes:
    """The scene's text with the edits in it."""
    document = parse(scene_file.text, name=scene_file.name)
    wanted: Any = json.loads(json.dumps(document.data))
    wanted["rounds"][-1].setdefault("edits", []).extend(edits)
    meaning = _meaning(wanted)
    bom = BOM if scene_file.text.startswith(BOM) else b""
    text = scene_file.text[len(bom) :].decode()
    for candidate in islice(_candidates(text, document, [_flow(edit) for edit in edits]), MAX_TRIES):
        with suppress(SceneError):
            if _meaning(parse(candidate, name=scene_file.name).data) == meaning:
                return bom + candidate.encode()
    raise SceneError(
        "no place was found for the edits; nothing was written",
        where=scene_file.where("rounds", len(wanted["rounds"]) - 1),
        fix="write the last round as the shipped scenes do, each key on a line of its own, within the size of a scene",
    )


def _meaning(data: Any) -> str:
    """Equal for equal data alone: 1, 1.0 and true differ."""
    return json.dumps(data, sort_keys=True)


def _candidates(text: str, document: Document, items: list[str]) -> Iterator[str]:
    """Texts that may say it, likeliest first."""
    lines = text.splitlines(keepends=True)  # YAML's line breaks: its reader refuses the other ones that Python knows
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    newline = "\r\n" if lines[0].endswith("\r\n") else "\n"

    def offset(location: Location) -> int:
        line, column = document.values[location]
        return starts[line - 1] + column - 1

    def block(column: int, *added: str) -> str:
        """Lines of their own that begin in this column."""
        return "".join(f"{' ' * (column - 1)}{line}{newline}" for line in added)

    def below(location: Location, added: str) -> Iterator[str]:
        """After each line from that on which the last value in `location` begins."""
        inside = [mark for place, mark in document.values.items() if place[: len(location)] == location]
        for line in range(max(inside)[0], len(lines) + 1):
            before = text[: starts[line]]
            yield before + ("" if before.endswith(("\n", "\r")) else newline) + added + text[starts[line] :]

    data: Any = document.data
    last: Location = ("rounds", len(data["rounds"]) - 1)
    edits = (*last, "edits")
    if edits in document.values and text[offset(edits)] == "[":
        for bracket in re.finditer(r"\]", text[offset(edits) :]):
            at = offset(edits) + bracket.start()
            for comma in (", ", "") if data["rounds"][-1]["edits"] else ("",):
                yield text[:at].rstrip(" ") + comma + ", ".join(items) + text[at:]
    elif edits in document.values:
        yield from below(edits, block(document.values[edits][1], *(f"- {item}" for item in items)))
    elif text[offset(last)] == "{":
        at = offset(last) + 1
        yield text[:at] + f"edits: [{', '.join(items)}], " + text[at:]
    else:
        way = (*last, "path" if "path" in data["rounds"][-1] else "input")
        line_number, column = document.keys[way]
        added, begin = block(column, "edits:", *(f"  - {item}" for item in items)), starts[line_number - 1]
        if not text[begin : begin + column - 1].strip():
            yield text[:begin] + added + text[begin:]
        yield from below(last, added)


# -- what --------------------------------------------------------------------------------------------------------------


def _scene_edit(edit: record.Edit, names: Mapping[int, str], *, folder: Path) -> dict[str, Any]:
    """An edit as a scene file says it: the inverse of `schema_edits.to_edit`."""
    match edit:
        case record.Remove():
            return {"remove": _region(edit.where, names)}
        case record.Recolor():
            return {"recolor": _region(edit.where, names), "color": list(edit.color), "strength": edit.strength}
        case record.Move():
            turn_deg = _turn_deg(edit.rotation_wxyz)
            return {"move": _region(edit.where, names), "offset_m": list(edit.offset_m), "turn_deg": turn_deg}
        case record.AddPrimitive():
            return {
                "add_primitive": edit.shape,
                "center_m": list(edit.center_m),
                "size_m": list(edit.size_m),
                "color": list(edit.color),
                "label": names.get(edit.label, edit.label),
            }
        case record.AddCloud():
            cloud = Path(edit.path).resolve()
            return {
                "add_cloud": str(cloud.relative_to(folder) if cloud.is_relative_to(folder) else cloud),
                "sha256": edit.sha256,
                "offset_m": list(edit.offset_m),
                "turn_deg": _turn_deg(edit.rotation_wxyz),
                "scale": edit.scale,
                "label": names.get(edit.label, edit.label),
            }
        case record.Undo():
            return {"undo": True}
        case record.Redo():
            return {"redo": True}


def _region(where: record.Selection, names: Mapping[int, str]) -> dict[str, Any]:
    match where:
        case record.Box():
            return {"box": {"low_m": list(where.low_m), "high_m": list(where.high_m)}}
        case record.Sphere():
            return {"sphere": {"center_m": list(where.center_m), "radius_m": where.radius_m}}
        case record.OfLabel():
            return {"label": names.get(where.label, where.label)}
        case record.OfClip():
            return {"clip": where.clip}
        case record.OfVoxels():
            return {"voxels": {"voxel_m": where.voxel_m, "keys": packed_keys(where.keys)}}


def _turn_deg(wxyz: tuple[float, float, float, float]) -> float:
    w, x, y, z = wxyz
    if math.hypot(x, z) > 1e-6 * math.hypot(*wxyz):
        fix = "turn about the vertical alone"
        raise SceneError(f"a scene cannot say the rotation {wxyz}", where="rotation_wxyz", fix=fix)
    return math.degrees(2 * math.atan2(y, w))


def _flow(value: Any) -> str:
    """Plain data as one line of YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str) and _BARE.fullmatch(value) and parse(value, name="text").data == value:
        return value
    return json.dumps(value, ensure_ascii=False)
