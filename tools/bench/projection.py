"""Projecting a cloud: one pixel a point, colour and depth in host memory, against Open3D's project_to_rgbd_image.

Open3D gets the order that suits it best (spatial, Morton) and the order in which its own PointCloud.voxel_down_sample
leaves 1 cm voxels, which is what a pipeline made of Open3D calls has; ours always has the spatial order that the memory
keeps. Every round takes the next of 16 views from inside the scene.
"""

import sys
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tools.bench import clouds, harness  # before the libraries whose threads it keeps from spinning

# isort: split
import numpy as np
import open3d as o3d

from spatia.geom.camera import Cameras
from spatia.projection.numba_bands import NumbaProjector
from spatia.records.cloud import CloudSnapshot, Points, snapshot_of_points
from spatia.records.projection import MetricSplat

ONE_PIXEL = MetricSplat(radius_m=0.0)
SIZES = ((1248, 704), (832, 480))
LARGE = 2.0  # times the room, so that 3e6 voxels of 1 cm find room on its walls


def main() -> int:
    options = harness.arguments(__doc__).parse_args()
    rounds = 9 if options.quick else 33
    report = harness.Report("projection")
    for count, at_least in ((1_000_000, 5.0), (4_000_000, 8.0)):
        points = clouds.room(count)
        for width_px, height_px in SIZES:
            cameras = clouds.cameras_inside(width_px, height_px)
            compare(report, f"room, {count:.0e} points, {width_px}x{height_px}", points, cameras, rounds, at_least)
    compare_orders(report, rounds)
    if clouds.CAPTURE.is_dir():
        points = clouds.capture()
        cameras = clouds.capture_cameras(*SIZES[0])
        compare(report, f"real capture, {len(points)} points, 1248x704", points, cameras, rounds, 5.0)
    return report.finish(options.json)


def compare(report: harness.Report, title: str, points: Points, cameras: Cameras, rounds: int, at_least: float) -> None:
    """Both on the same points in the same spatial order."""
    cases = {"spatia": ours(snapshot_of_points(points), cameras), "open3d": open3d(tensor_cloud(points), cameras)}
    check(title, cases, cameras)
    timings = harness.measure(cases, rounds=rounds)
    report.table(title, timings)
    report.target(f"open3d / spatia, {title}", ratio(timings), at_least=at_least)


def compare_orders(report: harness.Report, rounds: int) -> None:
    """Open3D on the order its voxel_down_sample leaves; the same points in spatial order for ours."""
    everything = tensor_cloud(clouds.room(4_000_000, scale=LARGE)).to_legacy()
    left = o3d.t.geometry.PointCloud.from_legacy(everything.voxel_down_sample(clouds.VOXEL_M))
    positions = left.point.positions.numpy()
    order = np.argsort(clouds.morton(positions))
    points = Points.of(positions[order], left.point.colors.numpy()[order] * 255)
    snapshot = snapshot_of_points(points)
    for width_px, height_px in SIZES:
        cameras = clouds.cameras_inside(width_px, height_px)
        cases = {"spatia": ours(snapshot, cameras), "open3d": open3d(left, cameras)}
        title = f"large room, {len(points)} points as voxel_down_sample leaves them, {width_px}x{height_px}"
        check(title, cases, cameras)
        timings = harness.measure(cases, rounds=rounds)
        report.table(title, timings)
        report.target(f"open3d / spatia, {title}", ratio(timings), at_least=12.0)


def ratio(timings: dict[str, harness.Timing]) -> float:
    return timings["open3d"].median_ms / timings["spatia"].median_ms


Draw = Callable[[], np.ndarray[Any, np.dtype[np.float32]]]  # the next view's depth, colour drawn as well


def ours(cloud: CloudSnapshot, cameras: Cameras) -> Draw:
    projector = NumbaProjector()
    views = cycle([cameras[t : t + 1] for t in range(len(cameras))])
    return lambda: projector.project(cloud, next(views), look=ONE_PIXEL).depth_m[0]


def open3d(cloud: Any, cameras: Cameras) -> Draw:
    """Open3D's pixel centres lie at whole numbers, ours at halves."""
    k = cameras.intrinsics
    matrix = k.matrix
    matrix[:2, 2] -= 0.5
    intrinsics = _tensor(matrix)
    views = cycle([_tensor(np.ascontiguousarray(pose)) for pose in cameras.camera_from_world])

    def draw() -> np.ndarray[Any, np.dtype[np.float32]]:
        pictures = cloud.project_to_rgbd_image(
            k.width_px, k.height_px, intrinsics, next(views), depth_scale=1.0, depth_max=100.0
        )
        pictures.color.as_tensor().numpy()
        return np.asarray(pictures.depth.as_tensor().numpy()[..., 0])

    return draw


def tensor_cloud(points: Points) -> Any:
    cloud = o3d.t.geometry.PointCloud(_tensor(points.positions_in_world))
    cloud.point.colors = _tensor(points.colors / np.float32(255))
    return cloud


def _tensor(array: np.ndarray[Any, Any]) -> Any:
    constructor: Any = o3d.core.Tensor  # its stubs do not know numpy arrays
    return constructor(np.ascontiguousarray(array))


def check(title: str, cases: dict[str, Draw], cameras: Cameras) -> None:
    """All views: the two may differ where a point sits on a pixel's edge, nowhere else."""
    for _ in range(len(cameras)):
        a, b = (draw() for draw in cases.values())
        same = float((np.abs(a - b) < 1e-4).mean())
        if same < 0.999:
            raise SystemExit(f"{title}: the depths of {' and '.join(cases)} agree on {same:.4%} of pixels only")


if __name__ == "__main__":
    sys.exit(main())
