"""How well the memory of a real RGB-D folder predicts frames that it has not seen.

    python tools/evaluate_rgbd.py FOLDER [--depth plane-sweep] [--out DIR] [--color-focal-px 525] [--voxel-m 0.01]

Every other frame is fused into the memory, and every sixth of the others is held out: the memory is splatted at its
pose and compared with what the sensor saw there. With `--depth plane-sweep` the fused frames' measured depth is hidden
and found from their colours and poses instead; the truth stays the sensor's. Depth is judged on the depth camera's
raster where both know a depth; colour on the colour camera's raster where the memory covers it. Prints a table; with
--out, writes side-by-side pictures. A line with a target ends in `ok` or `missed`, and a missed one makes the exit
status 1.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from spatia.errors import SpatiaError
from spatia.estimation.free_space import sight_votes
from spatia.estimation.fuse import points_of_geometry
from spatia.estimation.stereo.estimator import PlaneSweepEstimator, PlaneSweepSettings
from spatia.geom.camera import Intrinsics
from spatia.memory.cloud import PointMemory
from spatia.projection.choose import open_projector
from spatia.records.arrays import F32, I32, U8
from spatia.records.cloud import CloudSnapshot
from spatia.records.frames import Frames
from spatia.records.geometry import Geometry, Sighting
from spatia.records.picture_quality import psnr_db
from spatia.records.projection import MetricSplat
from spatia.worlds.rgbd_folder import RgbdFolder, open_rgbd_folder

HELD_OUT_EVERY = 6
SHOWN_DEPTH_M = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """What the means over the held-out frames must reach."""

    error_cm: float
    close_cm: float  # an error of no more counts as close
    close: float
    coverage: float
    psnr_db: float | None = None  # no target


TARGETS = {
    "measured": Targets(error_cm=2.7, close_cm=5, close=0.72, coverage=0.9, psnr_db=16),
    "plane-sweep": Targets(error_cm=10, close_cm=10, close=0.5, coverage=0.5),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One held-out frame."""

    number: int
    median_error_m: float
    close: float
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
    fused = (len(folder) + 1) // 2
    print(f"{len(folder)} frames, {len(folder.lost_frames)} lost; {fused} fused, {len(judged)} held out")
    print(
        f"{arguments.depth} depth: {cloud.alive_count} points at {arguments.voxel_m * 100:g} cm; "
        f"edge ratio {arguments.edge_ratio:g}, weight 1/z^2, "
        f"splat radius {arguments.splat_m * 100:g} cm and at least {arguments.splat_px:g} px"
    )
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        for judgement in judged:
            Image.fromarray(judgement.picture).save(arguments.out / f"held-out-{judgement.number:06d}.png")
    return 0 if _report(judged, TARGETS[arguments.depth]) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--depth", choices=sorted(TARGETS), default="measured", help="of the fused frames")
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
    views = _measured(folder) if arguments.depth == "measured" else _swept(folder, memory.snapshot())
    for frames, geometry in views:
        points = points_of_geometry(
            frames, geometry, clip=0, max_depth_m=arguments.max_depth_m, edge_ratio=arguments.edge_ratio
        )
        memory.insert(points, votes=sight_votes(geometry, cloud=memory.snapshot()))
    return memory.snapshot()


def _measured(folder: RgbdFolder) -> Iterator[tuple[Frames, Geometry]]:
    for i in range(0, len(folder), 2):
        seen = folder.read(i)
        geometry = Geometry(
            cameras=folder.depth_cameras[i : i + 1],
            depth_m=seen.depth_m[None],
            confidence=(seen.depth_m[None] > 0).astype(np.float32),
        )
        yield _frames(folder, np.array([i], dtype=np.int32)), geometry


def _swept(folder: RgbdFolder, nothing: CloudSnapshot) -> Iterator[tuple[Frames, Geometry]]:
    """All frames at once: each finds the views that are useful to it among all others."""
    frames = _frames(folder, np.arange(0, len(folder), 2, dtype=np.int32))
    projector = open_projector("numba")
    estimator = PlaneSweepEstimator(projector, settings=PlaneSweepSettings())
    geometry = estimator.estimate(Sighting.of(frames), cloud=nothing, report=_progress)
    projector.close()
    for k in range(len(frames)):
        yield frames[k : k + 1], _one(geometry, k)


def _frames(folder: RgbdFolder, chosen: I32) -> Frames:
    """What the colour camera saw; no depth."""
    return Frames(
        rgb=np.stack([folder.read(int(i)).rgb for i in chosen]),
        cameras=folder.color_cameras[chosen],
        time_s=np.zeros(len(chosen), dtype=np.float32),
    )


def _one(geometry: Geometry, k: int) -> Geometry:
    return Geometry(
        cameras=geometry.cameras[k : k + 1],
        depth_m=geometry.depth_m[k : k + 1],
        confidence=geometry.confidence[k : k + 1],
    )


def _progress(done: int, total: int) -> None:
    print(f"\rswept {done} of {total}", end="" if done < total else "\n", file=sys.stderr, flush=True)


def _judged(folder: RgbdFolder, cloud: CloudSnapshot, arguments: argparse.Namespace) -> Iterator[Judgement]:
    close_m = TARGETS[arguments.depth].close_cm / 100
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
            close=float((error <= close_m).mean()),
            coverage=float(covered.mean()),
            psnr_db=psnr_db(color.rgb[0], seen.rgb, where=covered),
            picture=np.concatenate(shown, axis=1),
        )
    projector.close()


def _shown_depth(depth_m: F32) -> U8:
    """[H, W, 3] near is bright, unknown is dark blue."""
    bright = (255 * np.clip(1 - depth_m / SHOWN_DEPTH_M, 0.05, 1)).astype(np.uint8)
    return np.where(depth_m[..., None] > 0, bright[..., None], np.array([20, 20, 60], dtype=np.uint8)).astype(np.uint8)


def _report(judged: list[Judgement], targets: Targets) -> bool:
    print(f"{'frame':>8} {'median cm':>10} {f'<= {targets.close_cm:g} cm':>8} {'coverage':>9} {'PSNR dB':>8}")
    for j in judged:
        print(f"{j.number:>8} {j.median_error_m * 100:>10.2f} {j.close:>8.1%} {j.coverage:>9.1%} {j.psnr_db:>8.2f}")
    error_cm = float(np.mean([j.median_error_m for j in judged])) * 100
    close = float(np.mean([j.close for j in judged]))
    coverage = float(np.mean([j.coverage for j in judged]))
    psnr = float(np.mean([j.psnr_db for j in judged]))
    lines = [
        (
            f"mean of the median depth errors {error_cm:.2f} cm, wanted <= {targets.error_cm:g}",
            error_cm <= targets.error_cm,
        ),
        (f"pixels within {targets.close_cm:g} cm {close:.1%}, wanted >= {targets.close:.0%}", close >= targets.close),
        (f"coverage {coverage:.1%}, wanted >= {targets.coverage:.0%}", coverage >= targets.coverage),
    ]
    if targets.psnr_db is None:
        print(f"PSNR on covered pixels {psnr:.2f} dB")
    else:
        line = f"PSNR on covered pixels {psnr:.2f} dB, wanted >= {targets.psnr_db:g}"
        lines.append((line, psnr >= targets.psnr_db))
    for line, good in lines:
        print(f"{line}: {'ok' if good else 'missed'}")
    return all(good for _, good in lines)


if __name__ == "__main__":
    sys.exit(main())
