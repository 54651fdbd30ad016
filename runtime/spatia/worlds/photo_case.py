"""Photo cases: a picture, its lens, a camera path and one prompt a round, in the layout of the Spatia release.

img.jpg (or .png)  intrinsics.txt  w2c.txt  prompt.txt  mask.png (optional: what moves)
depth.png (optional, not of the release): 16 bits, millimetres along the optical axis, 0 where unknown
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spatia.errors import InputError
from spatia.geom.camera import Cameras
from spatia.geom.path_files import read_intrinsics, read_w2c
from spatia.records.arrays import F32, U8, Bool
from spatia.worlds.pictures import read_gray, read_rgb

MAX_PROMPT_BYTES = 64 * 1024
DEPTH_UNIT_M = 0.001
NAMES = ("img.jpg", "img.png", "w2c.txt", "intrinsics.txt", "prompt.txt")
PHONE_FX = 0.78  # of the width: 65 degrees


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PhotoCase:
    """A picture to start from and where to walk."""

    rgb: U8  # [H, W, 3] sRGB
    cameras: Cameras  # the path, with the picture's intrinsics
    prompts: tuple[str, ...]  # one a round
    mask: Bool | None = None  # [H, W] True on what moves
    depth_m: F32 | None = None  # [H, W] along +z, 0 where unknown


def read_photo_case(folder: Path | str) -> PhotoCase:
    """Raises `InputError` for a missing or damaged file, and for a mask or depth of another size than the picture."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError("there is no such folder", where=str(folder), fix="check the path of the photo case")
    rgb = read_rgb(folder / "img.png" if (folder / "img.png").is_file() else folder / "img.jpg")
    height, width = rgb.shape[:2]
    mask, depth_m = None, None
    if (folder / "mask.png").is_file():
        mask = np.asarray(read_rgb(folder / "mask.png").max(axis=-1) > 127)
        _demand_size(mask, rgb, folder / "mask.png")
    if (folder / "depth.png").is_file():
        depth_m = _depth_m(folder / "depth.png")
        _demand_size(depth_m, rgb, folder / "depth.png")
    if not (folder / "intrinsics.txt").is_file():
        guess = f"{PHONE_FX:g} {PHONE_FX * width / height:.4g} 0.5 0.5"
        raise InputError(
            "there is no such file, and a photo's lens cannot be guessed from its pixels",
            where=str(folder / "intrinsics.txt"),
            fix=f"write `fx fy cx cy`, divided by width and height; a phone's main camera has about `{guess}`",
        )
    return PhotoCase(
        rgb=rgb,
        cameras=Cameras(
            world_from_camera=read_w2c(folder / "w2c.txt"),
            intrinsics=read_intrinsics(folder / "intrinsics.txt", width_px=width, height_px=height),
        ),
        prompts=_prompts(folder / "prompt.txt"),
        mask=mask,
        depth_m=depth_m,
    )


def is_photo_case(folder: Path) -> bool:
    """Whether a folder is meant as one, whole or not."""
    try:
        return any((folder / name).is_file() for name in NAMES)
    except OSError:  # a name that is too long, or a folder that is closed to us
        return False


def _depth_m(path: Path) -> F32:
    raw = read_gray(path)
    if raw.dtype == np.uint8 or not raw.any():
        raise InputError(
            "holds 8 bits, not millimetres" if raw.any() else "holds no depth: every pixel is 0",
            where=str(path),
            fix="save 16 bits, millimetres along the optical axis; without the file the estimator gives the depth",
        )
    return raw.astype(np.float32) * np.float32(DEPTH_UNIT_M)


def _demand_size(found: Bool | F32, rgb: U8, path: Path) -> None:
    (height, width), wanted = found.shape, rgb.shape[:2]
    if (height, width) != wanted:
        raise InputError(
            f"is {width}x{height} pixels, and the picture {wanted[1]}x{wanted[0]}",
            where=str(path),
            fix="scale it to the picture's size",
        )


def _prompts(path: Path) -> tuple[str, ...]:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_PROMPT_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path), fix="write one line a round") from error
    if len(raw) > MAX_PROMPT_BYTES:
        raise InputError(f"is longer than {MAX_PROMPT_BYTES} bytes", where=str(path))
    try:
        lines = tuple(line.strip() for line in raw.decode("utf-8").splitlines() if line.strip())
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8 at byte {error.start}", where=str(path)) from error
    if not lines:
        raise InputError("holds no prompt", where=str(path), fix="write one line a round")
    return lines
