"""Photo cases: a picture, its lens, a camera path and one prompt a round, in the layout of the Spatia release.

img.jpg  intrinsics.txt  w2c.txt  prompt.txt  mask.png (optional: what moves)
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spatia.errors import InputError
from spatia.geom.camera import Cameras
from spatia.geom.path_files import read_intrinsics, read_w2c
from spatia.records.arrays import U8, Bool
from spatia.worlds.pictures import read_rgb

MAX_PROMPT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PhotoCase:
    """A picture to start from and where to walk."""

    rgb: U8  # [H, W, 3] sRGB
    cameras: Cameras  # the path, with the picture's intrinsics
    prompts: tuple[str, ...]  # one a round
    mask: Bool | None = None  # [H, W] True on what moves


def read_photo_case(folder: Path | str) -> PhotoCase:
    """Raises `InputError` for a missing or damaged file, and for a mask of another size than the picture."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError("there is no such folder", where=str(folder), fix="check the path of the photo case")
    rgb = read_rgb(folder / "img.jpg")
    height, width = rgb.shape[:2]
    mask_path = folder / "mask.png"
    mask = None
    if mask_path.is_file():
        mask = np.asarray(read_rgb(mask_path).max(axis=-1) > 127)
        if mask.shape != (height, width):
            raise InputError(
                f"is {mask.shape[1]}x{mask.shape[0]} pixels, and the picture {width}x{height}", where=str(mask_path)
            )
    return PhotoCase(
        rgb=rgb,
        cameras=Cameras(
            world_from_camera=read_w2c(folder / "w2c.txt"),
            intrinsics=read_intrinsics(folder / "intrinsics.txt", width_px=width, height_px=height),
        ),
        prompts=_prompts(folder / "prompt.txt"),
        mask=mask,
    )


def _prompts(path: Path) -> tuple[str, ...]:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_PROMPT_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from error
    if len(raw) > MAX_PROMPT_BYTES:
        raise InputError(f"is longer than {MAX_PROMPT_BYTES} bytes", where=str(path))
    try:
        lines = tuple(line.strip() for line in raw.decode("utf-8").splitlines() if line.strip())
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8 at byte {error.start}", where=str(path)) from error
    if not lines:
        raise InputError("holds no prompt", where=str(path), fix="write one line a round")
    return lines
