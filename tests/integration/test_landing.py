"""While a clip is merged and written, the walk goes on in the world as it was; then the world has grown."""

import threading
from collections.abc import Mapping
from typing import Any

from spatia.app.asking import Asking
from spatia.app.keeper import commit_ticks_of
from spatia.app.session import LANDING_S, Session, scene_settings
from spatia.app.state import Walker
from spatia.input.live import LiveSource
from spatia.records.control import ApplyEdit, Generate, Motion
from spatia.records.edits import Remove, Sphere
from spatia.store.in_memory import MemoryStore
from spatia.store.protocol import CommitInfo, CommitKind, Plain
from support.scenes_small import small_room


class SlowDisk(MemoryStore):
    """Writes a clip when it is let."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.writing, self.go = threading.Event(), threading.Event()

    def commit(self, kind: CommitKind, payload: Mapping[str, Plain], **given: Any) -> CommitInfo:
        if kind == "clip":
            self.writing.set()
            assert self.go.wait(30.0)
        return super().commit(kind, payload, **given)


def tick_until_it_is_written(session: Session, disk: SlowDisk) -> None:
    for _ in range(1500):
        session.tick()
        if (progress := session.progress()) is not None and progress.stage == "remember":
            break
    assert disk.writing.wait(30.0)


def test_the_walk_goes_on_while_a_clip_is_written_and_sees_it_when_it_has_landed() -> None:
    scene = small_room("generation.commit=live", "generation.policy=on_demand")
    disk, source = SlowDisk(settings=scene_settings(scene)), LiveSource()
    with Session(scene, store=disk, source=source, live_wait_s=0.02) as session:
        source.push(*[Motion(forward=1.0)] * 4)
        while not source.exhausted:
            session.tick()
        source.push(Generate())
        tick_until_it_is_written(session, disk)
        known, pose = session.snapshot(), next(session.world.query(Walker))[1].world_from_camera
        source.push(ApplyEdit(edit=Remove(where=Sphere(center_m=(0.0, -1.0, 2.0), radius_m=0.5))))
        for _ in range(5):
            source.push(Motion(forward=1.0))
            session.tick()
        moved = next(session.world.query(Walker))[1].world_from_camera[:3, 3] - pose[:3, 3]
        progress = session.progress()
        assert abs(moved).max() > 0.1 and session.snapshot().version == known.version
        assert progress is not None and progress.stage == "remember"
        assert source.waiting == 1, "an edit waits for the clip"
        asking = Asking(session, source)
        assert "made already" in asking.cancel()
        disk.go.set()
        assert [info.kind for info in session.store.log()] == ["initial", "clip"], "merged, and not landed"
        progress = session.progress()
        assert progress is not None and (progress.stage, progress.done) == ("remember", 1)
        session.finish()
        assert "no clip" in asking.cancel()
        assert session.snapshot().alive_count > known.alive_count
        session.tick()
        assert [info.kind for info in session.store.log()] == ["initial", "clip", "edit"]
        (ticks,) = commit_ticks_of(session.store).values()
        assert ticks.landed - ticks.taken == round(LANDING_S * scene.fps)
        told = [event.tick for event in session.store.events() if event.kind == "order"]
        assert told == sorted(told) and len(told) == 4 + 1 + 5 + 1


def test_a_reset_while_a_clip_is_written_begins_the_world_again() -> None:
    scene = small_room("generation.commit=live", "generation.policy=on_demand")
    disk = SlowDisk(settings=scene_settings(scene))
    with Session(scene, store=disk, live_wait_s=0.02) as session:
        begun = session.store.head
        session.step(Motion(forward=1.0))
        session.push(Generate())
        tick_until_it_is_written(session, disk)
        disk.go.set()
        session.reset()
        progress = session.progress()
        assert progress is not None and progress.stage != "remember"
        session.finish()
        assert [info.kind for info in session.store.log()] == ["initial"]
        assert session.store.head == begun
        assert session.covered_frames == 0
