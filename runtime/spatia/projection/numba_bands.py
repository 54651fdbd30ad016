"""The default projector without a GPU: pages culled by their bounds, screen bands owned by threads, SIMD loops.

The kernels are single-threaded and hold no Python lock; a pool of plain threads, one per projector, runs them side by
side. numba's own `parallel=True` is not used: its fallback layer aborts the process when two threads enter it at once,
and OpenMP's spinning barriers cost more than the drawing on a busy machine. So two projectors in two threads never meet.

Every band is written by one thread, and a key's minimum does not depend on the order of arrival: the bytes are the same
for any number of threads or bands.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass

import numba
import numpy as np

from spatia.geom.camera import Cameras
from spatia.projection import kernels
from spatia.projection.optics import Optics, camera_rows
from spatia.records.arrays import F32, I32, U8
from spatia.records.cloud import CloudSnapshot
from spatia.records.projection import Look, Projection

BAND_BYTES = 1 << 19  # a band's buffer should live in a core's own cache


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """One camera's share of a projection: what to draw and where to put it."""

    cloud: CloudSnapshot
    optics: Optics
    pinhole: F32  # [4]
    camera: F32  # [3, 4]
    order: I32  # [M] logical pages in view, the nearest first, so that later ones mostly fail the depth test
    extent: I32  # [P, 2] screen rows of each page
    rgb: U8  # [H, W, 3]
    depth_m: F32  # [H, W]
    index: I32  # [H, W]
    coverage: F32  # [H, W]

    @property
    def spread(self) -> float:
        """Mean share of the screen's height that a page touches: near 0 for points in spatial order, 1 for shuffled ones."""
        touched = self.extent[self.order]
        return float((touched[:, 1] - touched[:, 0]).mean() / self.optics.height_px) if len(touched) else 0.0

    def bands(self, at_least: int) -> list[tuple[int, int]]:
        """Row ranges small enough for the cache, unless every page would then be drawn again for most of them."""
        row_bytes = self._stride * (8 if self.optics.layers == 1 else 4 + 12 * self.optics.layers)
        count = max(at_least, -(-self.optics.height_px * row_bytes // BAND_BYTES))
        if self.spread * count > 1:
            count = at_least
        limits = np.linspace(0, self.optics.height_px, min(count, self.optics.height_px) + 1).astype(int).tolist()
        return list(zip(limits[:-1], limits[1:], strict=True))

    def draw(self, band: tuple[int, int]) -> None:
        top, bottom = band
        if self.optics.composited:
            self._draw_layers(top, bottom)
        else:
            self.resolve(self.nearest(band, self.order)[None], band)

    def nearest(self, band: tuple[int, int], order: I32) -> kernels.U64:
        """[rows, stride] the nearest key of every pixel of the band, from some of the pages."""
        top, bottom = band
        buffer = np.full((bottom - top, self._stride), kernels.EMPTY)
        optics, cloud = self.optics, self.cloud
        words = cloud.arena.view(np.float32)
        if optics.single_pixels:
            kernels.splat_points(
                words, cloud.pages, cloud.row_count, order, self.extent,
                self.camera, self.pinhole, optics.width_px, top, buffer,
            )  # fmt: skip
        else:
            kernels.splat_discs(
                words, cloud.pages, cloud.row_count, order, self.extent,
                self.camera, self.pinhole, optics.radii, optics.width_px, top, buffer,
            )  # fmt: skip
        return buffer

    def resolve(self, buffers: kernels.U64, band: tuple[int, int]) -> None:
        rows = slice(*band)
        kernels.resolve_nearest(
            buffers, self.cloud.arena, self.cloud.pages,
            self.rgb[rows], self.depth_m[rows], self.index[rows], self.coverage[rows],
        )  # fmt: skip

    def _draw_layers(self, top: int, bottom: int) -> None:
        optics, cloud = self.optics, self.cloud
        shape = (bottom - top, self._stride)
        farthest = np.full(shape, kernels.NO_DEPTH)
        layers = np.full((*shape, optics.layers), kernels.EMPTY)
        alphas = np.empty((*shape, optics.layers), np.float32)
        kernels.splat_layers(
            cloud.arena.view(np.float32), cloud.pages, cloud.row_count, self.order, self.extent,
            self.camera, self.pinhole, optics.max_radius_px, optics.width_px, top, farthest, layers, alphas,
        )  # fmt: skip
        rows = slice(top, bottom)
        kernels.resolve_layers(
            layers, alphas, cloud.arena, cloud.pages,
            self.rgb[rows], self.depth_m[rows], self.index[rows], self.coverage[rows],
        )  # fmt: skip

    @property
    def _stride(self) -> int:
        return self.optics.width_px + kernels.LANES


class NumbaProjector:
    """`threads` defaults to numba's own count (`NUMBA_NUM_THREADS`, `numba.set_num_threads`) at construction."""

    name = "numba"

    def __init__(self, *, threads: int | None = None) -> None:
        self._threads = numba.get_num_threads() if threads is None else threads
        if self._threads < 1:
            raise ValueError(f"threads must be >= 1; got {threads}")
        self._pool = ThreadPoolExecutor(max(1, self._threads - 1), thread_name_prefix="projector")

    def project(self, cloud: CloudSnapshot, cameras: Cameras, *, look: Look) -> Projection:
        optics = Optics.of(cameras.intrinsics, look)
        shape = (len(cameras), optics.height_px, optics.width_px)
        rgb, depth_m = np.empty((*shape, 3), np.uint8), np.empty(shape, np.float32)
        index, coverage = np.empty(shape, np.int32), np.empty(shape, np.float32)
        matrices, pinhole = camera_rows(cameras), optics.pinhole

        def view(t: int) -> _View:
            order, extent = _pages_in_view(cloud, matrices[t], optics)
            return _View(
                cloud=cloud, optics=optics, pinhole=pinhole, camera=matrices[t], order=order, extent=extent,
                rgb=rgb[t], depth_m=depth_m[t], index=index[t], coverage=coverage[t],
            )  # fmt: skip

        def whole_views(worker: int) -> None:
            for t in range(worker, len(cameras), self._threads):
                mine = view(t)
                for band in mine.bands(1):
                    mine.draw(band)

        if len(cameras) >= self._threads:
            self._on_all_threads(whole_views)
        else:
            for t in range(len(cameras)):
                self._draw_together(view(t))
        return Projection(rgb=rgb, depth_m=depth_m, index=index, coverage=coverage)

    def close(self) -> None:
        self._pool.shutdown()

    def _draw_together(self, view: _View) -> None:
        if view.optics.single_pixels and view.spread > 0.5:
            self._draw_incoherent(view)
            return
        bands = view.bands(self._threads)

        def my_bands(worker: int) -> None:
            for band in bands[worker :: self._threads]:
                view.draw(band)

        self._on_all_threads(my_bands)

    def _draw_incoherent(self, view: _View) -> None:
        """Shuffled points: every page meets every band, so each thread takes pages instead and the buffers are merged."""
        screen = (0, view.optics.height_px)
        buffers = np.empty((self._threads, view.optics.height_px, view.optics.width_px + kernels.LANES), np.uint64)

        def my_pages(worker: int) -> None:
            buffers[worker] = view.nearest(screen, view.order[worker :: self._threads])

        def my_rows(worker: int) -> None:
            top, bottom = (view.optics.height_px * n // self._threads for n in (worker, worker + 1))
            view.resolve(buffers[:, top:bottom], (top, bottom))

        self._on_all_threads(my_pages)
        self._on_all_threads(my_rows)

    def _on_all_threads(self, job: Callable[[int], None]) -> None:
        """Runs job(0), ..., job(threads - 1) at once, the last of them here."""
        others = [self._pool.submit(job, worker) for worker in range(self._threads - 1)]
        try:
            job(self._threads - 1)
        finally:
            wait(others)  # nobody may write into the pictures after an error has left this call
        for other in others:
            other.result()


def _pages_in_view(cloud: CloudSnapshot, camera: F32, optics: Optics) -> tuple[I32, I32]:
    """Logical pages whose bounds meet the view, the nearest first, and the screen rows of all pages."""
    extent = np.empty((len(cloud.pages), 2), np.int32)
    nearest_m = np.empty(len(cloud.pages), np.float32)
    kernels.bound_pages(
        cloud.bounds_in_world_m, camera, optics.pinhole, optics.max_radius_px,
        optics.width_px, optics.height_px, extent, nearest_m,
    )  # fmt: skip
    seen = np.flatnonzero(extent[:, 1] > extent[:, 0])
    return seen[np.argsort(nearest_m[seen], kind="stable")].astype(np.int32), extent
