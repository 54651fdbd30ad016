"""How well what moves stays out of the memory of a procedural world, and what stands behind it gets in.

    python tools/evaluate_movers.py [SCENE] [--segmenters none oracle motion_residual] [--estimator oracle|completion]
                                    [--set KEY=VALUE ...] [--out DIR]

Walks the scene's path, round by round as a run does, on pictures of the true world. After the last round:

- *movers*: the share of the memory's points within a voxel of a mover's surface, where it was at the time of a fused
  keyframe. A point within a voxel of a surface that never moves is that surface's, also where a mover touches it.
- *behind*: of the places that a mover hid from a fused keyframe and that another one saw, the share that the memory
  shows from there, at their depth.
- *still*: the same for all places of fused keyframes at which nothing moves.
- *found* and *right*: the share of moving pixels in the masks, and of the masks' pixels that move or, within their
  margin, border on what moves.

With --out, writes masks over keyframes and the memory seen from above, what is wrong in it in red.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from spatia.errors import SpatiaError
from spatia.estimation.completion import CompletionEstimator
from spatia.estimation.fuse import points_of_geometry
from spatia.estimation.motion_residual import MotionResidual
from spatia.estimation.oracle import OracleEstimator, OracleSegmenter
from spatia.estimation.segment import NoSegmenter, grown
from spatia.geom.camera import Cameras, Intrinsics
from spatia.memory.cloud import PointMemory
from spatia.projection.choose import open_projector
from spatia.records.arrays import F32, I32, U8, Bool
from spatia.records.cloud import INITIAL_CLIP, CloudSnapshot
from spatia.records.frames import Frames
from spatia.records.geometry import DynamicSegmenter, Geometry, SceneEstimator, Sighting
from spatia.records.projection import MetricSplat, Projector
from spatia.scene.build_paths import intrinsics_of, new_poses, start_pose_of
from spatia.scene.load import load_scene
from spatia.scene.schema import ProceduralWorld, Scene
from spatia.trajectory.rounds import plan_rounds
from spatia.worlds.courtyard import courtyard
from spatia.worlds.plan import nothing_moves
from spatia.worlds.procedural import ProceduralScene, procedural_world

SCENE = Path(__file__).resolve().parents[1] / "scenes" / "courtyard_moving.yaml"
SEGMENTERS = ("none", "oracle", "motion_residual")
KEYFRAME_STRIDE = 4  # where the scene leaves it to the run
CONTEXT_FRAMES = 7  # as many as a run retrieves, besides the last one
MARGIN_PX = 5  # a mask's own and that of the points
CLOSE = 0.03  # of the depth


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Walk:
    """Pictures of a true world along a scene's path, keyframes of all rounds in order."""

    scene: Scene
    world: ProceduralScene
    seen: Frames  # keyframes, with true depth
    moving: Bool  # [N, H, W]
    behind_m: F32  # [N, H, W] depth of the world without its movers
    rounds: tuple[slice, ...]  # of the keyframes
    fused: Bool  # [N] the others only precede the next clip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """What a memory became."""

    cloud: CloudSnapshot
    masks: Bool  # [N, H, W] by keyframe
    wrong: Bool  # [points] on a mover
    behind: float
    still: float
    found: float
    right: float

    @property
    def movers(self) -> float:
        return float(self.wrong.mean())


def main() -> int:
    arguments = _arguments()
    try:
        walk = walked(load_scene(arguments.scene, arguments.set).scene)
    except SpatiaError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{len(walk.rounds)} rounds, {walk.fused.sum()} keyframes fused; depth: {arguments.estimator}")
    print(f"{'segmenter':<18}{'points':>9}{'movers':>9}{'behind':>9}{'still':>9}{'found':>9}{'right':>9}")
    for name in arguments.segmenters:
        outcome = remembered(walk, segmenter=name, estimator=arguments.estimator)
        shares = (outcome.movers, outcome.behind, outcome.still, outcome.found, outcome.right)
        print(f"{name:<18}{outcome.cloud.alive_count:>9}" + "".join(f"{share:>9.2%}" for share in shares), flush=True)
        if arguments.out:
            arguments.out.mkdir(parents=True, exist_ok=True)
            Image.fromarray(overlaid(walk, outcome.masks)).save(arguments.out / f"masks-{name}.png")
            Image.fromarray(from_above(outcome)).save(arguments.out / f"above-{name}.png")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene", type=Path, nargs="?", default=SCENE)
    parser.add_argument("--segmenters", nargs="+", choices=SEGMENTERS, default=SEGMENTERS)
    parser.add_argument("--estimator", choices=("oracle", "completion"), default="oracle")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as in `spatia run`")
    parser.add_argument("--out", type=Path, help="folder for pictures")
    return parser.parse_args()


def walked(scene: Scene) -> Walk:
    """Renders the keyframes of a scene in a procedural world: every n-th frame, and the last ones of each round."""
    assert isinstance(scene.world, ProceduralWorld)
    world = procedural_world(scene.world.name)
    lens = intrinsics_of(scene.camera)
    assert lens is not None
    poses = (world.start_pose if scene.camera.start is None else start_pose_of(scene.camera.start))[None]
    for part in scene.rounds:
        assert part.path is not None
        poses = np.concatenate([poses, new_poses(part.path, poses)])
    made = scene.generation
    numbers: list[int] = []
    rounds: list[slice] = []
    fused: list[bool] = []
    for planned in plan_rounds(
        len(poses), first=made.first_frames, later=made.clip_frames, preceding=made.preceding_frames
    ):
        first = planned.start + planned.preceding
        keyframes = set(range(first, planned.stop, scene.estimation.keyframe_stride or KEYFRAME_STRIDE))
        estimated = sorted(keyframes | set(range(max(first, planned.stop - made.preceding_frames), planned.stop)))
        rounds.append(slice(len(numbers), len(numbers) + len(estimated)))
        numbers += estimated
        fused += [number in keyframes for number in estimated]
    cameras = Cameras(world_from_camera=poses[numbers], intrinsics=lens)
    time_s = (np.array(numbers) / scene.fps).astype(np.float32)
    true = world.render(cameras, time_s)
    without_movers = ProceduralScene(replace(courtyard(), move=nothing_moves))
    return Walk(
        scene=scene,
        world=world,
        seen=Frames(rgb=true.rgb, cameras=cameras, time_s=time_s, depth_m=true.depth_m),
        moving=true.moving,
        behind_m=without_movers.measure(cameras, time_s).depth_m,
        rounds=tuple(rounds),
        fused=np.array(fused),
    )


def remembered(walk: Walk, *, segmenter: str, estimator: str = "oracle", first_masked: bool = False) -> Outcome:
    """The memory after the last round. The first picture's movers are left out only where they are told."""
    projector = open_projector("numba")
    segments = _segmenter(segmenter, walk, projector)
    estimates: SceneEstimator = OracleEstimator(walk.world) if estimator == "oracle" else CompletionEstimator(projector)
    memory = PointMemory(voxel_m=walk.scene.memory.rgb.voxel_m, max_points=walk.scene.memory.rgb.max_points)
    masks = np.zeros_like(walk.moving)
    depth_m = np.zeros_like(walk.behind_m)  # as estimated, 0 where moving
    first = Sighting.of(walk.seen[:1])
    geometry = OracleEstimator(walk.world).estimate(first, cloud=memory.snapshot())
    told = walk.moving[:1] if segmenter == "oracle" else None
    _insert(memory, walk, first.seen, geometry, told, INITIAL_CLIP)
    for clip, part in enumerate(walk.rounds):
        sighting = _sighting(walk, part, depth_m, masks)
        cloud = memory.snapshot()
        geometry = estimates.estimate(sighting, cloud=cloud)
        masks[part] = segments.segment(sighting, geometry, cloud=cloud)
        depth_m[part] = np.where(masks[part], np.float32(0), geometry.depth_m)
        fused = np.flatnonzero(walk.fused[part])
        chosen = Geometry(
            cameras=geometry.cameras[fused],
            depth_m=geometry.depth_m[fused],
            confidence=geometry.confidence[fused],
        )
        _insert(memory, walk, sighting.seen[fused], chosen, masks[part][fused], clip)
    cloud = memory.snapshot()
    positions = cloud.points().positions_in_world
    wrong = walk.world.near_movers(positions, walk.seen.time_s[walk.fused], within_m=cloud.voxel_m)
    wrong[wrong] = ~walk.world.near_still(positions[wrong], within_m=cloud.voxel_m)
    behind, still = _completed(walk, cloud, projector)
    projector.close()
    around = grown(walk.moving, margin_px=MARGIN_PX)
    return Outcome(
        cloud=cloud,
        masks=masks,
        wrong=wrong,
        behind=behind,
        still=still,
        found=_share(masks, of=walk.moving),
        right=_share(around, of=masks),
    )


def _segmenter(name: str, walk: Walk, projector: Projector) -> DynamicSegmenter:
    match name:
        case "oracle":
            return OracleSegmenter(walk.world)
        case "motion_residual":
            return MotionResidual(projector)
        case _:
            return NoSegmenter()


def _sighting(walk: Walk, part: slice, depth_m: F32, masks: Bool) -> Sighting:
    """The round's keyframes, among earlier ones spread over the walk so far."""
    earlier = np.flatnonzero(walk.fused[: part.start])
    spread = np.linspace(0, len(earlier) - 1, min(CONTEXT_FRAMES, len(earlier))).round().astype(np.intp)
    numbers = np.unique(np.concatenate([earlier[spread], np.arange(part.start)[-1:]])).astype(np.intp)
    seen, before = walk.seen[part], walk.seen[numbers]
    return Sighting(
        frames=Frames(rgb=seen.rgb, cameras=seen.cameras, time_s=seen.time_s),
        keyframes=np.arange(len(seen), dtype=np.int32),
        context=replace(before, depth_m=depth_m[numbers]),
        context_moving=masks[numbers],
    )


def _insert(
    memory: PointMemory, walk: Walk, frames: Frames, geometry: Geometry, moving: Bool | None, clip: int
) -> None:
    farthest_m = walk.scene.estimation.max_depth_m
    memory.insert(points_of_geometry(frames, geometry, moving=moving, clip=clip, max_depth_m=farthest_m))


def _completed(walk: Walk, cloud: CloudSnapshot, projector: Projector) -> tuple[float, float]:
    """See *behind* and *still* above."""
    numbers = np.flatnonzero(walk.fused).astype(np.int32)
    look = MetricSplat(radius_m=cloud.voxel_m, min_radius_px=1.0)
    hidden, shown = [], []
    still, right = 0, 0
    for n in numbers:
        known_m = projector.project(cloud, walk.seen.cameras[n : n + 1], look=look).depth_m[0]
        wanted_m = walk.behind_m[n]
        there = np.abs(known_m - wanted_m) <= CLOSE * wanted_m
        asked = (wanted_m > 0) & (wanted_m <= walk.scene.estimation.max_depth_m)
        still += int((asked & ~walk.moving[n]).sum())
        right += int((asked & ~walk.moving[n] & there).sum())
        came = asked & walk.moving[n]
        came[came] = _seen_elsewhere(walk, int(n), came, numbers)
        hidden.append(came.sum())
        shown.append((came & there).sum())
    return float(sum(shown) / max(1, sum(hidden))), right / still


def _seen_elsewhere(walk: Walk, n: int, places: Bool, numbers: I32) -> Bool:
    """[P] which of the still places that a keyframe should show at `places` [H, W] another keyframe shows in full."""
    lens = walk.seen.cameras.intrinsics
    poses = walk.seen.cameras.world_from_camera
    at = lens.rays_in_camera()[places] * walk.behind_m[n][places][:, None]
    seen = np.zeros(len(at), dtype=np.bool_)
    for other in numbers:
        if other == n:
            continue
        to = np.linalg.inv(poses[other]) @ poses[n]
        u, v, z = _projected(at @ to[:3, :3].T + to[:3, 3], lens)
        inside = (z > 0) & (z <= walk.scene.estimation.max_depth_m)
        inside &= (u >= 0) & (v >= 0) & (u < lens.width_px) & (v < lens.height_px)
        row, column = v[inside].astype(np.intp), u[inside].astype(np.intp)
        clear = ~grown(walk.moving[other : other + 1], margin_px=MARGIN_PX)[0, row, column]
        seen[inside] |= clear & (np.abs(walk.behind_m[other][row, column] - z[inside]) <= CLOSE * z[inside])
    return seen


def _projected(in_camera: np.ndarray, lens: Intrinsics) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, y, z = in_camera.T
    ahead = np.where(z > 0, z, 1.0)
    return lens.fx_px * x / ahead + lens.cx_px, lens.fy_px * y / ahead + lens.cy_px, z


def _share(mask: Bool, *, of: Bool) -> float:
    return float(mask[of].mean()) if of.any() else 1.0


def overlaid(walk: Walk, masks: Bool, *, columns: int = 3) -> U8:
    """Some keyframes of each round: found and moving green, found alone red, missed blue."""
    shown = [n for part in walk.rounds for n in np.linspace(part.start, part.stop - 1, columns).astype(int)]
    tints = (
        (masks & walk.moving, (0, 255, 0)),
        (masks & ~walk.moving, (255, 0, 0)),
        (~masks & walk.moving, (0, 0, 255)),
    )
    pictures = []
    for n in shown:
        picture = walk.seen.rgb[n] // 2
        for where, tint in tints:
            picture[where[n]] = picture[where[n]] // 2 + np.array(tint, dtype=np.uint8) // 2
        pictures.append(picture)
    return _grid(pictures, columns)


def from_above(outcome: Outcome, *, size_px: int = 1000, half_m: float = 7.0) -> U8:
    """The memory below 3 m, straight down; points on movers red."""
    points = outcome.cloud.points()
    position = points.positions_in_world
    order = np.argsort(-position[:, 1], kind="stable")  # the highest last: y points down
    order = np.concatenate([order[~outcome.wrong[order]], order[outcome.wrong[order]]])
    order = order[position[order, 1] > -3.0]
    at = np.floor((position[order][:, [0, 2]] + half_m) * (size_px / (2 * half_m))).astype(np.intp)
    inside = ((at >= 0) & (at < size_px)).all(axis=1)
    color = np.where(outcome.wrong[order, None], np.array([255.0, 0.0, 0.0]), points.colors[order])
    picture = np.zeros((size_px, size_px, 3), dtype=np.uint8)
    picture[size_px - 1 - at[inside, 1], at[inside, 0]] = color[inside].astype(np.uint8)
    return picture


def _grid(pictures: Sequence[U8], columns: int) -> U8:
    rows = [np.concatenate(pictures[i : i + columns], axis=1) for i in range(0, len(pictures), columns)]
    return np.concatenate(rows, axis=0)


if __name__ == "__main__":
    sys.exit(main())
