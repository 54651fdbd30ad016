"""Keeps what moves out of the memory: says what is to be tracked through a clip, and has SAM 2 track it.

What is tracked: on the frames that are seen first, what the user's hints show; in every later clip, what was found in
the frame just before it, so that tracking goes on across clips and a run that is resumed goes on alike; and in all of
them, where wanted, what another segmenter finds moving. Runs on the estimation worker's thread.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from spatia.estimation.sam2.objects import followed
from spatia.estimation.sam2.settings import Hint, Sam2Settings
from spatia.estimation.segment import grown
from spatia.records.arrays import I32, U8, Bool
from spatia.records.cloud import CloudSnapshot
from spatia.records.geometry import DynamicSegmenter, Geometry, Report, Sighting, ignore

KEPT_CLIPS = 4


class Tracker(Protocol):
    """Follows what hints show through a video."""

    def track(self, video: U8, hints: Sequence[Hint], *, report: Report) -> Bool:
        """[N, H, W] True on any of the objects in `video` [N, H, W, 3], of which `hints` tell frames and pixels.

        Where a hint is a mask, the object there is that mask.
        """
        ...


class Sam2Segmenter:
    """See `DynamicSegmenter`."""

    name = "sam2"

    def __init__(
        self,
        settings: Sam2Settings,
        open_tracker: Callable[[], Tracker],
        *,
        automatic: DynamicSegmenter | None = None,
    ) -> None:
        """`open_tracker` loads the network, when there is something to track; `automatic` finds what moves unaided."""
        self._settings = settings
        self._open_tracker = open_tracker
        self._automatic = automatic
        self._tracker: Tracker | None = None
        self._kept: OrderedDict[bytes, Bool] = OrderedDict()  # masks by content, the oldest use first

    def segment(self, sighting: Sighting, geometry: Geometry, *, cloud: CloudSnapshot, report: Report = ignore) -> Bool:
        """Raises `InputError` for hints that are not on the frames, and as opening the tracker does."""
        frames, keyframes = sighting.frames.rgb, sighting.keyframes
        before = self._just_before(sighting)
        video = np.concatenate([sighting.context.rgb[-1:], frames]) if len(before) else frames
        moving = before
        if self._automatic is not None:
            found = self._automatic.segment(
                sighting, geometry, cloud=cloud, report=lambda done, total: report(0, len(video))
            )
            moving = np.concatenate([before, found])
        at = keyframes + len(before)
        hints = self._hints(sighting)
        hints += self._hints_of(
            moving,
            np.concatenate([np.zeros(len(before), np.int32), at]),
            first_id=1 + max((hint.object_id for hint in hints), default=0),
            always_first=len(before) > 0,
        )
        if not hints:
            return np.zeros((len(keyframes), *frames.shape[1:3]), dtype=np.bool_)
        key = _content(video, at, hints)
        if key not in self._kept:
            if self._tracker is None:
                self._tracker = self._open_tracker()
            tracked = self._tracker.track(video, hints, report=report)
            self._kept[key] = grown(tracked[at], margin_px=self._settings.margin_px)
        self._kept.move_to_end(key)
        if len(self._kept) > KEPT_CLIPS:
            self._kept.popitem(last=False)
        return self._kept[key].copy()

    def close(self) -> None:
        self._tracker = None
        if self._automatic is not None:
            self._automatic.close()

    def _hints(self, sighting: Sighting) -> list[Hint]:
        """The user's, where these frames are seen first."""
        if len(sighting.context):
            return []
        count, height_px, width_px = sighting.frames.rgb.shape[:3]
        for hint in self._settings.hints:
            hint.check_fits(frame_count=count, width_px=width_px, height_px=height_px)
        return list(self._settings.hints)

    def _just_before(self, sighting: Sighting) -> Bool:
        """[1 or 0, H, W] what moved in the frame before the clip, without the margin it was given there."""
        mask = sighting.context_moving[-1:]
        core = ~grown(~mask, margin_px=self._settings.margin_px)
        return core if core.any() else mask[: int(mask.any())]

    def _hints_of(self, masks: Bool, frames: I32, *, first_id: int, always_first: bool) -> list[Hint]:
        """Each object as it is seen largest and, with `always_first`, as it is in the first of the masks."""
        objects = followed(masks, most=self._settings.max_objects)
        hints = []
        for number in range(1, int(objects.max(initial=0)) + 1):
            area = (objects == number).sum(axis=(1, 2))
            shown = {int(area.argmax()), 0} if always_first and area[0] else {int(area.argmax())}
            hints += [
                Hint(object_id=first_id + number - 1, frame=int(frames[n]), mask=objects[n] == number)
                for n in sorted(shown)
            ]
        return hints


def _content(video: U8, at: I32, hints: Sequence[Hint]) -> bytes:
    """What the masks follow from, as a digest."""
    digest = hashlib.sha256(repr((video.shape, at.tolist())).encode())
    digest.update(np.ascontiguousarray(video).data)
    for hint in hints:
        digest.update(repr((hint.object_id, hint.frame, hint.inside, hint.outside, hint.box)).encode())
        if hint.mask is not None:
            digest.update(np.ascontiguousarray(hint.mask).data)
    return digest.digest()
