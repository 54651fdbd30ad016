"""From a scene's choice to the estimator and the segmenter, and what is refused before the first frame.

What needs torch is imported when a scene asks for it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spatia.checkpoints.catalogue import INSTALL_MODELS
from spatia.clock import Clock
from spatia.errors import DeviceError, InputError, SceneError
from spatia.estimation.align import AlignedEstimator, Gate
from spatia.estimation.completion import CompletionEstimator
from spatia.estimation.depth_models.files import DepthModelSettings, find_files
from spatia.estimation.mapanything.estimator import MapAnythingEstimator
from spatia.estimation.mapanything.install import EXAMPLE, require
from spatia.estimation.mapanything.worker import MapAnythingSettings
from spatia.estimation.motion_residual import MotionResidual
from spatia.estimation.oracle import OracleEstimator, OracleSegmenter
from spatia.estimation.sam2.opening import find_weights, open_tracker
from spatia.estimation.sam2.segmenter import Sam2Segmenter
from spatia.estimation.sam2.settings import Hint, Sam2Settings
from spatia.estimation.segment import GivenMasks, NoSegmenter
from spatia.geom.camera import Intrinsics
from spatia.records.arrays import Bool
from spatia.records.geometry import DynamicSegmenter, SceneEstimator
from spatia.records.projection import Projector
from spatia.records.truth import TrueScene
from spatia.scene import schema_estimation as chosen
from spatia.worlds.pictures import read_rgb

if TYPE_CHECKING:
    from spatia.estimation.depth_models.estimator import DepthModelEstimator

DEFAULT_STRIDE = 4
MAPANYTHING_HZ = 4  # keyframes a second: each costs the network a view
WAYS_TO_DEPTH = """\
    depth.png beside the picture: 16 bits, millimetres, of the picture's size
    --set estimation.estimator=depth_model, a network whose weights `hf download` gets
    --set estimation.estimator=mapanything, in an environment of its own
  `spatia doctor` says what is here of these, and how to get the rest"""
WHITE = 127  # masks are white on what moves; more than grey counts


def build_estimator(
    choice: chosen.EstimatorChoice, *, truth: TrueScene | None, projector: Projector, clock: Clock
) -> SceneEstimator:
    match choice:
        case chosen.OracleEstimator():
            return OracleEstimator(known(truth, where="estimation.estimator"))
        case chosen.CompletionEstimator():
            return CompletionEstimator(projector)
        case chosen.PlaneSweepEstimator():
            with _torch_installed("plane_sweep"):
                from spatia.estimation.stereo.estimator import PlaneSweepEstimator, PlaneSweepSettings
            return PlaneSweepEstimator(
                projector,
                settings=PlaneSweepSettings(**choice.model_dump(exclude={"name"})),
            )
        case chosen.DepthModelEstimator():
            network = _depth_model(choice)
            return AlignedEstimator(network, projector, unknown=network.unknown, gate=_gate(choice.gate))
        case chosen.MapAnythingEstimator():
            inner = _mapanything(choice, clock=clock)
            return AlignedEstimator(inner, projector, moves=choice.refine, gate=_gate(choice.gate))


def single_view_estimator(choice: chosen.EstimatorChoice, *, clock: Clock) -> SceneEstimator:
    """The one that gives depth to a photo. Raises `SceneError` where the scene's own cannot, with what could."""
    match choice:
        case chosen.MapAnythingEstimator():
            return _mapanything(choice, clock=clock)
        case chosen.DepthModelEstimator():
            return _depth_model(choice)
        case _:
            raise needs_depth(choice)


def check_single_view(choice: chosen.EstimatorChoice) -> None:
    """Raises as `single_view_estimator`, and opens nothing."""
    if not isinstance(choice, chosen.MapAnythingEstimator | chosen.DepthModelEstimator):
        raise needs_depth(choice)


def needs_depth(choice: chosen.EstimatorChoice) -> SceneError:
    return SceneError(
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
            return GivenMasks(_mask(choice.mask, intrinsics))
        case chosen.MotionResidual():
            return MotionResidual(projector)
        case chosen.Sam2Segmenter():
            return _sam2_segmenter(choice, intrinsics, automatic=None if choice.hints else MotionResidual(projector))


def told_segmenter(choice: chosen.SegmenterChoice) -> Callable[[Intrinsics], DynamicSegmenter] | None:
    """For photographs: the one that has been told what moves, for a raster; None for those that infer it."""
    match choice:
        case chosen.GivenMask():
            return lambda intrinsics: GivenMasks(_mask(choice.mask, intrinsics))
        case chosen.Sam2Segmenter(hints=hints) if hints:
            return lambda intrinsics: _sam2_segmenter(choice, intrinsics, automatic=None)
        case _:
            return None


def check_estimation(estimation: chosen.Estimation, *, truth: TrueScene | None, intrinsics: Intrinsics) -> None:
    """Raises `SpatiaError` for an oracle without truth, and for packages, weights and masks that are not to be had.

    Before the first frame, not in a worker. `intrinsics` are the walking camera's.
    """
    if isinstance(estimation.estimator, chosen.OracleEstimator):
        known(truth, where="estimation.estimator")
    if isinstance(estimation.segmenter, chosen.OracleSegmenter):
        known(truth, where="estimation.segmenter")
    match estimation.segmenter:
        case chosen.GivenMask(mask=mask):
            _mask(mask, intrinsics)
        case chosen.Sam2Segmenter() as sam2:
            find_weights(_sam2(sam2, intrinsics))
    match estimation.estimator:
        case chosen.PlaneSweepEstimator() if find_spec("torch") is None:
            with _torch_installed("plane_sweep"):
                raise ModuleNotFoundError(name="torch")
        case chosen.DepthModelEstimator() as network:
            find_files(_depth_settings(network))
        case chosen.MapAnythingEstimator() as other:
            require(_python_of(other), weights=other.weights)


def keyframe_stride(estimation: chosen.Estimation, *, fps: int) -> int:
    """Every n-th frame is merged."""
    if estimation.keyframe_stride is not None:
        return estimation.keyframe_stride
    if isinstance(estimation.estimator, chosen.MapAnythingEstimator):
        return max(1, round(fps / MAPANYTHING_HZ))
    return DEFAULT_STRIDE


def known(truth: TrueScene | None, *, where: str) -> TrueScene:
    if truth is None:
        raise SceneError(
            "the oracle needs a world that knows itself",
            where=where,
            fix="use a world of kind procedural, or reprojection, completion and none",
        )
    return truth


def _depth_model(choice: chosen.DepthModelEstimator) -> "DepthModelEstimator":
    with _torch_installed("depth_model"):
        from spatia.estimation.depth_models.estimator import DepthModelEstimator
    return DepthModelEstimator(_depth_settings(choice))


def _depth_settings(choice: chosen.DepthModelEstimator) -> DepthModelSettings:
    return DepthModelSettings(weights=choice.weights, device=choice.device)


def _mapanything(choice: chosen.MapAnythingEstimator, *, clock: Clock) -> MapAnythingEstimator:
    settings = MapAnythingSettings(python=_python_of(choice), weights=choice.weights, device=choice.device)
    return MapAnythingEstimator(settings, clock=clock)


def _python_of(choice: chosen.MapAnythingEstimator) -> str:
    return EXAMPLE if choice.python is None else choice.python


def _gate(choice: chosen.Gate) -> Gate:
    return Gate(within=choice.within, least_share=choice.agree)


def _sam2_segmenter(
    choice: chosen.Sam2Segmenter, intrinsics: Intrinsics, *, automatic: DynamicSegmenter | None
) -> Sam2Segmenter:
    settings = _sam2(choice, intrinsics)
    return Sam2Segmenter(settings, lambda: open_tracker(settings), automatic=automatic)


def _sam2(choice: chosen.Sam2Segmenter, intrinsics: Intrinsics) -> Sam2Settings:
    return Sam2Settings(
        weights=choice.weights,
        device=choice.device,
        implementation=choice.implementation,
        hints=tuple(
            Hint(
                object_id=hint.object,
                frame=hint.frame,
                inside=hint.points,
                outside=hint.beside,
                box=hint.box,
                mask=None if hint.mask is None else _mask(hint.mask, intrinsics),
            )
            for hint in choice.hints
        ),
        margin_px=choice.margin_px,
    )


def _mask(path: Path, intrinsics: Intrinsics) -> Bool:
    mask = np.asarray(read_rgb(path).max(axis=-1) > WHITE)
    height, width = intrinsics.height_px, intrinsics.width_px
    if mask.shape != (height, width):
        raise InputError(
            f"is {mask.shape[1]}x{mask.shape[0]} pixels, and the frames are {width}x{height}",
            where=str(path),
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
