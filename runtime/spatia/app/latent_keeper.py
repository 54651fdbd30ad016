"""`LatentKeeper` owns the latent cloud beside the coloured one, and says what of it goes into each commit.

Part of `WorldKeeper`, and on its thread. A clip's points and an edit become changes of the cloud; a commit keeps the
change, and a resumed world goes through all of them again. The last latents of a clip are kept as well: a generator may
begin the next one with them.
"""

from collections.abc import Callable, Mapping

import numpy as np

from spatia.app.round import RoundResult
from spatia.errors import InputError
from spatia.memory.latent_cloud import LatentCloud
from spatia.memory.latent_edits import LatentChange
from spatia.records.cloud import Points
from spatia.records.edits import Edit, Vec3
from spatia.records.generation import ClipLatents
from spatia.records.latents import LatentSnapshot
from spatia.store.protocol import AnyArray

TAIL, TAIL_BY = "latents.tail", "latents.tail_by"


class LatentKeeper:
    """See the module."""

    def __init__(self, new_cloud: Callable[[], LatentCloud]) -> None:
        self._new_cloud = new_cloud
        self.clear()

    def clear(self) -> None:
        """Back to a world without latents."""
        self._cloud = self._new_cloud()
        self._tail: ClipLatents | None = None

    def snapshot(self) -> LatentSnapshot:
        return self._cloud.snapshot()

    @property
    def tail(self) -> ClipLatents | None:
        """The last latents that were made, if the walk goes on right behind them."""
        return self._tail

    def merge(self, result: RoundResult) -> dict[str, AnyArray]:
        """Take a clip's latents in. Raises `SpatiaError` with nothing changed."""
        if result.latent_points is None or result.latents is None:
            raise InputError(
                "a clip came without latents, and this world keeps them",
                where="memory.latent",
                fix="use a generator that makes latents, or begin a world without them",
            )
        inserted = self._cloud.insert(result.latent_points, fingerprint=result.latents.fingerprint)
        self._tail = result.latent_tail
        arrays: dict[str, AnyArray] = dict(inserted.change.to_arrays())
        if self._tail is not None:
            arrays[TAIL] = self._tail.latents
            arrays[TAIL_BY] = np.frombuffer(self._tail.fingerprint.encode(), dtype=np.uint8)
        return arrays

    def edit(self, edit: Edit, *, cloud: Points | None, pivot_m: Vec3 | None) -> dict[str, AnyArray]:
        """What the same edit of the coloured cloud means here."""
        return self._cloud.apply(edit, cloud=cloud, pivot_m=pivot_m).change.to_arrays()

    def replay(self, arrays: Mapping[str, AnyArray]) -> None:
        """Go through one commit again. Raises `StoreError` for a damaged one."""
        change = LatentChange.of_arrays(arrays)
        if change is None:
            return
        self._cloud.replay([change])
        if change.kind == "insert":
            by = arrays[TAIL_BY].tobytes().decode() if TAIL in arrays else ""
            self._tail = ClipLatents(latents=arrays[TAIL], fingerprint=by) if TAIL in arrays else None
