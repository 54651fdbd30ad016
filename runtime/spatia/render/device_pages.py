"""The cloud's pages on the device: which are there, which are out of date, and a few more with every frame.

The last snapshot is kept, so the memory cannot reuse a page that was uploaded: a logical page whose physical page is
still the same has the same content. A page that changed is drawn as it was until its turn comes.
"""

from typing import Any

import numpy as np

from spatia.records.arrays import F32, Bool
from spatia.records.cloud import CLIP, PAGE_POINTS, WEIGHT, CloudSnapshot

FIELDS = CLIP + 1  # as in splat.vert
PAGE_BYTES = 4 * FIELDS * PAGE_POINTS
BLOCK_PAGES = 512  # a block stays below the 16 MiB that every driver allows a shader storage block


class DevicePages:
    """Main thread, with its context current."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._cloud: CloudSnapshot | None = None
        self.blocks: list[Any] = []  # moderngl.Buffer of `BLOCK_PAGES` logical pages each
        self.resident: Bool = np.zeros(0, np.bool_)  # [P] something of this cloud is there
        self._current: Bool = np.zeros(0, np.bool_)  # [P] and it is the newest

    @property
    def waiting(self) -> int:
        return int((~self._current).sum())

    def follow(self, cloud: CloudSnapshot) -> None:
        """Find out what is out of date. Pages of another arena are another cloud's."""
        before, self._cloud = self._cloud, cloud
        resident, current = np.zeros((2, len(cloud.pages)), np.bool_)
        if before is not None and before.arena is cloud.arena:
            known = min(len(before.pages), len(cloud.pages))
            resident[:known] = self.resident[:known]
            current[:known] = self._current[:known] & (before.pages[:known] == cloud.pages[:known])
        self.resident, self._current = resident, current

    def upload(self, urgency: F32, *, budget_bytes: int) -> int:
        """Bring over the most urgent pages, [P], ties in order. Returns the bytes that this took."""
        cloud = self._cloud
        if cloud is None:
            return 0
        stale = np.flatnonzero(~self._current)
        chosen = stale[np.argsort(-urgency[stale], kind="stable")[: budget_bytes // PAGE_BYTES]]
        for page in chosen.tolist():
            block, slot = divmod(page, BLOCK_PAGES)
            while block >= len(self.blocks):
                self.blocks.append(self._context.buffer(reserve=BLOCK_PAGES * PAGE_BYTES))
            words = cloud.arena[cloud.pages[page], :FIELDS]
            rows = cloud.row_count - page * PAGE_POINTS
            if rows < PAGE_POINTS:
                words = words.copy()
                words[WEIGHT, rows:] = 0
            self.blocks[block].write(words, offset=slot * PAGE_BYTES)
        self.resident[chosen] = True
        self._current[chosen] = True
        return len(chosen) * PAGE_BYTES

    def release(self) -> None:
        for block in self.blocks:
            block.release()
        self.blocks, self._cloud = [], None
