"""What `spatia walk` is given: a scene file, or data that a scene is made for."""

from collections.abc import Sequence
from pathlib import Path

from spatia.app.run_folder import RunFolder
from spatia.app.sources import world_folder
from spatia.errors import InputError
from spatia.scene.load import SceneFile, load_scene, read_scene
from spatia.store.folder import DATABASE
from spatia.worlds.photo_case import is_photo_case

SCENE = """\
spatia: 1
name: '{name}'
world: {{kind: {kind}, path: '{path}'}}
camera: {{width_px: 640, height_px: 352}}
rounds: [{{path: [{{hold: 1}}]}}] # the walk is the person's
generation: {{commit: live, policy: on_demand}}
"""


def run_of(path: Path) -> RunFolder | None:
    """The run that a folder holds, to be walked on; None where it holds none."""
    folder = RunFolder(path)
    try:
        return folder if (folder.world / DATABASE).is_file() else None
    except OSError:  # a name that is too long, or a folder that is closed to us
        return None


def walk_scene(path: Path, overrides: Sequence[str]) -> SceneFile:
    """The scene to walk in: a file, or one made for a PLY file, an RGB-D folder, a photo case, a saved world or a run.

    Unless the overrides say otherwise clips are taken when they are ready. Raises `SpatiaError`.
    """
    if path.suffix in (".yaml", ".yml"):
        said = any(override.startswith("generation.commit=") for override in overrides)
        return load_scene(path, [*([] if said else ["generation.commit=live"]), *overrides], allow_outside=True)
    kind, place = _kind_of(path)
    name, quoted = path.resolve().name.replace("'", "''"), str(place.resolve()).replace("'", "''")
    text = SCENE.format(name=name, kind=kind, path=quoted)
    return read_scene(text.encode(), name=str(path), folder=Path.cwd(), overrides=overrides, allow_outside=True)


def _kind_of(path: Path) -> tuple[str, Path]:
    try:
        found = _recognised(path)
    except OSError:  # as above
        found = None
    if found is None:
        raise InputError(
            "neither a scene (.yaml), a point cloud (.ply), a world, a run, a photo case, nor a folder of RGB-D frames",
            where=str(path),
            fix="`spatia scene new my.yaml` writes a scene to start from",
        )
    return found


def _recognised(path: Path) -> tuple[str, Path] | None:
    if path.suffix.lower() == ".ply" and path.is_file():
        return "ply", path
    if path.is_dir():
        world = world_folder(path)
        if (world / DATABASE).is_file():
            return "saved", world
        if (path / "camera-intrinsics.txt").is_file():
            return "rgbd", path
        if is_photo_case(path):
            return "photo", path
    return None
