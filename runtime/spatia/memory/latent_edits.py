"""Which latents an edit of the world means, and a change of the cloud as data. Pure functions and records; any thread.

A latent says how a place looked. Where an edit changes the looks, the latent is no longer true and is retired: the
network makes it anew when it next sees the place. So:

| edit | what becomes of latents |
|---|---|
| Remove | the selected ones are retired |
| Move | the selected ones are moved, latent and all |
| Recolor | the selected ones are retired |
| AddPrimitive | those inside the solid, half a voxel of margin included, are retired |
| AddCloud | those in the voxels that the cloud's points fall into are retired |
| Undo, Redo | rows go back to what they were, or forward again |
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from spatia.errors import StoreError
from spatia.geom.pose import rotation_from_quaternion
from spatia.memory.edits import Patch
from spatia.memory.voxel_grid import voxel_keys
from spatia.records.arrays import F32, F64, I32, U32, Bool
from spatia.records.edits import AddPrimitive, Box, Edit, Move, OfClip, OfLabel, OfVoxels, Selection, Sphere, Vec3
from spatia.records.latents import GONE, I16, LatentPoints

CLIP_WORD = 3  # of a row of 32-bit words: the clip is its low half
ChangeKind = Literal["insert", "edit", "undo", "redo"]
KINDS: tuple[ChangeKind, ...] = ("insert", "edit", "undo", "redo")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LatentChange:
    """One change of the latent cloud, complete with what came before it: what a store keeps with a commit.

    Undo and redo hold no rows: they are found again by going through the changes before them.
    """

    kind: ChangeKind
    version: int  # of the cloud after it
    fingerprint: str  # of the autoencoder that made the cloud's latents
    retired: I32  # [R] rows that became tombstones, ascending
    rows: I32  # [K] rows that took new content, ascending
    points: LatentPoints  # [K] what they took

    @classmethod
    def of(
        cls, kind: ChangeKind, patch: Patch, *, version: int, fingerprint: str, dtype: np.dtype[np.float16 | np.float32]
    ) -> "LatentChange":
        if kind in ("undo", "redo"):
            patch = Patch(rows=patch.rows[:0], before_words=patch.before_words[:0], after_words=patch.after_words[:0])
        gone = clips_of(patch.after_words) == GONE
        return cls(
            kind=kind,
            version=version,
            fingerprint=fingerprint,
            retired=patch.rows[gone],
            rows=patch.rows[~gone],
            points=LatentPoints.of_words(patch.after_words[~gone], dtype),
        )

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All of it, under names that begin with ``latents.``"""
        return {
            "latents.change": np.array([KINDS.index(self.kind), self.version], np.int64),
            "latents.fingerprint": np.frombuffer(self.fingerprint.encode(), np.uint8),
            "latents.retired": self.retired,
            "latents.rows": self.rows,
            "latents.positions": self.points.positions_in_world,
            "latents.latents": self.points.latents,
            "latents.clips": self.points.clips,
            "latents.labels": self.points.labels,
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> "LatentChange | None":
        """The inverse of `to_arrays`; None for a commit that did not touch latents. Raises `StoreError`."""
        if "latents.change" not in arrays:
            return None
        try:
            kind, version = arrays["latents.change"].tolist()
            change = cls(
                kind=KINDS[kind],
                version=version,
                fingerprint=arrays["latents.fingerprint"].tobytes().decode(),
                retired=_rows(arrays["latents.retired"]),
                rows=_rows(arrays["latents.rows"]),
                points=LatentPoints(
                    positions_in_world=arrays["latents.positions"],
                    latents=arrays["latents.latents"],
                    clips=arrays["latents.clips"],
                    labels=arrays["latents.labels"],
                ),
            )
            if len(change.rows) != len(change.points):
                raise ValueError(f"{len(change.rows)} rows, {len(change.points)} points")
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise damaged(f"a change cannot be read: {error}") from error
        return change


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentInserted:
    """What became of a batch. The first three count points kept, one a voxel."""

    version: int
    new_count: int  # rows appended
    replaced_count: int  # rows whose older latent gave way
    revived_count: int  # rows whose latent had been retired
    dropped_unusable: int  # not finite
    dropped_outside: int  # beyond 2^20 voxels from the origin
    patch: Patch
    change: LatentChange


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentEdited:
    """What an edit did. One that met no latent is a result with `touched_count` 0, not an error."""

    edit: Edit
    version: int
    touched_count: int  # rows changed
    dropped_count: int  # moved latents that could not be placed
    patch: Patch
    change: LatentChange


def damaged(problem: str) -> StoreError:
    return StoreError(f"the latent cloud is damaged: {problem}", where="latents", fix="run `spatia world fsck`")


def clips_of(words: U32) -> I16:
    """[K] of rows of words; a copy."""
    return (words[:, CLIP_WORD] & np.uint32(0xFFFF)).astype(np.uint16).view(np.int16)


def gone(words: U32) -> U32:
    """The same rows as tombstones: all but the clip stays."""
    after = words.copy()
    after[:, CLIP_WORD] = (after[:, CLIP_WORD] & np.uint32(0xFFFF0000)) | np.uint32(GONE & 0xFFFF)
    return after


def selected(where: Selection, positions_in_world: F32, clips: I16, labels: I16) -> Bool:
    """[N] True for what a selection means, tombstones or not."""
    match where:
        case Box():
            low, high = np.asarray(where.low_m), np.asarray(where.high_m)
            return np.asarray(((positions_in_world >= low) & (positions_in_world <= high)).all(axis=1))
        case Sphere():
            offset = positions_in_world.astype(np.float64) - np.asarray(where.center_m)
            return np.asarray((offset**2).sum(axis=1) <= where.radius_m**2)
        case OfLabel():
            return np.asarray(labels == where.label)
        case OfClip():
            return np.asarray(clips == where.clip)
        case OfVoxels():
            return np.isin(voxel_keys(positions_in_world, where.voxel_m), np.array(where.keys, np.int64))


def inside(edit: AddPrimitive, positions_in_world: F32, *, margin_m: float) -> Bool:
    """[N] True within a checked primitive."""
    half = np.asarray(edit.size_m) / 2 + margin_m
    offset = (positions_in_world.astype(np.float64) - np.asarray(edit.center_m)) / half
    if edit.shape == "box":
        return np.asarray((np.abs(offset) <= 1).all(axis=1))
    if edit.shape == "sphere":
        return np.asarray((offset**2).sum(axis=1) <= 1)
    return np.asarray((offset[:, 0] ** 2 + offset[:, 2] ** 2 <= 1) & (np.abs(offset[:, 1]) <= 1))


def moved_positions(positions_in_world: F32, edit: Move, *, pivot_m: Vec3 | None) -> F32:
    """Rotated about the pivot, or about their own centroid, then shifted."""
    positions: F64 = positions_in_world.astype(np.float64)
    pivot = positions.mean(axis=0) if pivot_m is None else np.asarray(pivot_m)
    turned = (positions - pivot) @ rotation_from_quaternion(edit.rotation_wxyz).T + pivot
    with np.errstate(over="ignore"):  # too far for a float: not finite, dropped and counted
        return np.asarray((turned + np.asarray(edit.offset_m)).astype(np.float32))


def _rows(array: npt.NDArray[Any]) -> I32:
    if array.ndim != 1 or array.dtype != np.int32 or (np.diff(array) <= 0).any() or (array[:1] < 0).any():
        raise ValueError("rows must be int32, ascending, each once")
    return array
