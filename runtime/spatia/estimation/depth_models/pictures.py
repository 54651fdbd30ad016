"""How a depth network wants its pictures, from its preprocessor_config.json. Any thread; no torch.

The same numbers as transformers' own processors give, of which the usual ones need torchvision. They resize 8-bit
pictures with Pillow for Depth Anything; for ZoeDepth they reflect the borders, which the network sees badly, outwards
and interpolate linearly between corner pixels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from PIL import Image

from spatia.records.arrays import F32, U8

PADDING = 3.0  # of ZoeDepth's borders: so many square roots of half the side
MAX_SIDE_PX = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """From pictures to a network's input."""

    style: Literal["dpt", "zoedepth"]
    width_px: int  # wanted; the aspect ratio decides which of the two is met
    height_px: int
    keep_aspect: bool
    multiple_px: int
    resample: Image.Resampling
    mean: tuple[float, ...]  # of red, green and blue in 0..1
    std: tuple[float, ...]

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Preparation":
        """Raises `KeyError`, `TypeError`, `ValueError` or `OverflowError` for a file that says something else."""
        style = str(config["image_processor_type"])
        if not style.startswith(("DPT", "ZoeDepth")):
            raise ValueError(f"image_processor_type {style!r} is neither DPT nor ZoeDepth")
        for step in ("do_resize", "do_normalize", "do_rescale"):
            if not config.get(step, True):
                raise ValueError(f"{step} is off, which no known network wants")
        size = config["size"]
        prepared = cls(
            style="dpt" if style.startswith("DPT") else "zoedepth",
            width_px=int(size["width"]),
            height_px=int(size["height"]),
            keep_aspect=bool(config["keep_aspect_ratio"]),
            multiple_px=int(config["ensure_multiple_of"]),
            resample=Image.Resampling(config["resample"]),
            mean=tuple(float(value) for value in config["image_mean"]),
            std=tuple(float(value) for value in config["image_std"]),
        )
        sides = (prepared.width_px, prepared.height_px, prepared.multiple_px)
        if not all(0 < side <= MAX_SIDE_PX for side in sides) or len(prepared.mean) != 3 or len(prepared.std) != 3:
            raise ValueError("size, ensure_multiple_of, image_mean or image_std is out of bounds")
        return prepared

    def prepared(self, rgb: U8) -> F32:
        """[3, h, w] of a picture [H, W, 3]."""
        height, width = rgb.shape[:2]
        down, across = self.padding_px(height, width)
        if self.style == "dpt":
            height, width = self._size(height, width)
            picture: F32 = np.asarray(Image.fromarray(rgb).resize((width, height), self.resample), dtype=np.float32)
        else:
            padded = np.pad(rgb.astype(np.float32), ((down, down), (across, across), (0, 0)), mode="reflect")
            picture = between_corners(padded, *self._size(*padded.shape[:2]))
        mean, std = np.array(self.mean, dtype=np.float32), np.array(self.std, dtype=np.float32)
        normal = (picture / np.float32(255) - mean) / std
        return np.ascontiguousarray(normal.transpose(2, 0, 1))

    def padding_px(self, height_px: int, width_px: int) -> tuple[int, int]:
        """Added to the picture above and below, left and right."""
        if self.style == "dpt":
            return 0, 0
        down, across = (int(np.sqrt(side / 2) * PADDING) for side in (height_px, width_px))
        return min(down, height_px - 1), min(across, width_px - 1)

    def _size(self, height_px: int, width_px: int) -> tuple[int, int]:
        """The network's raster for a picture of this size: scaled as little as possible, then to whole multiples."""
        down, across = self.height_px / height_px, self.width_px / width_px
        if self.keep_aspect:
            down = across = across if abs(1 - across) < abs(1 - down) else down
        cells = (
            max(1, round(side * scale / self.multiple_px)) for side, scale in ((height_px, down), (width_px, across))
        )
        height, width = (cell * self.multiple_px for cell in cells)
        return min(height, MAX_SIDE_PX), min(width, MAX_SIDE_PX)


def between_corners(picture: F32, height: int, width: int) -> F32:
    """[h, w, C] of [H, W, C], linear, with the corners' pixels kept where they are."""
    for axis, side in ((0, height), (1, width)):
        at = np.linspace(0, picture.shape[axis] - 1, side) if side > 1 else np.zeros(1)
        first = np.minimum(at.astype(np.intp), max(picture.shape[axis] - 2, 0))
        after = np.minimum(first + 1, picture.shape[axis] - 1)
        weight = (at - first).astype(np.float32).reshape([-1 if i == axis else 1 for i in range(3)])
        picture = picture.take(first, axis) * (1 - weight) + picture.take(after, axis) * weight
    return picture
