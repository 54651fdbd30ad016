"""The release's splat: discs of 0.01 NDC, the nearest five of each pixel blended, colour and score in one pass."""

import sys
from itertools import cycle
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tools.bench import clouds, harness  # before the libraries whose threads it keeps from spinning

# isort: split
import numpy as np

from spatia.projection.numba_bands import NumbaProjector
from spatia.projection.numpy_reference import NumpyProjector
from spatia.records.cloud import snapshot_of_points
from spatia.records.projection import Look, MetricSplat, Projector, ReleaseSplat

LOOKS: dict[str, Look] = {"release, 5 blended": ReleaseSplat(), "metric, 1 cm discs": MetricSplat()}


def main() -> int:
    options = harness.arguments(__doc__).parse_args()
    report = harness.Report("splat")
    projector = NumbaProjector(threads=2)
    check(projector)
    cloud = snapshot_of_points(clouds.room(1_000_000))
    cameras = clouds.cameras_inside(1248, 704)
    views = cycle([cameras[t : t + 1] for t in range(len(cameras))])
    cases = {name: lambda look=look: projector.project(cloud, next(views), look=look) for name, look in LOOKS.items()}
    timings = harness.measure(cases, rounds=9 if options.quick else 33)
    report.table("room, 1e6 points, 1248x704, 2 threads", timings)
    report.target("ms for the release's splat", timings["release, 5 blended"].median_ms, at_most=60.0)
    return report.finish(options.json)


def check(projector: Projector) -> None:
    """The kernel gives the reference's bytes."""
    cloud, cameras = snapshot_of_points(clouds.room(30_000)), clouds.cameras_inside(312, 176, count=2)
    for name, look in LOOKS.items():
        a, b = (p.project(cloud, cameras, look=look) for p in (projector, NumpyProjector()))
        if not (np.array_equal(a.rgb, b.rgb) and np.array_equal(a.coverage, b.coverage)):
            raise SystemExit(f"{name}: the kernel and the reference differ")


if __name__ == "__main__":
    sys.exit(main())
