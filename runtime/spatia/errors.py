"""The few exceptions a user can meet. Each says where, what was found, what was wanted and what to do.

A programmer's mistake raises ``ValueError`` or ``TypeError`` as in any library. What comes from outside the program (a
scene file, a folder, a device, a disk) raises a `SpatiaError`; the command line prints its message without a
traceback and exits with status 2.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar


class SpatiaError(Exception):
    """Root of all errors that are the user's to solve. Never raised itself.

    `remedy` is the fix of all errors of a class that name no better one.
    """

    code = "E000"
    remedy: ClassVar[str] = ""

    def __init__(self, problem: str, *, where: str = "", fix: str = "") -> None:
        self.problem = problem
        self.where = where
        self.fix = fix or self.remedy
        super().__init__(problem)

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        remedy = f"\n  fix: {self.fix}" if self.fix else ""
        return f"{place}{self.problem}{remedy}"


class SceneError(SpatiaError):
    """A scene file, an override or a name in it is wrong."""

    code = "E100"
    remedy = "`spatia scene schema` prints every key and what it takes"


class InputError(SpatiaError):
    """A file or folder of input data (PLY, RGB-D frames, poses, photos) cannot be used."""

    code = "E200"
    remedy = "write the file anew with the program that made it"


class StoreError(SpatiaError):
    """A saved world cannot be opened, written or trusted."""

    code = "E300"
    remedy = "`spatia world fsck` says what is damaged and which commit it came from"


class DeviceError(SpatiaError):
    """OpenGL, a codec, a GPU or a package is missing or too old."""

    code = "E400"
    remedy = "`spatia doctor` says what is missing and how to get it"


class GenerationError(SpatiaError):
    """A clip could not be generated; the world is as it was before the request."""

    code = "E500"


class EstimationError(SpatiaError):
    """Frames could not be turned into geometry or masks; the world is as it was."""

    code = "E700"


class EstimateRejectedError(EstimationError):
    """Geometry was estimated, but it disagrees with what the memory knows; the memory is as it was."""

    code = "E710"


class MemoryFullError(SpatiaError):
    """The static cloud has reached the bound that the scene gave it."""

    code = "E600"


def near_miss(name: str, choices: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for the nearest of `choices`, or an empty string."""
    found = get_close_matches(name, list(choices), n=1, cutoff=0.6)
    return f"; did you mean {found[0]!r}?" if found else ""


def unknown_name(kind: str, name: str, choices: Iterable[str], *, where: str = "") -> SceneError:
    """The error for a name that is in no registry: says the near miss and all that would do."""
    known = sorted(choices)
    return SceneError(
        f"unknown {kind} {name!r}{near_miss(name, known)}", where=where, fix=f"use one of: {', '.join(known)}"
    )
