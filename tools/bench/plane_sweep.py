"""Depth of a clip by plane sweep: 18 keyframes at 320 x 180 of the procedural room, seen while walking past it.

What a walk pays for is timed: the whole estimate, from pictures to depth, with an empty memory, on the threads that the
settings give it by default. Its depth is judged against the scene's own, so that no time is won by leaving work out.

Beside it, ours against a page of numpy for one keyframe: the cost volume, a plane at a time (from fewer planes,
EXTRAPOLATED to all), and semi-global matching, a pixel at a time (on a corner, EXTRAPOLATED by its pixels). These are
the plain references of the tests; both must agree with ours first.
"""

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tools.bench import harness

# ruff: isort: split
import numpy as np
import torch

from spatia.estimation.stereo.estimator import PlaneSweepEstimator, PlaneSweepSettings
from spatia.estimation.stereo.smooth import reference_smoothed, smoothed
from spatia.estimation.stereo.sweep import alikeness, reference_alikeness
from spatia.estimation.stereo.views import relative
from spatia.geom.camera import Cameras, Intrinsics
from spatia.geom.path import truck
from spatia.memory.cloud import PointMemory
from spatia.projection.numba_bands import NumbaProjector
from spatia.records.arrays import F32
from spatia.records.frames import Frames
from spatia.records.geometry import Geometry, Sighting
from spatia.worlds.procedural import procedural_world

KEYFRAMES = 18
LENS = Intrinsics.from_fov(fov_y_rad=0.9, width_px=320, height_px=180)
SOURCE_VIEWS = (6, 12)  # beside keyframe 9, in the comparison with numpy
NUMPY_PLANES = 8
CORNER_PX = (24, 32)


def main() -> int:
    options = harness.arguments(__doc__).parse_args()
    report = harness.Report("plane sweep")
    settings = PlaneSweepSettings()
    frames, true_m = clip(KEYFRAMES)
    print(f"{settings.planes} planes, {settings.sources} of the other views each, {settings.threads} thread(s)")
    against_numpy(report, frames, settings, rounds=2 if options.quick else 7)

    estimator = PlaneSweepEstimator(NumbaProjector(), settings=settings)
    nothing = PointMemory().snapshot()
    heard: list[int] = []
    found: list[Geometry] = []

    def estimate() -> None:
        heard.clear()
        found[:] = [
            estimator.estimate(Sighting.of(frames), cloud=nothing, report=lambda done, total: heard.append(done))
        ]

    timings = harness.measure({"estimate": estimate}, rounds=1 if options.quick else 5)
    report.table(f"{KEYFRAMES} keyframes, {LENS.width_px} x {LENS.height_px}", timings)
    known = (found[0].depth_m > 0) & (true_m > 0)
    error = np.abs(found[0].depth_m - true_m)[known] / true_m[known]
    print(f"known {known.mean():.1%}; its error: median {np.median(error):.2%}, 90th {np.quantile(error, 0.9):.1%}")
    report.target("seconds", timings["estimate"].median_ms / 1e3, at_most=20)
    report.target("times that progress was told", len(heard), at_least=KEYFRAMES)
    report.target("median error in % of depth", 100 * float(np.median(error)), at_most=2)
    report.target("known in %", 100 * float(known.mean()), at_least=50)
    return report.finish(options.json)


def clip(count: int) -> tuple[Frames, F32]:
    """A step of 4 cm to the right a keyframe, and true depth apart from the frames."""
    world = procedural_world("room")
    cameras = Cameras(world_from_camera=truck(world.start_pose, 0.04 * (count - 1), frames=count), intrinsics=LENS)
    true = world.render(cameras, np.zeros(len(cameras), dtype=np.float32))
    return Frames(rgb=true.rgb, cameras=cameras, time_s=np.zeros(len(cameras), dtype=np.float32)), true.depth_m


def against_numpy(report: harness.Report, frames: Frames, settings: PlaneSweepSettings, *, rounds: int) -> None:
    gray = frames.rgb.mean(axis=-1, dtype=np.float32)
    key = KEYFRAMES // 2
    poses = np.stack([relative(frames.cameras, reference=key, view=view) for view in SOURCE_VIEWS])
    planes = np.linspace(1 / settings.farthest_m, 1 / settings.nearest_m, settings.planes, dtype=np.float32)
    sources = gray[list(SOURCE_VIEWS)]
    some = planes[:: settings.planes // NUMPY_PLANES]
    radius_px = settings.window_radius_px

    def ours(depths: F32) -> torch.Tensor:
        return alikeness(
            torch.tensor(gray[key]), torch.tensor(sources), poses, depths, lens=LENS, radius_px=radius_px, best=2
        )

    def by_numpy() -> np.ndarray:
        return reference_alikeness(gray[key], sources, poses, some, lens=LENS, radius_px=radius_px, best=2)

    rows, columns = CORNER_PX
    cost = (1 - ours(planes)).permute(1, 2, 0).contiguous()
    corner, shade = cost[:rows, :columns].contiguous(), torch.tensor(gray[key])
    steps = {"small": settings.small_step, "large": settings.large_step}

    def corner_by_numpy() -> np.ndarray:
        return reference_smoothed(corner.numpy(), gray[key][:rows, :columns], **steps)

    if np.mean(np.abs(ours(some).numpy() - by_numpy()) > 1e-3) > 1e-3:
        raise SystemExit("the cost volume disagrees with numpy")
    if not np.allclose(smoothed(corner, shade[:rows, :columns], **steps).numpy(), corner_by_numpy(), atol=1e-4):
        raise SystemExit("smoothing disagrees with numpy")
    cases: dict[str, Callable[[], object]] = {
        "volume": lambda: ours(planes),
        f"volume by numpy, {len(some)} planes": by_numpy,
        "smoothing": lambda: smoothed(cost, shade, **steps),
        f"smoothing by numpy, {columns} x {rows}": corner_by_numpy,
    }
    before = torch.get_num_threads()
    torch.set_num_threads(settings.threads)
    timings = harness.measure(cases, rounds=rounds)
    torch.set_num_threads(before)
    report.table(f"one keyframe, {len(SOURCE_VIEWS)} sources", timings)
    volume, volume_numpy, smoothing, smoothing_numpy = (timing.median_ms for timing in timings.values())
    report.target("numpy / ours, volume", volume_numpy * len(planes) / len(some) / volume, at_least=3)
    pixels = LENS.width_px * LENS.height_px / (rows * columns)
    report.target("numpy / ours, smoothing", smoothing_numpy * pixels / smoothing, at_least=20)


if __name__ == "__main__":
    sys.exit(main())
