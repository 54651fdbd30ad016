"""Where the points lie: physical pages in one arena, the table that orders them, and who may still look at them.

The arena reserves address space only; the system commits memory as pages are first touched. A page that a living
snapshot can see is never written: the writer copies it, points its table at the copy, and takes the old page back when
the last snapshot that could see it is gone. A snapshot says that it lives by its `Lease`, which is only ever looked at
through a weak reference, so readers on other threads need not tell anyone when they are done.

Only the owner of the memory calls these methods, on one thread at a time.
"""

import weakref

import numpy as np
import numpy.typing as npt
from numba import njit

from spatia.errors import MemoryFullError
from spatia.records.arrays import F32, I32, U32
from spatia.records.cloud import FIELDS, PAGE_POINTS

# Address space for readers of older versions: as much again as for the points, and some more for small memories.
PHYSICAL_PER_LOGICAL = 2
SPARE_PAGES = 1024


class Lease:
    """Alive as long as someone holds the snapshot that carries it."""

    __slots__ = ("__weakref__",)


@njit(cache=True, nogil=True)
def copy_pages(words: U32, sources: I32, targets: I32) -> None:
    """Page by page, without the temporary of a fancy assignment."""
    for i in range(len(sources)):
        words[targets[i]] = words[sources[i]]


class PageArena:
    """Pages of words, copied on write against living snapshots."""

    def __init__(self, *, max_pages: int, page_shape: tuple[int, ...] = (FIELDS, PAGE_POINTS)) -> None:
        physical = PHYSICAL_PER_LOGICAL * max_pages + SPARE_PAGES
        self.words: U32 = np.zeros((physical, *page_shape), np.uint32)
        self.floats: F32 = self.words.view(np.float32)
        self.ints: I32 = self.words.view(np.int32)
        self.readable: U32 = self.words.view()
        self.readable.flags.writeable = False
        self.table: I32 = np.zeros(max_pages, np.int32)  # physical page of each logical page
        self.bounds_m: F32 = np.zeros((max_pages, 2, 3), np.float32)
        self.changed: npt.NDArray[np.int64] = np.zeros(max_pages, np.int64)  # version of each logical page
        self.page_count = 0
        self._born = np.zeros(physical, np.int64)  # version that first wrote the physical page
        self._touched = 0  # physical pages ever used
        self._free: I32 = np.empty(0, np.int32)
        self._retired: I32 = np.empty(0, np.int32)  # out of the table, perhaps still seen
        self._retired_at: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self._leases: dict[int, weakref.ref[Lease]] = {}

    def lease(self, version: int) -> Lease:
        """Protect what the table shows at this version for as long as the returned object lives."""
        known = self._leases.get(version)
        lease = known() if known is not None else None
        if lease is None:
            lease = Lease()
            self._leases[version] = weakref.ref(lease)
        return lease

    def begin(self, logical: npt.NDArray[np.intp], *, appended: int, version: int) -> None:
        """Make these pages writable, append empty ones, and mark all of them as changed in `version`.

        Raises `MemoryFullError`, before anything has changed, when living snapshots hold too many pages.
        """
        living = self._living()
        self._reclaim(living)
        newest = living[-1] if len(living) else -1
        seen = logical[self._born[self.table[logical]] <= newest]
        fresh = self._touched
        pages = self._take(len(seen) + appended)

        copies, empty = pages[: len(seen)], pages[len(seen) :]
        originals = self.table[seen]
        copy_pages(self.words, originals, copies)
        self._retired = np.concatenate([self._retired, originals])
        self._retired_at = np.concatenate([self._retired_at, np.full(len(seen), version)])
        self.table[seen] = copies

        end = self.page_count + appended
        self.words[empty[empty < fresh]] = 0  # later ones are zeros from the system
        self.table[self.page_count : end] = empty
        self.bounds_m[self.page_count : end, 0] = np.inf
        self.bounds_m[self.page_count : end, 1] = -np.inf
        self.changed[self.page_count : end] = version
        self.changed[logical] = version
        self._born[pages] = version
        self.page_count = end

    def _living(self) -> npt.NDArray[np.int64]:
        """Versions that someone can still see, ascending."""
        self._leases = {version: lease for version, lease in self._leases.items() if lease() is not None}
        return np.array(sorted(self._leases), np.int64)

    def _reclaim(self, living: npt.NDArray[np.int64]) -> None:
        """Free the retired pages that no living version lies between birth and retirement of."""
        before_birth = np.searchsorted(living, self._born[self._retired])
        before_retirement = np.searchsorted(living, self._retired_at)
        held = before_birth < before_retirement
        self._free = np.concatenate([self._free, self._retired[~held]])
        self._retired, self._retired_at = self._retired[held], self._retired_at[held]

    def _take(self, count: int) -> I32:
        """Physical pages, used ones first because the system has already backed them. Their content is anything."""
        reused = min(count, len(self._free))
        fresh = count - reused
        if self._touched + fresh > len(self.words):
            raise MemoryFullError(
                f"{count} pages are needed for a change, but living snapshots hold all but "
                f"{len(self.words) - self._touched + len(self._free)} of {len(self.words)}",
                where="memory",
                fix="let old snapshots go, or raise max_points",
            )
        pages = np.concatenate([self._free[len(self._free) - reused :], np.arange(fresh) + self._touched])
        self._free = self._free[: len(self._free) - reused]
        self._touched += fresh
        return pages.astype(np.int32)
