"""A scene for stereo: a textured slanted wall and a textured panel before it, with exact depth."""

import numpy as np

from spatia.geom.camera import Cameras
from spatia.records.arrays import F32, F64
from spatia.records.frames import Frames

WALL_M, WALL_SLOPE = 3.0, 0.2  # z = WALL_M + WALL_SLOPE * x
PANEL_M = 2.0
PANEL_HALF_M = (0.45, 0.35)


def panel_before_wall(cameras: Cameras, *, brightness: F32 | None = None) -> Frames:
    """Frames with true depth; `brightness` [T] scales each frame, as exposure does."""
    views = [_view(pose, cameras.intrinsics.rays_in_camera()) for pose in cameras.world_from_camera]
    gains = np.ones(len(cameras)) if brightness is None else brightness
    return Frames(
        rgb=np.stack(
            [np.clip(gain * rgb, 0, 255).astype(np.uint8) for gain, (rgb, _) in zip(gains, views, strict=True)]
        ),
        cameras=cameras,
        time_s=np.zeros(len(cameras), dtype=np.float32),
        depth_m=np.stack([depth_m for _, depth_m in views]),
    )


def _view(pose: F64, rays_in_camera: F32) -> tuple[F64, F32]:
    rays = rays_in_camera.astype(np.float64) @ pose[:3, :3].T
    eye = pose[:3, 3]
    wall = (WALL_M + WALL_SLOPE * eye[0] - eye[2]) / (rays[..., 2] - WALL_SLOPE * rays[..., 0])
    panel = (PANEL_M - eye[2]) / rays[..., 2]
    on_panel = eye + rays * panel[..., None]
    is_panel = (np.abs(on_panel[..., :2]) < PANEL_HALF_M).all(axis=-1) & (panel > 0)
    depth = np.where(is_panel, panel, wall)
    at = eye + rays * depth[..., None]
    return _texture(at[..., 0], at[..., 1], np.where(is_panel, 5.0, 0.0)), depth.astype(np.float32)


def _texture(x: F64, y: F64, phase: F64) -> F64:
    """[H, W, 3] in 0..255: waves of many directions, the shortest 20 cm long."""
    random = np.random.default_rng(3)
    color = np.zeros((*x.shape, 3))
    for _ in range(14):
        angle, length_m, start = random.uniform(0, np.pi), random.uniform(0.2, 0.8), random.uniform(0, 7, 3)
        along = (np.cos(angle) * x + np.sin(angle) * y) * 2 * np.pi / length_m
        color += np.sin(along[..., None] + start + phase[..., None] * (1 + angle))
    return np.asarray(np.clip(128 + 22 * color, 0, 255))
