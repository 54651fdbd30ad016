"""Reference retrieval: exact 3D IoU of 7 target views against every archived frame.

    python tools/bench/retrieval.py [--quick] [--json FILE]

All frames look around in one room, which is the worst case: every frame shares voxels with every other. The growing
world is many such rooms side by side, where only one room's frames can matter. Voxels measure 5 cm.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from spatia.clock import WallClock
from spatia.geom.camera import Intrinsics
from spatia.geom.pose import F64, rotation_about
from spatia.memory.frame_index import FrameIndex
from spatia.memory.voxel_set import VoxelSet
from spatia.records.arrays import F32
from spatia.streams import Streams
from tools.bench import harness  # before numba: it decides how threads wait

VOXEL_M = 0.05
INTRINSICS = Intrinsics.from_fov(fov_y_rad=1.0, width_px=208, height_px=120)
HALF_ROOM_M = np.array([5.0, 1.5, 4.0], dtype=np.float32)
FURNITURE = 6
TARGETS = 7
FRAMES_PER_ROOM = 100
ROOM_BLOCKS = 64  # a room is 10 m wide and a block 40 cm, so rooms never touch


class Room:
    """A box with smaller boxes in it, seen by casting rays."""

    def __init__(self, chance: np.random.Generator) -> None:
        self.chance = chance
        center = chance.uniform(-0.8, 0.8, (FURNITURE, 3)) * HALF_ROOM_M
        size = chance.uniform(0.4, 1.5, (FURNITURE, 3))
        self.low = (center - size / 2).astype(np.float32)
        self.high = (center + size / 2).astype(np.float32)
        self.rays = INTRINSICS.rays_in_camera().reshape(-1, 3)

    def somewhere(self) -> tuple[F64, float]:
        """An eye position and a yaw."""
        return self.chance.uniform(-0.7, 0.7, 3) * HALF_ROOM_M, float(self.chance.uniform(0, 2 * np.pi))

    def seen_from(self, eye: F64, yaw_rad: float) -> VoxelSet:
        direction: F32 = (self.rays @ rotation_about((0, 1, 0), yaw_rad).T).astype(np.float32)
        with np.errstate(divide="ignore"):
            inverse = 1 / direction
        origin = eye.astype(np.float32)
        distance = np.max([(-HALF_ROOM_M - origin) * inverse, (HALF_ROOM_M - origin) * inverse], axis=0).min(axis=1)
        for low, high in zip(self.low, self.high, strict=True):
            a, b = (low - origin) * inverse, (high - origin) * inverse
            enter, leave = np.minimum(a, b).max(axis=1), np.maximum(a, b).min(axis=1)
            distance = np.where((enter < leave) & (enter > 0), np.minimum(distance, enter), distance)
        return VoxelSet.of_positions(origin + direction * distance[:, None], voxel_m=VOXEL_M)

    def clip_targets(self) -> list[VoxelSet]:
        """Views along a walk: 10 cm and 6 degrees from one to the next."""
        eye, yaw_rad = self.somewhere()
        step = np.array([0.1, 0.0, 0.0])
        return [self.seen_from(0.5 * eye + i * step, yaw_rad + 0.1 * i) for i in range(TARGETS)]


def index_of(seen: list[VoxelSet]) -> FrameIndex:
    index = FrameIndex(voxel_m=VOXEL_M)
    for voxels in seen:
        index.add(voxels)
    return index


def in_room(voxels: VoxelSet, room: int) -> VoxelSet:
    """The same view from the same place in another room: x is the lowest part of a block's number."""
    return VoxelSet(voxel_m=VOXEL_M, blocks=voxels.blocks + room * ROOM_BLOCKS, masks=voxels.masks)


def iou_by_python_sets(targets: list[set[int]], frames: list[set[int]]) -> list[list[float]]:
    shared = [[len(target & frame) for frame in frames] for target in targets]
    return [
        [both / (len(target) + len(frame) - both) for both, frame in zip(row, frames, strict=True)]
        for row, target in zip(shared, targets, strict=True)
    ]


def time_adding(seen: list[VoxelSet]) -> tuple[FrameIndex, harness.Timing]:
    clock, index = WallClock(), FrameIndex(voxel_m=VOXEL_M)
    wall_ms, cpu_ms = [], []
    for voxels in seen:
        start_s, start_cpu_s = clock.now_s(), time.process_time()
        index.add(voxels)
        wall_ms.append((clock.now_s() - start_s) * 1e3)
        cpu_ms.append((time.process_time() - start_cpu_s) * 1e3)
    return index, harness.Timing.of(wall_ms, cpu_ms)


def main() -> int:
    options = harness.arguments(__doc__).parse_args()
    report = harness.Report("retrieval")
    frame_count, few_rooms, many_rooms = (200, 2, 20) if options.quick else (1000, 10, 100)

    room = Room(Streams(0).generator("bench/retrieval"))
    seen = [room.seen_from(*room.somewhere()) for _ in range(frame_count)]
    targets = room.clip_targets()
    index = index_of(seen)
    frame_sets = [set(voxels.keys().tolist()) for voxels in seen]
    target_sets = [set(voxels.keys().tolist()) for voxels in targets]
    print(
        f"{frame_count} frames of {np.mean([len(v) for v in seen]):,.0f} voxels in "
        f"{np.mean([len(v.blocks) for v in seen]):,.0f} blocks; {index.nbytes / 1e6:.1f} MB of index"
    )
    if index.iou(targets).tolist() != iou_by_python_sets(target_sets, frame_sets):
        raise SystemExit("the index disagrees with python sets")

    cases: dict[str, Callable[[], object]] = {
        "index": lambda: index.iou(targets),
        "python sets": lambda: iou_by_python_sets(target_sets, frame_sets),
    }
    timings = harness.measure(cases, rounds=30, at_most_rounds={"python sets": 3}, warm_up=False)
    report.table(f"{TARGETS} targets x {frame_count} frames in one room, exact IoU", timings)
    report.target("milliseconds", timings["index"].median_ms, at_most=5.0)
    report.target("python sets / index", timings["python sets"].median_ms / timings["index"].median_ms, at_least=100)

    worlds, adding = {}, {}
    for rooms in (few_rooms, many_rooms):
        name = f"{rooms * FRAMES_PER_ROOM} frames, {rooms} rooms"
        walk = [in_room(voxels, number) for number in range(rooms) for voxels in seen[:FRAMES_PER_ROOM]]
        worlds[name], adding[name] = time_adding(walk)
    small, large = worlds
    here = [in_room(target, few_rooms // 2) for target in targets]
    first = slice(0, few_rooms * FRAMES_PER_ROOM)
    if not np.array_equal(worlds[small].iou(here), worlds[large].iou(here)[:, first]):
        raise SystemExit("frames of other rooms change the result")
    asked: dict[str, Callable[[], object]] = {
        small: lambda: worlds[small].iou(here),
        large: lambda: worlds[large].iou(here),
    }
    timings = harness.measure(asked, rounds=100)
    report.table(f"{TARGETS} targets in a growing world", timings)
    report.target("ten times the world / one", timings[large].median_ms / timings[small].median_ms, at_most=1.5)
    report.table("adding one frame to the growing world", adding)
    return report.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())
