"""How well what moves stays out of the memory of a procedural world, and what stands behind it gets in.

    python tools/evaluate_movers.py [SCENE] [--segmenters none oracle motion_residual] [--set KEY=VALUE ...] [--out DIR]

Runs the scene once with each segmenter. After the last round:

- *movers*: the share of the memory's points within a voxel of a mover's surface, where it was at the time of a merged
  keyframe. A point within a voxel of a surface that never moves is that surface's, also where a mover touches it.
- *behind*: of the places that a mover hid from a merged keyframe and that another one saw, the share that the memory
  shows from there, at their depth.
- *still*: the same for all places of merged keyframes at which nothing moves.
- *found* and *right*: the share of moving pixels in the masks, and of the masks' pixels that move or, within their
  margin, border on what moves.

With --out, writes masks over keyframes and the memory seen from above, what is wrong in it in red. A line with a target
ends in `ok` or `missed`, and a missed one makes the exit status 1.
"""

import argparse
import sys
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from spatia.app.estimators import keyframe_stride
from spatia.app.run import round_poses
from spatia.app.session import Session
from spatia.errors import SceneError, SpatiaError
from spatia.estimation.segment import grown
from spatia.geom.camera import Cameras
from spatia.geom.pose import transform
from spatia.memory.frames import ArchivedClip
from spatia.projection.choose import open_projector
from spatia.records.arrays import F32, U8, Bool
from spatia.records.cloud import CloudSnapshot
from spatia.records.control import FollowPath
from spatia.records.projection import MetricSplat
from spatia.scene.load import load_scene
from spatia.scene.schema import ProceduralWorld, Scene
from spatia.worlds.plan import nothing_moves
from spatia.worlds.procedural import PROCEDURAL, ProceduralScene, procedural_world

SCENE = Path(__file__).resolve().parents[1] / "scenes" / "courtyard_moving.yaml"
TARGETS = {"oracle": 0.01, "motion_residual": 0.05}  # greatest share of points on movers
MARGIN_PX = 5  # a mask's own and that of the points
CLOSE = 0.03  # of the depth


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Walked:
    """A scene after its last round: the N merged keyframes and the memory that came of them."""

    rounds: int
    rgb: U8  # [N, H, W, 3]
    cameras: Cameras
    time_s: F32
    masks: Bool  # [N, H, W] what was left out
    cloud: CloudSnapshot
    max_depth_m: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judgement:
    """See the module."""

    on_mover: Bool  # [points]
    behind: float
    still: float
    found: float
    right: float

    @property
    def movers(self) -> float:
        return float(self.on_mover.mean())


def main() -> int:
    arguments = _arguments()
    good = True
    print(f"{'segmenter':<18}{'points':>9}{'movers':>9}{'behind':>9}{'still':>9}{'found':>9}{'right':>9}")
    for name in arguments.segmenters:
        try:
            scene = load_scene(arguments.scene, [*arguments.set, f"estimation.segmenter={name}"]).scene
            world = _world_of(scene)
            walk = walked(scene)
        except SpatiaError as error:
            print(error, file=sys.stderr)
            return 2
        moving = world.measure(walk.cameras, walk.time_s).moving
        judged = judge(walk, world, moving, still_world(world))
        shares = (judged.movers, judged.behind, judged.still, judged.found, judged.right)
        line = f"{name:<18}{walk.cloud.alive_count:>9}" + "".join(f"{share:>9.2%}" for share in shares)
        if name in TARGETS:
            met = judged.movers <= TARGETS[name]
            good &= met
            line += f"  movers wanted <= {TARGETS[name]:.0%}: {'ok' if met else 'missed'}"
        print(line, flush=True)
        if arguments.out:
            arguments.out.mkdir(parents=True, exist_ok=True)
            Image.fromarray(overlaid(walk, moving)).save(arguments.out / f"masks-{name}.png")
            Image.fromarray(from_above(walk.cloud, judged.on_mover)).save(arguments.out / f"above-{name}.png")
    return 0 if good else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene", type=Path, nargs="?", default=SCENE)
    parser.add_argument("--segmenters", nargs="+", default=["none", *TARGETS])
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as in `spatia run`")
    parser.add_argument("--out", type=Path, help="folder for pictures")
    return parser.parse_args()


def _world_of(scene: Scene) -> ProceduralScene:
    if not isinstance(scene.world, ProceduralWorld):
        raise SceneError("only a procedural world knows what moves in it", where="world.kind", fix="use procedural")
    return procedural_world(scene.world.name)


def still_world(world: ProceduralScene) -> ProceduralScene:
    """The same without its movers."""
    return ProceduralScene(replace(PROCEDURAL[world.name](), move=nothing_moves))


def walked(scene: Scene) -> Walked:
    """Runs a scene to its end, in memory."""
    stride = keyframe_stride(scene.estimation, fps=scene.fps)
    with Session(scene) as session:
        orders = [FollowPath(world_from_camera=poses) for poses in round_poses(scene, start=session.start)]
        clips = [result.archived for order in orders for result in session.carry_out(order)]
        merged = [clip.keyframes % stride == 0 for clip in clips]
        chosen = [clip.frames[clip.keyframes[at]] for clip, at in zip(clips, merged, strict=True)]
        masks = [_mask_of(clip)[at] for clip, at in zip(clips, merged, strict=True)]
        return Walked(
            rounds=len(clips),
            rgb=np.concatenate([frames.rgb for frames in chosen]),
            cameras=Cameras(
                world_from_camera=np.concatenate([frames.cameras.world_from_camera for frames in chosen]),
                intrinsics=chosen[0].cameras.intrinsics,
            ),
            time_s=np.concatenate([frames.time_s for frames in chosen]),
            masks=np.concatenate(masks),
            cloud=session.snapshot(),
            max_depth_m=scene.estimation.max_depth_m,
        )


def _mask_of(clip: ArchivedClip) -> Bool:
    return (
        np.zeros(clip.keyframe_depth_m.shape, dtype=np.bool_) if clip.keyframe_moving is None else clip.keyframe_moving
    )


def judge(walk: Walked, world: ProceduralScene, moving: Bool, still: ProceduralScene) -> Judgement:
    """`moving` [N, H, W] is what truly moves in the keyframes, `still` the world without movers."""
    cloud = walk.cloud
    positions = cloud.points().positions_in_world
    on_mover = world.near_movers(positions, walk.time_s, within_m=cloud.voxel_m)
    on_mover[on_mover] = ~world.near_still(positions[on_mover], within_m=cloud.voxel_m)
    behind_m = still.measure(walk.cameras, walk.time_s).depth_m
    with closing(open_projector("numba")) as projector:
        look = MetricSplat(radius_m=cloud.voxel_m, min_radius_px=1.0)
        shown_m = projector.project(cloud, walk.cameras, look=look).depth_m
    asked = (behind_m > 0) & (behind_m <= walk.max_depth_m)
    there = np.abs(shown_m - behind_m) <= CLOSE * behind_m
    around = grown(moving, margin_px=MARGIN_PX)
    hidden = asked & moving & _seen_elsewhere(walk, behind_m, asked & moving, asked & ~around)
    return Judgement(
        on_mover=on_mover,
        behind=_share(there, of=hidden),
        still=_share(there, of=asked & ~moving),
        found=_share(walk.masks, of=moving),
        right=_share(around, of=walk.masks),
    )


def _seen_elsewhere(walk: Walked, depth_m: F32, places: Bool, clear: Bool) -> Bool:
    """[N, H, W] which `places` of keyframes, at the still world's depth, another one shows where it is `clear`."""
    lens, poses = walk.cameras.intrinsics, walk.cameras.world_from_camera
    rays = lens.rays_in_camera().astype(np.float64)
    seen = np.zeros_like(places)
    for n, pose in enumerate(poses):
        at = transform(pose, rays[places[n]] * depth_m[n][places[n]][:, None])
        shown = np.zeros(len(at), dtype=np.bool_)
        for other in range(len(poses)):
            x, y, z = transform(np.linalg.inv(poses[other]), at).T
            ahead = np.where(z > 0, z, 1.0)
            u, v = lens.fx_px * x / ahead + lens.cx_px, lens.fy_px * y / ahead + lens.cy_px
            inside = (z > 0) & (u >= 0) & (u < lens.width_px) & (v >= 0) & (v < lens.height_px)
            pixel = v[inside].astype(np.intp), u[inside].astype(np.intp)
            same = np.abs(depth_m[other][pixel] - z[inside]) <= CLOSE * z[inside]
            shown[inside] |= clear[other][pixel] & same
        seen[n][places[n]] = shown
    return seen


def _share(mask: Bool, *, of: Bool) -> float:
    return float(mask[of].mean()) if of.any() else 1.0


def overlaid(walk: Walked, moving: Bool, *, columns: int = 3) -> U8:
    """Keyframes spread over the walk: found and moving green, found alone red, missed blue."""
    pictures = []
    for n in np.linspace(0, len(moving) - 1, columns * walk.rounds).round().astype(int):
        picture = walk.rgb[n] // 2
        found = walk.masks[n]
        tints = ((found & moving[n], (0, 128, 0)), (found & ~moving[n], (128, 0, 0)), (~found & moving[n], (0, 0, 128)))
        for where, tint in tints:
            picture[where] = picture[where] // 2 + np.array(tint, dtype=np.uint8)
        pictures.append(picture)
    rows = [np.concatenate(pictures[i : i + columns], axis=1) for i in range(0, len(pictures), columns)]
    return np.concatenate(rows, axis=0)


def from_above(cloud: CloudSnapshot, on_mover: Bool, *, size_px: int = 1000, half_m: float = 7.0) -> U8:
    """The memory below 3 m, straight down; points on movers red."""
    points = cloud.points()
    position = points.positions_in_world
    order = np.lexsort((-position[:, 1], on_mover))  # y points down: the highest last, movers after all
    order = order[position[order, 1] > -3.0]
    at = np.floor((position[order][:, [0, 2]] + half_m) * (size_px / (2 * half_m))).astype(np.intp)
    inside = ((at >= 0) & (at < size_px)).all(axis=1)
    color = np.where(on_mover[order, None], np.array([255.0, 0.0, 0.0]), points.colors[order])
    picture = np.zeros((size_px, size_px, 3), dtype=np.uint8)
    picture[size_px - 1 - at[inside, 1], at[inside, 0]] = color[inside].astype(np.uint8)
    return picture


if __name__ == "__main__":
    sys.exit(main())
