"""The folder of a run: where its parts lie, and how it is named.

world/        the saved world: resume, export, fsck
clips/        clip_000.mp4 … to look at
walk.mp4      the whole walk as generated
reveal.mp4    what the memory knew beside what was generated
scene.yaml    the scene as it was read
run.json      versions, seed, hashes of every frame, projection and commit, timings
report.html   all of it on one page
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from spatia.errors import InputError, StoreError


@dataclass(frozen=True, slots=True)
class RunFolder:
    path: Path

    @property
    def world(self) -> Path:
        return self.path / "world"

    @property
    def clips(self) -> Path:
        return self.path / "clips"

    def clip(self, number: int) -> Path:
        return self.clips / f"clip_{number:03d}.mp4"

    def clip_reveal(self, number: int) -> Path:
        return self.clips / f"reveal_{number:03d}.mp4"

    @property
    def walk(self) -> Path:
        return self.path / "walk.mp4"

    @property
    def reveal(self) -> Path:
        return self.path / "reveal.mp4"

    @property
    def scene(self) -> Path:
        return self.path / "scene.yaml"

    @property
    def record(self) -> Path:
        return self.path / "run.json"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    def discard(self) -> None:
        """Take back a run that never began, so that the same command can be typed again."""
        self.scene.unlink(missing_ok=True)
        shutil.rmtree(self.clips, ignore_errors=True)
        shutil.rmtree(self.world, ignore_errors=True)
        with suppress(OSError):  # not empty: something else is in it by now
            self.path.rmdir()

    @contextmanager
    def disk_errors_told(self) -> Iterator[None]:
        """Raises what the disk refuses as a `StoreError`."""
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"cannot be written: {error.strerror}",
                where=str(error.filename or self.path),
                fix=f"free some disk space, then go on with `spatia run --resume {self.path}`",
            ) from error


def new_folder(path: Path) -> RunFolder:
    """That folder, made if need be. Raises `InputError` where it holds something or cannot be written."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        taken = sorted(os.listdir(path))
    except OSError as error:
        raise InputError(
            f"cannot be used as a run folder: {error.strerror}", where=str(path), fix="name another folder with --out"
        ) from error
    if taken:
        raise InputError(
            f"the folder already holds {taken[0]!r}",
            where=str(path),
            fix=f"name a new folder with --out, or go on with `spatia run --resume {path}` or `spatia walk {path}`",
        )
    return RunFolder(path)


def fresh_folder(path: Path) -> RunFolder:
    """`path`, or the first of path-2, path-3, … that does not exist: a default name never overwrites a run."""
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return new_folder(candidate)
