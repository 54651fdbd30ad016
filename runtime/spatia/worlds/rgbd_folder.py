"""RGB-D folders: one colour picture, one depth picture and one pose a frame, as 7-Scenes and tsdf-fusion write them.

    frame-000000.color.jpg (or .png)   frame-000000.depth.png (16 bit)   frame-000000.pose.txt (4x4, camera to world)
    camera-intrinsics.txt (3x3, pixels)

Frames are read when asked for; poses at once. A pose of nan or inf marks a frame whose tracking was lost: it is left
out and counted. Colour and depth may come from two cameras; `RgbdFrame.registered_rgb` is the colour that each depth
pixel has in the colour camera. Any thread.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spatia.errors import InputError
from spatia.geom.camera import Cameras, Intrinsics
from spatia.geom.pose import F64, check_poses, transform
from spatia.records.arrays import F32, I32, U8, Bool
from spatia.worlds.pictures import read_gray, read_rgb

INTRINSICS_FILE = "camera-intrinsics.txt"
DEPTH_NAME = re.compile(r"frame-(\d{1,9})\.depth\.png")
MAX_FRAMES = 200_000
MAX_TEXT_BYTES = 16 * 1024
NO_READING = (0, 65535)
PLAUSIBLE_DEPTH_M = (0.05, 50.0)  # of a frame's median


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RgbdFrame:
    """One frame. Colour on the colour camera's raster, depth on the depth camera's."""

    number: int
    rgb: U8  # [H, W, 3] sRGB
    depth_m: F32  # [h, w] along +z, 0 where there is no reading
    registered_rgb: U8  # [h, w, 3] the colour of each depth pixel, 0 where unknown
    registered: Bool  # [h, w] True where it is known: a reading that the colour camera sees
    world_from_depth: F64  # [4, 4]
    world_from_color: F64  # [4, 4]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RgbdFolder:
    """A sequence whose frames are read one at a time; see `open_rgbd_folder`."""

    path: Path
    frame_numbers: tuple[int, ...]
    lost_frames: tuple[int, ...]  # numbers of frames without a pose
    poses: F64  # [T, 4, 4] world_from_camera of the depth camera
    color_intrinsics: Intrinsics
    depth_intrinsics: Intrinsics
    depth_scale_m: float
    color_from_depth: F64  # [4, 4]

    def __len__(self) -> int:
        return len(self.frame_numbers)

    @property
    def depth_cameras(self) -> Cameras:
        return Cameras(world_from_camera=self.poses, intrinsics=self.depth_intrinsics)

    @property
    def color_cameras(self) -> Cameras:
        depth_from_color = np.linalg.inv(self.color_from_depth)
        return Cameras(world_from_camera=self.poses @ depth_from_color, intrinsics=self.color_intrinsics)

    def read(self, i: int) -> RgbdFrame:
        """Frame `i` of `len(self)`. Raises `InputError` for pictures that are missing, damaged or implausible."""
        number = self.frame_numbers[i]
        rgb = read_rgb(_color_path(self.path, number))
        _check_size(rgb.shape[:2], self.color_intrinsics, _color_path(self.path, number))
        depth_path = _frame_path(self.path, number, "depth.png")
        raw = read_gray(depth_path)
        _check_size(raw.shape, self.depth_intrinsics, depth_path)
        if raw.dtype.itemsize < 2:
            raise InputError(
                "8 bits a pixel are too coarse for depth", where=str(depth_path), fix="save depth as a 16-bit grey PNG"
            )
        depth_m = np.where(np.isin(raw, NO_READING), 0.0, raw * self.depth_scale_m).astype(np.float32)
        _check_unit(depth_m, self.depth_scale_m, depth_path)
        color_from_depth = self.color_from_depth
        registered_rgb, registered = registered_color(
            rgb, depth_m, self.color_intrinsics, self.depth_intrinsics, color_from_depth
        )
        return RgbdFrame(
            number=number,
            rgb=rgb,
            depth_m=depth_m,
            registered_rgb=registered_rgb,
            registered=registered,
            world_from_depth=self.poses[i].copy(),
            world_from_color=self.poses[i] @ np.linalg.inv(color_from_depth),
        )


def open_rgbd_folder(
    path: Path | str,
    *,
    color_intrinsics: Intrinsics | None = None,
    depth_intrinsics: Intrinsics | None = None,
    depth_scale_m: float = 0.001,
    color_from_depth: F64 | None = None,
    strict: bool = False,
) -> RgbdFolder:
    """The frames of a folder in the order of their numbers.

    `depth_scale_m` is the length of one step of the depth pictures; 0 and 65535 mean no reading. Intrinsics that are
    not given come from camera-intrinsics.txt, with the size of the first frame's picture. `color_from_depth` [4, 4] is
    the identity unless given: both cameras in one place. With `strict`, a lost frame is an error.
    Raises `InputError` for a folder without frames, a missing or damaged file, a frame without its partner.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise InputError("there is no such folder", where=str(folder), fix="check the path of the RGB-D folder")
    if not (np.isfinite(depth_scale_m) and depth_scale_m > 0):
        raise InputError(f"must be a positive number of metres; got {depth_scale_m}", where="depth_scale_m")
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except OSError as error:
        raise InputError(f"cannot be listed: {error.strerror}", where=str(folder)) from error
    numbers = sorted(int(found[1]) for found in map(DEPTH_NAME.fullmatch, names) if found)
    if not numbers or len(numbers) > MAX_FRAMES:
        raise InputError(
            f"holds {len(numbers) or 'no'} frames", where=str(folder), fix="name depth pictures frame-000000.depth.png"
        )
    poses, lost = [], []
    for number in numbers:
        _color_path(folder, number)
        pose_path = _frame_path(folder, number, "pose.txt")
        matrix = _matrix(pose_path, 4)
        if np.isfinite(matrix).all():
            poses.append(_rigid(matrix, pose_path))
        elif strict:
            raise InputError(
                "the pose is not finite", where=str(pose_path), fix="remove the frame, or allow lost frames"
            )
        else:
            lost.append(number)
    if not poses:
        raise InputError("no frame has a finite pose", where=str(folder), fix="the tracking failed: record it again")
    kept = tuple(number for number in numbers if number not in set(lost))
    color_size = read_rgb(_color_path(folder, kept[0])).shape[:2] if color_intrinsics is None else None
    depth_size = read_gray(_frame_path(folder, kept[0], "depth.png")).shape if depth_intrinsics is None else None
    return RgbdFolder(
        path=folder,
        frame_numbers=kept,
        lost_frames=tuple(lost),
        poses=np.stack(poses),
        color_intrinsics=color_intrinsics or _folder_intrinsics(folder, color_size),
        depth_intrinsics=depth_intrinsics or _folder_intrinsics(folder, depth_size),
        depth_scale_m=depth_scale_m,
        color_from_depth=np.eye(4)
        if color_from_depth is None
        else check_poses(color_from_depth, name="color_from_depth"),
    )


def registered_color(
    rgb: U8, depth_m: F32, color_intrinsics: Intrinsics, depth_intrinsics: Intrinsics, color_from_depth: F64
) -> tuple[U8, Bool]:
    """The colour of each depth pixel's point in the colour camera, [h, w, 3], and where there is one, [h, w].

    Nearest pixel; points that another surface hides from the colour camera take that surface's colour, which is a
    matter of a pixel or two for cameras that share a housing.
    """
    known = depth_m > 0
    points = depth_intrinsics.rays_in_camera()[known] * depth_m[known][:, None]
    x, y, z = transform(color_from_depth, points).T
    with np.errstate(divide="ignore", invalid="ignore"):
        u = np.floor(color_intrinsics.fx_px * x / z + color_intrinsics.cx_px)
        v = np.floor(color_intrinsics.fy_px * y / z + color_intrinsics.cy_px)
    seen = (z > 0) & (u >= 0) & (u < rgb.shape[1]) & (v >= 0) & (v < rgb.shape[0])
    column: I32 = u[seen].astype(np.int32)
    row: I32 = v[seen].astype(np.int32)
    registered = np.zeros(depth_m.shape, dtype=np.bool_)
    registered[known] = seen
    colors = np.zeros((*depth_m.shape, 3), dtype=np.uint8)
    colors[registered] = rgb[row, column]
    return colors, registered


def _frame_path(folder: Path, number: int, kind: str) -> Path:
    """The file of a frame; its number may be padded as tsdf-fusion does, to six digits."""
    path = folder / f"frame-{number:06d}.{kind}"
    if not path.is_file():
        raise InputError(
            "there is no such file", where=str(path), fix="each frame needs .color.jpg, .depth.png and .pose.txt"
        )
    return path


def _color_path(folder: Path, number: int) -> Path:
    png = folder / f"frame-{number:06d}.color.png"
    return png if png.is_file() else _frame_path(folder, number, "color.jpg")


def _folder_intrinsics(folder: Path, size: tuple[int, ...] | None) -> Intrinsics:
    path = folder / INTRINSICS_FILE
    k = _matrix(path, 3)
    if size is None or not np.isfinite(k).all() or min(k[0, 0], k[1, 1]) <= 0:
        raise InputError(
            f"no intrinsics: focal lengths are {k[0, 0]} and {k[1, 1]}",
            where=str(path),
            fix="write fx 0 cx / 0 fy cy / 0 0 1, in pixels",
        )
    return Intrinsics(
        fx_px=float(k[0, 0]),
        fy_px=float(k[1, 1]),
        cx_px=float(k[0, 2]),
        cy_px=float(k[1, 2]),
        width_px=size[1],
        height_px=size[0],
    )


def _matrix(path: Path, side: int) -> F64:
    """A square matrix of numbers from a small text file."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_TEXT_BYTES + 1)
    except OSError as error:
        fix = "bring the file back; for intrinsics, color_intrinsics and depth_intrinsics of the scene will do"
        raise InputError(f"cannot be read: {error.strerror}", where=str(path), fix=fix) from error
    words = text.split()
    if len(text) > MAX_TEXT_BYTES or len(words) != side * side:
        raise InputError(f"{side}x{side} numbers were wanted; got {len(words)} words", where=str(path))
    try:
        return np.array([float(word) for word in words]).reshape(side, side)
    except ValueError as error:
        raise InputError(f"not a number: {error}", where=str(path)) from error


def _rigid(matrix: F64, path: Path) -> F64:
    try:
        return check_poses(matrix, name="pose")
    except ValueError as error:
        transposed = np.allclose(matrix[:, 3], [0, 0, 0, 1])
        fix = "the matrix is transposed: write it" if transposed else "write camera-to-world, rotation and metres,"
        raise InputError(str(error), where=str(path), fix=f"{fix} with the position in the last column") from error


def _check_size(shape: tuple[int, ...], intrinsics: Intrinsics, path: Path) -> None:
    wanted = (intrinsics.height_px, intrinsics.width_px)
    if shape != wanted:
        raise InputError(
            f"is {shape[1]}x{shape[0]} pixels, and the intrinsics are for {wanted[1]}x{wanted[0]}",
            where=str(path),
            fix="give the intrinsics of this picture's size",
        )


def _check_unit(depth_m: F32, depth_scale_m: float, path: Path) -> None:
    known = depth_m[depth_m > 0]
    if not known.size:
        return
    median_m = float(np.median(known))
    low, high = PLAUSIBLE_DEPTH_M
    if not low <= median_m <= high:
        raise InputError(
            f"the unit looks wrong: half of the scene would be within {median_m:.4g} m at {depth_scale_m:g} m a step",
            where=str(path),
            fix="set depth_scale_m to metres per step: 0.001 for millimetres, 0.0002 for TUM's 1/5000",
        )
