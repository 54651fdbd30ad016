"""A generator without a network: what the memory and the frames already seen show, and smooth guesses elsewhere."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from spatia.generation.push_pull import fill_holes
from spatia.generation.surface import closed_surface
from spatia.generation.warp import blended_sources
from spatia.geom.camera import Cameras
from spatia.records.arrays import F32, U8
from spatia.records.frames import Frames
from spatia.records.generation import Cancel, Clip, ClipRequest, Progress, Report
from spatia.records.projection import Projection

THREADS = 2  # frames are independent, so their number changes no byte
PRECEDING_STRIDE = 8  # neighbouring frames say the same: of nine preceding frames, the last and the first
PROJECTION_WEIGHT = 2.0  # of the memory's own colour: less than any source that sees the point well
FOREGROUND_WEIGHT = 0.02  # a hole beside a depth edge is background, mostly


class ReprojectionGenerator:
    """See `Generator`. Deterministic; the prompt and the seed change nothing."""

    name = "reprojection"
    is_neural = False

    def generate(self, request: ClipRequest, *, report: Report, cancel: Cancel) -> Clip:
        old = len(request.preceding)
        sources = [
            frames
            for frames in (request.preceding[::-PRECEDING_STRIDE], request.references)
            if frames.depth_m is not None and len(frames)
        ]
        new = request.new_frame_count
        frames: list[U8] = []
        with ThreadPoolExecutor(max_workers=THREADS) as pool:
            for start in range(0, new, THREADS):
                cancel.check()
                chunk = range(old + start, old + min(start + THREADS, new))
                frames += pool.map(lambda t: _frame(request.projection, t, request.cameras[t : t + 1], sources), chunk)
                report(Progress(request_id=request.request_id, stage="warp", done=len(frames), total=new))
        return Clip(request_id=request.request_id, rgb=np.stack(frames))


def _frame(projection: Projection, t: int, camera: Cameras, sources: list[Frames]) -> U8:
    """Frame t [H, W, 3] from the projection, composited over black, and from what the sources show of its surface."""
    depth_m = projection.depth_m[t]
    surface_m = closed_surface(depth_m)
    trust = np.where((depth_m > 0) & (surface_m == depth_m), np.float32(PROJECTION_WEIGHT), np.float32(0))
    colors = projection.rgb[t].astype(np.float32) * trust[..., None]
    weights: F32 = trust if projection.alpha is None else projection.alpha[t] * trust
    for frames in sources:
        sums, more = blended_sources(surface_m, camera, frames)
        colors += sums
        weights += more
    known = weights > 0
    colors /= np.where(known, weights, np.float32(1))[..., None]
    farthest_m = max(float(surface_m.max()), 1e-6)
    background = np.maximum((surface_m / np.float32(farthest_m)) ** 2, np.float32(FOREGROUND_WEIGHT))
    filled = fill_holes(colors, np.where(known, background, np.float32(0)))
    rounded: U8 = np.clip(filled + np.float32(0.5), 0, 255).astype(np.uint8)
    return rounded
