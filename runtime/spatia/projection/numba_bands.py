"""The default projector without a GPU: pages culled by their bounds, screen bands owned by threads, SIMD loops.

The kernels are single-threaded and hold no Python lock; a pool of plain threads, one per projector, runs them side by
side. numba's own `parallel=True` is not used: its fallback layer aborts the process when two threads enter it at once,
and OpenMP's spinning barriers cost more than the drawing on a busy machine. So projectors in different threads never
meet.

One pixel a point, on pages that each show on few screen rows: every thread owns bands of rows and draws the pages that
touch them (`pixels`). Discs, and pages all over the screen: threads first share the pages and file every point under
the bands that its disc touches; then they share the bands, whose buffers fit into a core's cache (`kernels`). With as
many views as threads, each thread draws whole views. The nearest of a set does not depend on the order of arrival: the
bytes are the same either way, and for any number of threads.
"""

import math
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TypeVar

import numba
import numpy as np

from spatia.geom.camera import Cameras
from spatia.projection import kernels, pixels
from spatia.projection.optics import Optics, camera_rows
from spatia.records.arrays import F32, I32, U8, U32
from spatia.records.cloud import PAGE_POINTS, CloudSnapshot
from spatia.records.projection import Look, Projection

BAND_PIXELS = 1 << 18  # 12 bytes each; smaller bands stay nearer in the caches, larger ones meet fewer pages twice
MOST_BANDS_A_PAGE = 6.0  # projecting a point so many times costs as much as filing it once

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Records:
    """What one thread found in its pages, in chunks that each belong to one band."""

    places: F32  # [C, CHUNK, 3] u, v, radius in pixels
    keys: kernels.U64  # [C, CHUNK]
    owners: I32  # [C]
    lengths: I32  # [C]


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """One camera's share of a projection: what to draw and where to put it. Bands may be drawn by different threads."""

    cloud: CloudSnapshot
    optics: Optics
    camera: F32  # [3, 4]
    rgb: U8  # [H, W, 3]
    depth_m: F32  # [H, W]
    index: I32  # [H, W]
    alpha: F32 | None  # [H, W] where composited

    @property
    def bands(self) -> int:
        return -(-self.optics.height_px // kernels.BAND_ROWS)

    def plan(self, workers: int) -> "_Plan | None":
        """Bands that fit a cache where pages meet few of them, or else as few as workers.

        None for discs, and where filing the points first costs less.
        """
        cloud, optics = self.cloud, self.optics
        if not optics.single_pixels:
            return None
        spans = np.empty((len(cloud.pages), 2), np.int32)
        bands_a_worker = -(-optics.width_px * optics.height_px // (BAND_PIXELS * workers))
        for bands, most_bands_a_page in ((bands_a_worker * workers, 2.0), (workers, MOST_BANDS_A_PAGE)):
            band_rows = -(-optics.height_px // bands)
            bands_a_page = pixels.rows_of_pages(
                cloud.bounds_in_world_m, self.camera, optics.pinhole,
                optics.width_px, optics.height_px, band_rows, spans,
            )  # fmt: skip
            if bands_a_page <= most_bands_a_page:
                return _Plan(spans=spans, band_rows=band_rows, workers=workers)
        return None

    def draw_pixels(self, plan: "_Plan", worker: int, scratch: "_Scratch") -> None:
        """Draws this worker's bands."""
        cloud, optics = self.cloud, self.optics
        cells, colors = scratch.for_pixels(plan.band_rows * optics.width_px + pixels.SPARE)
        pixels.draw_bands(
            cloud.arena, cloud.pages, cloud.row_count, plan.spans, self.camera, optics.pinhole,
            optics.width_px, optics.height_px, plan.band_rows, worker, plan.workers, cells, colors,
            self.rgb.reshape(-1), self.depth_m.reshape(-1).view(np.uint32), self.index.reshape(-1),
        )  # fmt: skip

    def pages(self) -> I32:
        """Logical pages whose bounds meet the view."""
        nearest_m = np.empty(len(self.cloud.pages), np.float32)
        kernels.pages_in_view(
            self.cloud.bounds_in_world_m, self.camera, self.optics.pinhole, self.optics.max_radius_px,
            self.optics.width_px, self.optics.height_px, nearest_m,
        )  # fmt: skip
        return np.flatnonzero(nearest_m < np.inf).astype(np.int32)

    def find(self, pages: I32) -> _Records:
        """Projects these pages."""
        cloud, optics = self.cloud, self.optics
        bands_a_point = 2 + int(2 * optics.max_radius_px + 1) // kernels.BAND_ROWS
        chunks = self.bands + -(-len(pages) * PAGE_POINTS * bands_a_point // kernels.CHUNK)
        places = np.empty((chunks, kernels.CHUNK, 3), np.float32)  # memory that is never touched costs nothing
        keys = np.empty((chunks, kernels.CHUNK), np.uint64)
        owners, lengths = np.empty(chunks, np.int32), np.empty(chunks, np.int32)
        used = kernels.bin_points(
            cloud.arena.view(np.float32), cloud.pages, cloud.row_count, pages,
            self.camera, optics.pinhole, optics.radii, optics.width_px, optics.height_px,
            places, keys, owners, lengths,
        )  # fmt: skip
        return _Records(places=places, keys=keys, owners=owners[:used], lengths=lengths[:used])

    def draw(self, band: int, found: list[_Records]) -> None:
        """Draws what all threads found for one band."""
        shape = (kernels.BAND_ROWS, _padded(self.optics.width_px))
        nearest = np.full(shape, kernels.EMPTY)
        rows = slice(band * kernels.BAND_ROWS, (band + 1) * kernels.BAND_ROWS)
        pictures = self.rgb[rows], self.depth_m[rows], self.index[rows]
        cloud, optics = self.cloud, self.optics
        if self.alpha is None:
            for part in found:
                kernels.splat(
                    part.places, part.keys, part.owners, part.lengths, band,
                    optics.single_pixels, optics.width_px, nearest,
                )  # fmt: skip
            kernels.resolve_nearest(nearest, cloud.arena, cloud.pages, *pictures)
            return
        blocks = shape[1] // kernels.LANES
        canvas = np.zeros((kernels.BAND_ROWS, blocks, kernels.PLANES, kernels.LANES), np.float32)
        canvas[:, :, kernels.CLEAR] = 1
        parts = [kernels.gather(part.places, part.keys, part.owners, part.lengths, band) for part in found]
        places, keys = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        kernels.blend_discs(
            places, keys, kernels.rising(keys), cloud.arena, cloud.pages, optics.layers,
            optics.width_px, band * kernels.BAND_ROWS, nearest, canvas,
        )  # fmt: skip
        kernels.resolve_blend(nearest, canvas, *pictures, self.alpha[rows])


def _padded(width_px: int) -> int:
    """Whole runs of lanes, and one to spare."""
    return (width_px // kernels.LANES + 2) * kernels.LANES


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """Who draws what of one view, pixel by pixel: worker w of n the bands w, w + n, ..."""

    spans: I32  # [P, 2] see `pixels.rows_of_pages`
    band_rows: int
    workers: int


class _Scratch:
    """One thread's buffers, kept from view to view: `draw_bands` leaves them as it found them."""

    def __init__(self) -> None:
        self._cells, self._colors = np.empty(0, np.uint64), np.empty(0, np.uint32)

    def for_pixels(self, count: int) -> tuple[kernels.U64, U32]:
        if len(self._cells) != count:
            self._cells, self._colors = np.full(count, kernels.EMPTY), np.zeros(count, np.uint32)
        return self._cells, self._colors


class NumbaProjector:
    """`threads` defaults to numba's own count (`NUMBA_NUM_THREADS`, `numba.set_num_threads`) at construction."""

    name = "numba"

    def __init__(self, *, threads: int | None = None) -> None:
        self._threads = numba.get_num_threads() if threads is None else threads
        if self._threads < 1:
            raise ValueError(f"threads must be >= 1; got {threads}")
        self._pool = ThreadPoolExecutor(max(1, self._threads - 1), thread_name_prefix="projector")
        self._scratch = [_Scratch() for _ in range(self._threads)]
        self._last_pictures = np.empty(0, np.uint32)

    def project(self, cloud: CloudSnapshot, cameras: Cameras, *, look: Look) -> Projection:
        optics = Optics.of(cameras.intrinsics, look)
        rgb, depth_m, index, alpha = self._empty_pictures(len(cameras), optics)
        views = [
            _View(
                cloud=cloud, optics=optics, camera=camera,
                rgb=rgb[t], depth_m=depth_m[t], index=index[t], alpha=None if alpha is None else alpha[t],
            )
            for t, camera in enumerate(camera_rows(cameras))
        ]  # fmt: skip
        if len(views) >= self._threads:
            self._draw_apart(views)
        else:
            for view in views:
                self._draw_together(view)
        return Projection(rgb=rgb, depth_m=depth_m, index=index, alpha=alpha)

    def close(self) -> None:
        self._pool.shutdown()

    def _empty_pictures(self, count: int, optics: Optics) -> tuple[U8, F32, I32, F32 | None]:
        """rgb, depth, index, and alpha where composited, uninitialised, out of one piece of memory.

        The piece of the last call is used again once nobody holds a picture of it: fresh memory comes page fault by
        page fault, and for the 81 frames of a clip that takes longer than the drawing.
        """
        shape = (count, optics.height_px, optics.width_px)
        pixel_count = math.prod(shape)
        needed = (3 if optics.composited else 2) * pixel_count + -(-3 * pixel_count // 4)
        words = self._last_pictures
        held_by_us_alone = sys.getrefcount(words) == 3  # attribute, local name, argument; a view adds one
        if len(words) != needed or not held_by_us_alone:
            words = self._last_pictures = np.empty(needed, np.uint32)
        depth_m, index = (words[n * pixel_count : (n + 1) * pixel_count].reshape(shape) for n in range(2))
        alpha = words[2 * pixel_count : 3 * pixel_count].reshape(shape).view(np.float32) if optics.composited else None
        bytes_ = words[(3 if optics.composited else 2) * pixel_count :].view(np.uint8)
        rgb = bytes_[: 3 * pixel_count].reshape(*shape, 3)
        return rgb, depth_m.view(np.float32), index.view(np.int32), alpha

    def _draw_apart(self, views: list[_View]) -> None:
        """Every thread draws whole views: nobody waits for anybody."""
        waiting = iter(views)  # a list's iterator gives each view to one thread

        def next_views(worker: int) -> None:
            for view in waiting:
                if (plan := view.plan(workers=1)) is not None:
                    view.draw_pixels(plan, 0, self._scratch[worker])
                    continue
                found = view.find(view.pages())
                for band in range(view.bands):
                    view.draw(band, [found])

        self._on_all_threads(next_views)

    def _draw_together(self, view: _View) -> None:
        """Every thread draws a share of the bands, where that is needed after filing a share of the pages."""
        if (plan := view.plan(self._threads)) is not None:
            self._on_all_threads(lambda worker: view.draw_pixels(plan, worker, self._scratch[worker]))
            return
        pages = view.pages()
        found = self._on_all_threads(lambda worker: view.find(pages[worker :: self._threads]))

        def my_bands(worker: int) -> None:
            for band in range(worker, view.bands, self._threads):
                view.draw(band, found)

        self._on_all_threads(my_bands)

    def _on_all_threads(self, job: Callable[[int], R]) -> list[R]:
        """Runs job(0), ..., job(threads - 1) at once, the last of them here."""
        others = [self._pool.submit(job, worker) for worker in range(self._threads - 1)]
        try:
            mine = job(self._threads - 1)
        finally:
            wait(others)  # nobody may write into the pictures after an error has left this call
        return [*(other.result() for other in others), mine]
