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
from torch.nn import functional

from spatia.errors import EstimationError
from spatia.estimation.stereo.agree import seen_alike, without_specks
from spatia.estimation.stereo.enlarge import enlarged
from spatia.estimation.stereo.match import Match, best_planes
from spatia.estimation.stereo.sweep import alikeness, described
from spatia.estimation.stereo.views import chosen_views, relative, usefulness
from spatia.geom.camera import Cameras, Intrinsics
from spatia.records.arrays import F32, I32, U8
from spatia.records.cloud import CloudSnapshot
from spatia.records.geometry import Geometry, Report, Sighting, ignore
from spatia.records.projection import MetricSplat, Projector

LUMA = (0.299, 0.587, 0.114)
MEMORY_CONFIDENCE = 0.1  # where only the memory says so: it says nothing new about places
MEMORY_REACH = 0.05  # part of the depth, see `best_planes`
SPECK_RADIUS_PX = 3
SPECK_LEAST = 0.3  # of the window


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneSweepSettings:
    """What the sweep spends, and what it demands of its answers."""

    width_px: int = 240  # of the raster that is swept; the frames' own where that is smaller
    planes: int = 64
    nearest_m: float = 0.4
    farthest_m: float = 10.0
    sources: int = 6  # views that each keyframe is compared with
    best_sources: int = 3  # of these, those that count for a pixel and plane: from others it may be hidden
    window_radius_px: int = 4
    small_step: float = 0.15  # see `smooth`
    large_step: float = 2.0
    memory_weight: float = 0.3  # see `best_planes`; a clear match saves about 0.5
    checks: int = 6  # views with depth of their own in which a depth is looked up
    agreeing: int = 2  # of these, those that must have the same
    tolerance: float = 0.015  # part of the depth
    device: str = "cpu"
    threads: int = 1  # of torch, while it estimates; its default would take every core from the walk


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Look:
    """A view on the swept raster."""

    rgb: Tensor  # [3, h, w] in 0..255
    gray: Tensor  # [h, w]
    features: Tensor  # [3, h, w], see `described`


class PlaneSweepEstimator:
    """See `SceneEstimator`. Poses are taken as they are; depth is on the frames' raster."""

    name = "plane_sweep"

    def __init__(self, projector: Projector, *, settings: PlaneSweepSettings) -> None:
        self._projector = projector
        self._settings = settings
        self._inverse_depths = np.linspace(
            1 / settings.farthest_m, 1 / settings.nearest_m, settings.planes, dtype=np.float32
        )

    def estimate(self, sighting: Sighting, *, cloud: CloudSnapshot, report: Report = ignore) -> Geometry:
        """Raises `EstimationError` for a single view, and where there is neither parallax nor memory."""
        with _bounded(self._settings.threads), torch.inference_mode():
            return self._estimate(sighting, cloud, report)

    def close(self) -> None:
        pass

    def _estimate(self, sighting: Sighting, cloud: CloudSnapshot, report: Report) -> Geometry:
        frames, context, keys = sighting.frames, sighting.context, [int(key) for key in sighting.keyframes]
        cameras = self._small(Cameras.joined(frames.cameras, context.cameras))
        memory_m = self._projector.project(
            cloud, cameras[sighting.keyframes], look=MetricSplat(radius_m=cloud.voxel_m)
        ).depth_m
        useful = [
            usefulness(cameras, reference=key, depths_m=self._typical_m(known))
            for key, known in zip(keys, memory_m, strict=True)
        ]
        if not (memory_m > 0).any() and not any(score.any() for score in useful):
            raise _no_parallax(cameras)
        sources = [chosen_views(cameras, score, count=self._settings.sources) for score in useful]
        rgb = {
            view: (frames.rgb[view] if view < len(frames) else context.rgb[view - len(frames)])
            for view in sorted({*keys, *np.concatenate(sources).tolist()})
        }
        looks = {view: self._look(picture, cameras.intrinsics) for view, picture in rgb.items()}
        matches = []
        for done, key in enumerate(keys):
            report(done, len(keys))
            matches.append(self._swept(key, sources[done], looks, cameras, self._tensor(memory_m[done])))
        depths_m = dict(zip(keys, (match.depth_m for match in matches), strict=True))
        depths_m |= self._context_depths(sighting, cameras.intrinsics)
        depth_m = np.zeros((len(keys), *frames.rgb.shape[1:3]), np.float32)
        confidence = np.zeros_like(depth_m)
        for k, (key, score, match) in enumerate(zip(keys, useful, matches, strict=True)):
            checks = chosen_views(
                cameras, np.where(np.isin(np.arange(len(score)), list(depths_m)), score, 0), count=self._settings.checks
            )
            agreed = self._agreed(
                match, key, {int(c): depths_m[int(c)] for c in checks}, cameras, self._tensor(memory_m[k])
            )
            large = self._picture(frames.rgb[key], frames.cameras.intrinsics)
            at_full = enlarged(*agreed, looks[key].rgb, large)
            depth_m[k], confidence[k] = (part.cpu().numpy() for part in at_full)
        report(len(keys), len(keys))
        return Geometry(cameras=sighting.seen.cameras, depth_m=depth_m, confidence=confidence)

    def _swept(self, key: int, sources: I32, looks: dict[int, _Look], cameras: Cameras, memory_m: Tensor) -> Match:
        if not len(sources):
            return Match(depth_m=torch.zeros_like(memory_m), quality=torch.zeros_like(memory_m))
        alike = alikeness(
            looks[key].features,
            torch.stack([looks[int(view)].features for view in sources]),
            np.stack([relative(cameras, reference=key, view=int(view)) for view in sources]),
            self._inverse_depths,
            lens=cameras.intrinsics,
            radius_px=self._settings.window_radius_px,
            best=self._settings.best_sources,
        )
        return best_planes(
            alike,
            looks[key].gray,
            self._tensor(self._inverse_depths),
            memory_m=memory_m,
            memory_weight=self._settings.memory_weight,
            memory_reach=MEMORY_REACH,
            small_step=self._settings.small_step,
            large_step=self._settings.large_step,
        )

    def _agreed(
        self, match: Match, key: int, others_m: dict[int, Tensor], cameras: Cameras, memory_m: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Depth and confidence [h, w] of what enough others have as well, at the mean of where they have it."""
        total, votes = match.depth_m.clone(), torch.zeros_like(match.depth_m)
        for view, other_m in others_m.items():
            found = seen_alike(
                match.depth_m,
                other_m,
                relative(cameras, reference=key, view=view),
                lens=cameras.intrinsics,
                tolerance=self._settings.tolerance,
            )
            total += found
            votes += found > 0
        borne_out = votes >= max(1, min(self._settings.agreeing, len(others_m)))
        depth_m = torch.where(borne_out, total / (1 + votes), 0.0)
        depth_m = without_specks(depth_m, radius_px=SPECK_RADIUS_PX, least=SPECK_LEAST, tolerance=2 * MEMORY_REACH)
        trust = (0.25 + 0.75 * match.quality) * votes / (votes + 1)
        # Nothing was found here, or what the memory knows: then the memory's own depth may stand.
        unseen = (match.depth_m == 0) | ((match.depth_m - memory_m).abs() <= MEMORY_REACH * memory_m)
        recalled = (depth_m == 0) & (memory_m > 0) & unseen
        depth_m = torch.where(recalled, memory_m, depth_m)
        trust = torch.where(recalled, MEMORY_CONFIDENCE, torch.where(depth_m > 0, trust, 0.0))
        return depth_m, trust

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

    def _context_depths(self, sighting: Sighting, lens: Intrinsics) -> dict[int, Tensor]:
        """By view, on the swept raster, the depth of earlier frames."""
        known = sighting.context.depth_m
        if known is None:
            return {}
        size = (lens.height_px, lens.width_px)
        small = [functional.interpolate(self._tensor(d)[None, None], size, mode="nearest-exact")[0, 0] for d in known]
        return {len(sighting.frames) + c: depth_m for c, depth_m in enumerate(small)}

    def _look(self, rgb: U8, lens: Intrinsics) -> _Look:
        small = self._picture(rgb, lens)
        gray = (small * torch.tensor(LUMA, device=small.device)[:, None, None]).sum(dim=0)
        return _Look(rgb=small, gray=gray, features=described(gray[None], radius_px=self._settings.window_radius_px)[0])

    def _picture(self, rgb: U8, lens: Intrinsics) -> Tensor:
        """[3, h, w] in 0..255, the mean of the pixels that fall together."""
        large = self._tensor(rgb).permute(2, 0, 1).float()
        return functional.interpolate(large[None], (lens.height_px, lens.width_px), mode="area")[0]

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.tensor(array, device=self._settings.device)


def _no_parallax(cameras: Cameras) -> EstimationError:
    if len(cameras) < 2:
        return EstimationError(
            "one view does not tell how far things are, and the memory knows nothing of what it shows",
            where="plane_sweep",
            fix="give a second view from another place, or depth: a depth model, MapAnything, an RGB-D folder",
        )
    eyes = cameras.world_from_camera[:, :3, 3]
    apart_m = float(np.linalg.norm(eyes - eyes[0], axis=1).max())
    return EstimationError(
        f"no two of the {len(cameras)} views have parallax (they stand within {apart_m:.3g} m), "
        "and the memory knows nothing of what they show",
        where="plane_sweep",
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
