"""What `spatia scene …` does."""

from pathlib import Path

import numpy as np

from spatia.app.estimators import check_estimation, check_single_view
from spatia.app.registry import check_generator
from spatia.app.run import round_poses
from spatia.app.sources import open_world
from spatia.errors import InputError
from spatia.scene.load import load_scene
from spatia.scene.schema import PhotoWorld
from spatia.scene.schema_edits import to_edit
from spatia.trajectory.rounds import plan_rounds
from spatia.worlds.photo_case import read_photo_case

TEMPLATE = """\
# `spatia scene schema > scene.schema.json` writes the schema that editors complete from:
# yaml-language-server: $schema=scene.schema.json
spatia: 1
name: my walk
seed: 7

# Where to walk: procedural (room, courtyard), rgbd (a folder), or ply (a point cloud).
world: {kind: procedural, name: room}

camera: {width_px: 640, height_px: 352, fov_y_deg: 60}

# One entry for each walk; its edits are made before it begins.
rounds:
  - prompt: a furnished room
    path:
      - {dolly_m: 0.8, frames: 40, ease: true}
      - {pan_deg: 40, frames: 40, ease: true}
      - {back_to_start: true, frames: 72}

# oracle renders the true procedural world; reprojection fills in from what has been seen. Neither is a network.
generation: {generator: {name: oracle}}
estimation: {estimator: oracle, segmenter: oracle}
"""


def write_template(path: Path) -> None:
    """Raises `InputError` where a file is in the way."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE)
    except FileExistsError as error:
        raise InputError("the file is there already", where=str(path), fix="name a new file") from error
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", where=str(path), fix="name another file") from error


def describe(path: Path, overrides: list[str]) -> str:
    """Reads what `run` reads before the first frame; raises the same errors.

    Of an RGB-D folder's pictures only the size is read, no depth is estimated, and no device is opened.
    """
    loaded = load_scene(path, overrides, allow_outside=True)
    scene = loaded.scene
    opened = open_world(scene, look=None)
    if isinstance(scene.world, PhotoWorld) and read_photo_case(scene.world.path).depth_m is None:
        check_single_view(scene.estimation.estimator)
    check_generator(scene.generation.generator.name, truth=opened.truth)
    check_estimation(scene.estimation, truth=opened.truth, intrinsics=opened.intrinsics)
    rounds = list(round_poses(scene, start=opened.start, where=loaded.where))
    for number, scene_round in enumerate(scene.rounds):
        for position, edit in enumerate(scene_round.edits):
            to_edit(edit, opened.labels, where=loaded.where("rounds", number, "edits", position))
    clips = covered = 0
    for poses in rounds:  # each ends with a clip, however short: the next one has another prompt
        planned = plan_rounds(
            covered + len(poses),
            already_generated=covered,
            first=scene.generation.first_frames,
            later=scene.generation.clip_frames,
            preceding=scene.generation.preceding_frames,
        )
        clips += len(planned)
        covered += len(poses)
    lens = opened.intrinsics
    length_m = float(np.linalg.norm(np.diff(np.concatenate(rounds)[:, :3, 3], axis=0), axis=1).sum())
    edits = sum(len(scene_round.edits) for scene_round in scene.rounds)
    return (
        f"{path}: ok\n  {scene.name}: world {scene.world.kind}, {lens.width_px}x{lens.height_px}, "
        f"generator {scene.generation.generator.name}\n"
        f"  {len(rounds)} rounds, {covered} frames ({covered / scene.fps:.1f} s), {length_m:.1f} m, "
        f"{clips} clips, {edits} edits"
    )
