"""The generator that sees the true scene, moving things included: for tests, and for walks without a model."""

import numpy as np

from spatia.records.generation import Cancel, Clip, ClipRequest, Progress, Report
from spatia.records.truth import TrueScene

CHUNK_FRAMES = 4  # as many as one latent of a video model holds


class OracleGenerator:
    """See `Generator`."""

    name = "oracle"
    is_neural = False

    def __init__(self, scene: TrueScene) -> None:
        self._scene = scene

    def generate(self, request: ClipRequest, *, report: Report, cancel: Cancel) -> Clip:
        cameras = request.cameras[len(request.preceding) :]
        time_s = request.time_s[len(request.preceding) :]
        rgb = np.empty((len(cameras), cameras.intrinsics.height_px, cameras.intrinsics.width_px, 3), dtype=np.uint8)
        for start in range(0, len(cameras), CHUNK_FRAMES):
            cancel.check()
            chunk = slice(start, min(start + CHUNK_FRAMES, len(cameras)))
            rgb[chunk] = self._scene.render(cameras[chunk], time_s[chunk]).rgb
            report(Progress(request_id=request.request_id, stage="render", done=chunk.stop, total=len(cameras)))
        return Clip(request_id=request.request_id, rgb=rgb)
