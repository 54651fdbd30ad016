"""From a scene's choice to the estimator and the segmenter, and what is refused before the first frame.

What needs torch is imported when a scene asks for it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from spatia.checkpoints.catalogue import INSTALL_MODELS
from spatia.errors import DeviceError, InputError, SceneError
from spatia.estimation.completion import CompletionEstimator
from spatia.estimation.oracle import OracleEstimator, OracleSegmenter
from spatia.estimation.segment import GivenMasks, NoSegmenter
from spatia.geom.camera import Intrinsics
from spatia.records.arrays import Bool
from spatia.records.geometry import DynamicSegmenter, SceneEstimator
from spatia.records.projection import Projector
from spatia.records.truth import TrueScene
from spatia.scene import schema_estimation as chosen
from spatia.worlds.pictures import read_rgb

DEFAULT_STRIDE = 4
WAYS_TO_DEPTH = """\
    depth.png beside the picture: 16 bits, millimetres, of the picture's size
    --set estimation.estimator=depth_model, with a metric depth network's weights (README, "A photo")
    --set estimation.estimator={name: mapanything, python: ...}; `spatia doctor` says how to install it"""
WHITE = 127  # masks are white on what moves; more than grey counts


def build_estimator(choice: chosen.EstimatorChoice, *, truth: TrueScene | None, projector: Projector) -> SceneEstimator:
    match choice:
        case chosen.OracleEstimator():
            return OracleEstimator(known(truth, where="estimation.estimator"))
        case chosen.CompletionEstimator():
            return CompletionEstimator(projector)


def single_view_estimator(choice: chosen.EstimatorChoice) -> SceneEstimator:
    """The one that gives depth to a photo. Raises `SceneError` where the scene's own cannot, with what could."""
    raise SceneError(
        f"a photo needs depth, and {choice.name} gives none to a single picture",
        where="estimation.estimator",
        fix=f"one of:\n{WAYS_TO_DEPTH}",
    )


def build_segmenter(
    choice: chosen.SegmenterChoice, *, truth: TrueScene | None, projector: Projector, intrinsics: Intrinsics
) -> DynamicSegmenter:
    match choice:
        case chosen.NoSegmenter():
            return NoSegmenter()
        case chosen.OracleSegmenter():
            return OracleSegmenter(known(truth, where="estimation.segmenter"))
        case chosen.GivenMask():
            return GivenMasks(_mask(choice, intrinsics))


def check_estimation(estimation: chosen.Estimation, *, truth: TrueScene | None, intrinsics: Intrinsics) -> None:
    """Raises `SpatiaError` for an oracle without truth, and for packages, weights and masks that are not to be had.

    Before the first frame, not in a worker. `intrinsics` are the walking camera's.
    """
    if isinstance(estimation.estimator, chosen.OracleEstimator):
        known(truth, where="estimation.estimator")
    if isinstance(estimation.segmenter, chosen.OracleSegmenter):
        known(truth, where="estimation.segmenter")
    if isinstance(estimation.segmenter, chosen.GivenMask):
        _mask(estimation.segmenter, intrinsics)


def keyframe_stride(estimation: chosen.Estimation, *, fps: int) -> int:
    """Every n-th frame is merged."""
    return estimation.keyframe_stride or DEFAULT_STRIDE


def known(truth: TrueScene | None, *, where: str) -> TrueScene:
    if truth is None:
        raise SceneError(
            "the oracle needs a world that knows itself",
            where=where,
            fix="use a world of kind procedural, or reprojection, completion and none",
        )
    return truth


def _mask(choice: chosen.GivenMask, intrinsics: Intrinsics) -> Bool:
    mask = np.asarray(read_rgb(choice.mask).max(axis=-1) > WHITE)
    height, width = intrinsics.height_px, intrinsics.width_px
    if mask.shape != (height, width):
        raise InputError(
            f"is {mask.shape[1]}x{mask.shape[0]} pixels, and the frames are {width}x{height}",
            where=str(choice.mask),
            fix="scale the mask to the frames, or set camera.width_px and camera.height_px to the mask's",
        )
    return mask


@contextmanager
def _torch_installed(what: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise DeviceError(
            f"{what} needs {error.name}, which is not installed",
            fix=f"{INSTALL_MODELS}, or an estimator without networks: completion",
        ) from error
