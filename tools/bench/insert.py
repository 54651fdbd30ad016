"""How long it takes to merge 1e5 new points into a map of N, beside what others do.

The world is a row of bare rooms, 5 x 2.6 x 5 m, 1 cm voxels. The map holds the surfaces of whole rooms, up to N voxels.
A batch is one frame of a camera that turns in a further room: 416 x 240 pixels, 60 degrees wide, 30 degrees on from the
frame before, so it overlaps what is known by half. Uniformly random batches, which no camera makes, are shown too: they
touch every page of the map.

Our time is that of `PointMemory.insert`, with a snapshot taken just before and held: it includes sorting, merging,
indexing and the copies of all pages that the snapshot can see. The peers: Open3D's `voxel_down_sample` of all points
(what a pipeline does that voxelises anew), `torch.unique` over all points with means by `index_add_`, and Open3D's
`HashMap` with the means kept by `np.add.at`. Each peer gets an order that suits it: `torch.unique` the old
ones sorted by key, which is how its own last rebuild left them, and the new ones behind; Open3D the order in which our
map holds them. `torch.unique` is shown on the shuffled order that a voxel hash hands out as well.

A machine that gets its memory from a host on first touch would measure its host, so memory is touched and given back
before what grows.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tools.bench import harness

# ruff: isort: split
import importlib
import time

import numpy as np
import numpy.typing as npt

from spatia.clock import WallClock
from spatia.memory.cloud import PointMemory
from spatia.records.arrays import F32
from spatia.records.cloud import CloudSnapshot, Points

VOXEL_M = 0.01
ROOM_M = np.array([5.0, 2.6, 5.0])
WIDTH_PX, HEIGHT_PX, FOCAL_PX = 416, 240, 360.0
TURNS_A_ROOM = 12


def room_surface(room: int) -> F32:
    """[1.02e6, 3] one point in each voxel of a room's floor, ceiling and walls; rooms stand 10 m apart."""
    parts = []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        along_u, along_v = (np.arange(0.5, round(ROOM_M[i] / VOXEL_M)) * VOXEL_M for i in (u, v))
        for height in (0.003, ROOM_M[axis] + 0.003):
            face = np.empty((len(along_u), len(along_v), 3), np.float32)
            face[..., axis], face[..., u], face[..., v] = height, along_u[:, None], along_v
            parts.append(face.reshape(-1, 3))
    return np.concatenate(parts) + np.array([10.0 * room, 0, 0], np.float32)


def known_world(n: int) -> Iterator[F32]:
    """Positions of n voxels, room by room."""
    room = 0
    while n > 0:
        surface = room_surface(room)[:n]
        n -= len(surface)
        room += 1
        yield surface


def frame(k: int, rng: np.random.Generator) -> Points:
    """Frame k of the turning camera, in rooms that the known world never reaches (z = -100 m)."""
    eye = np.array([2.2, 1.3, 2.7]) + rng.uniform(-0.05, 0.05, 3)
    yaw_rad = np.deg2rad(30.0) * k
    right, forward = np.array([np.cos(yaw_rad), 0, -np.sin(yaw_rad)]), np.array([np.sin(yaw_rad), 0, np.cos(yaw_rad)])
    u, v = np.meshgrid(np.arange(WIDTH_PX) + 0.5 - WIDTH_PX / 2, np.arange(HEIGHT_PX) + 0.5 - HEIGHT_PX / 2)
    rays = u[..., None] * right + v[..., None] * [0, 1, 0] + FOCAL_PX * forward
    with np.errstate(divide="ignore"):
        exits = np.where(rays > 0, (ROOM_M - eye) / rays, -eye / rays)
    hits = eye + rays * exits.min(axis=-1, keepdims=True) + rng.normal(0, 0.002, rays.shape)
    room_origin = [10.0 * (k // TURNS_A_ROOM), 0, -100.0]
    colors = rng.integers(0, 256, (WIDTH_PX * HEIGHT_PX, 3))
    return Points.of(hits.reshape(-1, 3) + room_origin, colors, clips=k)


def memory_of(n: int) -> PointMemory:
    memory = PointMemory(voxel_m=VOXEL_M)
    for surface in known_world(n):
        memory.insert(Points.of(surface, (128, 128, 128)))
    return memory


class OurRun:
    """A memory of about n voxels that meets one frame after the other."""

    def __init__(self, n: int, batch: Callable[[int], Points]) -> None:
        self.memory = memory_of(n)
        self.batch = batch
        self.k = 0
        self.memory.insert(batch(0))

    def prepare(self) -> None:
        self.k += 1
        self.points = self.batch(self.k)
        self.held: CloudSnapshot = self.memory.snapshot()

    def run(self) -> None:
        self.memory.insert(self.points)


class SmallRun(OurRun):
    """The same for a map so small that every frame would change its size: it is made anew each time."""

    def __init__(self, n: int, batch: Callable[[int], Points]) -> None:
        super().__init__(n, batch)
        self.n = n

    def prepare(self) -> None:
        self.memory = memory_of(self.n)
        self.memory.insert(self.batch(self.k))
        super().prepare()


def back_memory(gib: float) -> None:
    """Touch that much memory and give it back."""
    np.zeros(int(gib * 2**30), np.uint8)[::4096] = 1


def peer(name: str) -> ModuleType | None:
    """A library that may not be there."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        print(f"{name} is left out: {error} (pip install spatia-runtime[bench])")
        return None


def open3d_legacy(o3d: ModuleType, positions: F32, colors: F32) -> Callable[[], object]:
    def rebuild() -> object:
        cloud = o3d.geometry.PointCloud()
        cloud.points = o3d.utility.Vector3dVector(positions)
        cloud.colors = o3d.utility.Vector3dVector(colors)
        return cloud.voxel_down_sample(VOXEL_M)

    return rebuild


def torch_unique(torch: ModuleType, positions: F32, colors: F32) -> Callable[[], tuple[F32, F32]]:
    """Returns a function that gives the means [voxels, 3] of positions and colours, in order of key."""
    all_positions, all_colors = torch.from_numpy(positions), torch.from_numpy(colors)

    def rebuild() -> tuple[F32, F32]:
        c = torch.floor(all_positions.double() / VOXEL_M).long() + (1 << 20)
        keys = (c[:, 0] << 42) | (c[:, 1] << 21) | c[:, 2]
        found, inverse, counts = torch.unique(keys, return_inverse=True, return_counts=True)
        means = [torch.zeros(len(found), 3).index_add_(0, inverse, all_of) for all_of in (all_positions, all_colors)]
        return means[0] / counts[:, None], means[1] / counts[:, None]

    return rebuild


class Open3dHashMap:
    """Open3D's hash gives a buffer index; positions, colours and counts are sums in numpy."""

    def __init__(self, o3d: ModuleType, positions: F32, colors: F32, *, capacity: int) -> None:
        self.core = o3d.core
        device = self.core.Device("CPU:0")
        self.map = self.core.HashMap(
            capacity, self.core.int32, self.core.SizeVector([3]), self.core.float32, self.core.SizeVector([1]), device
        )
        self.sums = np.zeros((capacity, 7), np.float32)
        self.fuse(positions, colors)

    def fuse(self, positions: F32, colors: F32) -> None:
        keys = self.core.Tensor(np.floor(positions / np.float32(VOXEL_M)).astype(np.int32))
        self.map.activate(keys)
        slots, _ = self.map.find(keys)
        values = np.concatenate([positions, colors, np.ones((len(positions), 1), np.float32)], axis=1)
        np.add.at(self.sums, slots.numpy(), values)


def key_order(positions: F32) -> npt.NDArray[np.intp]:
    """The order in which `torch_unique` returns voxels."""
    c = np.floor(positions.astype(np.float64) / VOXEL_M).astype(np.int64) + (1 << 20)
    return np.argsort((c[:, 0] << 42) | (c[:, 1] << 21) | c[:, 2])


def check(torch: ModuleType) -> None:
    """Ours and a rebuild by torch agree on voxels and means before anything is timed."""
    rng = np.random.default_rng(3)
    frames = [frame(k, rng) for k in range(3)]
    memory = PointMemory(voxel_m=VOXEL_M)
    for points in frames:
        memory.insert(points)
    ours = memory.snapshot().points()
    every = Points.joined(*frames)
    positions, colors = torch_unique(torch, every.positions_in_world, every.colors)()
    order = key_order(ours.positions_in_world)
    np.testing.assert_allclose(ours.positions_in_world[order], positions, atol=1e-4)
    np.testing.assert_allclose(ours.colors[order], colors, atol=0.02)


def random_batch(rooms: int) -> Callable[[int], Points]:
    def batch(k: int) -> Points:
        rng = np.random.default_rng(k)
        return Points.of(rng.uniform(0, 1, (100_000, 3)) * [10.0 * rooms, 2.6, 5.0], (1, 2, 3), clips=k)

    return batch


def frame_batch(k: int) -> Points:
    return frame(k, np.random.default_rng(k))


def against_peers(report: harness.Report, n: int, rounds: int) -> None:
    ours = OurRun(n, frame_batch)
    cases: dict[str, Callable[[], object]] = {"ours": ours.run}
    prepare: dict[str, Callable[[], object]] = {"ours": ours.prepare}
    new = frame_batch(1)
    every = Points.joined(ours.memory.snapshot().points(), new)  # in the order in which a map grows
    positions, colors = every.positions_in_world, every.colors
    o3d, torch = peer("open3d"), peer("torch")
    if torch is not None:
        check(torch)
        rebuilt = np.append(key_order(positions[: -len(new)]), np.arange(len(every) - len(new), len(every)))
        cases["torch.unique of all"] = torch_unique(torch, positions[rebuilt], colors[rebuilt])
        shuffled = np.random.default_rng(0).permutation(len(every))
        cases["torch.unique, hash order"] = torch_unique(torch, positions[shuffled], colors[shuffled])
    if o3d is not None:
        hashmap = Open3dHashMap(o3d, positions[: -len(new)], colors[: -len(new)], capacity=2 * n)
        cases["Open3D HashMap"] = lambda: hashmap.fuse(ours.points.positions_in_world, ours.points.colors)
        cases["Open3D voxel_down_sample of all"] = open3d_legacy(o3d, positions, (colors / 255).astype(np.float32))
    slow = {"Open3D voxel_down_sample of all": 2, "torch.unique of all": 5, "torch.unique, hash order": 3}
    timings = harness.measure(cases, rounds=rounds, prepare=prepare, at_most_rounds=slow)
    report.table(f"a frame of {len(new)} points into {n:.0e}", timings)
    full = n >= 5_000_000
    limits = {"Open3D voxel_down_sample of all": 500.0, "torch.unique of all": 50.0, "Open3D HashMap": 4.0}
    for name, limit in limits.items():
        if name in timings and (full or name == "Open3D HashMap"):
            report.target(f"{name} / ours", timings[name].median_ms / timings["ours"].median_ms, at_least=limit)


def flatness(report: harness.Report, sizes: list[int], rounds: int) -> None:
    batches: dict[str, Callable[[int], Callable[[int], Points]]] = {
        "frames": lambda n: frame_batch,
        "uniformly random batches": lambda n: random_batch(-(-n // 1_020_000)),
    }
    for title, batch_of in batches.items():
        runs = {f"{n:.0e}": (SmallRun if n <= 200_000 else OurRun)(n, batch_of(n)) for n in sizes}
        timings = harness.measure(
            {name: run.run for name, run in runs.items()},
            rounds=rounds,
            prepare={name: run.prepare for name, run in runs.items()},
        )
        report.table(f"{title} into a map of", timings)
        if title == "frames":
            medians = [timing.median_ms for timing in timings.values()]
            report.target(f"t({sizes[-1]:.0e}) / t({sizes[0]:.0e})", medians[-1] / medians[0], at_most=2.5)


def growth(report: harness.Report, frames: int) -> None:
    """Frame after frame from nothing, through every doubling of the index."""
    clock, memory = WallClock(), PointMemory(voxel_m=VOXEL_M)
    wall_ms, cpu_ms = [], []
    memory.insert(frame_batch(0))
    for k in range(1, frames + 1):
        points = frame_batch(k)
        back_memory(0.2)
        held = memory.snapshot()
        start_s, start_cpu_s = clock.now_s(), time.process_time()
        memory.insert(points)
        wall_ms.append((clock.now_s() - start_s) * 1e3)
        cpu_ms.append((time.process_time() - start_cpu_s) * 1e3)
        del held
    timing = harness.Timing.of(wall_ms, cpu_ms)
    report.table(f"growing from nothing to {memory.row_count:.2e}", {"frame by frame": timing})
    report.target("p99 / median while growing", timing.p99_ms / timing.median_ms, at_most=3.0)
    print(f"the same by CPU time: {np.percentile(cpu_ms, 99) / np.median(cpu_ms):.2f}")


def main() -> int:
    options = harness.arguments(__doc__).parse_args()
    report = harness.Report("insert")
    back_memory(2.0 if options.quick else 6.0)
    against_peers(report, 1_000_000 if options.quick else 5_000_000, 7 if options.quick else 15)
    flatness(report, [100_000, 5_000_000 if options.quick else 20_000_000], 7 if options.quick else 15)
    growth(report, 60 if options.quick else 200)
    return report.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())
