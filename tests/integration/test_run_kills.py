import json
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from spatia.app.run_folder import RunFolder
from spatia.errors import StoreError
from spatia.store.folder import open_store
from support.command_line import spatia
from support.small_inputs import CLOUD, write_cloud

SPATIA = [sys.executable, "-m", "spatia"]
KILLS = 10
FRAMES = 400  # a hundred clips, which no ten of these lives get through


def test_a_run_killed_ten_times_has_the_hashes_of_an_uninterrupted_one(tmp_path: Path) -> None:
    write_cloud(tmp_path / "cloud.ply")
    scene = tmp_path / "cloud.yaml"
    scene.write_text(CLOUD.replace("truck_m: 0.1, frames: 8", f"truck_m: 0.4, frames: {FRAMES}"))
    assert spatia("run", scene, "--out", tmp_path / "free").status == 0
    out, chance = tmp_path / "out", random.Random(7)
    for kill in range(KILLS):
        clips = 0 if kill % 5 == 0 else chance.randint(1, 5)
        assert killed(run_words(scene, out), after_clips=clips, and_s=chance.uniform(0, 0.03 if clips else 0.8))
    subprocess.run(run_words(scene, out), check=True, capture_output=True)
    with open_store(RunFolder(out).world, read_only=True) as store:
        assert store.fsck() == []
    assert hashes(out) == hashes(tmp_path / "free")


def run_words(scene: Path, out: Path) -> list[str]:
    """Go on where there is something to go on with; else begin."""
    try:
        with open_store(RunFolder(out).world, read_only=True) as store:
            assert {problem.what for problem in store.fsck()} <= {"orphan"}  # a commit that did not happen
            begun = store.head is not None
    except StoreError:  # killed before there was a world
        begun = False
    if begun:
        return [*SPATIA, "run", "--resume", str(out)]
    shutil.rmtree(out, ignore_errors=True)
    return [*SPATIA, "run", str(scene), "--out", str(out)]


def killed(words: list[str], *, after_clips: int, and_s: float) -> bool:
    """Kill it so long after its n-th clip, or its start; false when it came to its end before."""
    run = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    with run.stdout as lines:
        while after_clips and next(lines, "").startswith("clip"):
            after_clips -= 1
        try:
            run.wait(timeout=and_s)
        except subprocess.TimeoutExpired:
            run.kill()
    return run.wait() == -signal.SIGKILL


def hashes(run: Path) -> list[Any]:
    record = json.loads(RunFolder(run).record.read_text(encoding="utf-8"))
    return [record["commits"], [(r["frame_sha256"], r["projection_sha256"]) for r in record["rounds"]]]
