"""The walked path and the frusta of cameras as segments for `line.vert`. Pure functions, any thread."""

import numpy as np

from spatia.geom.camera import Intrinsics
from spatia.geom.pose import F64
from spatia.records.arrays import F32

FRUSTUM_DEPTH_M = 0.18
PATH_COLOR = (0.30, 0.78, 1.00, 0.95)
FRUSTUM_COLOR = (1.00, 0.72, 0.25, 0.90)


def segments(path_in_world: F32, frusta_world_from_camera: F64, intrinsics: Intrinsics) -> F32:
    """[n, 3, 4] start, end (their last numbers unused) and colour."""
    frusta = _frusta(frusta_world_from_camera, intrinsics)
    out = np.zeros((max(len(path_in_world) - 1, 0) + len(frusta), 3, 4), np.float32)
    path, rest = out[: len(out) - len(frusta)], out[len(out) - len(frusta) :]
    if len(path):
        path[:, 0, :3], path[:, 1, :3], path[:, 2] = path_in_world[:-1], path_in_world[1:], PATH_COLOR
    rest[:, :2, :3], rest[:, 2] = frusta, FRUSTUM_COLOR
    return out


def _frusta(world_from_camera: F64, k: Intrinsics) -> F64:
    """[8 k, 2, 3] from the eye to the picture's corners, and around the picture."""
    u = (np.array([0, k.width_px, k.width_px, 0]) - k.cx_px) / k.fx_px
    v = (np.array([0, 0, k.height_px, k.height_px]) - k.cy_px) / k.fy_px
    corners = FRUSTUM_DEPTH_M * np.stack([u, v, np.ones(4)], axis=-1)
    eye = np.zeros((4, 3))
    edges = np.concatenate(
        [np.stack([eye, corners], axis=1), np.stack([corners, np.roll(corners, -1, axis=0)], axis=1)]
    )
    turned = np.einsum("kij,esj->kesi", world_from_camera[:, :3, :3], edges)
    return np.asarray((turned + world_from_camera[:, None, None, :3, 3]).reshape(-1, 2, 3))
