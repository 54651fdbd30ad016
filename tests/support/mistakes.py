"""What a person can get wrong at the command line, and the words that the answer must hold."""

import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from support.small_inputs import CLOUD, RGBD_FRAMES, rgbd_file, write_depth

SMALL_PHOTO = ("camera.width_px=32", "camera.height_px=16")

Words = list[str]
Prepare = Callable[[Path], Words]  # spoils the bench, and says what is then typed


@dataclass(frozen=True, slots=True)
class Mistake:
    """`place`, `problem` and `fix` are words that the error must hold, in this order."""

    name: str
    prepare: Prepare
    place: str
    problem: str
    fix: str
    begun: bool = False  # the run had begun: it leaves a world at its last commit


# -- ways to spoil -----------------------------------------------------------------------------------------------------


def typed(*words: str) -> Prepare:
    """Nothing spoiled but what is typed."""
    return lambda bench: list(words)


def scene(old: str, new: str, *, file: str = "cloud.yaml", command: str = "check") -> Prepare:
    """A scene with one passage changed."""

    def prepare(bench: Path) -> Words:
        text = (bench / file).read_text()
        assert old in text
        return _scene_words(bench, text.replace(old, new, 1).encode(), command)

    return prepare


def scene_bytes(text: bytes) -> Prepare:
    return lambda bench: _scene_words(bench, text, "check")


def _scene_words(bench: Path, text: bytes, command: str) -> Words:
    (bench / "wrong.yaml").write_bytes(text)
    return ["scene", "check", "wrong.yaml"] if command == "check" else ["run", "wrong.yaml", "--out", "out"]


def cloud(change: Callable[[bytes], bytes]) -> Prepare:
    """The PLY file with other bytes."""

    def prepare(bench: Path) -> Words:
        path = bench / "cloud.ply"
        path.write_bytes(change(path.read_bytes()))
        return ["run", "cloud.yaml", "--out", "out"]

    return prepare


def rgbd(change: Callable[[Path], object]) -> Prepare:
    """The RGB-D folder with something else in it."""

    def prepare(bench: Path) -> Words:
        change(bench / "rgbd")
        return ["run", "rgbd.yaml", "--out", "out"]

    return prepare


def photo(change: Callable[[Path], object], *overrides: str) -> Prepare:
    """The photo case with something else in it."""

    def prepare(bench: Path) -> Words:
        change(bench / "photo")
        sets = [word for override in (*SMALL_PHOTO, *overrides) for word in ("--set", override)]
        return ["run", "photo", "--out", "out", *sets]

    return prepare


def all_poses(spoiled: np.ndarray) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for number in range(RGBD_FRAMES):
            np.savetxt(rgbd_file(folder, number, "pose.txt"), spoiled)

    return change


def untouched(folder: Path) -> None:
    pass


def emptied(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def depth(values: np.ndarray) -> Prepare:
    return rgbd(lambda folder: write_depth(folder, 0, values))


def path_file(text: str) -> Prepare:
    def prepare(bench: Path) -> Words:
        (bench / "walk.txt").write_text(text)
        return ["path", "convert", "walk.txt", "walk.tum"]

    return prepare


def recording(text: str) -> Prepare:
    def prepare(bench: Path) -> Words:
        (bench / "walk.jsonl").write_text(text)
        return scene("path: [{truck_m: 0.1, frames: 8}]", "input: walk.jsonl")(bench)

    return prepare


def world(change: Callable[[Path], object], *words: str) -> Prepare:
    """The finished run's world spoiled."""

    def prepare(bench: Path) -> Words:
        change(bench / "done" / "world")
        return list(words)

    return prepare


def of_a_later_format(folder: Path) -> None:
    database = sqlite3.connect(folder / "world.sqlite")
    database.execute("PRAGMA user_version = 99")
    database.close()


def largest_blob_cut(folder: Path) -> None:
    blob = max((path for path in (folder / "blobs").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    os.truncate(blob, blob.stat().st_size // 2)


def full_folder(bench: Path) -> Words:
    (bench / "mine").mkdir()
    (bench / "mine" / "thesis.tex").write_text("years of work")
    return ["run", "cloud.yaml", "--out", "mine"]


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
TRANSPOSED = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0.5, 0.2, 0.1, 1.0]])
ONE_POSE = "[[1,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1]]"
FIRST = "first_frames: 5"

MISTAKES = [
    # a scene's text
    Mistake("wrong key", scene("seed: 5", "sede: 5"), "wrong.yaml:3:1", "did you mean 'seed'", "use one of"),
    Mistake("wrong type", scene("seed: 5", "seed: five"), "wrong.yaml:3:7: seed", "got 'five'", "write a whole number"),
    Mistake("a key is missing", scene("name: small cloud\n", ""), "wrong.yaml:1:1: name", "is missing", "add"),
    Mistake(
        "unknown generator",
        scene(FIRST, f"generator: {{name: oracel}}, {FIRST}"),
        "generation.generator",
        "did you mean 'oracle'",
        "use one of",
    ),
    Mistake(
        "unknown estimator",
        scene("memory:", "estimation: {estimator: compleet}\nmemory:"),
        "estimation.estimator",
        "did you mean 'completion'",
        "use one of",
    ),
    Mistake(
        "unknown world",
        scene("name: room}", "name: rom}", file="room.yaml"),
        "world.name",
        "did you mean 'room'",
        "use one of",
    ),
    Mistake(
        "unknown kind of world", scene("kind: ply", "kind: plx"), "wrong.yaml:4:", "did you mean 'ply'", "use one of"
    ),
    Mistake(
        "unknown projector",
        scene("projector: numba", "projector: numbra"),
        "projection.projector",
        "did you mean 'numba'",
        "use one of",
    ),
    Mistake(
        "no such scene",
        typed("run", "clod.yaml", "--out", "out"),
        "clod.yaml",
        "no such scene file; did you mean 'cloud.yaml'",
        "spatia scene new",
    ),
    Mistake(
        "a folder for a scene", typed("run", "rgbd", "--out", "out"), "rgbd", "it is a folder", "name a scene file"
    ),
    Mistake("empty scene", scene_bytes(b""), "wrong.yaml", "is empty", "start from a scene"),
    Mistake(
        "scene in another encoding",
        scene_bytes(CLOUD.replace("small", "sm\u00e4ll").encode("latin-1")),
        "wrong.yaml:2",
        "UTF-8",
        "UTF-8",
    ),
    Mistake("broken YAML", scene("seed: 5", "seed: [5"), "wrong.yaml:", "expected", "fix:"),
    Mistake("a key twice", scene("seed: 5", "seed: 5\nseed: 6"), "wrong.yaml:4:1", "'seed'", "fix:"),
    Mistake(
        "alias bomb",
        scene_bytes(b"spatia: 1\n" + BOMB.encode()),
        "wrong.yaml:2:4",
        "anchors (&name) are not allowed",
        "write the value out",
    ),
    Mistake(
        "later format",
        scene("spatia: 1", "spatia: 2"),
        "wrong.yaml:1:9: spatia",
        "format 2",
        "install a newer spatia-runtime",
    ),
    Mistake("80 frames", scene(FIRST, "first_frames: 80"), "generation.first_frames", "4k + 1", "use 81 or 77"),
    Mistake(
        "80 frames typed",
        typed("scene", "check", "cloud.yaml", "--set", "generation.clip_frames=80"),
        "--set generation.clip_frames",
        "4k + 1",
        "use 81 or 77",
    ),
    Mistake(
        "nothing new in a clip",
        scene("preceding_frames: 1", "preceding_frames: 5"),
        "wrong.yaml:9:",
        "preceding_frames must be less than clip_frames",
        "fix:",
    ),
    Mistake(
        "not a number",
        scene("voxel_m: 0.02", "voxel_m: .nan"),
        "wrong.yaml:8:25",
        "must be finite; found .nan",
        "write a number",
    ),
    Mistake(
        "infinite",
        scene("truck_m: 0.1", "truck_m: .inf"),
        "wrong.yaml:7:22",
        "must be finite; found .inf",
        "write a number",
    ),
    Mistake(
        "voxels of ten metres",
        scene("voxel_m: 0.02", "voxel_m: 10"),
        "memory.rgb.voxel_m",
        "less than or equal to 1",
        "fix:",
    ),
    Mistake(
        "unknown object",
        scene("- prompt: and back", "- edits: [{remove: {label: soffa}}]", file="room.yaml"),
        "rounds.1.edits.0",
        "unknown object 'soffa'; did you mean 'sofa'",
        "use one of",
    ),
    Mistake(
        "object of a nameless world",
        scene("- path", "- edits: [{remove: {label: sofa}}]\n    path"),
        "rounds.0.edits.0",
        "names no objects",
        "box",
    ),
    Mistake(
        "undo with nothing done",
        scene("- path", "- edits: [{undo: true}]\n    path", command="run"),
        "undo",
        "there is no edit to undo",
        "fix:",
        begun=True,
    ),
    # what is typed
    Mistake(
        "--set of an unknown key",
        typed("run", "cloud.yaml", "--out", "out", "--set", "memory.rgb.voxel=1"),
        "--set memory.rgb.voxel",
        "did you mean 'voxel_m'",
        "use one of",
    ),
    Mistake(
        "--set of a wrong value",
        typed("run", "cloud.yaml", "--out", "out", "--set", "seed=often"),
        "--set seed",
        "got 'often'",
        "write a whole number",
    ),
    Mistake(
        "--set beyond a list",
        typed("run", "cloud.yaml", "--out", "out", "--set", "rounds.7.prompt=x"),
        "--set rounds.7.prompt",
        "no item '7' in a list of 1",
        "items count from 0",
    ),
    Mistake(
        "--set without a value",
        typed("run", "cloud.yaml", "--out", "out", "--set", "seed"),
        "--set",
        "key=value",
        "such as --set",
    ),
    Mistake("--out holds something", full_folder, "mine", "already holds 'thesis.tex'", "--out"),
    Mistake(
        "--out below a file",
        typed("run", "cloud.yaml", "--out", "cloud.ply/out"),
        "cloud.ply/out",
        "Not a directory",
        "--out",
    ),
    Mistake(
        "--out cannot be written",
        typed("run", "cloud.yaml", "--out", "/proc/out"),
        "/proc/out",
        "cannot be used",
        "--out",
    ),
    Mistake("--out is a file", typed("run", "cloud.yaml", "--out", "cloud.ply"), "cloud.ply", "File exists", "--out"),
    Mistake("unknown command", typed("runn", "cloud.yaml"), "runn", "No such command", "--help"),
    Mistake("unknown option", typed("run", "cloud.yaml", "--seeed", "3"), "--seeed", "No such option", "--help"),
    Mistake("no scene at all", typed("run"), "name a scene file", "--resume", "--help"),
    Mistake(
        "scene new onto a file", typed("scene", "new", "cloud.yaml"), "cloud.yaml", "there already", "name a new file"
    ),
    Mistake(
        "unknown path format",
        lambda bench: [*path_file(ONE_POSE)(bench)[:-1], "walk.fbx"],
        "walk.fbx",
        "'.fbx'",
        "name it .tum or .txt",
    ),
    # going on
    Mistake("resume no run", typed("run", "--resume", "rgbd"), "rgbd", "not a run folder", "--out"),
    Mistake(
        "resume and --set", typed("run", "--resume", "done", "--set", "seed=6"), "--resume", "takes no scene", "--help"
    ),
    Mistake(
        "resume a later format",
        world(of_a_later_format, "run", "--resume", "done"),
        "world.sqlite",
        "format 99",
        "pip install --upgrade",
    ),
    Mistake(
        "resume a damaged world",
        world(largest_blob_cut, "run", "--resume", "done"),
        "done/world/blobs",
        "damaged blob",
        "restore that file from a copy",
    ),
    Mistake("info on no world", typed("world", "info", "rgbd"), "rgbd", "not a world", "RUN/world"),
    Mistake(
        "export an unknown commit",
        typed("world", "export", "ply", "done", "--out", "a.ply", "--commit", "99"),
        "--commit",
        "no commit 99",
        "use 0 to",
    ),
    Mistake(
        "export an unknown format",
        typed("world", "export", "obj", "done", "--out", "a.obj"),
        "export format",
        "'obj'",
        "use one of: ply",
    ),
    Mistake(
        "export to nowhere",
        typed("world", "export", "ply", "done", "--out", "no/where.ply"),
        "no/where.ply",
        "cannot be written",
        "fix:",
    ),
    # clouds
    Mistake(
        "no PLY",
        typed("run", "cloud.yaml", "--out", "out", "--set", "world.path=none.ply"),
        "none.ply",
        "no such file",
        "check the path",
    ),
    Mistake("cut PLY", cloud(lambda data: data[:-100]), "cloud.ply", "the header promises", "cut short"),
    Mistake(
        "PLY without points",
        cloud(lambda data: data.split(b"end_header\n")[0].replace(b"vertex 2400", b"vertex 0") + b"end_header\n"),
        "cloud.ply",
        "is empty",
        "with points",
    ),
    Mistake("empty PLY", cloud(lambda data: b""), "cloud.ply:1", "header", "fix:"),
    Mistake(
        "not a PLY", cloud(lambda data: b"\x89PNG\r\n" + data), "cloud.ply:1", "not a PLY file", "start it with 'ply'"
    ),
    Mistake(
        "PLY that promises too much",
        cloud(lambda data: data.replace(b"vertex 2400", b"vertex 9999999")),
        "cloud.ply",
        "the header promises",
        "fix:",
    ),
    Mistake("PLY without z", cloud(lambda data: data.replace(b"float z", b"float w")), "cloud.ply", "no z", "fix:"),
    Mistake(
        "another cloud than pinned",
        scene("- path", f"- edits: [{{add_cloud: cloud.ply, sha256: '{'0' * 64}'}}]\n    path", command="run"),
        "cloud.ply",
        "SHA-256 differs",
        "bring the old file back",
        begun=True,
    ),
    Mistake(
        "no cloud to add",
        scene("- path", "- edits: [{add_cloud: none.ply}]\n    path", command="run"),
        "none.ply",
        "no such file",
        "check the path",
        begun=True,
    ),
    Mistake(
        "a pinned cloud that is gone",
        scene("- path", f"- edits: [{{add_cloud: none.ply, sha256: '{'0' * 64}'}}]\n    path", command="run"),
        "none.ply",
        "no such file",
        "check the path",
        begun=True,
    ),
    # recordings of rooms
    Mistake(
        "no RGB-D folder",
        typed("run", "rgbd.yaml", "--out", "out", "--set", "world.path=none"),
        "none",
        "no such folder",
        "check the path",
    ),
    Mistake("empty RGB-D folder", rgbd(emptied), "rgbd", "holds no frames", "frame-000000.depth.png"),
    Mistake(
        "no intrinsics",
        rgbd(lambda folder: (folder / "camera-intrinsics.txt").unlink()),
        "camera-intrinsics.txt",
        "No such file",
        "color_intrinsics",
    ),
    Mistake(
        "tracking lost",
        rgbd(all_poses(np.full((4, 4), np.nan))),
        "rgbd",
        "no frame has a finite pose",
        "record it again",
    ),
    Mistake("poses transposed", rgbd(all_poses(TRANSPOSED)), "frame-000000.pose.txt", "0 0 0 1", "transposed"),
    Mistake(
        "depth in metres",
        depth(np.full((24, 32), 2, np.uint16)),
        "frame-000000.depth.png",
        "unit looks wrong",
        "depth_scale_m",
    ),
    Mistake("depth of 8 bits", depth(np.full((24, 32), 200, np.uint8)), "frame-000000.depth.png", "8 bits", "16-bit"),
    Mistake(
        "depth of another size",
        depth(np.full((12, 16), 2000, np.uint16)),
        "depth.png",
        "pixels, and the intrinsics are for",
        "intrinsics",
    ),
    Mistake(
        "depth without its colour",
        rgbd(lambda folder: rgbd_file(folder, 1, "color.jpg").unlink()),
        "frame-000001.color.jpg",
        "no such file",
        "each frame needs",
    ),
    Mistake(
        "no frame chosen",
        typed("run", "rgbd.yaml", "--out", "out", "--set", "world.frames.first=50"),
        "world.frames",
        "no frame is chosen",
        "widen",
    ),
    # walks
    Mistake(
        "NaN in a path",
        path_file(ONE_POSE.replace("1,0,0,0", "nan,0,0,0", 1)),
        "walk.txt:1",
        "must be finite",
        "leave that pose out",
    ),
    Mistake("path of nine columns", path_file("0 0 0 0 0 0 0 1 5\n"), "walk.txt:1", "9 numbers", "16 a line"),
    Mistake("empty path", path_file("\n"), "walk.txt", "holds no poses", "one pose a line"),
    Mistake(
        "bad line in a recording",
        recording('{"tick": 0, "forward": 1}\n{tick 1}\n'),
        "walk.jsonl:2",
        "not JSON",
        'write {"tick"',
    ),
    Mistake(
        "no recording",
        scene("path: [{truck_m: 0.1, frames: 8}]", "input: none.jsonl"),
        "none.jsonl",
        "cannot read this recording",
        "check the path",
    ),
    # generators with networks
    Mistake(
        "a height that no network takes",
        scene(FIRST, f"generator: {{name: spatia, tiny: true}}, {FIRST}"),
        "camera.height_px",
        "must be a multiple of 32 for spatia",
        "scene schema",
    ),
    Mistake(
        "toy networks with files",
        scene(FIRST, f"generator: {{name: spatia, tiny: true, base: models}}, {FIRST}"),
        "generation.generator",
        "leave out base",
        "scene schema",
    ),
    Mistake(
        "a rung that is none",
        scene(FIRST, f"generator: {{name: mirage, tiny: true, fit: [ofload]}}, {FIRST}"),
        "generation.generator.fit.0",
        "got 'ofload'",
        "offload",
    ),
    Mistake(
        "latents of a generator that makes none",
        scene("memory: {rgb: {voxel_m: 0.02}}", "memory: {latent: {}}"),
        "wrong.yaml",
        "memory.latent needs a generator that makes latents; reprojection does not",
        "scene schema",
    ),
    Mistake(
        "no weights",
        typed(
            "run",
            "cloud.yaml",
            "--out",
            "out",
            "--set",
            "generation.generator={name: spatia, base: none}",
            "--set",
            "camera={width_px: 64, height_px: 32}",
        ),
        "none",
        "no such folder; a base model is wanted",
        "spatia models fetch",
    ),
    # what cannot be had
    Mistake(
        "oracle of a cloud",
        scene(FIRST, f"generator: {{name: oracle}}, {FIRST}", command="run"),
        "generation.generator.name",
        "needs a world that knows itself",
        "reprojection",
    ),
    Mistake(
        "oracle's depth of a cloud",
        scene("memory:", "estimation: {estimator: oracle}\nmemory:", command="run"),
        "estimation.estimator",
        "needs a world that knows itself",
        "completion",
    ),
    Mistake(
        "oracle's movers of a cloud",
        scene("memory:", "estimation: {segmenter: oracle}\nmemory:", command="run"),
        "estimation.segmenter",
        "needs a world that knows itself",
        "none",
    ),
    Mistake(
        "a memory too small to begin",
        scene("voxel_m: 0.02", "voxel_m: 0.02, max_points: 1000", command="run"),
        "cloud.ply",
        "2400 points, and at most 1000",
        "max_points",
    ),
    Mistake(
        "a walk in a name that is too long",
        typed("walk", "a" * 300),
        "aaa",
        "neither a scene (.yaml), a point cloud (.ply), a world",
        "scene new",
    ),
    Mistake(
        "a walk with a thing that is no PLY",
        typed("walk", "cloud.yaml", "--out", "out", "--insert", "cloud.ply", "--insert", "cloud.yaml"),
        "cloud.yaml:1",
        "not a PLY file",
        "start it with 'ply'",
    ),
    Mistake(
        "a photo without depth",
        photo(lambda case: (case / "depth.png").unlink()),
        "estimation.estimator",
        "a photo needs depth, and completion gives none to a single picture",
        "depth.png",
    ),
    Mistake(
        "a photo without its lens",
        photo(lambda case: (case / "intrinsics.txt").unlink()),
        "intrinsics.txt",
        "there is no such file",
        "fx fy cx cy",
    ),
    Mistake(
        "a photo without a path",
        photo(lambda case: (case / "w2c.txt").unlink()),
        "w2c.txt",
        "",
        "",
    ),
    Mistake(
        "a photo's mask of another size",
        photo(lambda case: Image.new("L", (5, 4)).save(case / "mask.png")),
        "mask.png",
        "is 5x4 pixels, and the picture 32x24",
        "",
    ),
    Mistake(
        "a photo's depth of another size",
        photo(lambda case: Image.fromarray(np.ones((4, 5), dtype=np.uint16)).save(case / "depth.png")),
        "depth.png",
        "is 5x4 pixels, and the picture 32x24",
        "",
    ),
    Mistake(
        "MapAnything without an interpreter",
        photo(untouched, "estimation.estimator={name: mapanything, python: /nowhere/python}"),
        "mapanything",
        "/nowhere/python cannot be started",
        "map-anything.git",
    ),
    Mistake(
        "an interpreter without MapAnything",
        photo(untouched, f"estimation.estimator={{name: mapanything, python: {sys.executable}}}"),
        "mapanything",
        "mapanything",
        "map-anything.git",
    ),
    Mistake(
        "a depth network that is not here",
        photo(untouched, "estimation.estimator={name: depth_model, weights: nobody/nothing}"),
        "nobody/nothing",
        "no such folder",
        "hf download nobody/nothing",
    ),
    Mistake(
        "a folder of a depth network that is not here",
        photo(untouched, "estimation.estimator={name: depth_model, weights: ./nowhere}"),
        "./nowhere",
        "there is no such folder",
        "hf download",
    ),
    Mistake(
        "SAM 2 without weights",
        photo(untouched, "estimation.segmenter={name: sam2, weights: ./nowhere}"),
        "nowhere",
        "there is no such folder",
        "facebook/sam2.1-hiera-large",
    ),
    Mistake(
        "a hint that shows nothing",
        photo(untouched, "estimation.segmenter={name: sam2, hints: [{object: 2}]}"),
        "estimation.segmenter.hints.0",
        "needs points, box or mask",
        "",
    ),
    Mistake(
        "a segmenter's mask of another size",
        photo(
            lambda case: Image.new("L", (5, 4)).save(case / "moves.png"),
            "estimation.segmenter={name: given, mask: photo/moves.png}",
        ),
        "moves.png",
        "is 5x4 pixels, and the frames are 32x16",
        "scale the mask",
    ),
]
