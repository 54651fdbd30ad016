"""A generator that does what the prompt says, and requests to ask it with."""

import os
import signal
import threading
from collections.abc import Callable

import numpy as np

from spatia.records.frames import Frames
from spatia.records.generation import Cancel, Clip, ClipRequest, Generator, Progress, Report
from spatia.records.projection import Projection
from support.scenes import lens, sideways

STEPS = 3


class ObedientGenerator:
    """Prompts: paint, raise, exit, shrink, die, chatter, hang, linger; anything else paints."""

    name = "obedient"
    is_neural = False

    def __init__(self, *, release: threading.Event) -> None:
        self._release = release

    def generate(self, request: ClipRequest, *, report: Report, cancel: Cancel) -> Clip:
        match request.prompt:
            case "raise":
                raise RuntimeError("the paint is dry")
            case "exit":
                raise SystemExit(3)
            case "shrink":
                return Clip(request_id=request.request_id, rgb=np.zeros((1, 2, 3, 3), dtype=np.uint8))
            case "die":
                print("about to die", flush=True)  # noqa: T201 - what a library may do, too
                os.kill(os.getpid(), signal.SIGKILL)
            case "hang":
                report(Progress(request_id=request.request_id, stage=f"pid {os.getpid()}", done=1, total=STEPS))
                self._release.wait()
            case "linger":
                while True:
                    report(Progress(request_id=request.request_id, stage=f"pid {os.getpid()}", done=1, total=STEPS))
                    cancel.check()
        for step in range(STEPS):
            cancel.check()
            report(Progress(request_id=request.request_id, stage="paint", done=step + 1, total=STEPS))
        height_px, width_px = request.cameras.intrinsics.height_px, request.cameras.intrinsics.width_px
        rgb = np.full((request.new_frame_count, height_px, width_px, 3), request.seed, dtype=np.uint8)
        return Clip(request_id=request.request_id, rgb=rgb)


def failing_build() -> Generator:
    raise FileNotFoundError("no weights here")


def obedient_build(release: threading.Event) -> Callable[[], Generator]:
    return lambda: ObedientGenerator(release=release)


def request_for(
    prompt: str = "paint", *, request_id: int = 0, seed: int = 7, frames: int = 5, deadline_s: float | None = None
) -> ClipRequest:
    """A request of `frames` new frames with an empty projection and nothing seen before."""
    cameras = sideways(frames, intrinsics=lens(width_px=16, height_px=12))
    shape = (frames, 12, 16)
    return ClipRequest(
        request_id=request_id,
        epoch=request_id + 100,
        base_version=request_id + 200,
        seed=seed,
        cameras=cameras,
        time_s=np.zeros(frames, dtype=np.float32),
        projection=Projection(
            rgb=np.zeros((*shape, 3), dtype=np.uint8),
            depth_m=np.zeros(shape, dtype=np.float32),
            index=np.full(shape, -1, dtype=np.int32),
        ),
        preceding=no_frames(),
        references=no_frames(),
        prompt=prompt,
        deadline_s=deadline_s,
    )


def no_frames() -> Frames:
    cameras = sideways(1, intrinsics=lens(width_px=16, height_px=12))[0:0]
    return Frames(rgb=np.zeros((0, 12, 16, 3), dtype=np.uint8), cameras=cameras, time_s=np.zeros(0, dtype=np.float32))
