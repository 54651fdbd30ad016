"""Frame time of the window's renderer against the size of the cloud, at a fixed budget of points.

    python -m tools.bench.render [--quick] [--points-budget N] [--size WxH]

A camera flies around a hall of 1 cm voxels: floor, walls and boxes, as large as the number of points wants. Each frame
is finished (the device has drawn it) before the clock stops. Uploads are done before timing; a last table times the
frames in which a cloud arrives.
"""

import argparse
import sys
import time
from math import cos, radians, sin
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from spatia.clock import WallClock
from spatia.geom.camera import Intrinsics
from spatia.geom.pose import F64, look_at
from spatia.memory.cloud import PointMemory
from spatia.projection.opengl import open_context
from spatia.records.cloud import CloudSnapshot, Points
from spatia.render.renderer import Renderer
from spatia.render.view import View
from tools.bench import harness

VOXEL_M = 0.01
WALL_M = 2.6
ROUND_FRAMES = 60


def hall(count: int) -> CloudSnapshot:
    """About `count` points on a square floor, its four walls, and pillars every four metres."""
    random = np.random.default_rng(3)
    side = max(2.0, (-4 * WALL_M + np.sqrt((4 * WALL_M) ** 2 + 4 * 1.3 * count * VOXEL_M**2)) / 2.6)
    memory = PointMemory(voxel_m=VOXEL_M)
    while memory.alive_count < count:
        u = random.uniform(-0.5, 0.5, (200_000, 2)) * side
        height = -random.uniform(0, WALL_M, len(u))
        on_wall = random.random(len(u)) < 4 * WALL_M / (side + 4 * WALL_M)
        turn = random.integers(0, 4, len(u))
        wall = np.where((turn % 2 == 0)[:, None], np.stack([u[:, 0], height], 1), np.stack([u[:, 1], height], 1))
        edge = np.where(turn < 2, -0.5, 0.5) * side
        x = np.where(on_wall, np.where(turn % 2 == 0, wall[:, 0], edge), u[:, 0])
        z = np.where(on_wall, np.where(turn % 2 == 0, edge, wall[:, 0]), u[:, 1])
        pillar = ~on_wall & (np.abs((u + 2) % 4 - 2) < 0.2).all(axis=1)
        y = np.where(on_wall | pillar, height, 0.0)
        shade = 90 + 60 * (np.floor(x) + np.floor(z)) % 2
        colors = np.stack([shade + 40 * on_wall, shade, shade - 30 + 60 * pillar], axis=1)
        memory.insert(Points.of(np.stack([x, y, z], axis=1), np.clip(colors, 0, 255)))
    return memory.snapshot()


def pose(frame: int) -> F64:
    """Once around in `ROUND_FRAMES`, at eye height near the middle."""
    angle = 2 * np.pi * frame / ROUND_FRAMES
    eye = np.array([0.8 * cos(angle), -1.5, 0.8 * sin(angle)])
    return look_at(eye, eye + np.array([cos(1.7 * angle), 0.12, sin(1.7 * angle)]))


def main() -> int:
    parser: argparse.ArgumentParser = harness.arguments(__doc__)
    parser.add_argument("--points-budget", type=int, default=2_000_000)
    parser.add_argument("--size", default="640x360", metavar="WxH")
    options = parser.parse_args()
    width_px, height_px = (int(side) for side in options.size.split("x"))
    counts = (100_000, 2_000_000) if options.quick else (100_000, 500_000, 1_000_000, 2_000_000, 4_000_000)

    report = harness.Report("render")
    context = open_context()
    print(f"{context.info['GL_RENDERER']}, {width_px}x{height_px}, a budget of {options.points_budget:,} points")
    framebuffer = context.framebuffer([context.texture((width_px, height_px), 4)])
    lens = Intrinsics.from_fov(fov_y_rad=radians(60), width_px=width_px, height_px=height_px)
    clock = WallClock()
    arriving: dict[str, harness.Timing] = {}
    steady: dict[str, harness.Timing] = {}
    for count in counts:
        cloud = hall(count)
        renderer = Renderer(context, point_budget=options.points_budget)
        wall_ms: dict[bool, list[float]] = {True: [], False: []}
        cpu_ms: dict[bool, list[float]] = {True: [], False: []}
        drawn_points, frame = 0, 0
        while len(wall_ms[False]) < ROUND_FRAMES:
            framebuffer.use()
            view = View(cloud=cloud, world_from_camera=pose(frame), intrinsics=lens)
            start_s, start_cpu_s = clock.now_s(), time.process_time()
            drawn = renderer.draw(view, size_px=(width_px, height_px))
            context.finish()
            wall_ms[drawn.bytes_uploaded > 0].append((clock.now_s() - start_s) * 1e3)
            cpu_ms[drawn.bytes_uploaded > 0].append((time.process_time() - start_cpu_s) * 1e3)
            drawn_points, frame = max(drawn_points, drawn.points_drawn), frame + 1
            if drawn.points_drawn > options.points_budget:
                raise SystemExit(f"{drawn.points_drawn} points drawn of a budget of {options.points_budget}")
        renderer.release()
        name = f"{count:,} points, at most {drawn_points:,} drawn"
        steady[name] = harness.Timing.of(wall_ms[False], cpu_ms[False])
        arriving[name] = harness.Timing.of(wall_ms[True], cpu_ms[True])
    report.table("a frame", steady)
    report.table("a frame while pages arrive", arriving)
    medians = [timing.median_ms for timing in steady.values()]
    at_two_million = next(t for name, t in steady.items() if name.startswith("2,000,000"))
    report.target("frames a second at 2 million points", 1e3 / at_two_million.median_ms, at_least=10)
    report.target(
        "largest cloud / 2 million points, median frame", medians[-1] / at_two_million.median_ms, at_most=1.25
    )
    return report.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())
