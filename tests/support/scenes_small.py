"""Scenes small enough to run in a test: the real road through everything, with clips of nine frames."""

from pathlib import Path

from spatia.scene.load import read_scene
from spatia.scene.schema import Scene

ROOM = """\
spatia: 1
name: small room
seed: 5
world: {kind: procedural, name: room}
camera: {width_px: 96, height_px: 64, fov_y_deg: 60}
rounds:
  - prompt: there
    path: [{dolly_m: 0.5, frames: 12}]
  - prompt: and back
    path: [{back_to_start: true, frames: 8}]
memory: {rgb: {voxel_m: 0.03}}
generation:
  generator: {name: oracle}
  first_frames: 9
  clip_frames: 9
  preceding_frames: 5
  references: {voxel_m: 0.2}
estimation: {estimator: oracle, segmenter: oracle}
projection: {projector: numba}
"""


def small_room(*overrides: str) -> Scene:
    """21 frames in six clips: 9, 4 short of full, then 4 and 4 of the second round."""
    return read_scene(ROOM.encode(), name="room.yaml", folder=Path.cwd(), overrides=overrides).scene


def write_small_room(folder: Path) -> Path:
    path = folder / "room.yaml"
    path.write_text(ROOM, encoding="utf-8")
    return path
