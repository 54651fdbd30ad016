"""How well the memory of a real RGB-D folder predicts frames that it has not seen.

    python tools/evaluate_rgbd.py FOLDER [--out DIR] [--color-focal-px 525] [--voxel-m 0.01] [--splat-m 0.005]

Every other frame is fused into the memory, and every sixth of the others is held out: the memory is splatted at its
pose and compared with what the sensor saw there. Depth is judged on the depth camera's raster where both know a depth;
colour on the colour camera's raster where the memory covers it. Prints a table; with --out, writes side-by-side
pictures. A line with a target ends in `ok` or `missed`, and a missed one makes the exit status 1.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from spatia.errors import SpatiaError
from spatia.estimation.fuse import points_of_geometry
from spatia.geom.camera import Cameras, Intrinsics
from spatia.memory.cloud import PointMemory
from spatia.projection.choose import open_projector
from spatia.records.arrays import F32, U8
from spatia.records.cloud import CloudSnapshot, Points
from spatia.records.frames import Frames
from spatia.records.geometry import Geometry
from spatia.records.picture_quality import psnr_db
from spatia.records.projection import MetricSplat
from spatia.worlds.rgbd_folder import RgbdFolder, RgbdFrame, open_rgbd_folder

HELD_OUT_EVERY = 6
CLOSE_M = 0.05
SHOWN_DEPTH_M = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One held-out frame."""

    number: int
    median_error_m: float
    within_5_cm: float
    coverage: float
    psnr_db: float
    picture: U8  # [H, 4 W, 3] seen and predicted colour, seen and predicted depth


def main() -> int:
    arguments = _arguments()
    try:
        folder = open_rgbd_folder(arguments.folder)
        folder = replace(folder, color_intrinsics=_with_focal(folder.color_intrinsics, arguments.color_focal_px))
        cloud = _fused(folder, arguments)
        judged = list(_judged(folder, cloud, arguments))
    except SpatiaError as error:
        print(error, file=sys.stderr)
        return 2
    print(
        f"{len(folder)} frames, {len(folder.lost_frames)} lost; {(len(folder) + 1) // 2} fused, {len(judged)} held out"
    )
    print(
        f"{cloud.alive_count} points at {arguments.voxel_m * 100:g} cm; edge ratio {arguments.edge_ratio:g}, "
        f"weight 1/z^2, splat radius {arguments.splat_m * 100:g} cm and at least {arguments.splat_px:g} px"
    )
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        for judgement in judged:
            Image.fromarray(judgement.picture).save(arguments.out / f"held-out-{judgement.number:06d}.png")
    return 0 if _report(judged) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, help="folder for side-by-side pictures")
    parser.add_argument("--color-focal-px", type=float, default=525.0)
    parser.add_argument("--voxel-m", type=float, default=0.01)
    parser.add_argument("--splat-m", type=float, default=0.005, help="radius of a splat: half a voxel")
    parser.add_argument("--splat-px", type=float, default=1.0, help="least radius of a splat on screen")
    parser.add_argument("--edge-ratio", type=float, default=0.03, help="see estimation/fuse.py")
    parser.add_argument("--max-depth-m", type=float, default=20.0)
    return parser.parse_args()


def _with_focal(intrinsics: Intrinsics, focal_px: float) -> Intrinsics:
    return replace(intrinsics, fx_px=focal_px, fy_px=focal_px)


def _fused(folder: RgbdFolder, arguments: argparse.Namespace) -> CloudSnapshot:
    memory = PointMemory(voxel_m=arguments.voxel_m)
    for i in range(0, len(folder), 2):
        memory.insert(_points(folder, folder.read(i), arguments))
    return memory.snapshot()


def _points(folder: RgbdFolder, frame: RgbdFrame, arguments: argparse.Namespace) -> Points:
    poses = frame.world_from_depth[None]
    frames = Frames(
        rgb=frame.rgb[None],
        cameras=Cameras(world_from_camera=poses, intrinsics=folder.color_intrinsics),
        time_s=np.zeros(1, dtype=np.float32),
    )
    geometry = Geometry(
        cameras=Cameras(world_from_camera=poses, intrinsics=folder.depth_intrinsics),
        depth_m=frame.depth_m[None],
        confidence=(frame.depth_m[None] > 0).astype(np.float32),
    )
    return points_of_geometry(
        frames, geometry, clip=0, max_depth_m=arguments.max_depth_m, edge_ratio=arguments.edge_ratio
    )


def _judged(folder: RgbdFolder, cloud: CloudSnapshot, arguments: argparse.Namespace) -> Iterator[Judgement]:
    projector = open_projector("numba")
    look = MetricSplat(radius_m=arguments.splat_m, min_radius_px=arguments.splat_px)
    for i in range(1, len(folder), 2)[::HELD_OUT_EVERY]:
        seen = folder.read(i)
        depth = projector.project(cloud, folder.depth_cameras[i : i + 1], look=look)
        color = projector.project(cloud, folder.color_cameras[i : i + 1], look=look)
        known = (seen.depth_m > 0) & (depth.index[0] >= 0)
        error = np.abs(depth.depth_m[0][known] - seen.depth_m[known])
        covered = color.index[0] >= 0
        shown = [seen.rgb, color.rgb[0], _shown_depth(seen.depth_m), _shown_depth(depth.depth_m[0])]
        yield Judgement(
            number=seen.number,
            median_error_m=float(np.median(error)),
            within_5_cm=float((error <= CLOSE_M).mean()),
            coverage=float(covered.mean()),
            psnr_db=psnr_db(color.rgb[0], seen.rgb, where=covered),
            picture=np.concatenate(shown, axis=1),
        )
    projector.close()


def _shown_depth(depth_m: F32) -> U8:
    """[H, W, 3] near is bright, unknown is dark blue."""
    bright = (255 * np.clip(1 - depth_m / SHOWN_DEPTH_M, 0.05, 1)).astype(np.uint8)
    return np.where(depth_m[..., None] > 0, bright[..., None], np.array([20, 20, 60], dtype=np.uint8)).astype(np.uint8)


def _report(judged: list[Judgement]) -> bool:
    print(f"{'frame':>8} {'median cm':>10} {'<= 5 cm':>8} {'coverage':>9} {'PSNR dB':>8}")
    for j in judged:
        print(
            f"{j.number:>8} {j.median_error_m * 100:>10.2f} {j.within_5_cm:>8.1%} {j.coverage:>9.1%} {j.psnr_db:>8.2f}"
        )
    error_cm = float(np.mean([j.median_error_m for j in judged])) * 100
    close = float(np.mean([j.within_5_cm for j in judged]))
    coverage = float(np.mean([j.coverage for j in judged]))
    psnr = float(np.mean([j.psnr_db for j in judged]))
    lines = (
        (f"mean of the median depth errors {error_cm:.2f} cm, wanted <= 2.7", error_cm <= 2.7),
        (f"pixels within 5 cm {close:.1%}, wanted >= 72 %", close >= 0.72),
        (f"coverage {coverage:.1%}, wanted >= 90 %", coverage >= 0.9),
        (f"PSNR on covered pixels {psnr:.2f} dB, wanted >= 16", psnr >= 16.0),
    )
    for line, good in lines:
        print(f"{line}: {'ok' if good else 'missed'}")
    return all(good for _, good in lines)


if __name__ == "__main__":
    sys.exit(main())
