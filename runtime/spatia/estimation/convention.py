"""Whether poses are what they are said to be, told by whether frames with depth explain each other. Pure, any thread.

Files of poses do not say whether they hold camera-to-world or world-to-camera, nor whether a camera looks along +z as
in OpenCV or along -z as in OpenGL, and a wrong one is a rigid transform as good as any. But with the right one, a frame
carried by its depth into another lands on the same surfaces and colours.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from spatia.errors import InputError
from spatia.geom.camera import Intrinsics
from spatia.geom.pose import gl_from_camera, inverse
from spatia.records.arrays import F32, F64, U8, Bool
from spatia.records.frames import Frames
from spatia.records.geometry import Geometry

GivenAs = Literal["camera_to_world", "world_to_camera"]

MOST_FRAMES = 12
POINTS_ACROSS = 32  # of a frame that are carried into others
GRAY_WIDTH_PX = 80  # pictures are compared blurred
DEPTH_REACH = 0.1  # of depth; here and beyond a pixel does not agree at all
GRAY_REACH = 40.0  # of 255
LEAST_MOTION = 0.04  # of the picture's width, by which another reading must move the points
LEAST_AGREEMENT = 0.3  # of the better reading of a pair; two views of different things tell nothing
LEAST_PAIRS = 2
CLEARLY = 0.6  # a reading is right that leaves less than this of the disagreement,
HARDLY = 0.4  # or against which what was given agrees this little, where views overlap little in any case
MOST_PAIRS_FOR = 0.7  # of the pairs must favour it


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """What poses read as camera-to-world with OpenCV axes may be in truth."""

    inverted: bool
    opengl: bool

    def corrected(self, poses: F64) -> F64:
        """world_from_camera [T, 4, 4]"""
        poses = inverse(poses) if self.inverted else poses
        return poses @ gl_from_camera() if self.opengl else poses


# As given, and what else they may be.
READINGS = tuple(_Reading(inverted=inverted, opengl=opengl) for opengl in (False, True) for inverted in (False, True))


def check_convention(
    frames: Frames, *, where: str, given_as: GivenAs = "camera_to_world", geometry: Geometry | None = None
) -> None:
    """Raises `InputError`, naming what the poses look like, where another reading explains the frames far better.

    `frames` are in the order of the walk, their poses made from what was given; a few of them are looked at. Depth on a
    raster of its own comes as `geometry`, of the same frames. Silent where the frames move too little or see too little
    of each other to tell.
    """
    depth_m = frames.depth_m if geometry is None else geometry.depth_m
    if depth_m is None or len(depth_m) != len(frames):
        raise ValueError("poses are checked by depth, one for each frame")
    if len(frames) < 2:
        return
    lens = (frames.cameras if geometry is None else geometry.cameras).intrinsics
    chosen = telling_frames(len(frames))
    views = _Views.of(frames[chosen], depth_m[chosen], lens)
    agreement, motion = views.compared()
    overall = agreement[agreement.max(axis=1, initial=0) >= LEAST_AGREEMENT].sum(axis=0)
    for k in np.argsort(-overall, kind="stable"):
        tell = (motion[:, k] >= LEAST_MOTION) & (agreement[:, [0, k]].max(axis=1) >= LEAST_AGREEMENT)
        if tell.sum() < LEAST_PAIRS:
            continue
        given, other = agreement[tell, 0], agreement[tell, k]
        clear = 1 - other.mean() <= CLEARLY * (1 - given.mean()) or given.mean() <= HARDLY * other.mean()
        if clear and np.mean(other > given) >= MOST_PAIRS_FOR:
            raise InputError(
                f"{_looks(READINGS[k], given_as)}: so read, frames agree at {other.mean():.0%} of what they see, "
                f"as given at {given.mean():.0%} ({tell.sum()} pairs of frames)",
                where=where,
                fix=_fix(READINGS[k], given_as),
            )


def telling_frames(count: int) -> npt.NDArray[np.intp]:
    """At most `MOST_FRAMES` of so many frames: small groups of neighbours, spread over all."""
    if count <= MOST_FRAMES:
        return np.arange(count)
    group = np.array([0, 1, 3, 7])
    starts = np.linspace(0, count - 1 - group[-1], MOST_FRAMES // len(group)).astype(np.intp)
    return np.unique((starts[:, None] + group).ravel())


def _looks(reading: _Reading, given_as: GivenAs) -> str:
    names = ["camera-to-world", "world-to-camera"]
    given, other = names if given_as == "camera_to_world" else names[::-1]
    if not reading.inverted:
        return "these look like OpenGL axes (y up, z backward), not OpenCV's (y down, z forward)"
    axes = ", and with OpenGL axes (y up, z backward)" if reading.opengl else ""
    return f"these look like {other}, not {given}{axes}"


def _fix(reading: _Reading, given_as: GivenAs) -> str:
    flip = "negate the second and third column of each camera-to-world matrix" if reading.opengl else ""
    invert = f"write the inverse of each matrix: {given_as.replace('_', '-')} is wanted" if reading.inverted else ""
    return "; ".join(part for part in (invert, flip) if part)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Views:
    """Frames made small."""

    points: list[F64]  # [N, 3] of each, in its camera
    grays: list[F64]  # [N] of those points
    depth_m: F32  # [T, H, W] as given
    gray: F64  # [T, h, w] blurred
    depth_lens: Intrinsics
    gray_lens: Intrinsics
    poses: F64  # [T, 4, 4]

    @classmethod
    def of(cls, frames: Frames, depth_m: F32, lens: Intrinsics) -> "_Views":
        gray = np.stack([_blurred(picture) for picture in frames.rgb[..., 1]])  # green is most of what is bright
        gray_lens = frames.cameras.intrinsics.resized(width_px=gray.shape[2], height_px=gray.shape[1])
        step = max(1, lens.width_px // POINTS_ACROSS)
        rays = lens.rays_in_camera()[step // 2 :: step, step // 2 :: step].astype(np.float64)
        points, grays = [], []
        for small_m, picture in zip(depth_m[:, step // 2 :: step, step // 2 :: step], gray, strict=True):
            known = np.isfinite(small_m) & (small_m > 0)
            in_camera = rays[known] * small_m[known][:, None]
            shade, seen = _looked_up(picture, gray_lens, in_camera)
            points.append(in_camera[seen])
            grays.append(shade[seen])
        return cls(
            points=points,
            grays=grays,
            depth_m=depth_m,
            gray=gray,
            depth_lens=lens,
            gray_lens=gray_lens,
            poses=frames.cameras.world_from_camera,
        )

    def compared(self) -> tuple[F64, F64]:
        """For each pair of frames and each reading, [P, readings]: how far the frames agree, in 0..1, and by what part
        of the picture's width the reading carries points elsewhere than the poses as given.
        """
        poses = [reading.corrected(self.poses) for reading in READINGS]
        agreement, motion = [], []
        for i, points in enumerate(self.points):
            for j in range(len(self.points)):
                if i != j and len(points):
                    carried = [_carried(points, world_from_camera, i, j) for world_from_camera in poses]
                    agreement.append([self._agreement(at, self.grays[i], j) for at in carried])
                    motion.append([self._apart(carried[0], at) for at in carried])
        return np.reshape(agreement, (-1, len(READINGS))), np.reshape(motion, (-1, len(READINGS)))

    def _agreement(self, at: F64, gray: F64, j: int) -> float:
        """Of points in camera `j`. One that is not seen there does not agree; one without depth there says nothing."""
        depth_m, seen = _looked_up(self.depth_m[j], self.depth_lens, at)
        shade, shaded = _looked_up(self.gray[j], self.gray_lens, at)
        seen &= shaded
        known = np.isfinite(depth_m) & (depth_m > 0)
        apart = np.abs(at[:, 2] / np.where(known, depth_m, 1) - 1) / DEPTH_REACH
        other = np.abs(shade - gray) / GRAY_REACH
        alike = np.where(seen & known, 1 - 0.5 * np.minimum(apart, 1) - 0.5 * np.minimum(other, 1), 0)
        telling = ~seen | known
        return float(alike.sum() / telling.sum()) if telling.sum() >= 0.5 * len(at) else 0.0

    def _apart(self, given: F64, other: F64) -> float:
        (u, v, before), (u_too, v_too, before_too) = (_projected(at, self.depth_lens) for at in (given, other))
        apart = np.where(before & before_too, np.hypot(u - u_too, v - v_too) / self.depth_lens.width_px, 1)
        return float(np.minimum(apart, 1)[before | before_too].mean()) if (before | before_too).any() else 0.0


def _carried(points: F64, world_from_camera: F64, i: int, j: int) -> F64:
    j_from_i = inverse(world_from_camera[j]) @ world_from_camera[i]
    return np.asarray(points @ j_from_i[:3, :3].T + j_from_i[:3, 3])


def _projected(at: F64, lens: Intrinsics) -> tuple[F64, F64, Bool]:
    """u, v in pixels [N] and whether the point is before the camera."""
    before = at[:, 2] > 1e-6
    z = np.where(before, at[:, 2], 1)
    return lens.fx_px * at[:, 0] / z + lens.cx_px, lens.fy_px * at[:, 1] / z + lens.cy_px, before


def _looked_up(image: F32 | F64, lens: Intrinsics, at: F64) -> tuple[F64, Bool]:
    """The nearest pixel's value [N] where points in the camera are seen, and whether they are."""
    u, v, seen = _projected(at, lens)
    seen = seen & (u >= 0) & (v >= 0) & (u < lens.width_px) & (v < lens.height_px)
    row, column = np.where(seen, v, 0).astype(np.intp), np.where(seen, u, 0).astype(np.intp)
    return image[row, column].astype(np.float64), seen


def _blurred(gray: U8) -> F64:
    """[h, w] means of [H, W] over blocks; what does not fill a block at the right and below is dropped."""
    block = max(1, min(gray.shape[0], gray.shape[1] // GRAY_WIDTH_PX))
    height, width = (side // block for side in gray.shape)
    cut = gray[: height * block, : width * block]
    return np.asarray(cut.reshape(height, block, width, -1).mean(axis=(1, 3)))
