"""What a memory of latents costs beside one of colours: read, kept, updated. At 1248 x 704, 44 x 78 cells of 48.

The world is a row of bare rooms, 5 x 2.6 x 5 m; a chunk is 33 frames (9 latent ones) of a camera that turns by 90
degrees in a room of its own. Latents are random numbers: nothing here depends on them.

Readout is timed against torch: project, pack depth and row into one integer, `scatter_reduce` by `amin`, gather. Both
get the same cloud in the order in which ours keeps it, and must agree on which point is in which cell.

A memory of colours gives the network the same only after its picture has been drawn and encoded. Drawing is ours, of
a cloud in 1 cm voxels, every frame drawn. The encoder is diffusers' `AutoencoderKLWan` in its Wan2.2 size with random
weights in float32; 5 frames go through it, of a smaller size (printed), once, and its seconds are EXTRAPOLATED by its
FLOPs to the frames and the size of the walk. Everything else is measured as it is.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tools.bench import harness

# ruff: isort: split
import numpy as np
import numpy.typing as npt
import torch

from spatia.clock import WallClock
from spatia.estimation.latent_points import latent_points
from spatia.geom.camera import Cameras, Intrinsics
from spatia.geom.pose import from_rotation_translation, rotation_about, transform
from spatia.memory.cloud import PointMemory
from spatia.memory.latent_cloud import LatentCloud
from spatia.networks.autoencoder import Autoencoder
from spatia.networks.footprint import encode_video
from spatia.projection.latent_readout import read_latents
from spatia.projection.numba_bands import NumbaProjector
from spatia.records.arrays import F32
from spatia.records.cloud import FIELDS, Points
from spatia.records.latents import LatentGrid, LatentPoints, LatentSnapshot
from spatia.records.projection import MetricSplat
from tools.bench.flops import wan_autoencoder
from tools.bench.plot import chart

PICTURE = Intrinsics.from_fov(fov_y_rad=0.9, width_px=1248, height_px=704)
GRID = LatentGrid.of(PICTURE, channels=48, cell_px=16)
ROOM_M = np.array([5.0, 2.6, 5.0])
LATENT_VOXEL_M = 0.04  # of a cell at 2.7 m
CHUNK_FRAMES, CHUNK_LATENTS = 33, 9
FINGERPRINT = "random"
RESULTS = Path(__file__).parent / "results"


def turning(room: int, *, frames: int) -> Cameras:
    """`frames` poses in a room, 90 degrees from the first to the last. Rooms stand 10 m apart."""
    steps = np.linspace(0, 1, frames)
    rotation = np.stack([rotation_about((0, 1, 0), float(np.pi / 2 * s)) for s in steps])
    eye = np.array([10.0 * room, 0, 0]) + [2.2, 1.3, 2.4] + 0.4 * steps[:, None] * [1, 0, 1]
    return Cameras(world_from_camera=from_rotation_translation(rotation, eye), intrinsics=PICTURE)


def depth_of_room(cameras: Cameras, room: int) -> F32:
    """[T, H, W] to walls, floor and ceiling."""
    depth_m = np.empty((len(cameras), PICTURE.height_px, PICTURE.width_px), np.float32)
    for t, pose in enumerate(cameras.world_from_camera):
        rays = PICTURE.rays_in_camera() @ pose[:3, :3].T.astype(np.float32)
        eye = (pose[:3, 3] - [10.0 * room, 0, 0]).astype(np.float32)
        with np.errstate(divide="ignore"):
            exits = np.where(rays > 0, (ROOM_M.astype(np.float32) - eye) / rays, -eye / rays)
        depth_m[t] = exits.min(axis=-1)
    return depth_m


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chunk:
    """What one chunk brings: latent points, and for the other memory coloured ones."""

    latents: LatentPoints
    colored: Points

    @classmethod
    def of(cls, room: int) -> "Chunk":
        cameras = turning(room, frames=CHUNK_LATENTS)
        depth_m = depth_of_room(cameras, room)
        rng = np.random.default_rng(room)
        cells = rng.normal(size=(CHUNK_LATENTS, GRID.channels, GRID.height, GRID.width)).astype(np.float32)
        rays = PICTURE.rays_in_camera()[::2, ::2]
        places = [
            transform(pose, (rays * z[::2, ::2, None]).reshape(-1, 3))
            for pose, z in zip(cameras.world_from_camera, depth_m, strict=True)
        ]
        return cls(
            latents=latent_points(cells, depth_m, cameras, grid=GRID, clip=room),
            colored=Points.of(np.concatenate(places), (120, 130, 140), clips=room),
        )


def surface(count: int) -> LatentPoints:
    """About `count` latent points spread evenly over the walls of room 0, in no order."""
    rng = np.random.default_rng(7)
    axis = rng.choice(3, count, p=[0.17, 0.66, 0.17])
    positions = rng.uniform(0, ROOM_M, (count, 3))
    positions[np.arange(count), axis] = rng.integers(0, 2, count) * ROOM_M[axis]
    return random_latents(positions, rng)


def random_latents(positions: npt.NDArray[np.floating], rng: np.random.Generator) -> LatentPoints:
    n = len(positions)
    return LatentPoints(
        positions_in_world=positions.astype(np.float32),
        latents=rng.normal(size=(n, GRID.channels)).astype(np.float16),
        clips=np.zeros(n, np.int16),
        labels=np.zeros(n, np.int16),
    )


def latent_cloud(voxel_m: float = LATENT_VOXEL_M) -> LatentCloud:
    return LatentCloud(GRID, voxel_m=voxel_m, max_points=1 << 21)


# -- readout ----------------------------------------------------------------------------------------------------------


class TorchReadout:
    """One packed integer a point: depth bits above, row below."""

    def __init__(self, cloud: LatentSnapshot, cameras: Cameras) -> None:
        rows = cloud.rows()
        self.positions = torch.from_numpy(rows.positions_in_world)
        self.latents = torch.from_numpy(rows.latents)
        self.rows = torch.arange(len(rows))
        self.matrices = torch.from_numpy(
            (GRID.lens(PICTURE).matrix @ cameras.camera_from_world[:, :3]).astype(np.float32)
        )

    def __call__(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents [T, C, h, w] and rows [T, h, w], -1 where nothing is."""
        shape = (len(self.matrices), GRID.height, GRID.width)
        latents = torch.zeros(shape[0], shape[1] * shape[2], GRID.channels)
        index = torch.full((shape[0], shape[1] * shape[2]), -1, dtype=torch.int64)
        for t, matrix in enumerate(self.matrices):
            uz, vz, z = (self.positions @ matrix[:, :3].T + matrix[:, 3]).unbind(1)
            u, v = torch.floor(uz / z), torch.floor(vz / z)
            inside = (z > 0) & (u >= 0) & (u < GRID.width) & (v >= 0) & (v < GRID.height)
            cells = (v[inside] * GRID.width + u[inside]).long()
            keys = (z[inside].view(torch.int32).long() << 32) | self.rows[inside]
            nearest = torch.full((shape[1] * shape[2],), torch.iinfo(torch.int64).max)
            nearest.scatter_reduce_(0, cells, keys, "amin")
            visible = nearest != torch.iinfo(torch.int64).max
            index[t, visible] = nearest[visible] & 0xFFFFFFFF
            latents[t, visible] = self.latents[index[t, visible]].float()
        return latents.reshape(*shape, -1).permute(0, 3, 1, 2).contiguous(), index.reshape(shape)


def readout(report: harness.Report, sizes: list[int], rounds: int) -> None:
    cameras = turning(0, frames=21)
    for count in sizes:
        cloud = latent_cloud(0.003)  # so fine that hardly two points meet
        cloud.insert(surface(count + count // 100), fingerprint=FINGERPRINT)
        snapshot = cloud.snapshot()
        by_torch = TorchReadout(snapshot, cameras)
        ours, (latents, index) = read_latents(snapshot, cameras, grid=GRID), by_torch()
        same = index.numpy() == ours.index
        if same.mean() < 0.999 or not np.array_equal(
            ours.latents.transpose(0, 2, 3, 1)[same], latents.numpy().transpose(0, 2, 3, 1)[same]
        ):
            raise SystemExit(f"ours and torch agree on {same.mean():.4%} of cells only")
        cases: dict[str, Callable[[], object]] = {
            "ours": partial(read_latents, snapshot, cameras, grid=GRID),
            "torch scatter_reduce": by_torch,
        }
        timings = harness.measure(cases, rounds=rounds)
        title = f"21 latent frames from {snapshot.alive_count} points ({ours.visible.mean():.0%} of cells seen)"
        report.table(title, timings)
        if count == 100_000:
            ours_ms, torch_ms = timings["ours"].median_ms, timings["torch scatter_reduce"].median_ms
            report.target("readout of 21 latent frames from 100k points, ms", ours_ms, at_most=15)
            report.target("torch scatter_reduce / ours", torch_ms / ours_ms, at_least=8)


def flatness(report: harness.Report, chunk_counts: list[int], rounds: int) -> None:
    """A fixed view of room 0; the other chunks lie in rooms behind it."""
    cameras = turning(0, frames=21)[np.arange(4)]  # these look away from the other rooms
    chunk = Chunk.of(0).latents
    cases: dict[str, Callable[[], object]] = {}
    for chunks in chunk_counts:
        cloud = latent_cloud()
        for room in range(chunks):
            moved = chunk.positions_in_world + np.array([-10.0 * room, 0, 0], np.float32)
            cloud.insert(random_latents(moved, np.random.default_rng(room)), fingerprint=FINGERPRINT)
        name = f"{chunks} chunks, {cloud.alive_count} points"
        cases[name] = partial(read_latents, cloud.snapshot(), cameras, grid=GRID)
    timings = list(harness.measure(cases, rounds=rounds).items())
    report.table("4 latent frames of one place, chunks stored outside the view", dict(timings))
    growth = timings[-1][1].median_ms / timings[0][1].median_ms
    report.target(f"readout with {chunk_counts[-1]} chunks / with {chunk_counts[0]}", growth, at_most=1.5)


# -- keeping ----------------------------------------------------------------------------------------------------------


class UpdateRun:
    """A cloud of about n points that meets one chunk after the other, with a snapshot held."""

    def __init__(self, n: int) -> None:
        self.cloud = latent_cloud()
        rng = np.random.default_rng(1)
        side = int(np.ceil(np.sqrt(n)))
        u, v = np.divmod(np.arange(n), side)
        plane = np.stack([u * LATENT_VOXEL_M, np.full(n, -40.0), v * LATENT_VOXEL_M], -1) + LATENT_VOXEL_M / 2
        self.cloud.insert(random_latents(plane, rng), fingerprint=FINGERPRINT)
        self.chunk = Chunk.of(0).latents
        self.room = 0

    def prepare(self) -> None:
        self.room += 1
        moved = self.chunk.positions_in_world + np.array([10.0 * self.room, 0, 0], np.float32)
        self.points = random_latents(moved, np.random.default_rng(self.room))
        self.held = self.cloud.snapshot()

    def run(self) -> None:
        self.cloud.insert(self.points, fingerprint=FINGERPRINT)


def update(report: harness.Report, sizes: list[int], rounds: int) -> None:
    runs = {f"{n:.0e}": UpdateRun(n) for n in sizes}
    timings = harness.measure(
        {name: run.run for name, run in runs.items()},
        rounds=rounds,
        prepare={name: run.prepare for name, run in runs.items()},
    )
    report.table(f"one chunk ({len(next(iter(runs.values())).chunk)} cells) into a cloud of", timings)
    medians = [timing.median_ms for timing in timings.values()]
    report.target(f"update of {sizes[-1]:.0e} / of {sizes[0]:.0e}", medians[-1] / medians[0], at_most=2.5)


def size(report: harness.Report) -> None:
    cloud = latent_cloud()
    for room in range(5):
        cloud.insert(Chunk.of(room).latents, fingerprint=FINGERPRINT)
    points = cloud.snapshot().points()
    in_pages = cloud.snapshot().pages.size * cloud.snapshot().arena[0].nbytes
    print(
        f"\n5 chunks: {len(points)} points, {len(points) * GRID.point_words * 4 / 2**20:.2f} MiB; in pages of 256, "
        f"with their bounds, {(in_pages + cloud.snapshot().bounds_in_world_m.nbytes) / len(points):.1f} bytes a point"
    )
    report.target("bytes a latent point", points.nbytes / len(points), at_most=112)


# -- beside colours ---------------------------------------------------------------------------------------------------


class Encoder:
    """Wan2.2's encoder at full size with random weights, and what it would take for more than it is given."""

    def __init__(self, *, height_px: int, width_px: int) -> None:
        with torch.device("meta"):
            vae = wan_autoencoder().eval()

        def flops_of(frames: int, height_px: int, width_px: int) -> int:
            return encode_video(vae, frames=frames, height_px=height_px, width_px=width_px).flops

        self._flops = flops_of(5, height_px, width_px)
        self._whole = {frames: flops_of(frames, PICTURE.height_px, PICTURE.width_px) for frames in (CHUNK_FRAMES, 81)}
        parts: tuple[torch.nn.Module, ...] = vae.encoder, vae.quant_conv
        for part in parts:
            part.to_empty(device="cpu")
            for weight in part.parameters():
                torch.nn.init.normal_(weight, std=weight[0].numel() ** -0.5)
        clock = WallClock()
        started_s = clock.now_s()
        encoded = Autoencoder(vae, compute_dtype=torch.float32).encode(torch.rand(5, 3, height_px, width_px))
        self._seconds = clock.now_s() - started_s
        if encoded.shape != (48, 2, height_px // 16, width_px // 16):
            raise SystemExit(f"the encoder gave {tuple(encoded.shape)}")
        print(
            f"\nencoder: 5 frames of {width_px}x{height_px} took {self._seconds:.2f} s, "
            f"{self._flops / self._seconds / 1e12:.3f} TFLOP/s; extrapolated to 81 frames of 1248x704 "
            f"({self._whole[81] / 1e12:.0f} TFLOP): {self.seconds(81):.0f} s"
        )

    def seconds(self, frames: int) -> float:
        """EXTRAPOLATED to 1248 x 704 by FLOPs."""
        return self._seconds * self._whole[frames] / self._flops


def against_colors(report: harness.Report, encoder: Encoder, *, chunks: int, rounds: int, plot: Path) -> None:
    """The table of seconds and bytes a frame over chunks, and the ratio at its end."""
    latents, colors, projector = latent_cloud(), PointMemory(voxel_m=0.01), NumbaProjector()
    seconds: dict[str, list[float]] = {"latent": [], "RGB": []}
    mebibytes: dict[str, list[float]] = {"latent": [], "RGB": []}
    print("\nchunks   latent s/frame   RGB s/frame (drawn)   latent MiB   RGB MiB   latent B/frame   RGB B/frame")
    for room in range(chunks):
        chunk = Chunk.of(room)
        latents.insert(chunk.latents, fingerprint=FINGERPRINT)
        colors.insert(chunk.colored)
        targets = turning(room, frames=CHUNK_FRAMES)
        keyed = targets[np.arange(0, CHUNK_FRAMES, 4)]
        snapshot, colored = latents.snapshot(), colors.snapshot()
        cases: dict[str, Callable[[], object]] = {
            "latent": partial(read_latents, snapshot, keyed, grid=GRID),
            "RGB": partial(projector.project, colored, targets, look=MetricSplat()),
        }
        timings = harness.measure(cases, rounds=rounds, at_most_rounds={"RGB": 1})
        drawn_s = timings["RGB"].median_ms / 1e3 / CHUNK_FRAMES
        seconds["latent"].append(timings["latent"].median_ms / 1e3 / CHUNK_FRAMES)
        seconds["RGB"].append(drawn_s + encoder.seconds(CHUNK_FRAMES) / CHUNK_FRAMES)
        kept = {"latent": snapshot.alive_count * GRID.point_words * 4, "RGB": colored.alive_count * FIELDS * 4}
        frames = CHUNK_FRAMES + room * (CHUNK_FRAMES - 1)
        for name, count in kept.items():
            mebibytes[name].append(count / 2**20)
        print(
            f"{room + 1:6d} {seconds['latent'][-1]:16.6f} {seconds['RGB'][-1]:13.3f} ({drawn_s:.4f})"
            f"{mebibytes['latent'][-1]:13.2f}{mebibytes['RGB'][-1]:10.1f}"
            f"{kept['latent'] / frames:17.0f}{kept['RGB'] / frames:14.0f}"
        )
    projector.close()
    plot.parent.mkdir(parents=True, exist_ok=True)
    panels = {"seconds a frame, memory to latents": seconds, "MiB kept": mebibytes}
    plot.write_text(chart(panels, xs=range(1, chunks + 1), x_title="chunks of the walk"))
    print(f"plot: {plot}")
    report.target("RGB drawing and encoding / latent readout", seconds["RGB"][-1] / seconds["latent"][-1], at_least=1e3)


def main() -> int:
    parser = harness.arguments(__doc__)
    parser.add_argument("--plot", type=Path, default=RESULTS / "latent.svg", metavar="FILE")
    options = parser.parse_args()
    quick: bool = options.quick
    report = harness.Report("latent")
    readout(report, [100_000] if quick else [22_000, 100_000, 350_000, 1_000_000], 7 if quick else 15)
    flatness(report, [1, 16] if quick else [1, 4, 16, 64], 15 if quick else 31)
    size(report)
    update(report, [10_000, 1_000_000] if quick else [10_000, 100_000, 1_000_000], 7 if quick else 15)
    encoder = Encoder(height_px=96, width_px=160) if quick else Encoder(height_px=352, width_px=640)
    against_colors(report, encoder, chunks=3 if quick else 8, rounds=7 if quick else 15, plot=options.plot)
    return report.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())
