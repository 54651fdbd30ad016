"""Which pixels move and must stay out of the memory: none, those of given masks, and masks grown by a margin."""

import numpy as np

from spatia.errors import InputError
from spatia.records.arrays import Bool
from spatia.records.cloud import CloudSnapshot
from spatia.records.geometry import Geometry, Report, Sighting, ignore


class NoSegmenter:
    """Nothing moves. See `DynamicSegmenter`."""

    name = "none"

    def segment(self, sighting: Sighting, geometry: Geometry, *, cloud: CloudSnapshot, report: Report = ignore) -> Bool:
        return np.zeros((len(sighting.keyframes), *sighting.frames.rgb.shape[1:3]), dtype=np.bool_)

    def close(self) -> None:
        pass


class GivenMasks:
    """One mask for all the frames that are asked for, as users draw it for a still camera. See `DynamicSegmenter`."""

    name = "given"

    def __init__(self, mask: Bool) -> None:
        """`mask` [H, W] is True where something moves."""
        self._mask = mask

    def segment(self, sighting: Sighting, geometry: Geometry, *, cloud: CloudSnapshot, report: Report = ignore) -> Bool:
        """Raises `InputError` when the frames have another size than the mask."""
        height_px, width_px = sighting.frames.rgb.shape[1:3]
        if self._mask.shape != (height_px, width_px):
            raise InputError(
                f"the mask is {self._mask.shape[1]}x{self._mask.shape[0]}, the frames are {width_px}x{height_px}",
                where="mask",
                fix="give a mask of the frames' size",
            )
        return np.broadcast_to(self._mask, (len(sighting.keyframes), height_px, width_px))

    def close(self) -> None:
        pass


def grown(mask: Bool, *, margin_px: int) -> Bool:
    """[T, H, W] True within `margin_px` pixels along both axes of where `mask` is True."""
    for axis in (1, 2):
        length = mask.shape[axis]
        sums = np.concatenate([np.zeros_like(mask.take([0], axis), dtype=np.int32), mask.cumsum(axis, np.int32)], axis)
        at = np.arange(length)
        high = sums.take(np.minimum(at + margin_px + 1, length), axis)
        mask = high > sums.take(np.maximum(at - margin_px, 0), axis)
    return mask
