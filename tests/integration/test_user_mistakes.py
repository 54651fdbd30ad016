"""What a person can get wrong, and what the command line answers: one error that names place, problem and fix."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spatia.app.run_folder import RunFolder
from spatia.store.folder import open_store
from support.command_line import Answer, spatia
from support.mistakes import MISTAKES, Mistake, largest_blob_cut
from support.scenes_small import ROOM
from support.small_disk import make_room, small_disk
from support.small_inputs import CLOUD, RECORDED, write_cloud, write_photo_case, write_rgbd

SPATIA = [sys.executable, "-m", "spatia"]
LONG = ("--set", "rounds.0.path.0.frames=40", "--set", "rounds.0.path.0.truck_m=1")
FILE_LIMIT = 96 * 1024


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything right: a cloud, a recording, a scene of each, and a finished run of the first."""
    bench = tmp_path_factory.mktemp("good")
    write_cloud(bench / "cloud.ply")
    write_rgbd(bench / "rgbd")
    write_photo_case(bench / "photo")
    (bench / "cloud.yaml").write_text(CLOUD)
    (bench / "rgbd.yaml").write_text(RECORDED)
    (bench / "room.yaml").write_text(ROOM)
    assert spatia("run", bench / "cloud.yaml", "--out", bench / "done").status == 0
    return bench


@pytest.fixture
def bench(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what is right, to spoil; also the current folder."""
    shutil.copytree(good, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_gives_one_error_with_place_problem_and_fix(mistake: Mistake, bench: Path) -> None:
    words = mistake.prepare(bench)
    before = contents(bench)
    answer = spatia(*words)
    assert_told(answer, mistake.place, mistake.problem, mistake.fix)
    after = contents(bench)
    if mistake.begun:
        assert_opens(bench / "out")
        after = {path: data for path, data in after.items() if path.parts[0] != "out"}
    assert after == before, "a refused command changes nothing and leaves nothing behind"


def assert_told(answer: Answer, place: str, problem: str, fix: str) -> None:
    told = one_line(answer.err)
    assert answer.status == 2, answer
    assert "Traceback" not in answer.err + answer.out
    assert told.count("error E") + told.count("Error") == 1, told
    rest = told
    for wanted in (place, problem, fix):
        assert wanted in rest, f"{wanted!r} is not in {rest!r}"
    assert "fix:" in told or "--help" in told


def one_line(text: str) -> str:
    """Without the frame and the line breaks that a terminal's width puts in."""
    return " ".join("".join(" " if c in "│╭╮╰╯─" else c for c in text).split())


def assert_opens(run: Path, *, commits: int = 1) -> None:
    with open_store(RunFolder(run).world, read_only=True) as store:
        assert {problem.what for problem in store.fsck()} <= {"orphan"}  # of the commit that was refused
        assert sum(1 for _ in store.log()) >= commits


def contents(folder: Path) -> dict[Path, bytes]:
    """Every file below; sqlite's own shared-memory files come and go with any reader."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.endswith(("-shm", "-wal")))
    return {path.relative_to(folder): path.read_bytes() for path in files}


@pytest.mark.parametrize("scene_file", ["cloud.yaml", "rgbd.yaml"])
def test_what_is_right_runs_and_can_be_gone_on_with(scene_file: str, bench: Path) -> None:
    """Every mistake above is the one thing wrong with this."""
    assert spatia("run", scene_file, "--out", "out").status == 0
    again = spatia("run", "--resume", "out")
    assert (again.status, again.err) == (0, "")


def test_a_memory_that_fills_up_keeps_the_last_clip_and_says_what_to_raise(bench: Path) -> None:
    words = ["run", "cloud.yaml", "--out", "out", "--set", "memory.rgb.max_points=2400"]
    words += ["--set", "rounds.0.path.0.truck_m=3"]
    assert_told(
        spatia(*words, "--set", "rounds.0.path.0.frames=16"), "memory.rgb.max_points", "do not fit", "raise max_points"
    )
    assert_opens(bench / "out")


def test_fsck_of_a_damaged_world_names_the_clip(bench: Path) -> None:
    largest_blob_cut(bench / "done" / "world")
    answer = spatia("world", "fsck", "done")
    assert answer.status == 1
    assert "written by commit 2, clip" in one_line(answer.out)
    assert "Traceback" not in answer.out + answer.err


def test_a_video_without_its_codec_costs_no_frame(bench: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as without:
        without.setattr("spatia.app.video.CODEC", "libx999")
        assert_told(spatia("run", "cloud.yaml", "--out", "out"), ".mp4", "libx999", "`spatia doctor` for the codec")
    assert spatia("run", "--resume", "out").status == 0


def test_without_opengl_the_packages_are_named(bench: Path) -> None:
    """In a process of its own: which drivers there are is asked once a process."""
    nowhere = {"__EGL_VENDOR_LIBRARY_FILENAMES": "/nowhere.json"}
    words = "run", "cloud.yaml", "--out", "out", "--set", "projection.projector=opengl"
    assert_told(in_a_process(*words, **nowhere), "projection.projector", "no OpenGL", "apt-get install libegl1")
    assert not (bench / "out").exists()


@pytest.mark.parametrize("mistake", MISTAKES[:1] + MISTAKES[8:9], ids=lambda mistake: mistake.name)
def test_a_process_tells_as_the_command_does(mistake: Mistake, bench: Path) -> None:
    assert_told(in_a_process(*mistake.prepare(bench)), mistake.place, mistake.problem, mistake.fix)


def in_a_process(*words: str, **environment: str) -> Answer:
    ended = subprocess.run([*SPATIA, *words], check=False, capture_output=True, text=True, env=os.environ | environment)
    return Answer(status=ended.returncode, out=ended.stdout, err=ended.stderr)


# -- a full disk -------------------------------------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk") as disk:
        yield disk


def test_a_run_ended_by_a_full_disk_goes_on_once_there_is_room(bench: Path, disk: Path) -> None:
    assert spatia("run", "cloud.yaml", "--out", "free", *LONG).status == 0
    out = disk / "out"
    assert_told(spatia("run", "cloud.yaml", "--out", out, *LONG), "disk/out", "No space left", "free some disk space")
    assert_opens(out)
    make_room(disk)
    assert spatia("run", "--resume", out).status == 0
    assert final_hash(out) == final_hash(bench / "free")


def test_a_run_ended_by_a_limit_on_files_goes_on_without_it(bench: Path) -> None:
    """The same without root: no file may grow beyond what a first clip needs."""
    assert spatia("run", "cloud.yaml", "--out", "free", *LONG).status == 0
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({FILE_LIMIT}, {FILE_LIMIT}))"
    code = f"{limit}; from spatia.__main__ import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", code, "run", "cloud.yaml", "--out", "out", *LONG],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    told = Answer(status=ended.returncode, out=ended.stdout, err=ended.stderr)
    assert_told(told, "out", "too large", "fix:")
    assert_opens(bench / "out")
    assert spatia("run", "--resume", "out").status == 0
    assert final_hash(bench / "out") == final_hash(bench / "free")


def final_hash(run: Path) -> str:
    return str(json.loads(RunFolder(run).record.read_text(encoding="utf-8"))["world_sha256"])
