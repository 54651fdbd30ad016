"""Pictures at another size, for a device with too little memory for the size asked for. Any thread."""

import numpy as np
from PIL import Image

from spatia.records.arrays import U8


def resized(pictures: U8, *, width_px: int, height_px: int) -> U8:
    """[T, height_px, width_px, ...] of pictures [T, H, W, 3] or masks [T, H, W]; themselves where the size is right."""
    if pictures.shape[1:3] == (height_px, width_px):
        return pictures
    smaller = width_px * height_px < pictures.shape[1] * pictures.shape[2]
    filtered = Image.Resampling.BOX if smaller else Image.Resampling.BICUBIC
    scaled = [np.asarray(Image.fromarray(picture).resize((width_px, height_px), filtered)) for picture in pictures]
    return np.stack(scaled) if scaled else np.empty((0, height_px, width_px, *pictures.shape[3:]), dtype=np.uint8)
