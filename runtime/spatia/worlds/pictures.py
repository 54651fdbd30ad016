"""Pictures from disk, with bounds: a stranger's image must not fill the memory."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from spatia.errors import InputError
from spatia.records.arrays import U8

MAX_PIXELS = 64 * 1024 * 1024


def read_rgb(path: Path) -> U8:
    """[H, W, 3] sRGB. Raises `InputError`."""
    return np.asarray(_read(path, "RGB"), dtype=np.uint8)


def read_gray(path: Path) -> npt.NDArray[Any]:
    """[H, W] of 8 or 16 bits as they are stored. Raises `InputError`, also for a picture with colours."""
    array = _read(path, None)
    if array.ndim != 2 or array.dtype.kind not in "ui":
        raise InputError(
            f"one channel of 8 or 16 bits was wanted; got shape {array.shape} of {array.dtype}",
            where=str(path),
            fix="save depth as a 16-bit grey PNG",
        )
    return array


def _read(path: Path, mode: str | None) -> npt.NDArray[Any]:
    if not path.is_file():
        raise InputError("there is no such file", where=str(path), fix="check the path")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                width, height = image.size
                if width * height > MAX_PIXELS:
                    raise InputError(
                        f"{width}x{height} pixels, and at most {MAX_PIXELS} are allowed",
                        where=str(path),
                        fix="scale it down",
                    )
                return np.array(image if mode is None else image.convert(mode))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise InputError(f"too many pixels: {error}", where=str(path), fix="scale it down") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as error:
        raise InputError(f"cannot be read as a picture: {error}", where=str(path)) from error
