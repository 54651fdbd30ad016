"""Runs a scene in a terminal: progress with ETA, Ctrl-C once to end after the clip in the making, twice to abort."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from spatia.app.photo_scene import photo_scene
from spatia.app.run import SceneRun
from spatia.app.run_folder import RunFolder
from spatia.records.generation import Progress as ClipProgress
from spatia.scene.load import load_scene
from spatia.worlds.photo_case import is_photo_case


def run_in_console(scene: Path, *, open_folder: Callable[[], RunFolder], overrides: list[str]) -> None:
    """`scene` is a scene file, or the folder of a photo case."""
    is_case = is_photo_case(scene)
    scene_file = photo_scene(scene, overrides) if is_case else load_scene(scene, overrides, allow_outside=True)
    folder = open_folder()  # a scene that is refused leaves no folder behind
    _run(lambda waiting: SceneRun.begin(scene_file, folder, while_waiting=waiting))


def resume_in_console(folder: Path) -> None:
    _run(lambda waiting: SceneRun.resume(RunFolder(folder), while_waiting=waiting))


def _run(open_run: Callable[[Callable[[ClipProgress], None]], SceneRun]) -> None:
    console = Console()
    bars = Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
    with bars:
        walk = bars.add_task("opening the world", total=None, note="")

        def waiting(clip: ClipProgress) -> None:
            bars.update(walk, note=f"clip: {clip.stage} {clip.done}/{clip.total}")

        with open_run(waiting) as run, _gentle_interrupt(console) as interrupted:
            total = run.total_frames
            bars.update(walk, description="walking", total=total, completed=run.session.covered_frames)
            for result in run.execute():
                bars.update(walk, completed=run.session.covered_frames, note="")
                console.print(
                    f"clip {result.order.clip}: {result.order.new_frame_count} frames, the memory knew "
                    f"{result.coverage:.0%}, {run.session.snapshot().alive_count:,} points in the world"
                )
                for note in result.notes:
                    console.print(f"  [yellow]{note}[/]", highlight=False)
                if interrupted():
                    break
            complete = run.session.covered_frames >= total
            record = _finish(run, bars)
    _say(console, run.folder, record, complete=complete)


def _finish(run: SceneRun, bars: Progress) -> dict[str, Any]:
    task: TaskID = bars.add_task("writing", total=None, note="")

    def report(what: str, done: int, total: int) -> None:
        bars.update(task, total=total, completed=done, note=what)

    return run.finish(report=report)


def _say(console: Console, folder: RunFolder, record: dict[str, Any], *, complete: bool) -> None:
    loop = record["closed_loop"]
    if loop is not None:
        console.print(
            f"closed loop: PSNR {loop['psnr_db']:.2f} dB, SSIM {loop['ssim']:.3f} of last against first frame"
        )
    console.print(
        f"world {record['world_sha256'][:12]}  ({len(record['rounds'])} clips, generator {record['generator']['name']})"
    )
    console.print(f"video   {folder.walk}\nreport  {folder.report}\nworld   {folder.world}", highlight=False)
    if not complete:
        console.print(f"the walk is not finished; go on with: spatia run --resume {folder.path}", highlight=False)


@contextmanager
def _gentle_interrupt(console: Console) -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C is noted, the second raises `KeyboardInterrupt`. Either way the world is at its last commit."""
    asked = False

    def note(signum: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        console.print("[yellow]ending after this clip; Ctrl-C again aborts at once[/]")

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)
