import threading
from pathlib import Path

import numpy as np
import pytest

from spatia.app.keeper import commit_ticks_of
from spatia.app.round import CommitTicks
from spatia.app.session import Session
from spatia.app.state import Counts, Epoch
from spatia.errors import GenerationError, StoreError
from spatia.geom import path
from spatia.records.cloud import Points
from spatia.records.control import Motion
from spatia.records.edits import AddCloud, AddPrimitive, Box, OfLabel, Recolor, Remove, Undo
from spatia.worlds.ply import write_ply
from support.scenes_small import small_room


def test_a_walk_grows_the_world_and_gives_exactly_its_frames() -> None:
    with Session.open(small_room()) as session:
        before = session.snapshot().alive_count
        frames = session.walk(path.dolly(session.start, 0.4, frames=11))
        assert len(frames) == 11
        assert session.covered_frames == 11
        assert session.snapshot().alive_count > before


def test_a_second_walk_does_not_repeat_the_frame_it_starts_from() -> None:
    with Session.open(small_room()) as session:
        first = session.walk(path.dolly(session.start, 0.3, frames=9))
        second = session.walk(path.dolly(first.cameras.world_from_camera[-1], 0.3, frames=9))
        assert (len(first), len(second)) == (9, 8)


def test_a_step_moves_the_walker_and_shows_the_memory_there() -> None:
    with Session.open(small_room()) as session:
        before = session.observe()
        after = session.step(Motion(forward=1.0))
        moved_m = np.linalg.norm(after.world_from_camera[:3, 3] - before.world_from_camera[:3, 3])
        assert moved_m == pytest.approx(1.4 / 24)
        assert after.rgb.shape == (64, 96, 3)
        assert after.depth_m.shape == after.coverage.shape == (64, 96)
        assert before.coverage.mean() > 0.6  # sky in the window, and points further apart than pixels
        assert not np.shares_memory(before.rgb, after.rgb)


def test_enough_steps_become_a_clip_by_themselves() -> None:
    with Session.open(small_room()) as session:
        for _ in range(8):
            session.step(Motion(yaw_rad=0.02))
        assert session.covered_frames == 0
        session.finish()
        assert session.covered_frames == 9


def test_the_last_steps_become_a_short_clip_when_asked() -> None:
    with Session.open(small_room()) as session:
        session.step(Motion(forward=1.0))
        session.step(Motion(forward=1.0), generate=True)
        assert session.covered_frames == 3


def test_a_removed_box_is_gone_from_the_next_view_and_undo_brings_it_back() -> None:
    with Session.open(small_room()) as session:
        before = session.observe()
        everything = Box(low_m=(-50, -50, -50), high_m=(50, 50, 50))
        result = session.edit(Remove(where=everything))
        assert result.touched_count > 0
        assert session.observe().coverage.sum() == 0
        session.edit(Undo())
        np.testing.assert_array_equal(session.observe().rgb, before.rgb)


def test_edits_show_in_the_projection_that_conditions_the_next_clip() -> None:
    with Session.open(
        small_room("generation.generator.name=reprojection", "estimation.estimator=completion")
    ) as session:
        eye, ahead = session.start[:3, 3], session.start[:3, 2]
        center = tuple(float(v) for v in eye + 1.0 * ahead)
        session.edit(AddPrimitive(shape="sphere", center_m=center, size_m=(0.4, 0.4, 0.4), color=(255, 0, 255)))  # type: ignore[arg-type]
        frames = session.walk(path.hold(session.start, frames=5))
        middle = frames.rgb[-1, 28:36, 44:52].astype(int)
        assert (middle[..., 0] - middle[..., 1] > 60).mean() > 0.9


def test_an_object_is_recoloured_by_its_label() -> None:
    with Session.open(small_room()) as session:
        name, label = sorted(session.labels.items())[0]

        assert name
        touched = session.edit(Recolor(where=OfLabel(label=label), color=(255, 0, 0))).touched_count
        assert touched == int((session.snapshot().points().labels == label).sum())


def test_a_reset_begins_the_same_world_again_and_counts_what_it_drops() -> None:
    with Session.open(small_room()) as session:
        first = session.observe()
        for _ in range(9):
            session.step(Motion(forward=1.0))
        again = session.reset()
        np.testing.assert_array_equal(first.rgb, again.rgb)
        assert session.covered_frames == 0
        assert session.world.resource(Epoch).value == 1
        session.finish()
        assert session.world.resource(Counts).stale_results == 1


def test_a_reset_session_walks_as_a_new_one_does() -> None:
    with Session.open(small_room()) as session:
        session.walk(path.dolly(session.start, 0.2, frames=9))
        session.reset()
        session.walk(path.dolly(session.start, 0.4, frames=9))
        again = session.store.head
    with Session.open(small_room()) as session:
        session.walk(path.dolly(session.start, 0.4, frames=9))
        new = session.store.head
    assert again is not None and new is not None
    assert again.hash == new.hash


def test_two_sessions_in_one_process_do_not_touch_each_other() -> None:
    with Session.open(small_room()) as one, Session.open(small_room()) as other:
        untouched = other.observe()
        one.walk(path.dolly(one.start, 0.4, frames=9))
        one.edit(Remove(where=Box(low_m=(-50, -50, -50), high_m=(50, 50, 50))))
        np.testing.assert_array_equal(other.observe().rgb, untouched.rgb)
        assert other.covered_frames == 0


def test_two_runs_of_one_script_give_equal_journals() -> None:
    journals = []
    for _ in range(2):
        with Session.open(small_room()) as session:
            session.step(Motion(forward=1.0))
            session.walk(path.pan(session.start, 0.2, frames=9))
            session.edit(Remove(where=Box(low_m=(-1, -1, -1), high_m=(1, 1, 1))))
            events = [(e.tick, e.kind, e.payload) for e in session.store.events() if e.kind != "timings"]
            journals.append(events)
    assert journals[0] == journals[1]
    assert len(journals[0]) > 10


def test_a_world_kept_in_a_folder_is_not_reset(tmp_path: Path) -> None:
    with (
        Session.open(small_room(), out=tmp_path / "world") as session,
        pytest.raises(StoreError, match="cannot be reset"),
    ):
        session.reset()


def test_a_saved_session_has_the_hash_of_the_living_one(tmp_path: Path) -> None:
    with Session.open(small_room()) as session:
        session.walk(path.dolly(session.start, 0.3, frames=9))
        saved = session.save(tmp_path / "copy")
        assert session.store.head is not None
        assert saved == session.store.head.hash


def test_a_replay_of_a_live_run_commits_at_its_ticks_and_gives_its_journal() -> None:
    journals, heads = [], []
    commit_ticks: dict[int, CommitTicks] | None = None
    for _ in range(2):
        with Session(small_room("generation.commit=live"), commit_ticks=commit_ticks) as session:
            session.walk(path.dolly(session.start, 0.3, frames=13))
            session.step(Motion(forward=1.0), generate=True)
            commit_ticks = commit_ticks_of(session.store)
            journals.append([(e.tick, e.kind, e.payload) for e in session.store.events() if e.kind != "timings"])
            heads.append(session.store.head)
    assert len(commit_ticks or {}) == 3
    assert journals[0] == journals[1]
    assert heads[0] == heads[1]


def test_the_releases_retrieval_can_be_asked_for() -> None:
    with Session.open(small_room("generation.references.metric=shared_points")) as session:
        session.walk(path.there_and_back(path.dolly(session.start, 0.3, frames=13)))
        references = [info.payload["references"] for info in session.store.log() if info.kind == "clip"]
    assert references[0] == [0], "the photograph that the walk begins with"
    assert all(references[-1])
    assert len(set(references[-1])) == len(references[-1])


def test_a_clip_that_does_not_fit_leaves_the_world_as_it_was_and_the_session_usable() -> None:
    with Session.open(small_room("memory.rgb.max_points=20000")) as session:
        before = session.store.head
        seen = session.observe()
        with pytest.raises(GenerationError, match="max_points"):
            session.walk(path.then(path.pan(session.start, 3.0, frames=40)))
        assert session.world.resource(Counts).failures == 1
        committed = session.store.head
        assert committed is not None and before is not None
        assert session.snapshot().row_count == committed.row_count
        session.step(Motion(forward=0.1))
        assert session.observe().rgb.shape == seen.rgb.shape


def test_a_cancelled_clip_is_a_failure_whatever_stage_it_is_in() -> None:
    with Session.open(small_room()) as session:
        for _ in range(8):
            session.step(Motion(yaw_rad=0.01))
        session.cancel()
        with pytest.raises(GenerationError, match="cancelled"):
            session.finish()
        assert session.covered_frames == 0
        assert len(session.generate()) == 9


def test_a_motion_that_is_not_finite_is_refused_before_it_moves_anything() -> None:
    with pytest.raises(ValueError, match="yaw_rad must be a finite number"):
        Motion(yaw_rad=float("nan"))


def test_where_a_cloud_file_lies_does_not_change_the_world(tmp_path: Path) -> None:
    heads = []
    for name in ("here", "there"):
        place = tmp_path / name
        place.mkdir()
        write_ply(place / "cloud.ply", Points.of(np.full((5, 3), 0.2), (200, 10, 10)))
        with Session.open(small_room()) as session:
            session.edit(AddCloud(path=str(place / "cloud.ply"), sha256=""))
            heads.append(session.store.head)
    assert heads[0] == heads[1]


def test_a_world_begun_again_with_another_seed_is_saved_and_reopened_with_it(tmp_path: Path) -> None:
    with Session.open(small_room()) as session:
        session.reset(seed=99)
        session.walk(path.dolly(session.start, 0.3, frames=9))
        session.save(tmp_path / "world")
    with Session.reopen(tmp_path / "world") as session:
        assert session.scene.seed == 99
        assert session.covered_frames == 9
        assert len(session.walk(path.hold(session.start, frames=5))) == 5


def test_a_closed_session_leaves_no_thread_and_no_lock(tmp_path: Path) -> None:
    before = {thread.name for thread in threading.enumerate()}
    with Session.open(small_room(), out=tmp_path / "world") as session:
        session.observe()
    assert {thread.name for thread in threading.enumerate()} <= before
    Session.reopen(tmp_path / "world").close()


def test_a_new_walk_begins_in_a_saved_world(tmp_path: Path) -> None:
    with Session.open(small_room(), out=tmp_path / "first") as session:
        session.walk(path.dolly(session.start, 0.3, frames=9))
        known = session.snapshot().points()
    saved = (f"world={{kind: saved, path: {tmp_path / 'first'}}}", "generation.generator.name=reprojection")
    with Session.open(small_room(*saved, "estimation={estimator: completion}")) as session:
        np.testing.assert_array_equal(session.snapshot().points().positions_in_world, known.positions_in_world)
        assert len(session.walk(path.hold(session.start, frames=5))) == 5


def test_clips_of_a_path_take_the_instruction_of_the_place_they_end_in() -> None:
    with Session.open(small_room()) as session:
        x, y, z = session.start[:3, 3].tolist()
    at_the_start = f"prompts=[{{at_m: [{x}, {y}, {z}], within_m: 0.6, prompt: a fountain}}]"
    with Session.open(small_room(at_the_start)) as session:
        session.walk(path.dolly(session.start, 1.0, frames=17), prompt="a garden")
        said = [info.payload["prompt"] for info in session.store.log() if info.kind == "clip"]
    assert said == ["a fountain", "a garden", "a garden"]
