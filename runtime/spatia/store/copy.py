"""One world into another store: every commit again with its events, so the hashes prove the copy."""

import numpy as np

from spatia.errors import StoreError
from spatia.store.protocol import CloudChange, JournalEvent, WorldStore


def copy_world(source: WorldStore, target: WorldStore) -> None:
    """Raises `StoreError` when a copied commit does not come out with the hash of its original."""
    events: dict[int, list[JournalEvent]] = {}
    for event in source.events():
        events.setdefault(event.commit, []).append((event.tick, event.kind, event.payload))
    for info in source.log():
        saved = source.load_cloud(info.number)
        change = CloudChange(
            voxel_m=saved.voxel_m,
            version=saved.version,
            row_count=saved.row_count,
            page_index=np.arange(len(saved.pages), dtype=np.int32),
            words=saved.pages,
        )
        target.append_events(events.get(info.number, []))
        made = target.commit(info.kind, info.payload, cloud=change, arrays=source.load_arrays(info.number))
        if made.hash != info.hash:
            raise StoreError(
                f"commit {info.number} came out as {made.hash[:12]} instead of {info.hash[:12]}",
                where="copy",
                fix="run `spatia world fsck` on the original",
            )
