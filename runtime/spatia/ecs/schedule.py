"""Stages, systems and the App that runs them. Runs on the main thread."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from enum import IntEnum, auto
from typing import Self

from spatia.ecs.world import Change, Commands, Frame, World


class Stage(IntEnum):
    """The closed list of what happens in a tick, in this order."""

    POLL = auto()  # devices and scripts -> input mail; nothing is decided here
    CONTROL = auto()  # input -> pose of the walker; no geometry, no generation
    PLAN = auto()  # poses -> the trajectory of the next round
    PROJECT = auto()  # freeze what a request is conditioned on: snapshot, references
    DISPATCH = auto()  # requests -> workers' inboxes; never waits for a result
    COLLECT = auto()  # results that are due -> mail; failures come to light here
    COMMIT = auto()  # mail and commands -> World; the only stage that changes it
    EXTRACT = auto()  # World -> what the picture needs; as short as possible
    RENDER = auto()  # pictures; reads extracts alone


System = Callable[[World, Frame, Commands], None]
Journal = Callable[[int, tuple[Change, ...]], None]
# Entered around each system with (stage, system name, tick): timings, traces.
Instrument = Callable[[Stage, str, int], AbstractContextManager[object]]

_SIMULATED = tuple(stage for stage in Stage if stage <= Stage.COMMIT)
_PRESENTED = tuple(stage for stage in Stage if stage > Stage.COMMIT)


class App:
    """A World and its systems. Two Apps share nothing."""

    def __init__(self, *, journal: Journal | None = None) -> None:
        self.world = World()
        self._systems: dict[Stage, list[System]] = {stage: [] for stage in Stage}
        self._instruments: list[Instrument] = []
        self._journal = journal

    def install(self, *plugins: Callable[["App"], object]) -> Self:
        """Let each plugin add its systems; a plugin is a function of the App."""
        for plugin in plugins:
            plugin(self)
        return self

    def add(self, stage: Stage, *systems: System) -> Self:
        """Systems of one stage run in the order in which they were added."""
        self._systems[stage].extend(systems)
        return self

    def instrument(self, instrument: Instrument) -> Self:
        self._instruments.append(instrument)
        return self

    def simulate(self) -> Frame:
        """One fixed step, POLL to COMMIT. Returns the tick's mail for `present`."""
        frame, commands = Frame(), Commands(self.world)
        for stage in _SIMULATED:
            self._run(stage, frame, commands)
        changes = commands._apply()  # noqa: SLF001 - the kernel's own parts
        if self._journal is not None:
            self._journal(self.world.tick, changes)
        self.world.tick += 1
        return frame

    def present(self, frame: Frame) -> None:
        """EXTRACT and RENDER, once for each frame shown. Commands are refused here."""
        commands = Commands(self.world)
        commands._apply()  # noqa: SLF001 - seals it
        for stage in _PRESENTED:
            self._run(stage, frame, commands)

    def step(self) -> Frame:
        """`simulate` and `present`."""
        frame = self.simulate()
        self.present(frame)
        return frame

    def _run(self, stage: Stage, frame: Frame, commands: Commands) -> None:
        for system in self._systems[stage]:
            name = getattr(system, "__name__", type(system).__name__)
            try:
                with ExitStack() as around:
                    for instrument in self._instruments:
                        around.enter_context(instrument(stage, name, self.world.tick))
                    system(self.world, frame, commands)
            except Exception as error:
                error.add_note(f"in system {name} at stage {stage.name}, tick {self.world.tick}")
                raise
