"""`WorldKeeper` owns what is remembered: the cloud, the archive of frames and the store. One thread at a time.

Every merge and edit is one commit. A commit's payload is data that depends on the scene and its seed alone, so its
hash does too; how long a stage took goes into the journal, which no hash covers.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from spatia.app.journal import packed, plain
from spatia.app.latent_keeper import LatentKeeper
from spatia.app.perception import visible_voxels
from spatia.app.references import References
from spatia.app.round import CommitTicks, PastKeyframes, RoundResult, Surroundings
from spatia.app.sources import OpenedWorld, file_sha256, memory_of
from spatia.app.staleness import StaleRegion, without_stale
from spatia.clock import Clock
from spatia.errors import InputError, SpatiaError
from spatia.geom.camera import Cameras
from spatia.geom.pose import F64
from spatia.memory.edits import EditResult, History, Patch
from spatia.memory.frames import ArchivedClip, FrameArchive
from spatia.records.arrays import Bool
from spatia.records.cloud import INITIAL_CLIP, CloudSnapshot, Points, X, Z
from spatia.records.edits import AddCloud, Edit, Move, Redo, Undo
from spatia.records.frames import Frames
from spatia.records.generation import ClipLatents
from spatia.records.latents import LatentSnapshot
from spatia.store.canonical import unpack_plain
from spatia.store.in_memory import MemoryStore
from spatia.store.protocol import AnyArray, CloudChange, CommitKind, JournalEvent, Plain, WorldStore
from spatia.worlds.ply import read_ply


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Begun:
    """Where the walk stands when a session opens: at its start, or after the clips that a store holds."""

    pose: F64  # [4, 4]
    pending: F64  # [n, 4, 4] poses that the first clip begins with
    covered: int
    clips: int
    tick: int  # ticks and requests are counted on, so that a journal tells them apart
    requests: int


def commit_ticks_of(store: WorldStore) -> dict[int, CommitTicks]:
    """When each request of a recorded run was committed, by request id."""
    ticks = {}
    for event in store.events():
        if event.kind == "collected":
            said = unpack_plain(event.payload, where="collected")
            ticks[int(said["request_id"])] = CommitTicks(event.tick, int(said.get("lands_tick", event.tick)))
    return ticks


class WorldKeeper:
    """The one writer of memory, archive and store; see the module."""

    def __init__(
        self,
        opened: OpenedWorld,
        *,
        store: WorldStore,
        references: References,
        clock: Clock,
        latents: LatentKeeper | None = None,
        rebuilds: bool = False,
    ) -> None:
        """`rebuilds`: the memory is made anew from all keyframes after every clip."""
        self._latents = latents
        self._rebuilds = rebuilds
        self._opened = opened
        self._store = store
        self._references = references
        self._clock = clock
        self._memory = opened.memory
        self._archive = self._new_archive()
        self._photo_count = 0
        self._last_edit: EditResult | None = None
        self._stale: list[StaleRegion] = []
        self._stage_s: dict[int, dict[str, float]] = {}
        if store.head is None:
            self._begin()
        else:
            self._restore()

    # -- the walk asks --------------------------------------------------------------------------------------------

    def snapshot(self) -> CloudSnapshot:
        return self._memory.snapshot()

    def latents(self) -> LatentSnapshot | None:
        """None for a world that keeps none."""
        return None if self._latents is None else self._latents.snapshot()

    def preceding_latents(self) -> ClipLatents | None:
        return None if self._latents is None else self._latents.tail

    def preceding(self, n: int) -> Frames:
        """The last `n` frames of the walk, with depth."""
        count = len(self._archive)
        return self._fresh_frames(tuple(range(count - n, count)))

    def surroundings(self, references: tuple[int, ...]) -> Surroundings:
        """What new frames may be compared with: these archived frames and the last one; all keyframes for a rebuild."""
        last = range(len(self._archive))[-1:]
        numbers = tuple(sorted({*references, *last}))
        return Surroundings(
            context=self._fresh_frames(numbers),
            context_moving=self._archive.moving(numbers),
            history=self._history() if self._rebuilds else None,
        )

    def walked(self, start: int, stop: int) -> Frames:
        """Frames of the walk by number."""
        return self._archive.frames(range(self._photo_count + start, self._photo_count + stop))

    def retrieve(self, cameras: Cameras) -> tuple[Frames, tuple[int, ...]]:
        """Reference frames for these new cameras, and their numbers in the archive."""
        numbers = self._references.choose(
            cameras, archive=self._archive, photo_count=self._photo_count, cloud=self.snapshot()
        )
        return self._fresh_frames(numbers), numbers

    # -- COMMIT ---------------------------------------------------------------------------------------------------

    def merge(self, result: RoundResult, *, tick: int, lands_tick: int) -> CloudSnapshot:
        """Take a clip into the memory and the archive, and make it one commit, for the walk to see at `lands_tick`.

        Raises `SpatiaError` when it does not fit or the store refuses; all is then as at the commit before.
        """
        with self._or_as_before():
            return self._merged(result, tick=tick, lands_tick=lands_tick)

    def _merged(self, result: RoundResult, *, tick: int, lands_tick: int) -> CloudSnapshot:
        started_s = self._clock.now_s()
        arrays: dict[str, AnyArray] = {} if self._latents is None else self._latents.merge(result)
        if result.order.surroundings.history is None:
            inserted = self._memory.insert(result.points, votes=result.votes)
        else:
            inserted = self._memory.rebuild(result.points)
        numbers = self._archive.add(result.archived)
        stage_s = result.stage_s | {"merge": self._clock.now_s() - started_s}
        order = result.order
        beside = {"clip": order.clip, "stage_s": stage_s, "notes": list(result.notes), "poses": _poses_of(result)}
        collected = {"request_id": order.request_id} | ({} if lands_tick == tick else {"lands_tick": lands_tick})
        started_s = self._clock.now_s()
        self._commit(
            "clip",
            {
                "clip": order.clip,
                "frames": [number - self._photo_count for number in (numbers.start, numbers.stop)],
                "prompt": order.prompt,
                "seed": order.seed,
                "references": list(order.reference_numbers),
                "coverage": result.coverage,
                "points_added": inserted.new_count,
                "points_merged": inserted.merged_count,
                "points_retired": inserted.retired_count,
                "points_total": self._memory.alive_count,
                **({} if self._latents is None else {"latents_total": self._latents.snapshot().alive_count}),
                "frame_sha256": list(result.frame_sha256),
                "projection_sha256": list(result.projection_sha256),
            },
            arrays=result.archived.to_arrays() | arrays,
            events=[(tick, "timings", packed(beside)), (tick, "collected", packed(collected))],
        )
        self._stage_s[order.clip] = stage_s | {"commit": self._clock.now_s() - started_s}
        return self.snapshot()

    def append_events(self, events: Iterable[JournalEvent]) -> None:
        """Into the journal; durable with the next commit."""
        self._store.append_events(events)

    def edit(self, edit: Edit) -> CloudSnapshot:
        """Apply an edit and make it one commit. Raises `SpatiaError`, with nothing changed, where it cannot be done."""
        cloud = None
        if isinstance(edit, AddCloud):
            cloud = _file_points(edit, max_points=self._memory.max_points)
            # What is committed names the file by its content; where it lay is no part of the world.
            edit = replace(edit, path="", sha256=file_sha256(Path(edit.path)))
        with self._or_as_before():
            return self._edited(edit, cloud)

    def _edited(self, edit: Edit, cloud: Points | None) -> CloudSnapshot:
        arrays: dict[str, AnyArray] = {}
        if self._latents is not None:
            pivot_m = self._memory.pivot_of(edit) if isinstance(edit, Move) else None
            arrays = self._latents.edit(edit, cloud=cloud, pivot_m=pivot_m)
        self._last_edit = result = self._memory.apply(edit, cloud=cloud)
        self._note_stale(result.patch, len(self._archive))
        # Undo and redo are found again by going through the edits before them.
        patch = {} if isinstance(edit, Undo | Redo) else _arrays_of(result.patch)
        self._commit(
            "edit",
            {"edit": plain(edit), "points_touched": result.touched_count, "points_total": self._memory.alive_count},
            arrays=patch | arrays,
        )
        return self.snapshot()

    def reset(self, seed: int) -> tuple[CloudSnapshot, F64]:
        """Begin the world again, in a store of its own in RAM."""
        head = self._store.load_cloud(0)
        settings = self._store.settings
        scene = json.loads(settings["scene"]) | {"seed": seed}
        self._store = MemoryStore(settings=settings | {"scene": json.dumps(scene)}, fingerprint=self._store.fingerprint)
        self._memory = memory_of(head, max_points=self._memory.max_points)
        self._archive = self._new_archive()
        if self._latents is not None:
            self._latents.clear()
        self._stale.clear()
        self._stage_s.clear()
        self._begin()
        return self.snapshot(), self._opened.start

    # -- the session asks -----------------------------------------------------------------------------------------

    @property
    def store(self) -> WorldStore:
        return self._store

    @property
    def last_edit(self) -> EditResult:
        if self._last_edit is None:
            raise LookupError("no edit has been applied yet")
        return self._last_edit

    @property
    def stage_s(self) -> dict[int, dict[str, float]]:
        """Seconds by stage of the clips of this session, by clip number."""
        return self._stage_s

    def begun(self) -> Begun:
        tick = max((event.tick + 1 for event in self._store.events()), default=0)
        requests = max((request_id + 1 for request_id in commit_ticks_of(self._store)), default=0)
        covered = len(self._archive) - self._photo_count
        if covered == 0:
            start = self._opened.start
            return Begun(pose=start, pending=start[None], covered=0, clips=0, tick=tick, requests=requests)
        pose = self._archive.last(1).cameras.world_from_camera[0]
        clips = sum(clip.clip != INITIAL_CLIP for clip in self._archive.clips)
        pending = np.empty((0, 4, 4))
        return Begun(pose=pose, pending=pending, covered=covered, clips=clips, tick=tick, requests=requests)

    def close(self) -> None:
        self._store.close()

    # -- inside ---------------------------------------------------------------------------------------------------

    def _history(self) -> PastKeyframes:
        """The keyframes that were merged: those that can be retrieved."""
        merged: list[tuple[int, int]] = []
        first = 0
        for clip in self._archive.clips:
            merged += [(first + at, clip.clip) for at, seen in enumerate(clip.visible) if len(seen.blocks)]
            first += len(clip)
        numbers = [number for number, _ in merged]
        frames = self._archive.frames(numbers)
        return PastKeyframes(
            frames=Frames(rgb=frames.rgb, cameras=frames.cameras, time_s=frames.time_s),
            moving=self._archive.moving(numbers),
            clips=np.array([clip for _, clip in merged], dtype=np.int32),
        )

    def _new_archive(self) -> FrameArchive:
        return FrameArchive(self._opened.intrinsics, voxel_m=self._references.settings.voxel_m)

    def _fresh_frames(self, numbers: tuple[int, ...]) -> Frames:
        return without_stale(self._archive.frames(numbers), numbers, self._stale)

    def _note_stale(self, patch: Patch, frame_count: int) -> None:
        if len(patch.rows):
            changed = np.concatenate([patch.before_words, patch.after_words])[:, X : Z + 1].view(np.float32)
            self._stale.append(StaleRegion.around(changed, frame_count=frame_count))

    def _begin(self) -> None:
        arrays = {}
        if self._opened.frames is not None:
            photos = _archived_photos(
                self._opened.frames, self._opened.moving, voxel_m=self._references.settings.voxel_m
            )
            self._photo_count = len(self._archive.add(photos))
            arrays = photos.to_arrays()
        payload = {
            "points_total": self._memory.alive_count,
            "start": self._opened.start.tolist(),
            "lens": plain(self._opened.intrinsics),
        }
        self._store.commit("initial", payload, cloud=CloudChange.of(self.snapshot()), arrays=arrays)

    def _commit(
        self,
        kind: CommitKind,
        payload: dict[str, Plain],
        *,
        arrays: dict[str, AnyArray],
        events: Iterable[JournalEvent] = (),
    ) -> None:
        head = self._store.head
        since = -1 if head is None else head.version
        changed = CloudChange.of(self.snapshot(), self._memory.pages_changed_since(since))
        self._store.commit(kind, payload, cloud=changed, arrays=arrays, events=events)

    @contextmanager
    def _or_as_before(self) -> Iterator[None]:
        """Memory, archive and store move together: after an error all three stand at the last commit."""
        try:
            yield
        except SpatiaError:
            self._restore()
            raise

    def _restore(self) -> None:
        self._archive = self._new_archive()
        self._photo_count = 0
        self._stale.clear()
        if self._latents is not None:
            self._latents.clear()
        history = History()
        number = 0
        for info in self._store.log():
            number = info.number
            arrays = self._store.load_arrays(number)
            if self._latents is not None:
                self._latents.replay(arrays)
            if info.kind == "edit":
                history, patch = _history_after(history, info.payload["edit"]["kind"], arrays)
                self._note_stale(patch, len(self._archive))
            elif arrays:
                clip = ArchivedClip.of_arrays(
                    arrays, intrinsics=self._opened.intrinsics, voxel_m=self._references.settings.voxel_m
                )
                added = self._archive.add(clip)
                self._photo_count += len(added) if info.kind == "initial" else 0
        saved = self._store.load_cloud(number)
        self._memory = memory_of(saved, max_points=self._memory.max_points, history=history)


def _archived_photos(frames: Frames, moving: Bool | None, *, voxel_m: float) -> ArchivedClip:
    if frames.depth_m is None:
        raise ValueError("the first frames of a world need depth")
    return ArchivedClip(
        clip=INITIAL_CLIP,
        frames=Frames(rgb=frames.rgb, cameras=frames.cameras, time_s=frames.time_s),
        visible=tuple(
            visible_voxels(frames.depth_m[t], frames.cameras[t : t + 1], voxel_m=voxel_m) for t in range(len(frames))
        ),
        keyframes=np.arange(len(frames), dtype=np.int32),
        keyframe_depth_m=frames.depth_m,
        keyframe_moving=moving,
    )


def _poses_of(result: RoundResult) -> dict[str, Plain]:
    """What a report needs of the poses that were found; empty where nobody looked for them."""
    if result.poses is None:
        return {}
    recovered = result.poses.recovered
    return {
        "frames": result.poses.frames.tolist(),
        "world_from_camera": recovered.world_from_camera.tolist(),
        "converged": recovered.converged.tolist(),
    }


def _file_points(edit: AddCloud, *, max_points: int) -> Points:
    path = Path(edit.path)
    if edit.sha256 and path.is_file() and file_sha256(path) != edit.sha256:
        raise InputError(
            "the file is not the one that the edit was made with: its SHA-256 differs",
            where=edit.path,
            fix="bring the old file back, or make the edit again",
        )
    return read_ply(path, max_points=max_points).points


def _arrays_of(patch: Patch) -> dict[str, AnyArray]:
    return {"undo.rows": patch.rows, "undo.before": patch.before_words, "undo.after": patch.after_words}


def _history_after(history: History, kind: str, arrays: dict[str, AnyArray]) -> tuple[History, Patch]:
    if kind == "Undo":
        patch, before = history.undone()
        return before, patch
    if kind == "Redo":
        patch, after = history.redone()
        return after, patch
    patch = Patch(rows=arrays["undo.rows"], before_words=arrays["undo.before"], after_words=arrays["undo.after"])
    return history.with_edit(patch), patch
