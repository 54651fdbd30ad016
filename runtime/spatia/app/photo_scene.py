"""The scene that is made for a photo case: its path, cut where the Spatia release cuts it, and its prompts."""

import json
from collections.abc import Sequence
from pathlib import Path

from spatia.errors import InputError
from spatia.scene.load import SceneFile, read_scene
from spatia.scene.schema import PRESETS
from spatia.worlds.photo_case import PhotoCase, read_photo_case

PRESET = "release"
SCENE = """\
spatia: 1
name: {name}
world: {{kind: photo, path: {path}}}
camera: {{width_px: 640, height_px: 352}} # the release has 1248x704
rounds:
{rounds}generation: {{rounds: {preset}}}
"""
ROUND = "  - {{prompt: {prompt}, path: [{{file: {file}, first: {first}, last: {last}}}]}}\n"


def photo_scene(folder: Path, overrides: Sequence[str]) -> SceneFile:
    """Raises `InputError` for a case that cannot be read and `SceneError` for an override that is wrong."""
    case, place = read_photo_case(folder), folder.resolve()
    if len(case.cameras) < 2:
        raise InputError(
            "has one pose, and a walk needs two", where=str(folder / "w2c.txt"), fix="write a line for every frame"
        )
    path = _quoted(place / "w2c.txt")
    rounds = "".join(
        ROUND.format(prompt=_quoted(prompt), file=path, first=first, last=last)
        for prompt, (first, last) in zip(case.prompts, cuts(case), strict=False)
    )
    text = SCENE.format(name=_quoted(place.name), path=_quoted(place), rounds=rounds, preset=PRESET)
    return read_scene(text.encode(), name=str(folder), folder=Path.cwd(), overrides=overrides, allow_outside=True)


def cuts(case: PhotoCase) -> list[tuple[int, int]]:
    """First and last pose of each round: a prompt holds for one clip, the last one for all that is left."""
    clips = PRESETS[PRESET]
    last, end = 0, len(case.cameras) - 1
    found: list[tuple[int, int]] = []
    while last < end:
        new = clips["clip_frames"] - clips["preceding_frames"] if found else clips["first_frames"] - 1
        first, last = last, end if len(found) + 1 == len(case.prompts) else min(last + new, end)
        found.append((first, last))
    return found


def _quoted(text: str | Path) -> str:
    """For YAML, which does not know JSON's pairs of escapes for characters such as emoji."""
    return json.dumps(str(text), ensure_ascii=False)
