"""What a run leaves for people: the joined videos, run.json, report.html. Runs on the main thread, after the walk."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from spatia.app.path_check import path_check
from spatia.app.plan_view import Extent, plan_view
from spatia.app.registry import NEURAL
from spatia.app.report import RoundPictures, write_report
from spatia.app.run_folder import RunFolder
from spatia.app.session import Session
from spatia.app.video import join_videos, read_frames, side_by_side, write_video
from spatia.geom.pose import F64
from spatia.records.cloud import points_of_pages
from spatia.records.picture_quality import psnr_db, ssim
from spatia.store.canonical import unpack_plain
from spatia.store.protocol import CommitInfo, WorldStore

MOMENTS = 3  # frames of each clip that the report shows
IDENTICAL_DB = 100.0  # stands for the infinite PSNR of equal frames, which JSON cannot say
LOOP_TOLERANCE = 1e-9  # on each entry of a pose (metres, rotation): a path that closes returns to the very same one

Report = Callable[[str, int, int], None]  # what is being written, done, total


def write_outputs(folder: RunFolder, session: Session, *, report: Report) -> dict[str, Any]:
    """Write everything; returns the content of run.json.

    A clip's video that is gone is written again from the world. What the memory knew before a clip is not stored: where
    a reveal is gone its left half stays black.
    """
    clips = [info for info in session.store.log() if info.kind == "clip"]
    numbers = [int(info.payload["clip"]) for info in clips]
    report("videos", 0, 3)
    for info in clips:
        _restore_videos(folder, session, info)
    join_videos(folder.walk, [folder.clip(number) for number in numbers])
    join_videos(folder.reveal, [folder.clip_reveal(number) for number in numbers])
    report("run.json", 1, 3)
    run = run_record(session, clips)
    _write_atomically(folder.record, json.dumps(run, indent=1, sort_keys=True) + "\n")
    report("report.html", 2, 3)
    write_report(
        folder.report,
        run=run,
        pictures=_pictures(folder, session, clips),
        poses=_checked_path(session.store, clips, run["rounds"]),
        video=folder.reveal,
    )
    report("done", 3, 3)
    return run


def _restore_videos(folder: RunFolder, session: Session, info: CommitInfo) -> None:
    clip, reveal = folder.clip(info.payload["clip"]), folder.clip_reveal(info.payload["clip"])
    if clip.is_file() and reveal.is_file():
        return
    fps, crf = session.scene.fps, session.scene.output.video_crf
    rgb = _array(session.store, info, "rgb")
    if not clip.is_file():
        write_video(clip, rgb, fps=fps, crf=crf)
    if not reveal.is_file():
        write_video(reveal, side_by_side(np.zeros_like(rgb), rgb), fps=fps, crf=crf)


def run_record(session: Session, clips: list[CommitInfo]) -> dict[str, Any]:
    """The content of run.json.

    Of a lockstep run all but `stage_s`, `notes`, `poses`, `command` and `fingerprint` depends on scene and seed alone;
    of a live one also on when its clips were ready.
    """
    store = session.store
    stage_s = _stage_s(session)
    beside = dict(_timings(session.store))
    return {
        "scene": session.scene.name,
        "seed": session.scene.seed,
        "generator": {"name": session.generator_name, "neural": session.generator_name in NEURAL},
        "command": store.settings.get("command", ""),
        "fingerprint": store.fingerprint,
        "rounds": [
            info.payload
            | {
                "commit_sha256": info.hash,
                "stage_s": stage_s.get(info.payload["clip"], {}),
                "notes": list(beside.get(info.payload["clip"], {}).get("notes", [])),
                "poses": beside.get(info.payload["clip"], {}).get("poses", {}),
            }
            for info in clips
        ],
        "commits": [{"number": info.number, "kind": info.kind, "sha256": info.hash} for info in store.log()],
        "world_sha256": store.head.hash if store.head else "",
        "closed_loop": closed_loop(store, clips),
    }


def closed_loop(store: WorldStore, clips: list[CommitInfo]) -> dict[str, float] | None:
    """PSNR and SSIM of the last frame against the first where the walk returns to its first pose; else None."""
    if not clips:
        return None
    first, last = clips[0], clips[-1]
    start = _array(store, first, "world_from_camera")[0]
    end = _array(store, last, "world_from_camera")[-1]
    frames = sum(info.payload["frames"][1] - info.payload["frames"][0] for info in clips)
    if frames < 2 or not np.allclose(start, end, rtol=0, atol=LOOP_TOLERANCE):
        return None
    before, after = _array(store, first, "rgb")[0], _array(store, last, "rgb")[-1]
    return {"psnr_db": min(psnr_db(before, after), IDENTICAL_DB), "ssim": ssim(before, after)}


def _stage_s(session: Session) -> dict[int, dict[str, float]]:
    """Seconds by stage and clip: of earlier sessions from the journal, of this one as measured."""
    return {clip: dict(data["stage_s"]) for clip, data in _timings(session.store)} | session.stage_s


def _timings(store: WorldStore) -> Iterator[tuple[int, dict[str, Any]]]:
    """What the journal knows of each clip beside its commit, for it may differ from run to run."""
    for event in store.events():
        if event.kind == "timings":
            data = unpack_plain(event.payload, where="timings")
            yield int(data["clip"]), data


def _checked_path(store: WorldStore, clips: list[CommitInfo], rounds: list[dict[str, Any]]) -> str:
    """The requested path and the recovered one, in the words and lines of a page."""
    requested: list[F64] = []
    recovered: list[F64] = []
    converged: list[bool] = []
    frames: list[int] = []
    for info, round_ in zip(clips, rounds, strict=True):
        if poses := round_["poses"]:
            requested.append(_array(store, info, "world_from_camera")[poses["frames"]])
            recovered.append(np.array(poses["world_from_camera"]).reshape(-1, 4, 4))
            converged += poses["converged"]
            frames += [info.payload["frames"][0] + frame for frame in poses["frames"]]
    if not frames:
        return "<p>Nobody looked: estimation.check_poses is off.</p>"
    found = np.array(converged, dtype=np.bool_)
    return path_check(np.concatenate(requested), np.concatenate(recovered), found, frames=frames)


def _pictures(folder: RunFolder, session: Session, clips: list[CommitInfo]) -> list[RoundPictures]:
    store = session.store
    if not clips:
        return []
    walks = [_array(store, info, "world_from_camera") for info in clips]
    extent = Extent.around(session.snapshot().points().positions_in_world, np.concatenate(walks))
    width_px = session.intrinsics.width_px // 2 * 2
    pictures = []
    walked: F64 = np.empty((0, 4, 4))
    for info, walk in zip(clips, walks, strict=True):
        known = points_of_pages(store.load_cloud(info.number).pages)
        moments = np.linspace(0, len(walk) - 1, MOMENTS).astype(int).tolist()
        shown = read_frames(folder.clip_reveal(info.payload["clip"]), moments)
        pictures.append(
            RoundPictures(
                plan=plan_view(known, np.concatenate([walked, walk]), new_from=len(walked), extent=extent),
                projections=tuple(frame[:, :width_px] for frame in shown),
                generated=tuple(frame[:, -width_px:] for frame in shown),
            )
        )
        walked = np.concatenate([walked, walk])
    return pictures


def _array(store: WorldStore, info: CommitInfo, name: str) -> Any:
    return store.load_arrays(info.number, names=[name])[name]


def _write_atomically(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
