import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spatia.app.run import SceneRun
from spatia.app.run_folder import RunFolder, new_folder
from spatia.app.video import read_frames
from spatia.records.generation import Progress
from spatia.scene.load import load_scene
from spatia.store.folder import open_store
from support.scenes_small import write_small_room

SPATIA = [sys.executable, "-m", "spatia"]


def quiet(progress: Progress) -> None:
    pass


def run_here(scene: Path, out: Path, *, clips: int | None = None) -> dict[str, Any]:
    """Run in this process, ending after so many clips; returns run.json."""
    with SceneRun.begin(load_scene(scene), new_folder(out), while_waiting=quiet) as run:
        for made, _ in enumerate(run.execute(), start=1):
            if made == clips:
                break
        return run.finish(report=lambda what, done, total: None)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("finished")
    yield folder / "run", run_here(write_small_room(folder), folder / "run")


def hashes(record: dict[str, Any]) -> list[Any]:
    return [record["commits"], [(r["frame_sha256"], r["projection_sha256"]) for r in record["rounds"]]]


def test_a_run_leaves_all_that_people_look_at(finished: tuple[Path, dict[str, Any]]) -> None:
    folder, record = finished
    assert sorted(path.name for path in folder.iterdir()) == [
        "clips", "report.html", "reveal.mp4", "run.json", "scene.yaml", "walk.mp4", "world",
    ]  # fmt: skip
    assert len(list((folder / "clips").glob("clip_*.mp4"))) == len(record["rounds"])
    assert json.loads((folder / "run.json").read_text()) == record


def test_no_padded_frame_reaches_the_output(finished: tuple[Path, dict[str, Any]]) -> None:
    import av

    folder, record = finished
    spans = [tuple(r["frames"]) for r in record["rounds"]]
    assert spans == [(0, 9), (9, 13), (13, 17), (17, 21)]
    with av.open(str(folder / "walk.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == 21


def test_a_walk_that_returns_is_measured_as_a_closed_loop(finished: tuple[Path, dict[str, Any]]) -> None:
    loop = finished[1]["closed_loop"]
    assert loop["psnr_db"] == 100.0  # the oracle shows the same room from the same place
    assert loop["ssim"] == pytest.approx(1.0)


def test_two_fresh_processes_give_the_same_hashes(finished: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    scene = write_small_room(tmp_path)
    subprocess.run([*SPATIA, "run", str(scene), "--out", str(tmp_path / "run")], check=True, capture_output=True)
    assert hashes(json.loads((tmp_path / "run" / "run.json").read_text())) == hashes(finished[1])


def test_a_run_ended_after_any_clip_and_resumed_has_the_hash_of_an_uninterrupted_one(
    finished: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    scene = write_small_room(tmp_path)
    for clips in range(1, len(finished[1]["rounds"])):
        out = tmp_path / f"after-{clips}"
        run_here(scene, out, clips=clips)
        with SceneRun.resume(RunFolder(out), while_waiting=quiet) as run:
            list(run.execute())
            resumed = run.finish(report=lambda what, done, total: None)
        assert hashes(resumed) == hashes(finished[1])


def test_a_killed_run_resumes_to_the_same_hash(finished: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    scene = write_small_room(tmp_path)
    out = tmp_path / "run"
    run = subprocess.Popen([*SPATIA, "run", str(scene), "--out", str(out)], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    for line in run.stdout:
        if line.startswith("clip 1"):
            break
    run.send_signal(signal.SIGKILL)
    run.wait()
    run.stdout.close()
    with open_store(out / "world", read_only=True) as store:
        assert store.fsck() == []
    subprocess.run([*SPATIA, "run", "--resume", str(out)], check=True, capture_output=True)
    assert hashes(json.loads((out / "run.json").read_text())) == hashes(finished[1])


def test_one_interrupt_ends_the_run_after_its_clip_with_a_valid_world(tmp_path: Path) -> None:
    scene = write_small_room(tmp_path)
    out = tmp_path / "run"
    run = subprocess.Popen([*SPATIA, "run", str(scene), "--out", str(out)], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    for line in run.stdout:
        if line.startswith("clip 0"):
            break
    run.send_signal(signal.SIGINT)
    rest = run.stdout.read()
    run.stdout.close()
    assert run.wait() == 0
    assert "spatia run --resume" in rest
    assert 1 <= len(json.loads((out / "run.json").read_text())["rounds"]) < 4
    with open_store(out / "world", read_only=True) as store:
        assert store.fsck() == []


def test_a_second_interrupt_aborts_at_once_with_a_valid_world(tmp_path: Path) -> None:
    """The second clip takes far longer than a signal: 72 large frames."""
    words = ["camera.width_px=640", "camera.height_px=352", "generation.clip_frames=81", "rounds.0.path.0.frames=80"]
    command = [*SPATIA, "run", str(write_small_room(tmp_path)), "--out", str(tmp_path / "run")]
    for word in words:
        command += ["--set", word]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.stdout is not None
    for signal_after in ("clip 0", "ending after this clip"):
        for line in run.stdout:
            if line.startswith(signal_after):
                break
        run.send_signal(signal.SIGINT)
    rest, errors = run.communicate()
    assert run.returncode == 130
    assert "clip 1" not in rest
    assert "Traceback" not in errors
    assert not (tmp_path / "run" / "run.json").exists()
    with open_store(tmp_path / "run" / "world", read_only=True) as store:
        assert [info.kind for info in store.log()] == ["initial", "clip"]
        assert store.fsck() == []


def test_videos_that_are_gone_are_made_again_from_the_world(
    finished: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    shutil.copytree(finished[0], tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    generated = np.stack(read_frames(folder.walk, range(21))).astype(np.int16)
    for path in folder.clips.iterdir():
        path.unlink()
    with SceneRun.resume(folder, while_waiting=quiet) as run:
        list(run.execute())
        assert hashes(run.finish(report=lambda what, done, total: None)) == hashes(finished[1])
    again = np.stack(read_frames(folder.walk, range(21)))
    # Two lossy encodings of the same frames are off by about one level; another frame of this walk by far more.
    off = np.abs(again - generated).mean(axis=(1, 2, 3))
    assert off.max() < 4.0
    assert np.abs(again[10] - generated[0]).mean() > 8.0
    (shown,) = read_frames(folder.reveal, [9])
    left, right = shown[:, :90], shown[:, -90:]  # clear of the gap, into which the codec smears
    assert left.max() < 16
    assert right.mean() > 40
