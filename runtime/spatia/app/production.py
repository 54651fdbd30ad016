"""One round off the main thread: project the memory, generate the clip, estimate its geometry, make points of it.

`Production` owns its thread and, on it, the projector, the generation worker and the estimators. The main thread hands
in a frozen `RoundOrder` and takes back a `RoundResult` or a `Failure`; neither side locks anything of the other.
"""

import threading
import traceback
from collections.abc import Callable
from contextlib import ExitStack

from spatia.app.perception import Perception, PerceptionSettings
from spatia.app.round import RoundOrder, RoundResult
from spatia.app.stages import WAITING, Stages
from spatia.clock import Clock
from spatia.errors import SpatiaError
from spatia.generation.worker import Worker
from spatia.inbox import Inbox, InboxClosed
from spatia.projection.latent_readout import read_latents
from spatia.records.generation import Cancelled, Clip, ClipRequest, Failure, Progress
from spatia.records.geometry import DynamicSegmenter, SceneEstimator
from spatia.records.latents import FRAMES_A_LATENT, LatentReadout, LatentSnapshot
from spatia.records.projection import Look, Projector

ANSWER_POLL_S = 0.1


class Production:
    """The round worker. `submit`, `take`, `cancel` and `close` belong to the main thread."""

    def __init__(
        self,
        *,
        worker: Worker,
        open_projector: Callable[[], Projector],
        open_estimator: Callable[[Projector], SceneEstimator],
        open_segmenter: Callable[[Projector], DynamicSegmenter],
        look: Look,
        settings: PerceptionSettings,
        clock: Clock,
        preview: Callable[[RoundResult], None],
    ) -> None:
        """`preview` is called on the production thread with each round before it is handed over."""
        self._worker = worker
        self._open_projector = open_projector
        self._open_estimator = open_estimator
        self._open_segmenter = open_segmenter
        self._look = look
        self._settings = settings
        self._clock = clock
        self._preview = preview
        self._orders: Inbox[RoundOrder] = Inbox(max_items=2, when_full="reject")
        self._results: Inbox[RoundResult | Failure] = Inbox(max_items=4, when_full="block")
        self._stages: Stages | None = None  # of the round in the making
        self._cancelled_id = -1
        self._thread = threading.Thread(target=self._run, name="spatia-production", daemon=True)
        self._thread.start()

    def submit(self, order: RoundOrder) -> bool:
        return self._orders.put(order)

    def take(self, *, timeout_s: float | None) -> RoundResult | Failure | None:
        return self._results.take(timeout_s=timeout_s)

    def progress(self, request_id: int) -> Progress:
        """The generator's own progress while it runs, and the stage's name before and after."""
        stages, generated = self._stages, self._worker.progress()
        if stages is None:
            return Progress(request_id=request_id, stage=WAITING, done=0, total=1)
        if stages.progress.stage == "generate" and generated is not None and generated.request_id == request_id:
            return generated
        return stages.progress

    def cancel(self, request_id: int) -> None:
        """Ask for a failure of kind "cancelled": after the stage that runs, or within one step of a generator."""
        self._cancelled_id = request_id
        self._worker.cancel(request_id)

    def close(self, *, deadline_s: float = 10.0) -> None:
        self._orders.close()
        self._worker.close(deadline_s=deadline_s)
        self._results.close()
        self._thread.join(deadline_s)

    def _run(self) -> None:
        with ExitStack() as opened:
            self._serve(opened)

    def _open(self, opened: ExitStack) -> None:
        """Here and not before: a GL context belongs to the thread that makes it, and a failure needs an order."""
        self._projector = self._open_projector()
        opened.callback(self._projector.close)
        estimator = self._open_estimator(self._projector)
        opened.callback(estimator.close)
        segmenter = self._open_segmenter(self._projector)
        opened.callback(segmenter.close)
        self._perception = Perception(
            projector=self._projector, estimator=estimator, segmenter=segmenter, settings=self._settings
        )

    def _serve(self, opened: ExitStack) -> None:
        ready = False
        while True:
            try:
                order = self._orders.take()
            except InboxClosed:
                return
            if order is None:
                continue
            try:
                if not ready:
                    self._open(opened)
                    ready = True
                answer: RoundResult | Failure = self._produce(order)
            except Cancelled:
                answer = Failure(
                    request_id=order.request_id, epoch=order.epoch, kind="cancelled", message="it was no longer wanted"
                )
            except Exception as error:  # noqa: BLE001 - a worker's failure is data until COLLECT looks at it
                answer = Failure(
                    request_id=order.request_id,
                    epoch=order.epoch,
                    kind="raised",
                    message=str(error) if isinstance(error, SpatiaError) else f"{type(error).__name__}: {error}",
                    detail=traceback.format_exc(),
                )
            self._stages = None
            try:
                self._results.put(answer)
            except InboxClosed:
                return

    def _produce(self, order: RoundOrder) -> RoundResult | Failure:
        stages = Stages(
            order.request_id, clock=self._clock, is_cancelled=lambda: self._cancelled_id == order.request_id
        )
        self._stages = stages
        projection = stages.timed(
            "project", lambda: self._projector.project(order.snapshot, order.cameras, look=self._look)
        )
        request = ClipRequest(
            request_id=order.request_id,
            epoch=order.epoch,
            base_version=order.snapshot.version,
            seed=order.seed,
            cameras=order.cameras,
            time_s=order.time_s,
            projection=projection,
            preceding=order.preceding,
            references=order.references,
            prompt=order.prompt,
            latents=None if order.latents is None else self._read_latents(order, order.latents),
            latents_fingerprint="" if order.latents is None else order.latents.fingerprint,
            preceding_latents=order.preceding_latents,
            deadline_s=order.deadline_s,
        )
        clip = stages.timed("generate", lambda: self._generate(request))
        if isinstance(clip, Failure):
            return clip
        result = self._perception.perceive(order, clip, projection, stages)
        stages.timed("preview", lambda: self._preview(result))
        return result

    def _read_latents(self, order: RoundOrder, latents: LatentSnapshot) -> LatentReadout:
        return read_latents(latents, order.cameras[::FRAMES_A_LATENT], grid=latents.grid)

    def _generate(self, request: ClipRequest) -> Clip | Failure:
        if not self._worker.submit(request):
            raise RuntimeError("the generation worker already has a request; one round at a time")
        while True:
            if self._cancelled_id == request.request_id:
                self._worker.cancel(request.request_id)  # again: the worker may not have had it the first time
            answer = self._worker.take(timeout_s=ANSWER_POLL_S)
            if isinstance(answer, Failure):
                return answer
            if answer is not None:
                return answer.clip
