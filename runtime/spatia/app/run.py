"""Runs a scene from its first frame, or from where a run folder stands, to its last; then writes what people look at.

All but the scene file and the left halves of the reveals can be made again from the world, so `--resume` finishes a
run that was cut short and rebuilds a finished one. Runs on the main thread; clips' videos are written on production's.
"""

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from spatia.app.fingerprint import fingerprint
from spatia.app.outputs import write_outputs
from spatia.app.round import RoundResult
from spatia.app.run_folder import RunFolder
from spatia.app.session import Session, scene_settings
from spatia.app.video import side_by_side, write_video
from spatia.control.walk import step_pose
from spatia.errors import StoreError
from spatia.geom.pose import F64
from spatia.input.recording import read_motions
from spatia.records.control import ApplyEdit, FollowPath, Motion, Order
from spatia.records.generation import Progress
from spatia.scene.build_paths import new_poses
from spatia.scene.load import SceneFile, saved_scene
from spatia.scene.schema import Scene
from spatia.scene.schema_edits import to_edit
from spatia.store.folder import create, open_store
from spatia.store.protocol import WorldStore

Where = Callable[..., str]  # the keys and positions that lead to a value -> how an error names its place


def dotted(*location: str | int) -> str:
    """``rounds.0.path.1``: all that is known of the place once the scene file is gone."""
    return ".".join(map(str, location))


class SceneRun:
    """One run of a scene in its folder. A context manager: leaving it closes the session."""

    def __init__(
        self,
        scene: Scene,
        folder: RunFolder,
        store: WorldStore,
        *,
        while_waiting: Callable[[Progress], None],
        where: Where = dotted,
    ) -> None:
        self.folder = folder
        self._where = where
        with folder.disk_errors_told():
            folder.clips.mkdir(exist_ok=True)
        self.session = Session(scene, store=store, while_waiting=while_waiting, preview=self._write_clip)

    @classmethod
    def begin(
        cls, scene_file: SceneFile, folder: RunFolder, *, while_waiting: Callable[[Progress], None]
    ) -> "SceneRun":
        """A new run in an empty folder."""
        scene = scene_file.scene
        command = ["spatia", "run", scene_file.name]
        for override in scene_file.overrides:
            command += ["--set", override]
        try:
            with folder.disk_errors_told():
                folder.scene.write_bytes(scene_file.text)
            store = create(
                folder.world,
                settings=scene_settings(scene) | {"command": shlex.join(command)},
                fingerprint=fingerprint(projector=scene.projection.projector),
            )
            return cls._opened(scene, folder, store, while_waiting, scene_file.where)
        except BaseException:
            folder.discard()
            raise

    @classmethod
    def resume(cls, folder: RunFolder, *, while_waiting: Callable[[Progress], None]) -> "SceneRun":
        """The run that this folder holds. Raises `StoreError` for a folder that is none."""
        if not folder.world.is_dir():
            raise StoreError(
                "not a run folder: it has no world", where=str(folder.path), fix="name the folder given as --out"
            )
        store = open_store(folder.world)
        scene = saved_scene(store.settings["scene"], where=str(folder.world))
        return cls._opened(scene, folder, store, while_waiting)

    @classmethod
    def _opened(
        cls,
        scene: Scene,
        folder: RunFolder,
        store: WorldStore,
        while_waiting: Callable[[Progress], None],
        where: Where = dotted,
    ) -> "SceneRun":
        try:
            return cls(scene, folder, store, while_waiting=while_waiting, where=where)
        except BaseException:
            store.close()
            raise

    def __enter__(self) -> "SceneRun":
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    @property
    def total_frames(self) -> int:
        """Frames of the whole walk."""
        return sum(len(poses) for poses in self._walks())

    def execute(self) -> Iterator[RoundResult]:
        """Carry out what is left of the scene; yields each clip once it is committed."""
        for order in self._orders_left():
            yield from self.session.carry_out(order)

    def finish(self, *, report: Callable[[str, int, int], None]) -> dict[str, Any]:
        """Write videos, run.json and report.html from the world as it stands. Returns the content of run.json."""
        with self.folder.disk_errors_told():
            return write_outputs(self.folder, self.session, report=report)

    def _write_clip(self, result: RoundResult) -> None:
        """A clip's videos, on the production thread. Written before the commit: what is committed has them."""
        clip, output = result.order.clip, self.session.scene.output
        fps = self.session.scene.fps
        generated = result.archived.frames.rgb
        write_video(self.folder.clip(clip), generated, fps=fps, crf=output.video_crf)
        pairs = side_by_side(result.projection_rgb, generated)
        write_video(self.folder.clip_reveal(clip), pairs, fps=fps, crf=output.video_crf)

    def _walks(self) -> Iterator[F64]:
        return round_poses(self.session.scene, start=self.session.start, where=self._where)

    def _orders_left(self) -> Iterator[Order]:
        """The scene's orders without those that the world already holds."""
        edits_done = sum(info.kind == "edit" for info in self.session.store.log())
        frames_done = self.session.covered_frames
        labels = self.session.labels
        walks = list(self._walks())
        for number, (scene_round, poses) in enumerate(zip(self.session.scene.rounds, walks, strict=True)):
            for position, edit in enumerate(scene_round.edits):
                if edits_done > 0:
                    edits_done -= 1
                    continue
                yield ApplyEdit(edit=to_edit(edit, labels, where=self._where("rounds", number, "edits", position)))
            left = poses[min(frames_done, len(poses)) :]
            frames_done -= len(poses) - len(left)
            if len(left):
                yield FollowPath(world_from_camera=left, prompt=scene_round.prompt)


def round_poses(scene: Scene, *, start: F64, where: Where = dotted) -> Iterator[F64]:
    """The new poses [T, 4, 4] of each round of a scene, the first with the start. Raises `SpatiaError` at a segment."""
    walked = start[None]
    for number, scene_round in enumerate(scene.rounds):
        if scene_round.input is not None:
            new = recorded_poses(scene_round.input, start=walked[-1], fps=scene.fps)
        else:
            path = scene_round.path or ()  # the schema demands one of the two
            new = new_poses(path, walked, where_of=[where("rounds", number, "path", i) for i in range(len(path))])
        yield np.concatenate([walked, new]) if number == 0 else new
        walked = np.concatenate([walked, new])


def recorded_poses(recording: Path, *, start: F64, fps: float) -> F64:
    """[T, 4, 4] the poses that a recording walks through from `start`, one a tick from its first tick on."""
    motions = dict(read_motions(recording))
    poses = []
    pose = start
    for tick in range(min(motions), max(motions) + 1):
        pose = step_pose(pose, motions.get(tick, Motion()), dt_s=1.0 / fps)
        poses.append(pose)
    return np.stack(poses)
