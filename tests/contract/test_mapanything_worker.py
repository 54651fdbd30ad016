"""MapAnything's real process, asked through a stand-in package: what comes back, and what each mishap becomes."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from spatia.clock import ManualClock, WallClock
from spatia.errors import DeviceError, EstimationError
from spatia.estimation.align import AlignedEstimator
from spatia.estimation.fuse import points_of_geometry
from spatia.estimation.mapanything.estimator import MapAnythingEstimator
from spatia.estimation.mapanything.install import install_words
from spatia.estimation.mapanything.worker import MapAnythingSettings, Patience
from spatia.geom.camera import Cameras
from spatia.geom.pose import from_rotation_translation, rotation_about
from spatia.records.cloud import Points, snapshot_of_points
from spatia.records.frames import Frames
from spatia.records.generation import Cancelled
from spatia.records.geometry import Geometry, Report, Sighting
from support.projectors import ForgetfulProjector
from support.scenes import BallBeforeWall, frames_of, sideways

STANDIN = Path(__file__).resolve().parents[1] / "support" / "mapanything_standin"
SCENE = BallBeforeWall()
CLOUD = snapshot_of_points(Points.of(np.zeros((1, 3)), [0, 0, 0]))
PATIENCE = Patience(open_within_s=1000.0, answer_within_s=500.0, silent_for_s=100.0)
SURE = 1 - 1 / (1 + np.e)  # what the stand-in's conf of 1 + e becomes
LONG_S, LOOK_S = 60.0, 0.02
ENVIRONMENT = {"PYTHONPATH": str(STANDIN), "OMP_NUM_THREADS": "1"}
PARENT = """
import sys
import numpy as np
from spatia.estimation.mapanything.install import CHILD
from spatia.estimation.mapanything.process import OtherProcess

def follow(until):
    while True:
        for message in process.hear(timeout_s=1.0):
            yield message["kind"]
            if message["kind"] in until:
                return

process = OtherProcess([sys.executable, str(CHILD)])
print(process.pid, flush=True)
load = {"kind": "load", "weights": "standin,then=wait", "device": "cpu"}
process.send(load)
assert list(follow(["done", "failed"]))[-1] == "done"
eye = np.eye(4, dtype=np.float32)[None]
views = {"rgb": np.zeros((1, 14, 14, 3), np.uint8), "intrinsics": eye[:, :3, :3], "world_from_camera": eye}
process.send({"kind": "infer", "arrays": process.share(views, {}), "first_wanted": 0})
for kind in follow(["done", "failed"]):
    print(kind, flush=True)
"""

Open = Callable[..., MapAnythingEstimator]


@pytest.fixture(scope="module", autouse=True)
def environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        yield


@pytest.fixture
def open_estimator() -> Iterator[Open]:
    with ExitStack() as cleanup:

        def make(weights: str = "standin", *, clock: ManualClock | None = None) -> MapAnythingEstimator:
            estimator = opened(weights, clock=clock)
            cleanup.callback(estimator.close)
            return estimator

        yield make


@pytest.fixture(scope="module")
def estimator(environment: None) -> Iterator[MapAnythingEstimator]:
    """One for all who do it no harm, or none that lasts: starting a process takes seconds."""
    shared = opened("standin")
    yield shared
    shared.close()


def opened(weights: str, *, clock: ManualClock | None = None) -> MapAnythingEstimator:
    settings = MapAnythingSettings(python=sys.executable, weights=weights, device="cpu")
    return MapAnythingEstimator(settings, clock=clock or WallClock(), patience=PATIENCE)


def walk(count: int = 3) -> Frames:
    return frames_of(SCENE, sideways(count, turn_rad=0.02))


def as_context(frames: Frames, context: Frames) -> Sighting:
    return Sighting(
        frames=frames,
        keyframes=np.arange(len(frames), dtype=np.int32),
        context=context,
        context_moving=np.zeros(context.rgb.shape[:3], dtype=np.bool_),
    )


def failure(estimator: MapAnythingEstimator, *, report: Report | None = None) -> EstimationError:
    with pytest.raises(EstimationError) as caught:
        estimator.estimate(Sighting.of(walk(1)), cloud=CLOUD, report=report or (lambda done, total: None))
    assert caught.value.fix
    assert estimator.worker.pid is None
    return caught.value


def is_running(pid: int) -> bool:
    """False once every thread of the process has ended, whether or not somebody has asked for its status."""
    process = Path(f"/proc/{pid}")
    try:
        return " Z " not in (process / "stat").read_text() or len(list((process / "task").iterdir())) > 1
    except FileNotFoundError:
        return False


def shared_files() -> int:
    """How many files in memory this process still holds for the exchange of arrays."""
    links = []
    for entry in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{entry}"))
        except FileNotFoundError:
            continue  # the listing's own descriptor
    return sum("spatia-arrays" in link for link in links)


def median_ratio(geometry: Geometry, true_m: np.ndarray) -> float:
    known = geometry.depth_m > 0
    return float(np.median(geometry.depth_m[known] / true_m[known]))


def test_depth_lies_on_the_surfaces_in_our_world_whatever_the_first_pose_is(estimator: MapAnythingEstimator) -> None:
    poses = sideways(5, turn_rad=0.02).world_from_camera
    aside = from_rotation_translation(rotation_about([0.3, 1, 0.1], 0.2), np.array([-0.8, 0.2, -0.5]))
    cameras = Cameras(world_from_camera=aside @ poses, intrinsics=sideways(1).intrinsics)
    frames = frames_of(SCENE, cameras)
    geometry = estimator.estimate(as_context(frames[2:], frames[:2]), cloud=CLOUD)
    np.testing.assert_array_equal(geometry.cameras.world_from_camera, cameras.world_from_camera[2:])
    assert geometry.cameras.intrinsics == cameras.intrinsics
    assert (geometry.depth_m > 0).mean() > 0.97
    assert np.unique(geometry.confidence) == pytest.approx([0, SURE])
    points = points_of_geometry(frames[2:], geometry, clip=0)
    to_wall = np.abs(points.positions_in_world[:, 2] - 4)
    to_ball = np.abs(np.linalg.norm(points.positions_in_world - [0, 0, 2.5], axis=1) - 0.5)
    assert np.mean(np.minimum(to_wall, to_ball) < 0.01) > 0.99
    assert geometry.notes == ("mapanything: of 5 views; its own poses differ by up to 0.0 degrees and 0.00 m",)


def test_what_its_mask_rejects_is_unknown_and_no_point_at_the_origin(estimator: MapAnythingEstimator) -> None:
    frames = walk(2)
    rgb = frames.rgb.copy()
    rgb[:, :12, :20] = 255  # a bright sky
    sky = Frames(rgb=rgb, cameras=frames.cameras, time_s=frames.time_s)
    geometry = estimator.estimate(Sighting.of(sky), cloud=CLOUD)
    assert (geometry.depth_m[:, :11, :19] == 0).all()
    assert (geometry.confidence[geometry.depth_m == 0] == 0).all()
    assert (geometry.depth_m[:, 14:, 22:] > 0).mean() > 0.97
    points = points_of_geometry(sky, geometry, clip=0)
    assert np.linalg.norm(points.positions_in_world, axis=1).min() > 1.0


def test_its_scale_is_left_to_who_knows_the_memory_and_its_poses_are_only_noted(open_estimator: Open) -> None:
    frames = walk(4)
    estimator = open_estimator("standin,scale=1.3,turn=0.1")
    geometry = estimator.estimate(Sighting.of(frames), cloud=CLOUD)
    assert frames.depth_m is not None
    assert median_ratio(geometry, frames.depth_m) == pytest.approx(1.3, abs=1e-4)
    np.testing.assert_array_equal(geometry.cameras.world_from_camera, frames.cameras.world_from_camera)
    assert geometry.notes == ("mapanything: of 4 views; its own poses differ by up to 5.7 degrees and 0.05 m",)
    forgotten = np.zeros((48, 64), dtype=np.bool_)
    forgotten[:, 32:] = True
    aligned = AlignedEstimator(estimator, ForgetfulProjector(SCENE, forgotten))
    geometry = aligned.estimate(Sighting.of(frames), cloud=CLOUD)
    assert median_ratio(geometry, frames.depth_m) == pytest.approx(1, abs=1e-3)


def test_one_process_answers_every_clip_with_the_same_bytes_and_reports(
    estimator: MapAnythingEstimator,
) -> None:
    estimator.close()  # so that the next begins with a new one
    heard: list[tuple[int, int]] = []
    answers: list[Geometry] = []
    pids: list[int | None] = []
    for _ in range(2):
        answers.append(estimator.estimate(Sighting.of(walk()), cloud=CLOUD, report=lambda *at: heard.append(at)))
        pids.append(estimator.worker.pid)
    assert pids[0] is not None
    assert pids[0] == pids[1]
    np.testing.assert_array_equal(answers[0].depth_m, answers[1].depth_m)
    assert heard[0] == (0, 4)
    assert (3, 4) in heard
    estimator.close()
    assert not is_running(pids[0])
    assert shared_files() == 0


def test_no_keyframes_need_no_process(estimator: MapAnythingEstimator) -> None:
    estimator.close()
    assert len(estimator.estimate(Sighting.of(walk()[:0]), cloud=CLOUD).cameras) == 0
    assert estimator.worker.pid is None


def test_numbers_that_are_none_are_refused(open_estimator: Open) -> None:
    assert "no number" in str(failure(open_estimator("standin,then=nan")))


def test_what_it_raises_is_told_with_what_it_printed(open_estimator: Open) -> None:
    said = str(failure(open_estimator("standin,then=raise")))
    assert "at 'infer' it raised RuntimeError: the stand-in was told to fail" in said
    assert "Loading pretrained dinov2_vitg14 from torch hub" in said


def test_a_process_that_dies_in_the_middle_is_told_and_the_next_is_a_new_one(
    estimator: MapAnythingEstimator,
) -> None:
    killed: list[int] = []

    def kill(done: int, total: int) -> None:
        if done == 3 and estimator.worker.pid is not None and not killed:
            killed.append(estimator.worker.pid)
            os.kill(killed[0], signal.SIGKILL)

    assert "its process is gone; it ended with signal SIGKILL" in str(failure(estimator, report=kill))
    assert not is_running(killed[0])
    assert shared_files() == 0
    assert len(estimator.estimate(Sighting.of(walk(1)), cloud=CLOUD).depth_m) == 1


def test_a_process_that_stands_still_is_ended(open_estimator: Open) -> None:
    clock = ManualClock()
    estimator = open_estimator("standin,then=stop", clock=clock)
    pids: list[int] = []

    def hurry(done: int, total: int) -> None:
        pid = estimator.worker.pid
        assert pid is not None
        if " T " in Path(f"/proc/{pid}/stat").read_text():
            pids.append(pid)
            clock.advance(30.0)

    assert "no sign of life for 100 s; it was at 'infer'; it was ended" in str(failure(estimator, report=hurry))
    assert not is_running(pids[0])


def test_who_no_longer_waits_is_not_kept_and_leaves_nothing_behind(open_estimator: Open) -> None:
    estimator = open_estimator("standin,then=wait")
    held = shared_files()
    pids: list[int] = []

    def cancel(done: int, total: int) -> None:
        if done == 3 and estimator.worker.pid is not None:
            pids.append(estimator.worker.pid)
            raise Cancelled

    with pytest.raises(Cancelled):
        estimator.estimate(Sighting.of(walk(1)), cloud=CLOUD, report=cancel)
    assert not is_running(pids[0])
    assert shared_files() == held


def test_the_process_gives_signs_of_life_and_ends_with_whoever_started_it() -> None:
    """Started by a process that is killed while the network works."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, env=os.environ | ENVIRONMENT)
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert [parent.stdout.readline() for _ in range(2)] == [b"sign\n"] * 2
        assert is_running(pid)
        parent.kill()
    pause = threading.Event()
    for _ in range(int(LONG_S / LOOK_S)):
        if not is_running(pid):
            break
        pause.wait(LOOK_S)
    assert not is_running(pid)


def test_a_missing_package_is_refused_before_the_first_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    with pytest.raises(DeviceError) as caught:
        MapAnythingEstimator(MapAnythingSettings(python=sys.executable), clock=WallClock())
    assert caught.value.problem == f"{sys.executable} lacks mapanything"
    assert caught.value.fix == install_words(sys.executable)
