"""The cloud's pages on the device: which are there, which are out of date, and a few more with every frame.

The last snapshot is kept, so the memory cannot reuse a page that was uploaded: a logical page whose physical page is
still the same has the same content. A page that changed is drawn as it was until its turn comes.
"""

from typing import Any

import numpy as np

from spatia.records.arrays import F32, I32, Bool
from spatia.records.cloud import PAGE_POINTS, CloudSnapshot
from spatia.render.point_packing import PAGE_BYTES, packed

BLOCK_PAGES = 512  # a block stays below the 16 MiB that every driver allows a shader storage block


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
        rows = min(PAGE_POINTS, self._cloud.row_count - int(chosen[-1]) * PAGE_POINTS)
        points, living = packed(self._cloud.arena, self._cloud.pages[chosen], rows=rows)
        for page, content in zip(chosen.tolist(), points, strict=True):
            block, slot = divmod(page, BLOCK_PAGES)
            while block >= len(self.blocks):
                self.blocks.append(self._context.buffer(reserve=BLOCK_PAGES * PAGE_BYTES))
            self.blocks[block].write(content, offset=slot * PAGE_BYTES)
        self.held[chosen] = living
        self._current[chosen] = True
        return len(chosen) * PAGE_BYTES

    def release(self) -> None:
        for block in self.blocks:
            block.release()
        self.blocks, self._cloud = [], None
