"""A projector that looks at the true scene instead of a cloud, and forgets some of it."""

import numpy as np

from spatia.geom.camera import Cameras
from spatia.records.arrays import Bool
from spatia.records.cloud import CloudSnapshot
from spatia.records.projection import Look, Projection
from support.scenes import BallBeforeWall


class ForgetfulProjector:
    """See `Projector`. `forgotten` [H, W] is True where the memory is to have a hole."""

    name = "forgetful"

    def __init__(self, scene: BallBeforeWall, forgotten: Bool) -> None:
        self._scene = scene
        self._forgotten = forgotten

    def project(self, cloud: CloudSnapshot, cameras: Cameras, *, look: Look) -> Projection:
        true = self._scene.render(cameras, np.zeros(len(cameras), dtype=np.float32))
        known = (true.depth_m > 0) & ~self._forgotten
        return Projection(
            rgb=true.rgb * known[..., None],
            depth_m=true.depth_m * known,
            index=np.where(known, 0, -1).astype(np.int32),
        )

    def close(self) -> None:
        pass
