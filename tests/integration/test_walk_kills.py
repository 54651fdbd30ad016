"""A generator that is killed again and again while a person walks."""

import os
import random
import signal
from pathlib import Path

import pytest

from spatia.app.failures import FAILED
from spatia.app.replay import replay
from spatia.store.folder import open_store
from support.walking import NOTHING, Scripted

KILLS = 25  # each half
TICKS_A_CLIP = 6
WAIT_S = 0.01  # a frame waits so long for the clip
SETTINGS = (
    "generation.commit=live",
    "generation.generator={name: reprojection, worker: process}",
    "generation.first_frames=41",  # one clip each time
    "generation.clip_frames=41",
    "estimation.estimator=completion",
    "estimation.segmenter=none",
)
BEFORE_THE_GENERATOR = ("waiting", "project")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 12], ids=["first half", "second half"])
@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="finds the generator's process in /proc")
def test_fifty_killed_generators_cost_a_walk_no_clip(seed: int, tmp_path: Path) -> None:
    chance, asked = random.Random(seed), 0
    world = tmp_path / "world"
    with Scripted(tmp_path, *SETTINGS, world=world, live_wait_s=WAIT_S) as person:
        kills = 0
        while kills < KILLS:
            person.hold("look_left" if asked % 2 else "look_right", frames=TICKS_A_CLIP)
            person.press("generate")
            asked, covered = asked + 1, person.session.covered_frames
            kill_in_mid_clip(person, after_frames=chance.randint(0, 2))
            told = False
            while not person.walk.at_rest:
                person.frames(NOTHING, 1)
                told |= "signal SIGKILL; asked for it again" in person.hud
            kills += told
            assert person.session.covered_frames > covered, "the clip came"
        last = person.session.store.head
    assert generators() == [], "no orphans"
    with open_store(world, read_only=True) as store:
        assert store.fsck() == []
        assert store.head == last, "all that was delivered is saved"
        clips = sum(info.kind == "clip" for info in store.log())
        failures = sum(event.kind == FAILED for event in store.events())
    assert clips >= asked >= KILLS
    assert failures == KILLS
    assert replay(world).difference is None, "a replay goes without what was not made"


def kill_in_mid_clip(person: Scripted, *, after_frames: int) -> None:
    """Wait until the generator has the request, a few frames more, and kill it, unless the clip has come meanwhile."""
    person.frames(NOTHING, 2)
    while (progress := person.session.progress()) is not None and progress.stage in BEFORE_THE_GENERATOR:
        person.frames(NOTHING, 1)
    person.frames(NOTHING, after_frames)
    progress = person.session.progress()
    if progress is not None and progress.stage in ("generate", "warp"):
        for pid in generators():
            os.kill(pid, signal.SIGKILL)


def generators() -> list[int]:
    """The processes that this one started for a generator and has not waited for."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            words = (process / "cmdline").read_bytes()
        except OSError:  # it ended meanwhile
            continue
        if parent == os.getpid() and b"generation_worker" in words:
            found.append(int(process.name))
    return found
