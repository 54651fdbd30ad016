"""Depth frame by frame from a network that sees one picture at a time. Runs on the estimation worker's thread.

Metric networks give the first depth of a photo by themselves; behind `AlignedEstimator` their scales, which flicker
from frame to frame, are those of the memory. A relative network's depth means something only there.
"""

from typing import Any

import numpy as np
import torch
from torch.nn.functional import interpolate, max_pool2d
from transformers import AutoModelForDepthEstimation

from spatia.checkpoints.pretrained import load_pretrained
from spatia.errors import EstimationError, InputError
from spatia.estimation.align import Unknown
from spatia.estimation.depth_models.files import METRIC_WEIGHTS, DepthFiles, DepthModelSettings, find_files
from spatia.networks.device import device_of
from spatia.records.arrays import F32, U8
from spatia.records.cloud import CloudSnapshot
from spatia.records.geometry import Geometry, Report, Sighting, ignore

CONFIDENCE = 0.5  # of what was guessed from one picture, beside 1 for what was measured
EDGE = 0.08  # second difference of inverse depth, as a part of it
REACH_PX = 3  # to both sides of it, and
MARGIN_PX = 2  # around: networks smear an edge over several pixels of their raster
NEARLY_ZERO = 0.1  # of the middle inverse depth: below, an edge is measured against this
SKY = 0.95  # of the farthest answer: metric networks put there what they cannot place


class DepthModelEstimator:
    """See `SceneEstimator`. Poses are taken as they are."""

    name = "depth_model"

    def __init__(self, settings: DepthModelSettings) -> None:
        """Raises `InputError` for weights that are missing or damaged, `DeviceError` for packages and devices."""
        self._files = find_files(settings)
        self._device = device_of(settings.device, where="estimation.estimator.device")
        self._network = _loaded(self._files).to(self._device)

    @property
    def unknown(self) -> Unknown:
        """What `AlignedEstimator` has to find."""
        return self._files.unknown

    def estimate(self, sighting: Sighting, *, cloud: CloudSnapshot, report: Report = ignore) -> Geometry:
        """Of a relative network, ``1 / depth_m`` is its answer, with neither unit nor zero.

        Raises `EstimationError` for an answer that is not finite, and where a relative one has no memory to go by.
        """
        if not self._files.metric and cloud.alive_count == 0:
            raise EstimationError(
                "these weights tell near from far, not how far, and the memory is empty",
                where=str(self._files.folder),
                fix=f"begin with a metric network: --set estimation.estimator.weights={METRIC_WEIGHTS}",
            )
        frames = sighting.seen
        depth_m = np.zeros(frames.rgb.shape[:3], dtype=np.float32)
        for t, rgb in enumerate(frames.rgb):
            report(t, len(frames))
            depth_m[t] = self._depth(rgb)
        report(len(frames), len(frames))
        confidence = np.float32(CONFIDENCE) * (depth_m > 0)
        return Geometry(cameras=frames.cameras, depth_m=depth_m, confidence=confidence)

    def close(self) -> None:
        self._network = None
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _depth(self, rgb: U8) -> F32:
        """[H, W] 0 where unknown: sky, and along edges, where a network's depth ramps from one side to the other."""
        preparation = self._files.preparation
        with torch.inference_mode():
            picture = torch.from_numpy(preparation.prepared(rgb)).to(self._device)
            answer = self._network(pixel_values=picture[None]).predicted_depth[0].float().cpu()  # [h, w]
        if not bool(torch.isfinite(answer).all()):
            raise EstimationError(
                "the network's depth is not finite", where=str(self._files.folder), fix="fetch the weights again"
            )
        known = answer > 0
        if self._files.metric:
            known &= answer < SKY * self._files.farthest
            inverse = torch.where(known, 1 / answer.clamp(min=1e-6), 0)
        else:
            inverse = torch.where(known, answer, 0)
        height, width = rgb.shape[:2]
        down, across = preparation.padding_px(height, width)
        padded = (height + 2 * down, width + 2 * across)
        inverse, clear = (
            interpolate(field[None, None], padded, mode="bilinear", align_corners=False)[0, 0]
            for field in (inverse, (known & ~edges(inverse)).float())
        )
        depth = torch.where(clear > 0.999, 1 / inverse.clamp(min=1e-12), 0)
        return depth[down : down + height, across : across + width].contiguous().numpy()


def edges(inverse: torch.Tensor) -> torch.Tensor:
    """[h, w] True at depth edges and beside them; inverse depth [h, w] is linear on planes, however slanted."""
    known = inverse[inverse > 0]
    least = NEARLY_ZERO * float(known.median()) if known.numel() else 0.0
    bend = torch.zeros_like(inverse)
    for rows, bends in ((inverse, bend), (inverse.T, bend.T)):
        second = rows[2 * REACH_PX :] - 2 * rows[REACH_PX:-REACH_PX] + rows[: -2 * REACH_PX]
        inner = bends[REACH_PX:-REACH_PX]
        inner.copy_(torch.maximum(inner, second.abs()))
    sharp = (bend > EDGE * inverse.clamp(min=least)).float()
    return max_pool2d(sharp[None, None], 2 * MARGIN_PX + 1, stride=1, padding=MARGIN_PX)[0, 0] > 0


def _loaded(files: DepthFiles) -> Any:
    network, wrong = load_pretrained(
        AutoModelForDepthEstimation, files.folder, what="the network", fix="fetch it again"
    )
    if wrong:
        raise InputError(
            f"{len(wrong)} tensors are missing, such as {wrong[0]}", where=str(files.folder), fix="fetch it again"
        )
    return network
