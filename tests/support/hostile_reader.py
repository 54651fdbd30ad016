"""A process that reads damaged files one after the other, and tells what became of it as one line of JSON.

    python -m support.hostile_reader scenes|clouds|scene-bombs|cloud-bombs COUNT SEED FOLDER

COUNT and SEED are of the damaged copies; the bombs are a few files made to cost time or memory.

A process of its own, because the peak of a process's memory never falls again.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from spatia import assets
from spatia.errors import SpatiaError
from spatia.records.cloud import Points
from spatia.scene.guarded_yaml import MAX_BYTES
from spatia.scene.load import read_scene
from spatia.worlds.ply import read_ply, write_ply
from support.mutate import mutants

HEADER = "ply\nformat {order} 1.0\ncomment a cube\nelement vertex 8\n"
XYZ = "property float x\nproperty float y\nproperty float z\n"
RGB = "property uchar red\nproperty uchar green\nproperty uchar blue\n"
FACES = "element face 2\nproperty list uchar int vertex_indices\n"
GAUSSIAN = "".join(f"property float {name}\n" for name in ("f_dc_0", "f_dc_1", "f_dc_2", "opacity"))
CUBE = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=np.float64)


def scene_corpus() -> list[bytes]:
    return [path.read_bytes() for path in sorted(Path(str(assets.root("scenes"))).glob("*.yaml"))]


def cloud_corpus(folder: Path) -> list[bytes]:
    """A cube in each of the ways that a PLY file can hold one, and a cloud of our own writer."""
    ours = folder / "ours.ply"
    write_ply(ours, Points.of(CUBE.astype(np.float32), np.full((8, 3), 99, np.float32)), with_memory_fields=True)
    ascii_rows = "".join(f"{x} {y} {z} 10 20 30\n" for x, y, z in CUBE) + "3 0 1 2\n3 1 2 3\n"
    in_lists = "".join(f"2 7 7 {x} {y} {z}\n" for x, y, z in CUBE)
    colored = np.zeros(8, dtype=[("xyz", ">f8", 3), ("rgb", "u1", 3)])
    colored["xyz"] = CUBE
    gaussians = np.concatenate([CUBE, np.ones((8, 4))], axis=1).astype("<f4")
    listed = b"".join(bytes([2, 7, 7]) + row.astype("<f4").tobytes() for row in CUBE)
    odd = "property list uchar uchar odd\n"
    return [
        ours.read_bytes(),
        (HEADER.format(order="ascii") + XYZ + RGB + FACES + "end_header\n" + ascii_rows).encode(),
        (HEADER.format(order="ascii") + odd + XYZ + "end_header\n" + in_lists).encode(),
        (HEADER.format(order="binary_big_endian") + XYZ.replace("float", "double") + RGB + "end_header\n").encode()
        + colored.tobytes(),
        (HEADER.format(order="binary_little_endian") + XYZ + GAUSSIAN + "end_header\n").encode() + gaussians.tobytes(),
        (HEADER.format(order="binary_little_endian") + odd + XYZ + "end_header\n").encode() + listed,
    ]


def scene_bombs() -> list[bytes]:
    wide = b"spatia: 1\n" + b"".join(b"k%d: 1\n" % i for i in range(100_000))
    doubled = b"".join(b"l%d: &l%d [%s]\n" % (i, i, b",".join([b"*l%d" % (i - 1)] * 9)) for i in range(1, 9))
    patterns = (b"[", b"{", b"- ", b"? ", b"a: ", b"!", b"'", b"9", b"#", b"[],", b"x: |\n y\n", b"\n", b" ", b"\t")
    fill = [(pattern * MAX_BYTES)[:MAX_BYTES] for pattern in patterns]
    return [*fill, wide[:MAX_BYTES], b"spatia: 1\nl0: &l0 [x]\n" + doubled, b"\n" * (64 << 20)]


def cloud_bombs() -> list[bytes]:
    little, text = HEADER.format(order="binary_little_endian"), HEADER.format(order="ascii")
    faces = FACES.replace("2", "{count}")
    return [
        *((little.replace("8", str(10**n)) + XYZ + "end_header\n").encode() + bytes(96) for n in (6, 9, 12, 17, 400)),
        (little.replace("element", faces.format(count=200_000) + "element") + XYZ + "end_header\n").encode()
        + bytes(200_096),
        (little.replace("element", faces.format(count=10**7) + "element") + XYZ + "end_header\n").encode()
        + bytes(10**7),
        (text.replace("element", faces.format(count=200_000) + "element") + XYZ + "end_header\n").encode()
        + b"0\n" * 200_000,
        (text + XYZ + "end_header\n").encode() + b"1" * (64 << 20),
        b"ply\n" + b"comment x\n" * (1 << 20),
        b"ply\nformat ascii 1.0\nelement vertex 8\n" + b"property float x\n" * 3000,
        b"p" * (64 << 20),
    ]


def read_all(files: Iterable[bytes], read: Callable[[bytes], object]) -> dict[str, object]:
    before_mb, worst_s = peak_mb(), 0.0
    accepted, nameless, strangers = 0, [], []
    for number, data in enumerate(files):
        started_s = cpu_s()
        try:
            read(data)
            accepted += 1
        except SpatiaError as error:
            if not (error.where and error.problem and error.fix):
                nameless.append(f"{number}: {error}")
        except Exception as error:  # noqa: BLE001 - that there is none is what is tested
            strangers.append(f"{number}: {type(error).__name__}: {error}")
        worst_s = max(worst_s, cpu_s() - started_s)
    return {
        "accepted": accepted,
        "nameless": nameless[:5],
        "strangers": strangers[:5],
        "worst_s": worst_s,
        "before_mb": before_mb,
        "peak_mb": peak_mb(),
    }


def peak_mb() -> float:
    """Of this program alone: `getrusage` would also remember the process that started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024


def cpu_s() -> float:
    """Of this process: what others do on the machine does not count."""
    spent = os.times()
    return spent.user + spent.system


def main() -> None:
    kind, count, seed, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    path = folder / "hostile.ply"

    def scene(data: bytes) -> object:
        return read_scene(data, name="hostile.yaml", folder=folder)

    def cloud(data: bytes) -> object:
        path.write_bytes(data)
        return read_ply(path)

    match kind:
        case "scenes":
            told = read_all(mutants(scene_corpus(), count, seed), scene)
        case "clouds":
            told = read_all(mutants(cloud_corpus(folder), count, seed), cloud)
        case "scene-bombs":
            told = read_all(scene_bombs(), scene)
        case _:
            told = read_all(cloud_bombs(), cloud)
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
