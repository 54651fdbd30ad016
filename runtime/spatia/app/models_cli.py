"""What `spatia models …` does."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Column, Table

from spatia.checkpoints.catalogue import (
    BASE,
    BASE_DIFFUSERS,
    CONTROL_FILE,
    INSTALL_MODELS,
    LORA_FILE,
    MODELS,
    SPATIA,
    UNPUBLISHED,
    Model,
    known,
)
from spatia.checkpoints.shelf import VARIABLE, Shelf, open_shelf
from spatia.errors import DeviceError, InputError, near_miss

if TYPE_CHECKING:
    from spatia.checkpoints.check import Check
    from spatia.checkpoints.fetch import Hub, Plan

SHOWN_ROWS = 40  # of each network
BASE_NETWORKS = ("transformer", "autoencoder", "text encoder")
Ask = Callable[[str], bool]


def print_list(to: Path | None) -> None:
    shelf = open_shelf(os.environ, to=to)
    # What is typed or copied is never cut off on a narrow terminal.
    table = Table(Column("name", no_wrap=True), "what for", "licence", "size", "here", box=None, padding=(0, 2, 0, 0))
    for model in MODELS:
        table.add_row(model.name, model.purpose, model.licence.id, model.size, _state(shelf, model))
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    console.print(f"\nfolder: {escape(str(shelf.root))} (--to, or ${VARIABLE})")
    for licence in dict.fromkeys(model.licence for model in MODELS):
        console.print(f"{licence.id}: {licence.meaning}")
    for model in MODELS:
        if model.note:
            console.print(f"{model.name}: {model.note}")
    console.print(UNPUBLISHED)


def _state(shelf: Shelf, model: Model) -> str:
    if shelf.has(model.name):
        return "[green]yes[/]"
    return "[yellow]in part[/]" if shelf.files(model.name) else "no"


def fetch_in_console(names: Sequence[str], *, to: Path | None, accepted: Sequence[str], with_base: bool) -> bool:
    """Returns whether all went through; False after Ctrl-C, which leaves the whole files for the next try."""
    from spatia.checkpoints.fetch import open_hub

    models = [known(name) for name in dict.fromkeys([*names, BASE] if with_base else names)]
    ask = _ask if sys.stdin.isatty() else None
    try:
        fetch_models(models, shelf=open_shelf(os.environ, to=to), hub=open_hub(), accepted=accepted, ask=ask)
    except KeyboardInterrupt:
        Console(stderr=True, highlight=False).print(
            "stopped; the files that are whole stay, and the same command goes on after them"
        )
        return False
    return True


def _ask(question: str) -> bool:
    import typer

    return typer.confirm(question)


def fetch_models(
    models: Sequence[Model], *, shelf: Shelf, hub: "Hub", accepted: Sequence[str], ask: Ask | None
) -> None:
    """All questions first, then all downloads. `ask` is None where nobody is there to answer."""
    from spatia.checkpoints.fetch import accept, check_space, plan_fetch

    console = Console(highlight=False, soft_wrap=True)
    names = {model.name for model in models}
    baseless = SPATIA in names and not any(name in names or shelf.has(name) for name in (BASE, BASE_DIFFUSERS))
    if baseless and ask is not None and ask(f"{SPATIA} needs a base, and none is here. Fetch {BASE} too?"):
        models, baseless = [*models, known(BASE)], False
    with console.status("asking huggingface.co what there is"):
        plans = [plan_fetch(model, shelf.folder(model.name), hub) for model in models]
    check_space(plans, shelf.root)
    for plan in plans:
        _settle_licence(console, plan, accepted=accepted, ask=ask)
        accept(plan)
    for plan in plans:
        _download(console, plan, hub)
    if baseless:
        console.print(f"{SPATIA} needs a base, and none is here; get one with: spatia models fetch {BASE}")


def _settle_licence(console: Console, plan: "Plan", *, accepted: Sequence[str], ask: Ask | None) -> None:
    """Raises `InputError` where the licence is neither accepted now nor was before."""
    from spatia.checkpoints.fetch import is_accepted

    model, licence = plan.model, plan.model.licence
    mark = "bold yellow" if licence.restricts else "bold"
    console.print(f"{model.name}, {plan.total_bytes / 1e9:.1f} GB: [{mark}]{licence.id}[/], {licence.meaning}")
    console.print(f"  {licence.url}\n  {model.url}")
    if model.note:
        console.print(f"  {model.note}")
    if is_accepted(plan) or licence.id.lower() in {one.lower() for one in accepted}:
        return
    fix = f"spatia models fetch {model.name} --accept-licence {licence.id}"
    if ask is None:
        raise InputError(f"its licence, {licence.id}, has to be accepted first", where=model.name, fix=fix)
    if not ask(f"Accept {licence.id} for {model.name}?"):
        raise InputError(f"{licence.id} was not accepted, so nothing was fetched", where=model.name, fix=fix)


def _download(console: Console, plan: "Plan", hub: "Hub") -> None:
    from spatia.checkpoints.fetch import fetch

    bars = Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
    with bars:
        task = bars.add_task(plan.model.name, total=plan.total_bytes)
        fetch(plan, hub, lambda name, done: bars.update(task, description=escape(Path(name).name), completed=done))
    console.print(f"{plan.model.name}: {len(plan.files)} files in {escape(str(plan.folder))}")


def print_check(
    target: str | None, *, to: Path | None, control: Path | None, lora: Path | None, every_row: bool
) -> bool:
    """Prints how the files compare with what the networks want; returns whether all is as wanted."""
    folder, control, lora = _chosen_files(target, open_shelf(os.environ, to=to), control=control, lora=lora)
    with Console().status("comparing"):
        checks = _checks(folder, control=control, lora=lora)
    console = Console(highlight=False, soft_wrap=True, markup=False)
    console.print(f"{'network':14}{'tensors':>9}{'not as wanted':>15}  file or folder")
    for network, found in checks.items():
        console.print(f"{network:14}{found.tensors:>9,}{len(found.rows):>15,}  {found.place}")
    for network, found in checks.items():
        if not found.ok:
            console.print(f"\n{network}:\n{found.table(most=None if every_row else SHOWN_ROWS)}")
    return all(found.ok for found in checks.values())


def _checks(folder: Path, *, control: Path | None, lora: Path | None) -> dict[str, "Check"]:
    """By network."""
    with _networks_packages():
        from spatia.checkpoints.layout import find_base
        from spatia.checkpoints.wanted import (
            base_parts,
            check_lora,
            control_blocks,
            control_config,
            control_part,
            empty_transformer,
        )

    base = find_base(folder)
    checks = dict(zip(BASE_NETWORKS, (part.check for part in base_parts(base)), strict=True))
    if control is not None:
        # Which layers a control block gives its hints to changes none of its shapes; only their number matters here.
        layers = tuple(range(min(max(1, control_blocks(control)), base.config.layers)))
        config = control_config(control, base.config, layers=layers)
        checks["control"] = control_part(control, empty_transformer(config)).check
    if lora is not None:
        checks["LoRA"] = check_lora(lora, base.config)
    return checks


def _chosen_files(
    target: str | None, shelf: Shelf, *, control: Path | None, lora: Path | None
) -> tuple[Path, Path | None, Path | None]:
    """The base's folder, and the control and LoRA files to check with it."""
    if target is None or target == SPATIA:
        control = control or shelf.find(SPATIA, CONTROL_FILE)
        lora = lora or shelf.find(SPATIA, LORA_FILE)
        if target == SPATIA and (control is None or lora is None):
            raise InputError("is not here, or in part", where=SPATIA, fix=f"spatia models fetch {SPATIA}")
        here = [name for name in (BASE, BASE_DIFFUSERS) if shelf.files(name)]
        return shelf.folder(here[0] if here else BASE), control, lora
    if target in (BASE, BASE_DIFFUSERS):
        return shelf.folder(target), control, lora
    names = [model.name for model in MODELS]
    if target in names:
        raise InputError(
            "is not a network of ours, so its tensors cannot be checked", where=target, fix=f"check {SPATIA} or a base"
        )
    if not Path(target).is_dir():
        raise InputError(
            f"no such folder, and no model of that name{near_miss(target, names)}",
            where=target,
            fix=f"name a folder, or one of: {BASE}, {BASE_DIFFUSERS}, {SPATIA}",
        )
    return Path(target), control, lora


def convert_in_console(folder: Path, out: Path | None) -> None:
    with _networks_packages():
        from spatia.checkpoints.convert import convert_base, convert_pickles
        from spatia.checkpoints.layout import find_base

    console = Console(highlight=False, soft_wrap=True, markup=False)
    bars = Progress(
        TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )
    with bars:
        task = bars.add_task("", visible=False)

        def progress(file: str, done: int, total: int) -> None:
            bars.update(task, description=escape(file), completed=done, total=total, visible=True)

        if out is not None:
            convert_base(folder, out, progress=progress)
            written = [out]
        else:
            written = convert_pickles(find_base(folder).folder, progress=progress)
        bars.update(task, description="converted", completed=bars.tasks[task].total)
    for path in written:
        console.print(f"written: {path}")
    if not written:
        console.print("nothing to do: there is no pickle without its safetensors twin")


@contextmanager
def _networks_packages() -> Iterator[None]:
    """Around the imports of what needs torch."""
    try:
        yield
    except ImportError as error:
        raise DeviceError(f"this needs the networks' packages: {error}", fix=INSTALL_MODELS) from error
