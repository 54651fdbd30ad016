"""Which earlier frames guide a clip: by 3D overlap, as the paper says, or by shared points, as the release does.

Main thread.
"""

from dataclasses import dataclass
from typing import Literal

from spatia.app.perception import visible_voxels
from spatia.geom.camera import Cameras
from spatia.memory.frames import FrameArchive
from spatia.memory.retrieval import retrieve_by_iou
from spatia.memory.shared_points import retrieve_by_shared_points
from spatia.records.cloud import CloudSnapshot
from spatia.records.projection import MetricSplat, Projector

RELEASE_TARGETS_HZ, RELEASE_CANDIDATES_HZ = 2.0, 6.0  # frames a second that the released code compares
TARGET_SHRINK = 4  # targets are projected at a quarter of the size: their voxels are coarser than their pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalSettings:
    metric: Literal["voxel_iou", "shared_points"] = "voxel_iou"  # the paper's, or the release's
    k: int = 7
    threshold: float = 0.05
    voxel_m: float = 0.05
    preceding_frames: int = 9  # they precede the next clip anyway, so they are no references
    fps: float = 24.0


class References:
    """See the module."""

    def __init__(self, settings: RetrievalSettings, projector: Projector) -> None:
        self.settings = settings
        self._projector = projector

    def choose(
        self, cameras: Cameras, *, archive: FrameArchive, photo_count: int, cloud: CloudSnapshot
    ) -> tuple[int, ...]:
        """Numbers of archived frames for these new cameras, the best first; `photo_count` came before the walk."""
        settings, covered = self.settings, len(archive) - photo_count
        candidates = archive.candidates(exclude_last=min(covered, settings.preceding_frames))
        if settings.k == 0 or not len(candidates):
            return ()
        if settings.metric == "voxel_iou":
            return self._by_overlap(cameras, archive, candidates, cloud)
        if covered == 0:  # a walk begins with the photograph of its first pose
            found_at = archive.cameras(candidates).taken_from(cameras.world_from_camera[0])
            return tuple(candidates[position] for position in found_at[:1])
        return self._as_released(cameras, archive, candidates[photo_count:], cloud)

    def _by_overlap(
        self, cameras: Cameras, archive: FrameArchive, candidates: range, cloud: CloudSnapshot
    ) -> tuple[int, ...]:
        settings = self.settings
        asked = cameras[:: settings.k]  # one target in every K frames, as in the paper; only those are projected
        small = asked.resized(
            width_px=max(1, asked.intrinsics.width_px // TARGET_SHRINK),
            height_px=max(1, asked.intrinsics.height_px // TARGET_SHRINK),
        )
        seen = self._projector.project(cloud, small, look=MetricSplat(radius_m=0.0))
        targets = [
            visible_voxels(seen.depth_m[t], small[t : t + 1], voxel_m=settings.voxel_m, stride_px=1)
            for t in range(len(small))
        ]
        found = retrieve_by_iou(
            targets, archive.index, candidates=candidates, threshold=settings.threshold, k=settings.k, every=1
        )
        return tuple(reference.frame for reference in found)

    def _as_released(
        self, cameras: Cameras, archive: FrameArchive, walked: range, cloud: CloudSnapshot
    ) -> tuple[int, ...]:
        """Frames of the walk alone are compared."""
        candidates = walked[:: self._stride(RELEASE_CANDIDATES_HZ)]
        if not candidates:
            return ()
        found = retrieve_by_shared_points(
            cloud.points().positions_in_world,
            targets=cameras[:: self._stride(RELEASE_TARGETS_HZ)],
            candidates=archive.cameras(candidates),
            k=self.settings.k,
        )
        return tuple(candidates[position] for position in found)

    def _stride(self, frames_a_second_hz: float) -> int:
        return max(1, round(self.settings.fps / frames_a_second_hz))
