"""Inputs of a few kilobytes that are right in every way, for tests that then spoil one thing."""

from pathlib import Path

import numpy as np
from PIL import Image

from spatia.records.cloud import Points
from spatia.worlds.ply import write_ply

CLOUD = """\
spatia: 1
name: small cloud
seed: 5
world: {kind: ply, path: cloud.ply}
camera: {width_px: 32, height_px: 16, fov_y_deg: 60, start: {eye: [0, 0, 0], look_at: [0, 0, 2]}}
rounds:
  - path: [{truck_m: 0.1, frames: 8}]
memory: {rgb: {voxel_m: 0.02}}
generation: {first_frames: 5, clip_frames: 5, preceding_frames: 1}
projection: {projector: numba}
"""
RECORDED = CLOUD.replace("{kind: ply, path: cloud.ply}", "{kind: rgbd, path: rgbd}")
RGBD_FRAMES, WIDTH_PX, HEIGHT_PX = 3, 32, 24


def write_cloud(path: Path) -> None:
    """A wall of 2,400 points two metres before the origin."""
    x, y = np.meshgrid(np.linspace(-1.5, 1.5, 60), np.linspace(-1.0, 1.0, 40))
    positions = np.stack([x.ravel(), y.ravel(), np.full(x.size, 2.0)], axis=-1).astype(np.float32)
    colors = np.full_like(positions, 120.0)
    write_ply(path, Points.of(positions, colors))


def write_rgbd(folder: Path) -> None:
    """Three frames of a wall two metres away, each a centimetre further to the right."""
    folder.mkdir()
    for number in range(RGBD_FRAMES):
        rgb = np.full((HEIGHT_PX, WIDTH_PX, 3), 90 + 20 * number, dtype=np.uint8)
        Image.fromarray(rgb).save(rgbd_file(folder, number, "color.jpg"))
        write_depth(folder, number, np.full((HEIGHT_PX, WIDTH_PX), 2000, dtype=np.uint16))
        pose = np.eye(4)
        pose[0, 3] = 0.01 * number
        np.savetxt(rgbd_file(folder, number, "pose.txt"), pose)
    np.savetxt(folder / "camera-intrinsics.txt", np.array([[30.0, 0, 16], [0, 30.0, 12], [0, 0, 1]]))


def write_photo_case(folder: Path) -> None:
    """A photo of a wall two metres away, with its depth, and a path that trucks to the right."""
    folder.mkdir()
    Image.new("RGB", (WIDTH_PX, HEIGHT_PX), (120, 90, 60)).save(folder / "img.jpg")
    Image.fromarray(np.full((HEIGHT_PX, WIDTH_PX), 2000, dtype=np.uint16)).save(folder / "depth.png")
    (folder / "intrinsics.txt").write_text("[0.9 1.2 0.5 0.5]\n")
    poses = np.repeat(np.eye(4)[None], 5, axis=0)
    poses[:, 0, 3] = -0.01 * np.arange(5)
    (folder / "w2c.txt").write_text("".join(f"{pose.tolist()}\n" for pose in poses))
    (folder / "prompt.txt").write_text("a wall\n")


def write_depth(folder: Path, number: int, depth: np.ndarray) -> None:
    Image.fromarray(depth).save(rgbd_file(folder, number, "depth.png"))


def rgbd_file(folder: Path, number: int, kind: str) -> Path:
    return folder / f"frame-{number:06d}.{kind}"
