"""Depth of keyframes from the views around them, guided by what the memory knows. Runs on the estimation thread.

Each keyframe is swept with planes uniform in inverse depth (`sweep`), the costs smoothed along the picture (`smooth`),
the best plane refined (`match`), and its depth kept where enough other views found the same place (`agree`). The
memory's depth makes its planes a little cheaper, no more: what the pictures say clearly wins. Where a keyframe has no
parallax to any view, as when the camera only turns, it gets the memory's own depth, and nothing where that ends.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spatia.errors import EstimationError
from spatia.estimation.stereo.agree import agreed, without_specks
from spatia.estimation.stereo.enlarge import enlarged
from spatia.estimation.stereo.looks import Look, depth_on, look_of, picture
from spatia.estimation.stereo.match import Match, best_planes
from spatia.estimation.stereo.sweep import alikeness
from spatia.estimation.stereo.views import chosen_views, relative, usefulness
from spatia.geom.camera import Cameras
from spatia.networks.device import device_of
from spatia.records.arrays import F32, F64
from spatia.records.cloud import CloudSnapshot
from spatia.records.geometry import Geometry, Report, Sighting, ignore
from spatia.records.projection import MetricSplat, Projector

MEMORY_CONFIDENCE = 0.1  # where only the memory says so: it says nothing new about places
MEMORY_REACH = 0.05  # part of the depth, see `best_planes`


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneSweepSettings:
    """What the sweep spends, and what it demands of its answers."""

    width_px: int = 320  # of the raster that is swept; the frames' own where that is smaller
    planes: int = 64
    nearest_m: float = 0.4
    farthest_m: float = 10.0
    sources: int = 6  # views that each keyframe is compared with
    best_sources: int = 3  # of these, those that count for a pixel and plane: from others it may be hidden
    window_radius_px: int = 4
    small_step: float = 0.15  # see `smooth`
    large_step: float = 2.0
    memory_weight: float = 0.05  # see `best_planes`; a clear match saves several times as much
    checks: int = 6  # views with depth of their own in which a depth is looked up
    agreeing: int = 2  # of these, those that must have the same
    tolerance: float = 0.015  # part of the depth
    device: str = "cpu"
    threads: int = 1  # of torch, while it estimates; its default would take every core from the walk


class PlaneSweepEstimator:
    """See `SceneEstimator`. Poses are taken as they are; depth is on the frames' raster."""

    name = "plane_sweep"

    def __init__(self, projector: Projector, *, settings: PlaneSweepSettings) -> None:
        """Raises `DeviceError` for a device that is not here."""
        self._projector = projector
        self._settings = settings
        self._device = device_of(settings.device, where="estimation.estimator.device")
        self._inverse_depths = np.linspace(
            1 / settings.farthest_m, 1 / settings.nearest_m, settings.planes, dtype=np.float32
        )

    def estimate(self, sighting: Sighting, *, cloud: CloudSnapshot, report: Report = ignore) -> Geometry:
        """Raises `EstimationError` where there is neither parallax, as with a single view, nor memory."""
        with _bounded(self._settings.threads), torch.inference_mode():
            return self._estimate(sighting, cloud, report)

    def close(self) -> None:
        pass

    def _estimate(self, sighting: Sighting, cloud: CloudSnapshot, report: Report) -> Geometry:
        frames, context, keys = sighting.frames, sighting.context, sighting.keyframes.tolist()
        device = self._device
        cameras = self._small(Cameras.joined(frames.cameras, context.cameras))
        lens = cameras.intrinsics
        seen = self._projector.project(cloud, cameras[sighting.keyframes], look=MetricSplat(radius_m=cloud.voxel_m))
        useful = [
            usefulness(cameras, reference=key, depths_m=self._typical_m(known))
            for key, known in zip(keys, seen.depth_m, strict=True)
        ]
        if not (seen.depth_m > 0).any() and not any(score.any() for score in useful):
            raise _no_parallax(cameras)
        memory_m = torch.tensor(seen.depth_m, device=device)
        sources = [chosen_views(cameras, score, count=self._settings.sources).tolist() for score in useful]
        looks = {
            view: look_of(
                frames.rgb[view] if view < len(frames) else context.rgb[view - len(frames)],
                lens=lens,
                device=device,
            )
            for view in sorted({*keys, *(view for chosen in sources for view in chosen)})
        }
        matches: dict[int, Match] = {}
        for k, key in enumerate(keys):
            report(k, len(keys))
            if sources[k]:
                matches[key] = self._swept(key, sources[k], looks, cameras, memory_m[k])
        depths_m = {key: match.depth_m for key, match in matches.items()}
        for c, depth_m in enumerate(() if context.depth_m is None else context.depth_m):
            depths_m[len(frames) + c] = depth_on(depth_m, lens=lens, device=device)
        depth = np.zeros((len(keys), *frames.rgb.shape[1:3]), dtype=np.float32)
        confidence = np.zeros_like(depth)
        for k, key in enumerate(keys):
            small = self._kept(key, useful[k], matches, depths_m, cameras, memory_m[k])
            large = picture(frames.rgb[key], lens=frames.cameras.intrinsics, device=device)
            depth[k], confidence[k] = (part.cpu().numpy() for part in enlarged(*small, looks[key].rgb, large))
        report(len(keys), len(keys))
        return Geometry(cameras=sighting.seen.cameras, depth_m=depth, confidence=confidence)

    def _swept(self, key: int, sources: list[int], looks: dict[int, Look], cameras: Cameras, memory_m: Tensor) -> Match:
        alike = alikeness(
            looks[key].gray,
            torch.stack([looks[view].gray for view in sources]),
            np.stack([relative(cameras, reference=key, view=view) for view in sources]),
            self._inverse_depths,
            lens=cameras.intrinsics,
            radius_px=self._settings.window_radius_px,
            best=self._settings.best_sources,
        )
        return best_planes(
            alike,
            looks[key].gray,
            torch.tensor(self._inverse_depths, device=alike.device),
            memory_m=memory_m,
            memory_weight=self._settings.memory_weight,
            memory_reach=MEMORY_REACH,
            small_step=self._settings.small_step,
            large_step=self._settings.large_step,
        )

    def _kept(
        self,
        key: int,
        useful: F64,
        matches: dict[int, Match],
        depths_m: dict[int, Tensor],
        cameras: Cameras,
        memory_m: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Depth and confidence [h, w]: what others bear out, else what the memory knows and the match does not deny."""
        match = matches.get(key)
        if match is None:
            return memory_m, torch.where(memory_m > 0, MEMORY_CONFIDENCE, 0.0)
        with_depth = np.isin(np.arange(len(cameras)), list(depths_m))
        checks = chosen_views(cameras, np.where(with_depth, useful, 0), count=self._settings.checks)
        found_m, votes = agreed(
            match.depth_m,
            [(depths_m[view], relative(cameras, reference=key, view=view)) for view in checks.tolist()],
            lens=cameras.intrinsics,
            tolerance=self._settings.tolerance,
        )
        enough = max(1, min(self._settings.agreeing, len(checks)))
        found_m = without_specks(torch.where(votes >= enough, found_m, 0.0))
        trust = (0.25 + 0.75 * match.quality) * votes / (votes + 1)
        denied = (match.depth_m > 0) & ((match.depth_m - memory_m).abs() > MEMORY_REACH * memory_m)
        recalled = torch.where((found_m == 0) & ~denied, memory_m, 0.0)
        confidence = torch.where(recalled > 0, MEMORY_CONFIDENCE, torch.where(found_m > 0, trust, 0.0))
        return torch.where(found_m > 0, found_m, recalled), confidence

    def _small(self, cameras: Cameras) -> Cameras:
        lens = cameras.intrinsics
        width_px = min(lens.width_px, self._settings.width_px)
        return cameras.resized(width_px=width_px, height_px=max(2, round(lens.height_px * width_px / lens.width_px)))

    def _typical_m(self, memory_m: F32) -> F32:
        """[D] depths at which other views are to have parallax: what the memory knows, or spread over the planes."""
        known = memory_m[memory_m > 0]
        if len(known) > 0.05 * memory_m.size:
            return np.quantile(known, (0.25, 0.5, 0.75)).astype(np.float32)
        return np.geomspace(self._settings.nearest_m, self._settings.farthest_m, 5)[1:4].astype(np.float32)


def _no_parallax(cameras: Cameras) -> EstimationError:
    if len(cameras) < 2:
        return EstimationError(
            "one view does not tell how far things are, and the memory knows nothing of what it shows",
            where="estimator 'plane_sweep'",
            fix="give a second view from another place, or depth: a depth model, MapAnything, an RGB-D folder",
        )
    eyes = cameras.world_from_camera[:, :3, 3]
    apart_m = float(np.linalg.norm(eyes - eyes[0], axis=1).max())
    return EstimationError(
        f"no two of the {len(cameras)} views have parallax (they stand within {apart_m:.3g} m), "
        "and the memory knows nothing of what they show",
        where="estimator 'plane_sweep'",
        fix="walk sideways while looking at it instead of only turning, or give depth of the first view",
    )


@contextmanager
def _bounded(threads: int) -> Iterator[None]:
    """Torch's thread count is one for the whole process: it is set for the work and put back."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
