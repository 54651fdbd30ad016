"""What `spatia path …` does."""

from pathlib import Path

import numpy as np

from spatia.app.run import round_poses
from spatia.app.sources import open_world
from spatia.errors import InputError
from spatia.geom.path_files import read_path, write_tum, write_w2c
from spatia.geom.pose import F64
from spatia.scene.load import load_scene

FPS = 24.0  # of the times in a TUM file that is converted from one without


def convert(source: Path, target: Path) -> int:
    """Returns the number of poses."""
    poses = read_path(source)
    _write(target, poses, fps=FPS)
    return len(poses)


def write_scene_path(scene: Path, overrides: list[str], out: Path) -> int:
    """Returns the number of poses."""
    loaded = load_scene(scene, overrides, allow_outside=True)
    start = open_world(loaded.scene, look=None).start
    poses = np.concatenate(list(round_poses(loaded.scene, start=start, where=loaded.where)))
    _write(out, poses, fps=loaded.scene.fps)
    return len(poses)


def _write(path: Path, poses: F64, *, fps: float) -> None:
    try:
        match path.suffix:
            case ".tum":
                write_tum(path, np.arange(len(poses)) / fps, poses)
            case ".txt":
                write_w2c(path, poses)
            case suffix:
                raise InputError(
                    f"no path format is known by the ending {suffix!r}",
                    where=str(path),
                    fix="name it .tum or .txt (w2c)",
                )
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", where=str(path), fix="name another file") from error
