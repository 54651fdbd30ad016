"""One request on one generator, on the thread that calls: whatever happens becomes a `Clip` or a `Failure`."""

import traceback
from collections.abc import Callable
from dataclasses import replace
from enum import Enum

import numpy as np

from spatia.errors import SpatiaError
from spatia.inbox import Inbox, InboxClosed
from spatia.records.arrays import frozen
from spatia.records.generation import Cancel, Cancelled, Clip, ClipRequest, Failure, Generator, Progress

MAX_MESSAGE = 1000
MAX_DETAIL = 20_000

Build = Callable[[], Generator]


class Sign(Enum):
    """Signs of life that carry nothing else."""

    READY = "ready"  # the generator is built
    ALIVE = "alive"  # the generator asked whether it should go on


Event = Sign | Progress | Clip | Failure
Tell = Callable[[Event], None]


class StopSign:
    """Says which request is no longer wanted. Set by one thread, read by another."""

    def __init__(self) -> None:
        self._stopped_id = -1
        self._stop_all = False

    def stop(self, request_id: int) -> None:
        self._stopped_id = request_id

    def clear(self) -> None:
        """Before a new request, which may be an old one tried again."""
        self._stopped_id = -1

    def stop_all(self) -> None:
        self._stop_all = True

    def is_stopped(self, request_id: int) -> bool:
        return self._stop_all or self._stopped_id == request_id


class TellingCancel:
    """The `Cancel` of one request: every check is also a sign of life."""

    def __init__(self, request_id: int, *, stop: StopSign, tell: Tell) -> None:
        self._request_id = request_id
        self._stop = stop
        self._tell = tell

    def check(self) -> None:
        if self._stop.is_stopped(self._request_id):
            raise Cancelled
        self._tell(Sign.ALIVE)


def run_job(request: ClipRequest, *, generator: Generator, cancel: Cancel, tell: Tell) -> Clip | Failure:
    """The clip, checked, or the failure with its cause."""
    try:
        clip = generator.generate(request, report=tell, cancel=cancel)
        return _checked(clip, request)
    except (InboxClosed, KeyboardInterrupt):  # the worker has left this job, or the user the program
        raise
    except Cancelled:
        return failure_of(request, kind="cancelled", message="the clip was no longer wanted")
    except BaseException as problem:  # noqa: BLE001 - a generator may raise anything; it becomes data here
        return raised(request, problem)


def serve_jobs(build: Build, *, requests: Inbox[ClipRequest], stop: StopSign, tell: Tell) -> None:
    """Run requests until their inbox closes. The generator is built, on this thread, for the first of them."""
    generator: Generator | None = None
    while True:
        try:
            request = requests.take()
        except InboxClosed:
            return
        if request is None:
            continue
        if generator is None:
            try:
                generator = build()
            except BaseException as problem:  # noqa: BLE001 - as above: a failed build is the request's failure
                tell(raised(request, problem))
                continue
            tell(Sign.READY)
        cancel = TellingCancel(request.request_id, stop=stop, tell=tell)
        tell(run_job(request, generator=generator, cancel=cancel, tell=tell))


def failure_of(request: ClipRequest, *, kind: str, message: str, detail: str = "") -> Failure:
    return Failure(request_id=request.request_id, epoch=request.epoch, kind=kind, message=message, detail=detail)


def raised(request: ClipRequest, problem: BaseException) -> Failure:
    return failure_of(
        request,
        kind="raised",
        message=_words_of(problem)[:MAX_MESSAGE],
        detail="".join(traceback.format_exception(problem))[-MAX_DETAIL:],
    )


def _words_of(problem: BaseException) -> str:
    """An error that is the user's to solve speaks for itself."""
    return str(problem) if isinstance(problem, SpatiaError) else f"{type(problem).__name__}: {problem}"


def _checked(clip: Clip, request: ClipRequest) -> Clip:
    lens = request.cameras.intrinsics
    shape = (request.new_frame_count, lens.height_px, lens.width_px, 3)
    if clip.request_id != request.request_id:
        raise ValueError(f"the generator answered request {clip.request_id} instead of {request.request_id}")
    return replace(clip, rgb=frozen(clip.rgb, "the clip's rgb", np.uint8, shape))
