"""How the frame time of a walk suffers from a clip in the making: idle against in flight, in turn, in one run.

    python tools/bench/walk.py [--rounds N] [--width 640 --height 360]

A person walks to and fro through the furnished room. The window is off the screen (EGL, software where there is no
GPU), everything else is as in `spatia walk`; the generator runs in a process of its own. The target is a p99 in flight
of at most twice the idle one. The first clips make the world several times as large, and a larger world takes longer
to draw with nothing else going on; so they are not counted, and idle frames are taken before and after each clip.
"""

import argparse
import statistics
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from spatia.app.off_screen import OffScreen
from spatia.app.session import Session
from spatia.app.walk import Walk
from spatia.assets import root
from spatia.clock import Clock, WallClock
from spatia.input.bindings import Bindings
from spatia.input.live import LiveSource
from spatia.records.input import InputSnapshot
from spatia.scene.load import load_scene

TARGET = 2.0
GROWING = 3  # clips before the first that counts
IDLE_FRAMES = 150
DRAWN_FRAMES = 20  # after a commit, while its points go to the device
WAY_S = 1.0  # there, and as long back


class Pacing(OffScreen):
    """A window without a screen, whose person walks to and fro."""

    def __init__(self, size_px: tuple[int, int], clock: Clock) -> None:
        super().__init__(size_px)
        self._clock = clock

    def poll(self) -> InputSnapshot:
        way = "forward" if self._clock.now_s() // WAY_S % 2 == 0 else "back"
        return InputSnapshot(held=(way,))

    def swap(self) -> None:
        self.finish()

    def capture_mouse(self, captured: bool) -> None:
        pass


def measured(rounds: int, size_px: tuple[int, int]) -> tuple[list[float], list[float]]:
    """Seconds of every frame: idle, and while a clip is in the making."""
    overrides = [
        "generation.commit=live",
        "generation.policy=on_demand",
        "generation.generator={name: reprojection, worker: process}",
        "estimation.estimator=completion",
        "camera={width_px: 320, height_px: 176, fov_y_deg: 52}",
    ]
    scene = load_scene(Path(str(root("scenes"))) / "room_loop.yaml", overrides, allow_outside=True).scene
    source, clock = LiveSource(), WallClock()
    window = Pacing(size_px, clock)
    idle: list[float] = []
    flying: list[float] = []
    with TemporaryDirectory() as folder, Session(scene, source=source, live_wait_s=0.0, in_background=True) as session:
        walk = Walk(session, source, window, window, bindings=Bindings.of(), clock=clock, folder=Path(folder))

        def frame(into: list[float]) -> None:
            started_s = clock.now_s()
            walk.frame()
            took_s = clock.now_s() - started_s
            into.append(took_s)

        def fly(into: list[float]) -> None:
            """Until a clip is in the memory and drawn; what else is owed of the way is given up."""
            clips = len(session.stage_s)
            walk.asking.generate()
            while len(session.stage_s) == clips:
                frame(into)
            for _ in range(DRAWN_FRAMES):
                frame(into)
            session.cancel()
            while not walk.at_rest:
                walk.frame()

        for _ in range(GROWING):  # shaders compile and kernels load as well
            for _ in range(IDLE_FRAMES):
                walk.frame()
            fly([])
        for _ in range(rounds):
            for _ in range(IDLE_FRAMES):
                frame(idle)
            fly(flying)
        for _ in range(IDLE_FRAMES):
            frame(idle)
    return idle, flying


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=360)
    parser.add_argument("--quick", action="store_true", help="one clip")
    options = parser.parse_args()
    idle, flying = measured(1 if options.quick else options.rounds, (options.width, options.height))
    p99 = {name: float(np.percentile(times, 99)) for name, times in (("idle", idle), ("in flight", flying))}
    for name, times in (("idle", idle), ("in flight", flying)):
        told = {"median": statistics.median(times), "p99": p99[name], "max": max(times)}
        print(f"{name:10} {len(times):5} frames", *(f" {what} {1e3 * took_s:6.1f} ms" for what, took_s in told.items()))
    ratio = p99["in flight"] / p99["idle"]
    print(f"p99 in flight / idle  {ratio:.2f}  target {TARGET:g}  {'ok' if ratio <= TARGET else 'MISSED'}")
    return 0 if ratio <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
