"""From a scene to the parts of a session. The only function that knows which part goes where."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

from spatia.app.background import started_in_background
from spatia.app.estimators import (
    build_estimator,
    build_segmenter,
    check_estimation,
    keyframe_stride,
    single_view_estimator,
    told_segmenter,
)
from spatia.app.keeper import WorldKeeper
from spatia.app.latent_keeper import LatentKeeper
from spatia.app.perception import PerceptionSettings
from spatia.app.production import Production
from spatia.app.references import References, RetrievalSettings
from spatia.app.registry import Spec, build_generator, check_files, check_generator, frames_with_depth
from spatia.app.round import RoundResult
from spatia.app.sources import FirstLook, open_world, reopened_world
from spatia.clock import Clock
from spatia.generation.inline import InlineWorker
from spatia.generation.process import process_worker
from spatia.generation.threaded import threaded_worker
from spatia.generation.worker import Worker
from spatia.geom.camera import Intrinsics
from spatia.geom.pose import F64
from spatia.memory.latent_cloud import LatentCloud
from spatia.projection.choose import open_projector
from spatia.records.latents import LatentGrid
from spatia.records.projection import Look, MetricSplat, Projector, ReleaseSplat
from spatia.scene.schema import MetricLook, ProceduralWorld, Scene
from spatia.store.protocol import WorldStore

LATENT_CHANNELS, LATENT_CELL_PX = 48, 16  # of Wan2.2's autoencoder, the only one here


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parts:
    keeper: WorldKeeper
    production: Production
    projector: Projector  # the main thread's own
    intrinsics: Intrinsics
    labels: dict[str, int]
    start: F64  # [4, 4] where the walk begins


def build_parts(
    scene: Scene, *, store: WorldStore, clock: Clock, preview: Callable[[RoundResult], None], in_background: bool
) -> Parts:
    """Opens the world, the devices and the workers, which yield to the main thread `in_background`.

    Raises `SpatiaError` naming what is not to be had.
    """
    check_files(scene.generation.generator.model_dump(mode="json"))
    first = next(store.log(), None)
    opened = (
        open_world(scene, look=_first_look(scene, clock)) if first is None else reopened_world(scene, first.payload)
    )
    # A world goes on with the projector that it began with: another device may round otherwise.
    projector_name = scene.projection.projector if first is None else store.fingerprint["projector"]
    check_generator(scene.generation.generator.name, truth=opened.truth)
    check_estimation(scene.estimation, truth=opened.truth, intrinsics=opened.intrinsics)
    # One for each thread: a GL context belongs to the thread that made it.
    projector = open_projector(projector_name)
    keeper = WorldKeeper(
        opened,
        store=store,
        references=References(
            RetrievalSettings(
                metric=scene.generation.references.metric,
                k=scene.generation.references.k,
                threshold=scene.generation.references.threshold,
                voxel_m=scene.generation.references.voxel_m,
                preceding_frames=scene.generation.preceding_frames,
                fps=scene.fps,
            ),
            projector,
        ),
        clock=clock,
        latents=_latents(scene, opened.intrinsics),
        rebuilds=scene.estimation.rebuild == "all",
    )

    def open_production() -> Production:
        return Production(
            worker=_worker(scene, clock=clock),
            open_projector=lambda: open_projector(projector_name),
            open_estimator=lambda projector: build_estimator(
                scene.estimation.estimator, truth=opened.truth, projector=projector, clock=clock
            ),
            open_segmenter=lambda projector: build_segmenter(
                scene.estimation.segmenter, truth=opened.truth, projector=projector, intrinsics=opened.intrinsics
            ),
            look=_look(scene),
            settings=PerceptionSettings(
                keyframe_stride=keyframe_stride(scene.estimation, fps=scene.fps),
                depth_frames=frames_with_depth(scene.generation),
                max_depth_m=scene.estimation.max_depth_m,
                retrieval_voxel_m=scene.generation.references.voxel_m,
            ),
            clock=clock,
            preview=lambda result: _prepared(result, keeper, preview),
        )

    return Parts(
        keeper=keeper,
        production=started_in_background(open_production) if in_background else open_production(),
        projector=projector,
        intrinsics=opened.intrinsics,
        labels=opened.labels,
        start=opened.start,
    )


def _first_look(scene: Scene, clock: Clock) -> FirstLook:
    estimation = scene.estimation
    return FirstLook(
        open_estimator=lambda: single_view_estimator(estimation.estimator, clock=clock),
        open_segmenter=told_segmenter(estimation.segmenter),
    )


def _prepared(result: RoundResult, keeper: WorldKeeper, preview: Callable[[RoundResult], None]) -> None:
    """On the production thread: what is slow to encode is encoded here, so that a commit does not hold up a walk."""
    keeper.store.prepare([result.archived.frames.rgb, result.archived.keyframe_depth_m])
    preview(result)


def generator_spec(scene: Scene) -> Spec:
    """What a worker needs to build the generator, as plain data."""
    procedural = scene.world.name if isinstance(scene.world, ProceduralWorld) else ""
    return {"generator": scene.generation.generator.model_dump(mode="json"), "procedural": procedural}


def _worker(scene: Scene, *, clock: Clock) -> Worker:
    spec = generator_spec(scene)
    match scene.generation.generator.worker:
        case "process":
            return process_worker([sys.executable, "-m", "spatia.app.generation_worker"], spec, clock=clock)
        case "inline":
            return InlineWorker(lambda: build_generator(spec), clock=clock)
        case "thread":
            return threaded_worker(lambda: build_generator(spec), clock=clock)


def _latents(scene: Scene, intrinsics: Intrinsics) -> LatentKeeper | None:
    memory = scene.memory.latent
    if memory is None:
        return None
    grid = LatentGrid.of(intrinsics, channels=LATENT_CHANNELS, cell_px=LATENT_CELL_PX, compat=memory.compat)
    return LatentKeeper(lambda: LatentCloud(grid, voxel_m=memory.voxel_m, max_points=memory.max_points))


def _look(scene: Scene) -> Look:
    look = scene.projection.look
    if isinstance(look, MetricLook):
        return MetricSplat(radius_m=look.radius_m)
    return ReleaseSplat(radius_ndc=look.radius_ndc, points_per_pixel=look.points_per_pixel)
