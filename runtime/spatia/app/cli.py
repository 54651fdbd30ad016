"""The command line. Each command imports what it needs when it runs, so that `--help` answers at once."""

from pathlib import Path
from typing import Annotated, Optional

import typer

app = typer.Typer(
    help="Walk through a world that is remembered in 3D and generated as you go.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
)
world_app = typer.Typer(help="Look into saved worlds.", no_args_is_help=True)
scene_app = typer.Typer(help="Make and check scene files.", no_args_is_help=True)
path_app = typer.Typer(help="Camera paths: of a scene, or converted.", no_args_is_help=True)
models_app = typer.Typer(help="Networks' weights: list, fetch, check and convert them.", no_args_is_help=True)
app.add_typer(world_app, name="world")
app.add_typer(scene_app, name="scene")
app.add_typer(path_app, name="path")
app.add_typer(models_app, name="models")

Overrides = Annotated[
    Optional[list[str]],  # noqa: UP045 - typer reads this spelling
    typer.Option(
        "--set", help="Change a value of the scene, such as --set seed=7 or --set generation.generator.name=oracle."
    ),
]
To = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--to", help="The folder of models; $SPATIA_MODELS or the user's data folder by default."),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="The run folder.")] = Path("runs/demo"),
    debug: Debug = False,
) -> None:
    """Walk through a furnished room and watch it being revealed. No GPU, no weights."""
    from spatia.app.console import run_in_console
    from spatia.app.run_folder import fresh_folder
    from spatia.assets import root

    run_in_console(Path(str(root("scenes") / "room_loop.yaml")), open_folder=lambda: fresh_folder(out), overrides=[])


@app.command()
def run(
    scene: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Argument(help="A scene file, or the folder of a photo case; not needed with --resume."),
    ] = None,
    out: Annotated[Optional[Path], typer.Option(help="The run folder; runs/<scene> by default.")] = None,  # noqa: UP045
    overrides: Overrides = None,
    resume: Annotated[Optional[Path], typer.Option(help="Go on with this run folder.")] = None,  # noqa: UP045
    debug: Debug = False,
) -> None:
    """Run a scene: walk, generate, remember. Leaves a folder with video, clips, world and report."""
    from spatia.app.console import resume_in_console, run_in_console
    from spatia.app.run_folder import fresh_folder, new_folder

    if resume is not None:
        if scene is not None or out is not None or overrides:
            raise typer.BadParameter("--resume goes on as the run began; it takes no scene, --out or --set")
        resume_in_console(resume)
    elif scene is None:
        raise typer.BadParameter("name a scene file, or a run folder with --resume")
    else:
        name = Path("runs") / scene.stem
        open_folder = (lambda: new_folder(out)) if out is not None else (lambda: fresh_folder(name))
        run_in_console(scene, open_folder=open_folder, overrides=overrides or [])


@app.command()
def replay(
    run: Annotated[Path, typer.Argument(help="A run folder, or a saved world.")],
    out: Annotated[Optional[Path], typer.Option(help="Keep the world that comes out, in a new folder.")] = None,  # noqa: UP045
    record: Annotated[Optional[Path], typer.Option(help="Film what the window showed into this MP4.")] = None,  # noqa: UP045
    size: Annotated[str, typer.Option(metavar="WxH", help="Of the film, in pixels.")] = "1280x720",
    debug: Debug = False,
) -> None:
    """Walk a recorded run again from its orders, and compare every byte. Exits with 1 when something differs."""
    from spatia.app.replay import print_replay

    if not print_replay(run, out=out, film=record, size=size):
        raise typer.Exit(1)


@app.command()
def doctor(
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False, debug: Debug = False
) -> None:
    """Say what this machine has and lacks, with the fix for each lack."""
    from dataclasses import asdict

    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from spatia.app.doctor import examine

    findings = examine()
    if json_output:
        Console().print_json(data=[asdict(finding) for finding in findings])
    else:
        table = Table("", "what", "found", box=None, padding=(0, 2, 0, 0))
        marks = {"ok": "[green]ok[/]", "optional": "[yellow]--[/]", "missing": "[red]NO[/]"}
        for finding in findings:
            table.add_row(marks[finding.state], finding.name, escape(finding.found))
        Console().print(table)
        for fix in dict.fromkeys(finding.fix for finding in findings if finding.fix):
            # Not in the table, which would break the commands into pieces that cannot be copied.
            names = ", ".join(finding.name for finding in findings if finding.fix == fix)
            typer.echo(f"\n{names}: {fix}")
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(1)


@app.command()
def version() -> None:
    """Print the version."""
    from spatia.version import __version__

    typer.echo(__version__)


@app.command()
def walk(
    source: Annotated[
        Path, typer.Argument(help="A scene, a PLY, a folder of RGB-D frames, a photo case, a saved world or a run.")
    ],
    out: Annotated[Optional[Path], typer.Option(help="The run folder; runs/<name> by default.")] = None,  # noqa: UP045
    record: Annotated[Optional[Path], typer.Option(help="Film the walk into this MP4.")] = None,  # noqa: UP045
    bindings: Annotated[Optional[Path], typer.Option(help="A YAML file of actions and their keys.")] = None,  # noqa: UP045
    gamepads: Annotated[Optional[Path], typer.Option(help="Mappings of gamepads, as SDL writes them.")] = None,  # noqa: UP045
    insert: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Option(help="A PLY that can be put into the world: the comma chooses it, I inserts it. May be repeated."),
    ] = None,
    overrides: Overrides = None,
    debug: Debug = False,
) -> None:
    """Walk through a world in a window: W A S D and the mouse, G for a clip, F1 for all keys."""
    from spatia.app.run_folder import fresh_folder, new_folder
    from spatia.app.walk_cli import Begin, GoOn, walk_in_window
    from spatia.app.walk_source import run_of, walk_scene

    run = run_of(source) if out is None and not overrides else None
    if run is not None:
        world: Begin | GoOn = GoOn(run)
    else:
        open_folder = (lambda: fresh_folder(Path("runs") / source.stem)) if out is None else (lambda: new_folder(out))
        world = Begin(scene_file=walk_scene(source, overrides or []), open_folder=open_folder)
    folder = walk_in_window(world, film=record, bindings_file=bindings, gamepads_file=gamepads, things=insert or [])
    typer.echo(f"world {folder.world}; walk on with: spatia walk {folder.path}")


@world_app.command("info")
def world_info(world: Path, debug: Debug = False) -> None:
    """What a saved world holds, commit by commit."""
    from spatia.app.worlds_cli import print_info

    print_info(world)


@world_app.command("fsck")
def world_fsck(world: Path, debug: Debug = False) -> None:
    """Read and re-hash everything in a saved world. Exits with 1 when something is wrong."""
    from spatia.app.worlds_cli import print_problems

    if print_problems(world):
        raise typer.Exit(1)


@world_app.command("export")
def world_export(
    kind: Annotated[str, typer.Argument(help="ply")],
    world: Path,
    out: Annotated[Path, typer.Option(help="The file to write.")],
    commit: Annotated[Optional[int], typer.Option(help="An earlier commit; the newest by default.")] = None,  # noqa: UP045
    debug: Debug = False,
) -> None:
    """Write a saved world as a point cloud."""
    from spatia.app.worlds_cli import export_ply
    from spatia.errors import unknown_name

    if kind != "ply":
        raise unknown_name("export format", kind, ["ply"])
    typer.echo(f"{export_ply(world, out=out, commit=commit):,} points in {out}")


@scene_app.command("new")
def scene_new(path: Path, debug: Debug = False) -> None:
    """Write a commented scene file to start from."""
    from spatia.app.scenes_cli import write_template

    write_template(path)
    typer.echo(f"{path} written; try: spatia run {path}")


@scene_app.command("check")
def scene_check(scene: Path, overrides: Overrides = None, debug: Debug = False) -> None:
    """Read a scene file as `run` would, and say what it would do."""
    from spatia.app.scenes_cli import describe

    typer.echo(describe(scene, overrides or []))


@scene_app.command("schema")
def scene_schema() -> None:
    """Print the JSON schema of scene files, for editors."""
    from spatia.scene.json_schema import scene_json_schema

    typer.echo(scene_json_schema(), nl=False)


@path_app.command("convert")
def path_convert(source: Path, target: Path, debug: Debug = False) -> None:
    """Convert a camera path: TUM (*.tum) or the authors' w2c text (*.txt), by the names' endings."""
    from spatia.app.paths_cli import convert

    typer.echo(f"{convert(source, target)} poses in {target}")


@path_app.command("of")
def path_of(
    scene: Path,
    out: Annotated[Path, typer.Option(help="A .tum or .txt file.")],
    overrides: Overrides = None,
    debug: Debug = False,
) -> None:
    """Write the camera path that a scene walks."""
    from spatia.app.paths_cli import write_scene_path

    typer.echo(f"{write_scene_path(scene, overrides or [], out)} poses in {out}")


@models_app.command("list")
def models_list(to: To = None, debug: Debug = False) -> None:
    """The weights that are known: what for, under which licence, how large, and whether they are here."""
    from spatia.app.models_cli import print_list

    print_list(to)


@models_app.command("fetch")
def models_fetch(
    names: Annotated[list[str], typer.Argument(help="As `spatia models list` names them.")],
    to: To = None,
    accepted: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--accept-licence", help="Accept a licence without being asked, such as CC-BY-SA-4.0."),
    ] = None,
    with_base: Annotated[bool, typer.Option("--with-base", help="Fetch wan2.2-ti2v-5b too.")] = False,
    debug: Debug = False,
) -> None:
    """Download weights from huggingface.co. Ctrl-C is safe; the same command goes on."""
    from spatia.app.models_cli import fetch_in_console

    if not fetch_in_console(names, to=to, accepted=accepted or [], with_base=with_base):
        raise typer.Exit(130)


@models_app.command("check")
def models_check(
    target: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(metavar="NAME_OR_FOLDER", help="A base or spatia; by default what is here of both."),
    ] = None,
    control: Annotated[Optional[Path], typer.Option(help="A control branch for the base.")] = None,  # noqa: UP045
    lora: Annotated[Optional[Path], typer.Option(help="A LoRA for the base.")] = None,  # noqa: UP045
    to: To = None,
    table: Annotated[bool, typer.Option("--table", help="List all that is wrong, not 40 of each network.")] = False,
    debug: Debug = False,
) -> None:
    """Compare every tensor's name, shape and dtype with what the networks want. Exits with 1 when one is wrong."""
    from spatia.app.models_cli import print_check

    if not print_check(target, to=to, control=control, lora=lora, every_row=table):
        raise typer.Exit(1)


@models_app.command("convert")
def models_convert(
    folder: Annotated[Path, typer.Argument(help="A base model in its authors' layout.")],
    out: Annotated[Optional[Path], typer.Option(help="A new folder, for the layout of diffusers.")] = None,  # noqa: UP045
    debug: Debug = False,
) -> None:
    """Write a base in the layout of diffusers, or, without --out, its pickles as safetensors beside them."""
    from spatia.app.models_cli import convert_in_console

    convert_in_console(folder, out)
