"""Clouds and cameras to draw in benchmarks: a furnished room of any size, and a real capture where there is one."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from spatia.geom.camera import Cameras, Intrinsics
from spatia.geom.pose import look_at, transform
from spatia.memory.cloud import PointMemory
from spatia.records.cloud import Points

CAPTURE = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "rgbd_room"
CAPTURE_STRIDE = 4  # of its frames: enough for a million voxels
VOXEL_M = 0.01
ROOM_M = ((-3.0, -1.4, -2.5), (3.0, 1.4, 2.5))


def room(count: int, *, scale: float = 1.0) -> Points:
    """Points spread evenly over the walls of a room and the faces of fourteen boxes in it, in Morton order."""
    random = np.random.default_rng(0)
    boxes = [ROOM_M]
    for _ in range(14):
        centre, half = random.uniform([-2.6, 0, -2.2], [2.6, 0, 2.2]), random.uniform(0.2, 0.6, 3)
        top = 1.4 - random.uniform(0.4, 1.4)
        boxes.append(((centre[0] - half[0], top, centre[2] - half[2]), (centre[0] + half[0], 1.4, centre[2] + half[2])))
    corners = np.array(boxes)  # [B, 2, 3]
    sides = corners[:, 1] - corners[:, 0]
    areas = np.repeat(np.prod(sides, axis=1, keepdims=True) / sides, 2, axis=1)  # [B, 6]
    face = random.choice(areas.size, count, p=areas.ravel() / areas.sum())
    box, axis, side = face // 6, face % 6 // 2, face % 2
    positions = corners[box, 0] + random.random((count, 3)) * sides[box]
    positions[np.arange(count), axis] = corners[box, side, axis]
    positions *= scale
    order = np.argsort(morton(positions))
    return Points.of(positions[order], random.uniform(0, 255, (count, 3)))


def capture() -> Points:
    """The real room as the memory keeps it: every frame's new 1 cm voxels, in Morton order, behind those before."""
    memory = PointMemory(voxel_m=VOXEL_M)
    rays = depth_camera().rays_in_camera()
    for pose_file in sorted(CAPTURE.glob("*.pose.txt"))[::CAPTURE_STRIDE]:
        stem = pose_file.name.removesuffix(".pose.txt")
        depth_m = np.asarray(Image.open(CAPTURE / f"{stem}.depth.png"), dtype=np.float32) / 1000
        color = np.asarray(Image.open(CAPTURE / f"{stem}.color.jpg"), dtype=np.float32)
        valid = (depth_m > 0.3) & (depth_m < 6)
        memory.insert(Points.of(transform(np.loadtxt(pose_file), (rays * depth_m[..., None])[valid]), color[valid]))
    return memory.snapshot().points()


def depth_camera() -> Intrinsics:
    """Of the capture."""
    return Intrinsics(fx_px=585.0, fy_px=585.0, cx_px=320.0, cy_px=240.0, width_px=640, height_px=480)


def capture_cameras(width_px: int, height_px: int, count: int = 16) -> Cameras:
    """Poses of the capture itself, with a wide picture's pinhole."""
    files = sorted(CAPTURE.glob("*.pose.txt"))
    poses = [np.loadtxt(files[n]) for n in np.linspace(0, len(files) - 1, count).astype(int)]
    return Cameras(world_from_camera=np.stack(poses), intrinsics=_pinhole(width_px, height_px))


def cameras_inside(width_px: int, height_px: int, count: int = 16) -> Cameras:
    """A circle in the middle of the room, looking outwards."""
    poses = [
        look_at([0.8 * np.cos(a), -0.2, 0.8 * np.sin(a)], [3 * np.cos(a + 0.7), 0.1, 3 * np.sin(a + 0.7)])
        for a in np.linspace(0, 2 * np.pi, count, endpoint=False)
    ]
    return Cameras(world_from_camera=np.stack(poses), intrinsics=_pinhole(width_px, height_px))


def _pinhole(width_px: int, height_px: int) -> Intrinsics:
    return Intrinsics.from_fov(fov_y_rad=np.radians(60), width_px=width_px, height_px=height_px)


def morton(positions: npt.NDArray[np.floating]) -> npt.NDArray[np.uint64]:
    """[N] The 21 low bits of the voxels' x, y and z, interleaved."""
    voxel = np.floor((positions - positions.min(axis=0)) / VOXEL_M).astype(np.uint64)
    key = np.zeros(len(positions), np.uint64)
    for bit in range(21):
        for axis in range(3):
            key |= (voxel[:, axis] >> np.uint64(bit) & np.uint64(1)) << np.uint64(3 * bit + axis)
    return key
