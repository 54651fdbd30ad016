import numpy as np

from spatia.app.perception import PerceptionSettings
from spatia.app.production import Production
from spatia.app.round import RoundOrder, Surroundings
from spatia.clock import WallClock
from spatia.errors import DeviceError
from spatia.estimation.given import GivenDepth
from spatia.estimation.segment import NoSegmenter
from spatia.generation.inline import InlineWorker
from spatia.memory.cloud import PointMemory
from spatia.records.generation import Failure
from spatia.records.projection import MetricSplat, Projector
from support.generators import failing_build, no_frames
from support.scenes import sideways

PATIENCE_S = 30.0


def order(request_id: int) -> RoundOrder:
    return RoundOrder(
        request_id=request_id,
        epoch=0,
        clip=0,
        seed=1,
        cameras=sideways(5),
        time_s=np.zeros(5, dtype=np.float32),
        new_frame_count=5,
        snapshot=PointMemory().snapshot(),
        latents=None,
        preceding_latents=None,
        preceding=no_frames(),
        surroundings=Surroundings(
            context=no_frames(),
            context_moving=np.zeros(no_frames().rgb.shape[:3], dtype=np.bool_),
            history=None,
        ),
        references=no_frames(),
        reference_numbers=(),
        prompt="",
        deadline_s=None,
    )


def no_device() -> Projector:
    raise DeviceError("no OpenGL here", where="projection.projector", fix="use numba")


def test_a_device_that_cannot_be_opened_fails_each_order_and_keeps_nobody_waiting() -> None:
    clock = WallClock()
    production = Production(
        worker=InlineWorker(failing_build, clock=clock),
        open_projector=no_device,
        open_estimator=lambda projector: GivenDepth(),
        open_segmenter=lambda projector: NoSegmenter(),
        look=MetricSplat(),
        settings=PerceptionSettings(),
        clock=clock,
        preview=lambda result: None,
    )
    for request_id in range(2):
        assert production.submit(order(request_id))
        answer = production.take(timeout_s=PATIENCE_S)
        assert isinstance(answer, Failure)
        assert (answer.request_id, answer.kind) == (request_id, "raised")
        assert answer.message.startswith("projection.projector: no OpenGL here")
    production.close()
