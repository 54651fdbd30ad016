"""Checks folders like splat_a: the release's point rendering, by every projector that can run on this machine."""

import re
from collections.abc import Iterator

import numpy as np

from spatia.errors import DeviceError, InputError
from spatia.geom.camera import Cameras
from spatia.geom.pose import inverse
from spatia.projection.choose import open_projector
from spatia.projection.optics import Optics
from spatia.records.arrays import I32, Bool
from spatia.records.cloud import Points, snapshot_of_points
from spatia.records.projection import Projection, ReleaseSplat
from tools.golden.comparison import Comparison, GoldenCase, Skipped, Tensor, compared

PROJECTORS = ("numpy", "numba", "opengl")
OUTPUT = re.compile(r"(?P<what>image|score|front_index|front_depth)(?P<radius>_radius_\d+p\d+)?")
COLOR_LIMIT = 1 / 255
DEPTH_LIMIT_M = 1e-4
NOWHERE_M = 1e9
RIM_ALPHA = COLOR_LIMIT / 4  # a point that weighs less changes no colour: roundings decide whether it is there at all


class SplatChecker:
    """Colours and scores within one step of 8 bits; the nearest point exact where float32 can tell which it is."""

    inputs = frozenset({"xyz", "rgb", "w2c", "intrinsics_fxfycxcy"})

    def recognises(self, case: GoldenCase) -> bool:
        return self.inputs <= case.tensors.keys() and any(map(OUTPUT.fullmatch, case.tensors))

    def check(self, case: GoldenCase) -> Iterator[Comparison | Skipped]:
        views = _Views(case)
        suffixes = sorted({found["radius"] or "" for found in map(OUTPUT.fullmatch, case.tensors) if found})
        looks = {suffix: _look(suffix, case) for suffix in suffixes}
        for projector_name in PROJECTORS:
            try:
                projector = open_projector(projector_name)
            except DeviceError as error:
                yield Skipped(by=projector_name, reason=error.problem)
                continue
            try:
                for suffix, look in looks.items():
                    projection = projector.project(views.snapshot, views.cameras, look=look)
                    yield from views.comparisons(projection, look, suffix, by=projector_name)
            finally:
                projector.close()


def _look(suffix: str, case: GoldenCase) -> ReleaseSplat:
    """Radius 0.03 for ``_radius_0p03``; without a suffix what the configuration says, or else the release's own."""
    radius_ndc = suffix.removeprefix("_radius_").replace("p", ".") or case.config.get("radius_ndc", 0.01)
    points_per_pixel = case.config.get("points_per_pixel", 5)
    try:
        return ReleaseSplat(radius_ndc=float(radius_ndc), points_per_pixel=int(points_per_pixel))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"no look has radius {radius_ndc!r} and {points_per_pixel!r} points a pixel", where=str(case.folder)
        ) from error


class _Views:
    """The cloud and cameras of a case."""

    def __init__(self, case: GoldenCase) -> None:
        self.tensors = case.tensors
        sizes = {tensor.shape[1:3] for name, tensor in case.tensors.items() if OUTPUT.fullmatch(name)}
        if len(sizes) != 1 or len(min(sizes)) != 2:
            raise InputError(f"images must share one height and width; got {sorted(sizes)}", where=str(case.folder))
        height_px, width_px = min(sizes)
        camera_from_world = case.floats("w2c", None, 4, 4).astype(np.float64)
        try:
            self.cameras = Cameras(
                world_from_camera=inverse(camera_from_world),
                intrinsics=case.intrinsics(height_px=height_px, width_px=width_px),
            )
        except ValueError as error:
            raise InputError(f"w2c: {error}", where=str(case.folder)) from error
        self.positions_in_world = case.floats("xyz", None, 3)
        colors = case.floats("rgb", len(self.positions_in_world), 3) * 255
        self.snapshot = snapshot_of_points(Points.of(self.positions_in_world, colors))

    def comparisons(self, projection: Projection, look: ReleaseSplat, suffix: str, *, by: str) -> Iterator[Comparison]:
        golden = {what: self.tensors.get(what + suffix) for what in ("image", "score", "front_index", "front_depth")}
        if golden["image"] is not None:
            yield compared(f"image{suffix}", projection.rgb / 255, golden["image"], limit=COLOR_LIMIT, by=by)
        if golden["score"] is not None:
            yield compared(f"score{suffix}", projection.coverage, golden["score"], limit=COLOR_LIMIT, by=by)
        index, depth_m = golden["front_index"], golden["front_depth"]
        undecided = np.zeros(projection.index.shape, dtype=np.bool_)
        if index is not None and index.shape == projection.index.shape:
            undecided = self._undecided(projection.index, index, look)
        if index is not None:
            yield _counted(f"front_index{suffix}", projection.index, index, undecided, by=by)
        if depth_m is not None:
            ours_m = projection.depth_m.copy()
            if depth_m.shape == ours_m.shape:
                ours_m[undecided] = depth_m[undecided]
            yield compared(f"front_depth{suffix}", ours_m, depth_m, limit=DEPTH_LIMIT_M, by=by)

    def _undecided(self, ours: I32, golden: Tensor, look: ReleaseSplat) -> Bool:
        """[T, H, W] pixels where both answers are right: two points equally near, or one on the rim of its disc."""
        view, y, x = np.nonzero(ours != golden)
        rows = np.stack([ours[view, y, x], golden[view, y, x]])  # [2, M]
        known = (rows >= 0) & (rows < len(self.positions_in_world))
        poses = self.cameras.camera_from_world[view]  # [M, 4, 4]
        points = self.positions_in_world[np.where(known, rows, 0)]  # [2, M, 3]
        in_camera = np.einsum("mij,kmj->kmi", poses[:, :3, :3], points) + poses[:, :3, 3]
        z = np.where(known, in_camera[..., 2], NOWHERE_M)
        tie = np.abs(z[0] - z[1]) <= 4 * np.spacing(z.min(axis=0).astype(np.float32))

        nearer = z.argmin(axis=0), np.arange(len(view))  # the one whose presence is disputed
        optics = Optics.of(self.cameras.intrinsics, look)
        u = optics.fx * in_camera[..., 0][nearer] / z[nearer] + optics.cx
        v = optics.fy * in_camera[..., 1][nearer] / z[nearer] + optics.cy
        squared_px = (u - x - 0.5) ** 2 + (v - y - 0.5) ** 2
        rim = np.abs(1 - squared_px / optics.max_radius_px**2) < RIM_ALPHA
        undecided = np.zeros(ours.shape, dtype=np.bool_)
        undecided[view, y, x] = tie | rim
        return undecided


def _counted(name: str, ours: I32, golden: Tensor, undecided: Bool, *, by: str) -> Comparison:
    """Indices differ by any amount: what counts is in how many pixels."""
    if ours.shape != golden.shape:
        return compared(name, ours, golden, limit=0, by=by)
    wrong = int(((ours != golden) & ~undecided).sum())
    note = f"pixels with another point, not counting {undecided.sum()} that float32 cannot decide"
    return Comparison(name=name, max_abs_error=wrong, limit=0, by=by, note=note if wrong or undecided.any() else "")
