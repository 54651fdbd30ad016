"""A request in a small scene, and a cancel that comes at a given step."""

import dataclasses

import numpy as np

from spatia.geom.camera import Cameras
from spatia.records.arrays import F32
from spatia.records.frames import Frames
from spatia.records.generation import Cancelled, ClipRequest
from spatia.records.projection import Projection
from support.scenes import BallBeforeWall, frames_of, lens, sideways

SCENE = BallBeforeWall(ball_speed_m_s=0.5)
PRECEDING = 9
TOTAL = 21


class CancelAt:
    """Lets a generator pass `checks` times, then stops it."""

    def __init__(self, checks: float) -> None:
        self.checks_left = checks

    def check(self) -> None:
        if self.checks_left <= 0:
            raise Cancelled
        self.checks_left -= 1


def request_in_scene(
    *,
    preceding: int = PRECEDING,
    total: int = TOTAL,
    references: slice = slice(2, 4),
    with_depth: bool = True,
    holes: float = 0.1,
    prompt: str = "",
    seed: int = 1,
    height_px: int = 32,
) -> ClipRequest:
    """A walk past the ball whose projection is the true depth with some pixels missing."""
    cameras = sideways(total, step_m=0.02, turn_rad=0.002, intrinsics=lens(width_px=64, height_px=height_px))
    walk = frames_of(SCENE, cameras)
    return ClipRequest(
        request_id=4,
        epoch=0,
        base_version=0,
        seed=seed,
        prompt=prompt,
        cameras=cameras,
        time_s=walk.time_s,
        projection=projection_of(cameras, walk.time_s, holes=holes),
        preceding=without_depth(walk[:preceding], with_depth),
        references=without_depth(walk[references], with_depth),
    )


def projection_of(cameras: Cameras, time_s: F32, *, holes: float) -> Projection:
    true = SCENE.render(cameras, time_s)
    rng = np.random.Generator(np.random.PCG64(3))
    hole = (rng.uniform(size=true.depth_m.shape) < holes) | (true.depth_m == 0)
    return Projection(
        rgb=np.where(hole[..., None], 0, true.rgb).astype(np.uint8),
        depth_m=np.where(hole, 0, true.depth_m).astype(np.float32),
        index=np.where(hole, -1, 0).astype(np.int32),
    )


def without_depth(frames: Frames, with_depth: bool) -> Frames:
    return frames if with_depth else dataclasses.replace(frames, depth_m=None)
