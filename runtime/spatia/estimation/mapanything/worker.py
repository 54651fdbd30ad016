"""MapAnything's process, watched: loaded when first needed, ended by whatever goes wrong, and begun anew after that.

Whoever waits is the one who watches, so there is no thread here. What goes wrong is one `EstimationError` that says
what happened; a caller that no longer waits (`Cancelled`) ends the process too, since the network cannot be stopped.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from os.path import expanduser

from spatia.clock import Clock
from spatia.errors import EstimationError
from spatia.estimation.mapanything.install import CHILD, WEIGHTS, install_words
from spatia.estimation.mapanything.process import Array, Message, Nonsense, OtherProcess, ProcessEnded, Shapes
from spatia.records.geometry import Report

POLL_S = 0.05  # how soon a cancel, a deadline or a hang is noticed
STAGES = ("start", "import", "load", "infer")
WHERE = "estimator 'mapanything'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long each thing may take."""

    open_within_s: float = 3600.0  # the first time, gigabytes of weights come over the network
    answer_within_s: float = 900.0  # tens of views on a CPU
    silent_for_s: float = 120.0  # the process gives a sign of life every second, unless a package holds it up


@dataclass(frozen=True, slots=True, kw_only=True)
class MapAnythingSettings:
    """Where MapAnything is, and how it is run."""

    python: str  # an interpreter that has it
    weights: str = WEIGHTS  # a repository on Hugging Face, or a folder with config.json and model.safetensors
    device: str = "auto"  # or as torch names one


class MapAnythingWorker:
    """One at a time, all on one thread."""

    def __init__(self, settings: MapAnythingSettings, *, clock: Clock, patience: Patience) -> None:
        self._settings = settings
        self._clock = clock
        self._patience = patience
        self._process: OtherProcess | None = None

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return None if self._process is None else self._process.pid

    def infer(
        self, views: Mapping[str, Array], wanted: Shapes, *, first_wanted: int, report: Report
    ) -> dict[str, Array]:
        """The answer's arrays, exactly of the dtypes and shapes `wanted`; the values are whatever it says.

        Raises `EstimationError`, and what `report` raises.
        """
        try:
            process = self._loaded(report)
            places = process.share(views, wanted)
            process.send({"kind": "infer", "arrays": places, "first_wanted": first_wanted})
            self._follow(process, report, stage="infer", within_s=self._patience.answer_within_s)
            answer = {name: process.fetch(name) for name in wanted}
            process.forget()
        except ProcessEnded:
            raise self._failed("its process is gone", fix=self._how_to_look()) from None
        except Nonsense as problem:
            raise self._failed(f"its process sent {problem}", fix=self._how_to_look()) from None
        except BaseException:
            self.end()
            raise
        return answer

    def end(self) -> str:
        """Leave no process behind; how it ended, in words. The next call of `infer` starts another one."""
        process, self._process = self._process, None
        return "" if process is None else process.end()

    def _loaded(self, report: Report) -> OtherProcess:
        if self._process is not None and self._process.is_dead():
            self.end()  # between two clips, where nobody waited for it
        if self._process is None:
            settings = self._settings
            try:
                self._process = OtherProcess([expanduser(settings.python), str(CHILD)])
            except (OSError, ValueError) as problem:
                raise EstimationError(
                    f"{settings.python} cannot be started: {problem}",
                    where=WHERE,
                    fix=install_words(settings.python, weights=settings.weights),
                ) from None
            self._process.send({"kind": "load", "weights": settings.weights, "device": settings.device})
            self._follow(self._process, report, stage="start", within_s=self._patience.open_within_s)
        return self._process

    def _follow(self, process: OtherProcess, report: Report, *, stage: str, within_s: float) -> None:
        """Until the process says that it is done. `stage` is the first of what it does."""
        start_s = sign_s = self._clock.now_s()
        while True:
            report(STAGES.index(stage), len(STAGES))
            messages = process.hear(timeout_s=POLL_S)
            now_s = self._clock.now_s()
            if messages:
                sign_s = now_s
            for message in messages:
                kind = message.get("kind")
                if kind == "done":
                    return
                if kind == "failed":
                    raise self._refused(message)
                if kind == "stage" and message.get("stage") in STAGES:
                    stage = message["stage"]
                elif kind != "sign":
                    raise Nonsense(f"a message of kind {kind!r}")
            if now_s - start_s > within_s:
                raise self._failed(
                    f"no answer within {within_s:g} s; it was at {stage!r}",
                    fix="fewer views (a larger estimation.keyframe_stride, rebuild: new), or a faster device",
                )
            if now_s - sign_s > self._patience.silent_for_s:
                raise self._failed(
                    f"no sign of life for {self._patience.silent_for_s:g} s; it was at {stage!r}",
                    fix="the next clip starts it again; if it hangs there too, try its interpreter by hand",
                )

    def _refused(self, message: Message) -> EstimationError:
        """What an exception in the process means for those who set it up."""
        settings = self._settings
        stage, problem = str(message.get("stage")), str(message.get("problem"))
        if "out of memory" in problem.lower():
            fix = "fewer views (a larger estimation.keyframe_stride, rebuild: new), or another device"
        elif stage == "import":
            fix = install_words(settings.python, weights=settings.weights)
        elif stage == "load":
            fix = (
                f"check that weights {settings.weights!r} and device {settings.device!r} are there; where there is no "
                "network, fetch the weights first"
            )
        else:
            fix = self._how_to_look()
        return self._failed(f"at {stage!r} it raised {problem}", fix=fix)

    def _failed(self, problem: str, *, fix: str) -> EstimationError:
        return EstimationError(f"{problem}; {self.end()}", where=WHERE, fix=fix)

    def _how_to_look(self) -> str:
        return f"the next clip starts it again; `spatia doctor` looks at {self._settings.python}"
