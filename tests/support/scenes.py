"""A small scene with exact answers: a checkered wall and a ball before it that may move along x."""

import math

import numpy as np

from spatia.geom.camera import Cameras, Intrinsics
from spatia.geom.pose import from_rotation_translation, rotation_about
from spatia.records.arrays import F32, F64
from spatia.records.frames import Frames
from spatia.records.truth import TrueFrames, TrueGeometry

WALL, BALL = 1, 2


class BallBeforeWall:
    """A wall at z = 4 m and a ball of 0.5 m radius at z = 2.5 m, which drifts by `ball_speed_m_s` along x."""

    name = "ball before wall"

    def __init__(self, *, ball_speed_m_s: float = 0.0) -> None:
        self.ball_speed_m_s = ball_speed_m_s

    def labels(self) -> dict[str, int]:
        return {"wall": WALL, "ball": BALL}

    def render(self, cameras: Cameras, time_s: F32) -> TrueFrames:
        views = zip(cameras.world_from_camera, time_s, strict=True)
        parts = [self._render_one(pose, cameras.intrinsics, float(t)) for pose, t in views]
        rgb, depth_m, label = (np.stack(column) for column in zip(*parts, strict=True))
        moving = (label == BALL) & (self.ball_speed_m_s != 0)
        return TrueFrames(rgb=rgb, depth_m=depth_m, label=label, moving=moving)

    def measure(self, cameras: Cameras, time_s: F32) -> TrueGeometry:
        return self.render(cameras, time_s)

    def _render_one(self, pose: F64, lens: Intrinsics, time_s: float) -> tuple[np.ndarray, ...]:
        rays = lens.rays_in_camera().astype(np.float64) @ pose[:3, :3].T
        eye = pose[:3, 3]
        with np.errstate(divide="ignore", invalid="ignore"):
            wall_z = (4.0 - eye[2]) / rays[..., 2]
        wall_z = np.where((wall_z > 0) & (rays[..., 2] != 0), wall_z, np.inf)
        offset = eye - np.array([self.ball_speed_m_s * time_s, 0.0, 2.5])
        a, b, c = (rays**2).sum(-1), rays @ offset, offset @ offset - 0.25
        root = b * b - a * c
        ball_z = np.where(root > 0, (-b - np.sqrt(np.maximum(root, 0))) / a, np.inf)
        ball_z = np.where(ball_z > 0, ball_z, np.inf)
        depth = np.minimum(wall_z, ball_z)
        label = np.where(np.isinf(depth), 0, np.where(ball_z < wall_z, BALL, WALL))
        at = eye + rays * np.where(np.isinf(depth), 0, depth)[..., None]
        wave = 0.5 + 0.25 * np.sin(5 * at[..., 0]) + 0.25 * np.sin(4 * at[..., 1])
        wall = np.stack([60 + 150 * wave, 90 + 80 * wave, 200 - 120 * wave], axis=-1)
        color = np.where((label == BALL)[..., None], [220.0, 60.0, 40.0], wall) * (label > 0)[..., None]
        return color.astype(np.uint8), np.where(np.isinf(depth), 0, depth).astype(np.float32), label.astype(np.int32)


def lens(*, width_px: int = 64, height_px: int = 48) -> Intrinsics:
    return Intrinsics.from_fov(fov_y_rad=math.radians(60), width_px=width_px, height_px=height_px)


def sideways(
    count: int, *, step_m: float = 0.05, turn_rad: float = 0.0, intrinsics: Intrinsics | None = None
) -> Cameras:
    """A camera at the origin, looking at the wall, that steps to the right and may turn about its up axis."""
    poses = [
        from_rotation_translation(rotation_about([0, 1, 0], turn_rad * i), np.array([step_m * i, 0.0, 0.0]))
        for i in range(count)
    ]
    return Cameras(world_from_camera=np.stack(poses), intrinsics=intrinsics or lens())


def frames_of(scene: BallBeforeWall, cameras: Cameras, *, with_depth: bool = True, start_s: float = 0.0) -> Frames:
    time_s = (start_s + np.arange(len(cameras)) / 24).astype(np.float32)
    true = scene.render(cameras, time_s)
    return Frames(rgb=true.rgb, cameras=cameras, time_s=time_s, depth_m=true.depth_m if with_depth else None)
