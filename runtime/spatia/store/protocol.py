"""The seam between a running world and what is kept of it: commits, their clouds and arrays, a journal of commands.

Data only. A store belongs to one thread at a time; the records may be read on any thread.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from spatia.records.arrays import I32, U32, frozen
from spatia.records.cloud import FIELDS, PAGE_POINTS, CloudSnapshot

CommitKind = Literal["initial", "clip", "edit", "checkpoint"]
KINDS: tuple[CommitKind, ...] = ("initial", "clip", "edit", "checkpoint")
Plain = None | bool | int | float | str | bytes | Sequence["Plain"] | Mapping[str, "Plain"]
AnyArray = npt.NDArray[Any]
JournalEvent = tuple[int, str, bytes]  # tick, kind, payload: what is told; an `Event` once it is durable


def page_count_of(row_count: int) -> int:
    return -(-row_count // PAGE_POINTS)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CloudChange:
    """The pages of the static cloud that may differ from the commit before; all the others stay as they were."""

    voxel_m: float
    version: int
    row_count: int  # of the whole cloud; it has ceil(row_count / 1024) pages
    page_index: I32  # [K] logical pages, ascending
    words: U32  # [K, FIELDS, PAGE_POINTS]

    def __post_init__(self) -> None:
        k = len(self.page_index)
        object.__setattr__(self, "page_index", frozen(self.page_index, "page_index", np.int32, (k,)))
        object.__setattr__(self, "words", frozen(self.words, "words", np.uint32, (k, FIELDS, PAGE_POINTS)))
        if self.row_count < 0 or self.version < 0:
            raise ValueError(f"row_count and version must be >= 0; got {self.row_count} and {self.version}")
        if (np.diff(self.page_index) <= 0).any():
            raise ValueError("page_index must be ascending, each page once")
        if k and not (self.page_index[0] >= 0 and self.page_index[-1] < page_count_of(self.row_count)):
            raise ValueError(
                f"page_index must lie in 0..{page_count_of(self.row_count) - 1}; "
                f"got {self.page_index[0]}..{self.page_index[-1]}"
            )

    @classmethod
    def of(cls, cloud: CloudSnapshot, page_index: I32 | None = None) -> "CloudChange":
        """These pages of a snapshot, or all of them. A page that did not change costs its hash and is not stored."""
        chosen = np.arange(len(cloud.pages), dtype=np.int32) if page_index is None else page_index
        return cls(
            voxel_m=cloud.voxel_m,
            version=cloud.version,
            row_count=cloud.row_count,
            page_index=chosen,
            words=cloud.arena[cloud.pages[chosen]],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SavedCloud:
    """The whole cloud as one commit left it. The caller owns the array."""

    voxel_m: float
    version: int
    row_count: int
    pages: U32  # [P, FIELDS, PAGE_POINTS]
    lost_pages: tuple[int, ...] = ()  # only when salvaged: logical pages that could not be read, all zero (no points)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitInfo:
    """One commit without its bulk. Numbers count from 0 without gaps; `parent` is "" for the first."""

    number: int
    kind: CommitKind
    hash: str  # SHA-256 of the content and the parent's hash, 64 hex digits
    parent: str
    payload: dict[str, Any]  # plain data
    voxel_m: float
    version: int
    row_count: int
    arrays: tuple[str, ...]  # names, sorted

    @property
    def page_count(self) -> int:
        return page_count_of(self.row_count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One command of the journal. It becomes durable with the commit that follows it."""

    tick: int
    kind: str
    payload: bytes  # canonical msgpack, see store.canonical
    commit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something in a stored world that is not as it was written."""

    what: str  # "missing blob", "damaged blob", "orphan", "damaged commit", ...
    where: str  # file or table
    detail: str
    commit: int | None = None  # the commit that wrote it
    kind: str = ""  # of that commit
    affected: tuple[int, ...] = ()  # the commits that cannot be loaded whole

    def __str__(self) -> str:
        source = "" if self.commit is None else f" (written by commit {self.commit}, {self.kind})"
        loss = f"; affects commits {', '.join(map(str, self.affected))}" if self.affected else ""
        return f"{self.what}{source}: {self.where}: {self.detail}{loss}"


class WorldStore(Protocol):
    """The seam. Every commit stays readable; a commit happens whole or not at all."""

    @property
    def settings(self) -> dict[str, Any]:
        """What the world was created with."""
        ...

    @property
    def fingerprint(self) -> dict[str, Any]:
        """Versions and devices of the run that created it; never part of a hash."""
        ...

    @property
    def head(self) -> CommitInfo | None:
        """The newest commit; None before the first."""
        ...

    def log(self) -> Iterator[CommitInfo]:
        """All commits, oldest first."""
        ...

    def prepare(self, arrays: Iterable[AnyArray]) -> None:
        """Encode arrays ahead of the commit that will hold these very ones, on any one thread.

        They must not change until then. A commit that was not prepared for encodes them itself.
        """
        ...

    def commit(
        self,
        kind: CommitKind,
        payload: Mapping[str, Plain],
        *,
        cloud: CloudChange | None = None,
        arrays: Mapping[str, AnyArray] | None = None,
        events: Iterable[JournalEvent] = (),
    ) -> CommitInfo:
        """Make one commit durable, with the events appended since the last and then its own, which are kept only with
        it. Without `cloud` the cloud stays.

        The first is of kind "initial" and has a cloud. Raises `ValueError` for content that cannot be a commit, and
        `StoreError` when the disk refuses: the last commit is then still the head and nothing of this one is left.
        """
        ...

    def append_events(self, events: Iterable[JournalEvent]) -> None:
        """Add (tick, kind, canonical msgpack) to the journal; they become durable with the next commit."""
        ...

    def events(self) -> Iterator[Event]:
        """All durable events in the order in which they were appended."""
        ...

    def load_cloud(self, number: int, *, salvage: bool = False) -> SavedCloud:
        """The cloud after commit `number`.

        Raises `StoreError` naming the commit whose pages are missing or damaged; with `salvage` those pages come
        back empty and listed instead.
        """
        ...

    def load_arrays(self, number: int, *, names: Iterable[str] | None = None) -> dict[str, AnyArray]:
        """The arrays of commit `number`, or the named ones of them. The caller owns them. Raises `StoreError`."""
        ...

    def fsck(self) -> list[Problem]:
        """Read and re-hash everything; what is wrong, oldest commit first."""
        ...

    def close(self) -> None:
        """Give the world back. Events that no commit followed are gone. Closing twice is harmless."""
        ...
