"""The cloud's pages on the device: which are there, which are out of date, and a few more with every frame.

The last snapshot is kept, so the memory cannot reuse a page that was uploaded: a logical page whose physical page is
still the same has the same content. A page that changed is drawn as it was until its turn comes.

On the device a point is five words, and a page is sorted for level of detail: its slots follow a curve through space,
so the first n in bit-reversed order are spread evenly over the page, and reading them is reading on. Removed
points come last.
"""

from typing import Any

import numpy as np

from spatia.records.arrays import F32, I32, U32, Bool
from spatia.records.cloud import BLUE, CLIP, PAGE_POINTS, RED_GREEN, WEIGHT, CloudSnapshot, X, Z

POINT_WORDS = 5  # x, y, z; red, green, blue and coverage in bytes from the lowest; clip. As in splat.vert
PAGE_BYTES = 4 * POINT_WORDS * PAGE_POINTS
BLOCK_PAGES = 512  # a block stays below the 16 MiB that every driver allows a shader storage block
MOST_SIGHTINGS_LOG2 = 5.0  # from there on coverage looks the same

_BITS = PAGE_POINTS.bit_length() - 1
_DETAIL_ORDER = np.array([int(f"{n:0{_BITS}b}"[::-1], 2) for n in range(PAGE_POINTS)])


def packed(words: U32) -> U32:
    """Pages [n, FIELDS, PAGE_POINTS] as the device has them, [n, PAGE_POINTS, POINT_WORDS]. Coverage 0: removed."""
    words = words[:, :, _DETAIL_ORDER]
    removed = words[:, WEIGHT].view(np.float32) <= 0
    for page in np.flatnonzero(removed.any(axis=1)):
        words[page] = words[page][:, np.argsort(removed[page], kind="stable")]
    weight = words[:, WEIGHT].view(np.float32)
    sightings = np.clip(np.log2(1 + np.maximum(weight, 0)) / np.float32(MOST_SIGHTINGS_LOG2), 0, 1)
    coverage = np.where(weight > 0, 1 + np.round(254 * sightings), 0).astype(np.uint32)
    half = np.uint32(128)  # colours are 8.8 fixed point
    red, green = (
        ((words[:, RED_GREEN] >> np.uint32(16)) + half) >> np.uint32(8),
        words[:, RED_GREEN] & np.uint32(0xFFFF),
    )
    green, blue = (green + half) >> np.uint32(8), ((words[:, BLUE] >> np.uint32(16)) + half) >> np.uint32(8)
    out = np.empty((len(words), PAGE_POINTS, POINT_WORDS), np.uint32)
    out[..., :3] = words[:, X : Z + 1].transpose(0, 2, 1)
    out[..., 3] = red | green << np.uint32(8) | blue << np.uint32(16) | coverage << np.uint32(24)
    out[..., 4] = words[:, CLIP]
    return out


class DevicePages:
    """Main thread, with its context current."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._cloud: CloudSnapshot | None = None
        self.blocks: list[Any] = []  # moderngl.Buffer of `BLOCK_PAGES` logical pages each
        self.held: I32 = np.zeros(
            0, np.int32
        )  # [P] living points on the device, of this version of the cloud or an earlier one
        self._current: Bool = np.zeros(0, np.bool_)  # [P] those are the newest

    @property
    def waiting(self) -> int:
        return int((~self._current).sum())

    def follow(self, cloud: CloudSnapshot) -> None:
        """Find out what is out of date. Pages of another arena are another cloud's."""
        before, self._cloud = self._cloud, cloud
        held, current = np.zeros(len(cloud.pages), np.int32), np.zeros(len(cloud.pages), np.bool_)
        if before is not None and before.arena is cloud.arena:
            known = min(len(before.pages), len(cloud.pages))
            held[:known] = self.held[:known]
            current[:known] = self._current[:known] & (before.pages[:known] == cloud.pages[:known])
        self.held, self._current = held, current

    def upload(self, urgency: F32, *, budget_bytes: int) -> int:
        """Bring over the most urgent pages, [P], ties in order. Returns the bytes that this took."""
        stale = np.flatnonzero(~self._current)
        chosen = np.sort(stale[np.argsort(-urgency[stale], kind="stable")[: budget_bytes // PAGE_BYTES]])
        if self._cloud is None or not len(chosen):
            return 0
        words = self._cloud.arena[self._cloud.pages[chosen]]
        rows = self._cloud.row_count - int(chosen[-1]) * PAGE_POINTS
        if rows < PAGE_POINTS:
            words[-1, WEIGHT, rows:] = 0
        for page, points in zip(chosen.tolist(), packed(words), strict=True):
            block, slot = divmod(page, BLOCK_PAGES)
            while block >= len(self.blocks):
                self.blocks.append(self._context.buffer(reserve=BLOCK_PAGES * PAGE_BYTES))
            self.blocks[block].write(points, offset=slot * PAGE_BYTES)
        self.held[chosen] = (words[:, WEIGHT].view(np.float32) > 0).sum(axis=1)
        self._current[chosen] = True
        return len(chosen) * PAGE_BYTES

    def release(self) -> None:
        for block in self.blocks:
            block.release()
        self.blocks, self._cloud = [], None
