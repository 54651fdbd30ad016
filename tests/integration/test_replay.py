"""Recorded runs, walked again from their orders."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from spatia.app.fingerprint import fingerprint
from spatia.app.replay import Replayed, replay
from spatia.app.run import SceneRun
from spatia.app.run_folder import RunFolder, new_folder
from spatia.app.session import Session, scene_settings
from spatia.app.video import read_frames
from spatia.errors import GenerationError, SpatiaError, StoreError
from spatia.geom import path
from spatia.input.live import LiveSource
from spatia.memory.edits import NothingToUndoError
from spatia.memory.picking import grow, voxels_of
from spatia.records.control import ApplyEdit, FollowPath, Generate, Motion, Order
from spatia.records.edits import AddPrimitive, Move, OfLabel, Redo, Remove, Sphere, Undo
from spatia.records.generation import Progress
from spatia.scene.load import load_scene
from spatia.store.copy import copy_world
from spatia.store.folder import create, open_store
from support.command_line import spatia
from support.scenes_small import small_room, write_small_room


def quiet(progress: Progress) -> None:
    pass


def run_here(scene: Path, out: Path, *, clips: int | None = None) -> None:
    with SceneRun.begin(load_scene(scene), new_folder(out), while_waiting=quiet) as run:
        for made, _ in enumerate(run.execute(), start=1):
            if made == clips:
                break


def go_on(out: Path, *, clips: int | None = None) -> None:
    with SceneRun.resume(RunFolder(out), while_waiting=quiet) as run:
        for made, _ in enumerate(run.execute(), start=1):
            if made == clips:
                break


def walked(world: Path, walk: Callable[[Session], object], *overrides: str) -> Path:
    with Session.open(small_room(*overrides), out=world) as session:
        walk(session)
    return world


def by_hand(session: Session) -> None:
    """Motion, edits, a refused edit and clips, as a person would."""
    for _ in range(6):
        session.step(Motion(forward=1.0, yaw_rad=0.02))
    session.generate(prompt="a room")
    session.edit(Remove(where=Sphere(center_m=(0.0, 0.0, 1.0), radius_m=0.6)))
    session.edit(
        AddPrimitive(shape="box", center_m=(0.0, 0.0, 1.0), size_m=(0.3, 0.3, 0.3), color=(9, 99, 9), label=40)
    )
    session.edit(Move(where=OfLabel(label=40), offset_m=(0.1, 0.0, 0.0)))
    with pytest.raises(SpatiaError, match="redo"):
        session.edit(Redo())
    session.edit(Undo())
    snapshot = session.snapshot()
    row = int(np.flatnonzero(snapshot.alive())[0])
    session.edit(Remove(where=voxels_of(snapshot, grow(snapshot, row, reach_m=0.5, max_points=400))))
    for _ in range(5):
        session.step(Motion(right=0.5))
    session.walk(path.dolly(session.observe().world_from_camera, 0.3, frames=9))


def frame_count(world: Path) -> int:
    with open_store(world, read_only=True) as store:
        return sum(len(info.payload.get("frame_sha256", ())) for info in store.log())


def same(found: Replayed, world: Path) -> bool:
    assert found.difference is None
    assert found.versions == ()
    return found.frames == frame_count(world)


def test_a_run_of_a_scene_comes_out_again(tmp_path: Path) -> None:
    run_here(write_small_room(tmp_path), tmp_path / "run")
    found = replay(tmp_path / "run", out=tmp_path / "again")
    assert same(found, tmp_path / "run" / "world")
    assert found.frames == 21
    with open_store(tmp_path / "run" / "world") as one, open_store(tmp_path / "again") as other:
        assert one.head == other.head


@pytest.mark.parametrize("commit", ["lockstep", "live"])
def test_a_walk_by_hand_comes_out_again(commit: str, tmp_path: Path) -> None:
    world = walked(tmp_path / "world", by_hand, f"generation.commit={commit}")
    found = replay(world)
    assert same(found, world)
    assert found.orders > 12


@pytest.mark.parametrize("commit", ["lockstep", "live"])
def test_a_run_that_was_cut_short_twice_comes_out_again(commit: str, tmp_path: Path) -> None:
    scene = write_small_room(tmp_path)
    scene.write_text(scene.read_text().replace("generation:", f"generation:\n  commit: {commit}"))
    run = tmp_path / "run"
    run_here(scene, run, clips=1)
    assert same(replay(run), run / "world")  # the rest of its path is known from its scene
    go_on(run, clips=2)
    go_on(run)
    found = replay(run)
    assert same(found, run / "world")
    assert found.frames == 21


def test_a_clip_that_was_still_in_the_making_is_not_committed_this_time_either(tmp_path: Path) -> None:
    def leaves_in_the_middle(session: Session) -> None:
        for _ in range(9):
            session.step(Motion(forward=1.0))
        session.finish()
        for _ in range(6):
            session.step(Motion(forward=1.0))

    world = walked(tmp_path / "world", leaves_in_the_middle, "generation.commit=live")
    assert same(replay(world), world)


def test_a_clip_that_was_cancelled_is_not_made_this_time_either(tmp_path: Path) -> None:
    def changes_its_mind(session: Session) -> None:
        for _ in range(8):
            session.step(Motion(forward=1.0))
        session.cancel()
        with pytest.raises(GenerationError, match="cancelled"):
            session.finish()
        session.generate(prompt="after all")

    world = walked(tmp_path / "world", changes_its_mind, "generation.commit=live")
    found = replay(world)
    assert same(found, world) and found.frames > 0


class BothAtOnce(LiveSource):
    """Motion and a wish in the same tick."""

    def poll(self, tick: int, *, idle: bool) -> tuple[Order, ...]:
        motion = super().poll(tick, idle=False)
        return motion + super().poll(tick, idle=idle)


@pytest.mark.parametrize("source", [LiveSource, BothAtOnce])
def test_a_walk_that_asks_for_clips_while_it_goes_on_comes_out_again(
    source: Callable[[], LiveSource], tmp_path: Path
) -> None:
    scene = small_room("generation.commit=live", "generation.policy=on_demand")
    world = tmp_path / "world"
    store = create(world, settings=scene_settings(scene), fingerprint=fingerprint(projector="numba"))
    with Session(scene, store=store, source=source(), live_wait_s=0.02) as session:
        for tick in range(60):
            if tick % 7 < 5:
                session.push(Motion(forward=0.5, yaw_rad=0.01))
            if tick % 7 == 3:
                session.push(Generate(prompt=f"after {tick}"))
            if tick % 20 == 6:
                session.push(ApplyEdit(edit=Remove(where=Sphere(center_m=(0.0, 0.0, 1.0), radius_m=0.6))))
                session.push(ApplyEdit(edit=Redo()))
            with suppress(NothingToUndoError):
                session.tick()
        session.finish()
    found = replay(world)
    assert same(found, world)
    assert found.frames > 0


def test_a_world_in_which_nothing_was_done_comes_out_again(tmp_path: Path) -> None:
    world = walked(tmp_path / "world", lambda session: None)
    found = replay(world)
    assert same(found, world)
    assert (found.orders, found.commits) == (0, 1)


def forged(world: Path, out: Path, *, seed: int) -> Path:
    """The same journal, under a scene with another seed."""
    with (
        open_store(world, read_only=True) as source,
        create(
            out,
            settings=scene_settings(small_room(f"seed={seed}", "generation.generator.name=reprojection")),
            fingerprint=dict(source.fingerprint) | {"numpy": "0.1"},
        ) as target,
    ):
        copy_world(source, target)
    return out


def test_the_first_difference_is_named_and_the_exit_status_is_1(tmp_path: Path) -> None:
    world = walked(tmp_path / "world", by_hand)
    other = forged(world, tmp_path / "other", seed=6)
    found = replay(other)
    assert found.difference is not None
    assert found.difference.where == "commit 1, frame_sha256 0"
    assert found.difference.recorded != found.difference.replayed
    assert found.commits == 1
    answer = spatia("replay", other)
    assert answer.status == 1
    assert "not the same: commit 1, frame_sha256 0: recorded" in answer.out
    assert "recorded with numpy 0.1, now" in answer.out


def test_the_command_says_what_is_the_same(tmp_path: Path) -> None:
    world = walked(tmp_path / "world", by_hand)
    answer = spatia("replay", world, "--out", tmp_path / "again")
    assert answer.status == 0, answer.err
    assert "commit 1 (clip): the same" in answer.out
    assert "byte for byte" in answer.out
    assert spatia("replay", world, "--out", tmp_path / "again").status == 2


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not a world"):
        replay(tmp_path / "nowhere")
    with create(tmp_path / "empty", settings={}) as store:
        assert store.head is None
    with pytest.raises(StoreError, match="holds no run"):
        replay(tmp_path / "empty")


def test_a_world_that_was_reset_is_refused(tmp_path: Path) -> None:
    with Session.open(small_room()) as session:
        session.reset(seed=99)
        session.walk(path.dolly(session.start, 0.3, frames=9))
        session.save(tmp_path / "world")
    with pytest.raises(StoreError, match="begun again by a reset"):
        replay(tmp_path / "world")


def test_a_path_of_which_only_the_hash_is_known_is_refused(tmp_path: Path) -> None:
    def gives_up(session: Session) -> None:
        poses = path.dolly(session.start, 0.3, frames=40)
        next(session.carry_out(FollowPath(world_from_camera=poses)))

    world = walked(tmp_path / "world", gives_up)
    with pytest.raises(StoreError, match="not walked to its end"):
        replay(world)


@pytest.mark.gl
def test_a_walk_is_filmed_again_without_a_display(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)

    def walks(session: Session) -> None:
        for _ in range(9):
            session.step(Motion(forward=1.0, yaw_rad=0.05))
        session.finish()

    world = walked(tmp_path / "world", walks)
    film = tmp_path / "film.mp4"
    answer = spatia("replay", world, "--record", film, "--size", "128x96")
    assert answer.status == 0, answer.err
    assert "film.mp4" in answer.out and "the same" in answer.out
    ticks: list[int] = []
    replay(world, watched=lambda session, mail: ticks.append(session.world.tick))
    frames = read_frames(film, range(1000))
    assert len(frames) == len(ticks) > 9 and frames[0].shape == (96, 128, 3)
    assert frames[0].std() > 10, "the room is seen"
    assert np.abs(frames[0].astype(int) - frames[8]).mean() > 2, "and walked through"


@pytest.mark.parametrize("size", ["large", "0x0", "99999x4", "8x8"])
def test_a_film_of_no_size_is_refused_before_anything_is_walked(size: str, tmp_path: Path) -> None:
    answer = spatia("replay", tmp_path, "--record", tmp_path / "film.mp4", "--size", size)
    assert answer.status == 2 and "--size" in answer.err and "1280x720" in answer.err


@pytest.mark.gl
def test_a_film_that_cannot_be_written_is_told_and_the_replay_goes_on(tmp_path: Path) -> None:
    def walks(session: Session) -> None:
        session.walk(path.dolly(session.start, 0.2, frames=9))

    world = walked(tmp_path / "world", walks)
    answer = spatia("replay", world, "--record", tmp_path / "none" / "film.mp4", "--size", "64x48")
    assert answer.status == 1 and "no film" in answer.out and "the same" in answer.out
