"""How well a frame is placed: rendered frames of the procedural worlds, none of which made the memory.

Every frame is looked for from a guess that is off by a rotation and a translation in random directions, as it is and
with its exposure changed and a tenth of it covered by something that the memory does not know. Errors are medians and
90th percentiles; *found* is the share that the search says it found, *wrong* those among them off by more than half a
degree or 2 cm.
"""

import math
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tools.bench import harness  # before the libraries whose threads it keeps from spinning

# isort: split
import numpy as np

from spatia.estimation.fuse import points_of_geometry
from spatia.evaluation.camera_control import path_error
from spatia.evaluation.pose_recovery import recover_pose
from spatia.geom.camera import Cameras, Intrinsics
from spatia.geom.path import dolly, pan, then, truck
from spatia.geom.pose import F64, from_rotation_translation, rotation_about
from spatia.memory.cloud import PointMemory
from spatia.projection.numba_bands import NumbaProjector
from spatia.records.arrays import U8
from spatia.records.cloud import CloudSnapshot
from spatia.records.frames import Frames
from spatia.records.geometry import Geometry
from spatia.worlds.procedural import procedural_world

SIZES = ((320, 176), (640, 352))
ASTRAY = ((0.0, 0.0), (2.0, 0.05), (5.0, 0.20), (8.0, 0.30))  # degrees, metres
MEMORY_STRIDE = 2  # every other frame makes the memory
MOST_ROTATION_DEG, MOST_TRANSLATION_M = 0.5, 0.02


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    frames: Frames  # to be found
    cloud: CloudSnapshot


def main() -> int:
    options = harness.arguments(__doc__).parse_args()
    report = harness.Report("pose recovery")
    every = 8 if options.quick else 2
    for world in ("room", "courtyard"):
        for width_px, height_px in SIZES[:1] if options.quick else SIZES:
            case = made(world, width_px, height_px, every=every)
            title = f"{world} {width_px}x{height_px}"
            measure(report, title, case, case.frames.rgb)
            measure(report, f"{title}, darker and partly hidden", case, hidden(case.frames.rgb))
            timed(report, title, case, rounds=5 if options.quick else 15)
    return report.finish(options.json)


def made(name: str, width_px: int, height_px: int, *, every: int) -> Case:
    """A walk through a world: two thirds of a metre ahead and aside, then a look around."""
    world = procedural_world(name)
    ahead = dolly(world.start_pose, 0.8, frames=17)
    aside = truck(ahead[-1], 0.8, frames=17)
    right = pan(aside[-1], math.radians(60), frames=17)
    poses = then(ahead, aside, right, pan(right[-1], math.radians(-130), frames=33))
    lens = Intrinsics.from_fov(fov_y_rad=math.radians(40), width_px=width_px, height_px=height_px)
    time_s = np.zeros(len(poses), dtype=np.float32)
    cameras = Cameras(world_from_camera=poses, intrinsics=lens)
    true = world.render(cameras, time_s)
    frames = Frames(rgb=true.rgb, cameras=cameras, time_s=time_s, depth_m=true.depth_m)

    known = slice(0, None, MEMORY_STRIDE)
    geometry = Geometry(
        cameras=cameras[known],
        depth_m=true.depth_m[known],
        confidence=(true.depth_m[known] > 0).astype(np.float32),
    )
    memory = PointMemory()
    memory.insert(points_of_geometry(frames[known], geometry, clip=0, moving=true.moving[known]))
    return Case(frames=frames[1::MEMORY_STRIDE][::every], cloud=memory.snapshot())


def hidden(rgb: U8) -> U8:
    """Darker by two fifths and hazy, with a striped thing over a tenth of each frame, each time elsewhere."""
    out = 0.6 * rgb.astype(np.float64) + 25
    t, height, width = rgb.shape[:3]
    tall, wide = height // 2, width // 5
    stripes = 130 + 90 * np.sin(np.arange(wide) / 5)
    chance = np.random.default_rng(5)
    for frame in range(t):
        top, left = int(chance.integers(height - tall)), int(chance.integers(width - wide))
        out[frame, top : top + tall, left : left + wide] = stripes[None, :, None] * [1.0, 0.4, 0.3]
    return np.clip(out, 0, 255).astype(np.uint8)


def guesses(poses: F64, *, turn_deg: float, move_m: float) -> F64:
    chance = np.random.default_rng(1)
    out = []
    for pose in poses:
        axis, way = chance.normal(size=(2, 3))
        turn = rotation_about(axis, math.radians(turn_deg))
        out.append(pose @ from_rotation_translation(turn, move_m * way / np.linalg.norm(way)))
    return np.stack(out)


def measure(report: harness.Report, title: str, case: Case, rgb: U8) -> None:
    true, lens = case.frames.cameras.world_from_camera, case.frames.cameras.intrinsics
    projector = NumbaProjector()
    print(f"\n{title}, {len(true)} frames, {case.cloud.alive_count:,} points")
    print("  guess off by    rotation deg (90 %)   translation cm (90 %)   found   wrong")
    for turn_deg, move_m in ASTRAY:
        found = [
            recover_pose(picture, guess=guess, intrinsics=lens, cloud=case.cloud, projector=projector)
            for picture, guess in zip(rgb, guesses(true, turn_deg=turn_deg, move_m=move_m), strict=True)
        ]
        converged = np.array([one.converged for one in found])
        error = path_error(true, np.stack([one.world_from_camera for one in found]))
        rotation_deg, translation_m = error.rotation_deg[converged], error.translation_m[converged]
        wrong = np.mean((rotation_deg > MOST_ROTATION_DEG) | (translation_m > MOST_TRANSLATION_M))
        (turned, turned_90), (moved, moved_90) = (np.percentile(e, [50, 90]) for e in (rotation_deg, translation_m))
        print(
            f"  {turn_deg:3.0f} deg {100 * move_m:3.0f} cm   {turned:8.3f} ({turned_90:.3f})"
            f"      {100 * moved:10.3f} ({100 * moved_90:.3f})   {converged.mean():10.0%} {wrong:7.0%}"
        )
        what = f"{title}, from {turn_deg:g} degrees and {100 * move_m:g} cm"
        report.target(f"median rotation error, degrees, {what}", turned, at_most=MOST_ROTATION_DEG)
        report.target(f"median translation error, metres, {what}", moved, at_most=MOST_TRANSLATION_M)


def timed(report: harness.Report, title: str, case: Case, *, rounds: int) -> None:
    cameras, projector = case.frames.cameras, NumbaProjector()
    middle = len(cameras) // 2
    guess = guesses(cameras.world_from_camera, turn_deg=5.0, move_m=0.2)[middle]

    def ours() -> object:
        return recover_pose(
            case.frames.rgb[middle], guess=guess, intrinsics=cameras.intrinsics, cloud=case.cloud, projector=projector
        )

    report.table(f"one frame, {title}", harness.measure({"recover_pose": ours}, rounds=rounds))


if __name__ == "__main__":
    sys.exit(main())
