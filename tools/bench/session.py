"""The memory step of a round: retrieve references, project 81 frames, fuse 18 keyframes of 100,000 points.

A camera walks down an endless corridor, 2 m a round, so the world grows with every round while the view stays alike:
what a round costs must follow the round and not the history. Run with --quick for fewer rounds.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from spatia.app.perception import visible_voxels
from spatia.clock import WallClock
from spatia.geom.camera import Cameras, Intrinsics
from spatia.geom.path import dolly
from spatia.memory.cloud import PointMemory
from spatia.memory.frames import ArchivedClip, FrameArchive
from spatia.memory.retrieval import retrieve_by_iou
from spatia.memory.voxel_set import VoxelSet
from spatia.projection.choose import open_projector
from spatia.records.arrays import F32
from spatia.records.cloud import Points
from spatia.records.frames import Frames
from spatia.records.projection import MetricSplat
from tools.bench import harness

FRAMES, KEYFRAMES, PRECEDING = 81, 18, 9
HALF_WIDTH_M, UP_M, DOWN_M, AHEAD_M, STEP_M = 2.0, 1.4, 1.6, 6.0, 2.0  # about a million points in view
KEYFRAME_LENS = Intrinsics.from_fov(fov_y_rad=1.0, width_px=436, height_px=280)  # 100,000 of its pixels see the walls
VIEW_LENS = Intrinsics.from_fov(fov_y_rad=1.0, width_px=1248, height_px=704)
TARGET_LENS = VIEW_LENS.resized(width_px=312, height_px=176)
RETRIEVAL_VOXEL_M = 0.05


def corridor_depth() -> F32:
    """[H, W] depth of the corridor for a camera that looks along it; 0 beyond 6 m, where no depth is trusted."""
    rays = KEYFRAME_LENS.rays_in_camera().astype(np.float64)
    with np.errstate(divide="ignore"):
        side = HALF_WIDTH_M / np.abs(rays[..., 0])
        level = np.where(rays[..., 1] > 0, DOWN_M, UP_M) / np.abs(rays[..., 1])
    depth = np.minimum(side, level)
    return np.where(depth <= AHEAD_M, depth, 0).astype(np.float32)


def keyframe_points(depth_m: F32, z_m: float, clip: int) -> Points:
    known = depth_m > 0
    position = KEYFRAME_LENS.rays_in_camera()[known] * depth_m[known][:, None] + np.array([0, 0, z_m], np.float32)
    return Points.of(position, 127 + 120 * np.sin(7 * position), clips=clip)


def main() -> None:
    options = harness.arguments(__doc__).parse_args()
    report = harness.Report("session")
    rounds = 8 if options.quick else 20
    clock = WallClock()
    projector = open_projector("numba")
    stages: list[dict[str, float]] = []
    with_look = {"one pixel a point": MetricSplat(radius_m=0.0), "discs of 1 cm": MetricSplat(radius_m=0.01)}
    memory, archive = PointMemory(voxel_m=0.01), FrameArchive(TARGET_LENS, voxel_m=RETRIEVAL_VOXEL_M)
    memory.insert(keyframe_points(corridor_depth(), 0.0, 0))
    blank = np.zeros((FRAMES, TARGET_LENS.height_px, TARGET_LENS.width_px, 3), dtype=np.uint8)
    for look in with_look.values():
        projector.project(
            memory.snapshot(), Cameras(world_from_camera=np.eye(4)[None], intrinsics=VIEW_LENS), look=look
        )

    for number in range(-1, rounds):  # the first one warms up and is not counted
        start = np.eye(4)
        start[2, 3] = (number + 1) * STEP_M
        cameras = Cameras(world_from_camera=dolly(start, STEP_M, frames=FRAMES), intrinsics=VIEW_LENS)
        took: dict[str, float] = {}

        begun = clock.now_s()
        asked = Cameras(world_from_camera=cameras.world_from_camera[::12], intrinsics=TARGET_LENS)
        seen = projector.project(memory.snapshot(), asked, look=MetricSplat(radius_m=0.0))
        targets = [
            visible_voxels(seen.depth_m[t], asked[t : t + 1], voxel_m=RETRIEVAL_VOXEL_M, stride_px=1)
            for t in range(len(asked))
        ]
        candidates = archive.candidates(exclude_last=min(PRECEDING, len(archive)))
        retrieve_by_iou(targets, archive.index, candidates=candidates, threshold=0.05, k=7, every=1)
        took["retrieve"] = clock.now_s() - begun

        for name, look in with_look.items():
            begun = clock.now_s()
            projector.project(memory.snapshot(), cameras, look=look)
            took[f"project, {name}"] = clock.now_s() - begun

        at = np.linspace(0, FRAMES - 1, KEYFRAMES).astype(int)
        depths = {int(i): corridor_depth() for i in at}
        batches = [
            keyframe_points(depth, float(cameras.world_from_camera[i, 2, 3]), number) for i, depth in depths.items()
        ]
        begun = clock.now_s()
        for batch in batches:
            memory.insert(batch)
        took["fuse"] = clock.now_s() - begun

        begun = clock.now_s()
        nothing = VoxelSet.empty(voxel_m=RETRIEVAL_VOXEL_M)
        visible = [nothing] * FRAMES
        for i, depth in depths.items():
            camera = Cameras(world_from_camera=cameras.world_from_camera[i : i + 1], intrinsics=KEYFRAME_LENS)
            visible[i] = visible_voxels(depth, camera, voxel_m=RETRIEVAL_VOXEL_M)
        frames = Frames(
            rgb=blank,
            cameras=Cameras(world_from_camera=cameras.world_from_camera, intrinsics=TARGET_LENS),
            time_s=np.zeros(FRAMES, dtype=np.float32),
        )
        empty_depth = np.zeros((0, TARGET_LENS.height_px, TARGET_LENS.width_px), dtype=np.float32)
        archive.add(
            ArchivedClip(
                clip=number,
                frames=frames,
                visible=tuple(visible),
                keyframes=np.zeros(0, dtype=np.int32),
                keyframe_depth_m=empty_depth,
            )
        )
        took["index"] = clock.now_s() - begun
        if number >= 0:
            stages.append(took)

    print(f"\n{memory.alive_count:,} points and {len(archive):,} frames after {rounds} rounds; milliseconds a round")
    print("round " + " ".join(f"{name:>28}" for name in stages[0]))
    for number, took in enumerate(stages):
        print(f"{number:5d} " + " ".join(f"{1e3 * seconds:28.1f}" for seconds in took.values()))
    for name in with_look:
        step_s = [took["retrieve"] + took[f"project, {name}"] + took["fuse"] + took["index"] for took in stages]
        report.target(f"memory step, {name}, s (median round)", float(np.median(step_s)), at_most=1.0)
        # Three rounds at each end, so that one hiccup of the machine decides nothing.
        growth = float(np.median(step_s[-3:]) / np.median(step_s[1:4]))
        report.target(f"last rounds / rounds 2 to 4, {name}", growth, at_most=1.3)
    sys.exit(report.finish(options.json))


if __name__ == "__main__":
    main()
