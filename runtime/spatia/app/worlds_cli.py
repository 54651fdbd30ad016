"""What `spatia world …` does."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from spatia.app.sources import world_folder
from spatia.errors import StoreError
from spatia.records.cloud import points_of_pages
from spatia.store.folder import open_store
from spatia.store.protocol import Problem, WorldStore
from spatia.worlds.ply import write_ply


def print_info(path: Path) -> None:
    with open_store(world_folder(path), read_only=True) as store:
        table = Table("commit", "kind", "what", "points", "sha256", box=None, padding=(0, 2, 0, 0))
        for info in store.log():
            table.add_row(
                str(info.number),
                info.kind,
                _what(info.kind, info.payload),
                f"{info.payload['points_total']:,}",
                info.hash[:12],
            )
        Console().print(table)


def _what(kind: str, payload: dict[str, Any]) -> str:
    match kind:
        case "clip":
            start, stop = payload["frames"]
            return f"clip {payload['clip']}, frames {start} to {stop - 1} {payload['prompt']}".rstrip()
        case "edit":
            return f"{payload['edit']['kind']}, {payload['points_touched']:,} points"
        case _:
            return "the world as the scene begins it"


def print_problems(path: Path) -> int:
    """Print what is wrong with a world; returns how much."""
    with open_store(world_folder(path), read_only=True) as store:
        problems: list[Problem] = store.fsck()
        commits = sum(1 for _ in store.log())
    console = Console()
    for problem in problems:
        console.print(str(problem), highlight=False)
    if not problems:
        console.print(f"{commits} commits, every byte as it was written")
    return len(problems)


def export_ply(path: Path, *, out: Path, commit: int | None) -> int:
    """Write the living points of a commit; returns how many."""
    with open_store(world_folder(path), read_only=True) as store:
        saved = store.load_cloud(_number(store, commit))
    points = points_of_pages(saved.pages)
    write_ply(out, points)
    return len(points)


def _number(store: WorldStore, commit: int | None) -> int:
    head = store.head
    if head is None:
        raise StoreError("the world has no commit yet", where="world", fix="run a scene into it first")
    if commit is None:
        return head.number
    if not 0 <= commit <= head.number:
        raise StoreError(f"no commit {commit}", where="--commit", fix=f"use 0 to {head.number}")
    return commit
