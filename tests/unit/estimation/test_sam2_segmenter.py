"""What is tracked, seen with a tracker that leaves everything where it was shown."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest

from spatia.errors import InputError
from spatia.estimation.given import GivenDepth
from spatia.estimation.sam2.segmenter import KEPT_CLIPS, Sam2Segmenter
from spatia.estimation.sam2.settings import Hint, Sam2Settings
from spatia.estimation.segment import grown
from spatia.records.arrays import U8, Bool
from spatia.records.cloud import CloudSnapshot, Points, snapshot_of_points
from spatia.records.frames import Frames
from spatia.records.geometry import Geometry, Report, Sighting, ignore
from support.scenes import BallBeforeWall, frames_of, sideways

CLOUD = snapshot_of_points(Points.of(np.zeros((1, 3)), [0, 0, 0]))
HEIGHT, WIDTH = 48, 64


class StillTracker:
    """Every mask that is shown, at its place on all frames."""

    def __init__(self) -> None:
        self.videos: list[U8] = []
        self.hints: list[list[Hint]] = []

    def track(self, video: U8, hints: Sequence[Hint], *, report: Report) -> Bool:
        self.videos.append(video)
        self.hints.append(list(hints))
        moving = np.zeros(video.shape[:3], dtype=np.bool_)
        for frame in range(len(video)):
            report(frame, len(video))
            for hint in hints:
                moving[frame] |= False if hint.mask is None else hint.mask
        return moving


class Residual:
    """Finds what it was made with, as the motion residual finds what contradicts the memory."""

    name = "residual"

    def __init__(self, found: Bool) -> None:
        self.found = found
        self.closed = False

    def segment(self, sighting: Sighting, geometry: Geometry, *, cloud: CloudSnapshot, report: Report = ignore) -> Bool:
        report(1, 1)
        return self.found

    def close(self) -> None:
        self.closed = True


def block(top: int, left: int, *, size: int = 6) -> Bool:
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.bool_)
    mask[top : top + size, left : left + size] = True
    return mask


def frames(count: int = 5, *, start_s: float = 0.0) -> Frames:
    return frames_of(BallBeforeWall(ball_speed_m_s=1.0), sideways(count), start_s=start_s)


def sighting(keyframes: Sequence[int] = (0, 2, 4), *, before: Bool | None = None, start_s: float = 0.0) -> Sighting:
    """Five frames; with `before` there is one earlier frame, and what moved in it."""
    context = frames(1)[: int(before is not None)]
    return Sighting(
        frames=frames(start_s=start_s),
        keyframes=np.array(keyframes, dtype=np.int32),
        context=context,
        context_moving=np.zeros((0, HEIGHT, WIDTH), dtype=np.bool_) if before is None else before[None],
    )


def segment(segmenter: Sam2Segmenter, seen: Sighting, *, report: Report = ignore) -> Bool:
    return segmenter.segment(seen, GivenDepth().estimate(seen, cloud=CLOUD), cloud=CLOUD, report=report)


def segmenter_of(
    *hints: Hint, automatic: Residual | None = None, margin_px: int = 2, max_objects: int = 5
) -> tuple[Sam2Segmenter, StillTracker]:
    tracker = StillTracker()
    settings = Sam2Settings(hints=hints, margin_px=margin_px, max_objects=max_objects)
    return Sam2Segmenter(settings, lambda: tracker, automatic=automatic), tracker


def test_keyframes_get_what_was_tracked_through_all_frames_grown_by_the_margin() -> None:
    segmenter, tracker = segmenter_of(Hint(frame=3, mask=block(10, 20)))
    moving = segment(segmenter, sighting())
    assert segmenter.name == "sam2"
    assert moving.dtype == np.bool_
    np.testing.assert_array_equal(moving, [block(8, 18, size=10)] * 3)
    np.testing.assert_array_equal(tracker.videos[0], frames().rgb)
    assert [hint.frame for hint in tracker.hints[0]] == [3]


def test_hints_count_where_nothing_was_seen_before() -> None:
    segmenter, tracker = segmenter_of(Hint(mask=block(10, 20)))
    still = np.zeros((HEIGHT, WIDTH), dtype=np.bool_)
    assert not segment(segmenter, sighting(before=still)).any()
    assert tracker.hints == []


def test_the_tracker_is_opened_only_for_something_to_track() -> None:
    def unwanted() -> StillTracker:
        raise AssertionError

    segmenter = Sam2Segmenter(Sam2Settings(), unwanted, automatic=Residual(np.zeros((3, HEIGHT, WIDTH), np.bool_)))
    assert not segment(segmenter, sighting()).any()
    segmenter.close()


def test_tracking_goes_on_from_the_frame_before_the_clip_without_growing_from_clip_to_clip() -> None:
    segmenter, tracker = segmenter_of(Hint(mask=block(10, 20)))
    first = segment(segmenter, sighting())
    second = segment(segmenter, sighting(before=first[-1], start_s=1.0))
    assert len(tracker.videos[1]) == 6
    np.testing.assert_array_equal(tracker.videos[1][0], frames(1).rgb[0])
    np.testing.assert_array_equal(tracker.videos[1][1:], frames(start_s=1.0).rgb)
    (hint,) = tracker.hints[1]
    assert hint.frame == 0
    np.testing.assert_array_equal(hint.mask, block(10, 20))
    np.testing.assert_array_equal(second, first)


def test_a_mover_at_the_frames_edge_is_not_lost_between_clips() -> None:
    segmenter, tracker = segmenter_of(margin_px=4)
    segment(segmenter, sighting(before=grown(block(0, 0)[None], margin_px=4)[0]))
    np.testing.assert_array_equal(tracker.hints[0][0].mask, block(0, 0))


def test_a_mask_thinner_than_its_margin_is_tracked_as_it_is() -> None:
    segmenter, tracker = segmenter_of(margin_px=4)
    segment(segmenter, sighting(before=block(10, 20, size=3)))
    np.testing.assert_array_equal(tracker.hints[0][0].mask, block(10, 20, size=3))


def test_what_moved_before_is_tracked_object_by_object() -> None:
    segmenter, tracker = segmenter_of(margin_px=0)
    segment(segmenter, sighting(before=block(4, 4) | block(30, 40, size=8)))
    assert [hint.object_id for hint in tracker.hints[0]] == [1, 2]
    np.testing.assert_array_equal(tracker.hints[0][0].mask, block(30, 40, size=8))
    np.testing.assert_array_equal(tracker.hints[0][1].mask, block(4, 4))


def test_a_run_that_is_resumed_finds_the_same() -> None:
    going_on, _ = segmenter_of(Hint(mask=block(10, 20)))
    first = segment(going_on, sighting())
    resumed, _ = segmenter_of(Hint(mask=block(10, 20)))
    later = sighting(before=first[-1], start_s=1.0)
    np.testing.assert_array_equal(segment(going_on, later), segment(resumed, later))


def test_each_mover_of_the_residual_is_tracked_from_where_it_is_largest() -> None:
    found = np.stack([block(10, 10), block(10, 12, size=8), block(10, 14, size=4) | block(40, 50, size=3)])
    segmenter, tracker = segmenter_of(Hint(object_id=7, inside=((3.0, 3.0),)), automatic=Residual(found))
    segment(segmenter, sighting())
    drawn, largest, second = tracker.hints[0]
    assert (drawn.object_id, largest.object_id, second.object_id) == (7, 8, 9)
    assert (largest.frame, second.frame) == (2, 4)  # of the clip: numbers 1 and 2 among the keyframes
    np.testing.assert_array_equal(largest.mask, block(10, 12, size=8))
    np.testing.assert_array_equal(second.mask, block(40, 50, size=3))


def test_a_mover_of_the_residual_that_was_tracked_before_is_shown_on_both_frames() -> None:
    found = np.stack([block(10, 12), block(10, 14, size=9), block(10, 16)])
    segmenter, tracker = segmenter_of(automatic=Residual(found), margin_px=0)
    segment(segmenter, sighting(before=block(10, 10)))
    assert [(hint.object_id, hint.frame) for hint in tracker.hints[0]] == [(1, 0), (1, 3)]


def test_no_mover_is_lost_beyond_the_bound() -> None:
    found = np.stack([block(2, 2, size=8) | block(20, 20) | block(40, 50, size=3)] * 3)
    segmenter, tracker = segmenter_of(automatic=Residual(found), margin_px=0, max_objects=2)
    np.testing.assert_array_equal(segment(segmenter, sighting()), found)
    assert [hint.object_id for hint in tracker.hints[0]] == [1, 2]


def test_the_same_sighting_is_tracked_once() -> None:
    segmenter, tracker = segmenter_of(Hint(mask=block(10, 20)))
    first = segment(segmenter, sighting())
    again = segment(segmenter, sighting())
    np.testing.assert_array_equal(first, again)
    assert len(tracker.videos) == 1
    again[:] = False  # the caller's own
    np.testing.assert_array_equal(segment(segmenter, sighting()), first)


def test_another_picture_other_keyframes_or_another_mask_are_tracked_anew() -> None:
    segmenter, tracker = segmenter_of(Hint(mask=block(10, 20)))
    for seen in (
        sighting(),
        sighting(start_s=1.0),
        sighting((0, 4)),
        sighting(before=block(5, 5)),
        sighting(before=block(5, 6)),
    ):
        segment(segmenter, seen)
    assert len(tracker.videos) == 5


def test_only_the_last_clips_are_kept() -> None:
    segmenter, tracker = segmenter_of(Hint(mask=block(10, 20)))
    for clip in range(KEPT_CLIPS + 1):
        segment(segmenter, sighting(start_s=0.1 * clip))
    segment(segmenter, sighting(start_s=0.1))
    assert len(tracker.videos) == KEPT_CLIPS + 1
    segment(segmenter, sighting(start_s=0.0))
    assert len(tracker.videos) == KEPT_CLIPS + 2


def test_a_mask_of_another_size_is_refused_with_both_sizes() -> None:
    segmenter, _ = segmenter_of(Hint(mask=np.ones((4, 5), dtype=np.bool_)))
    with pytest.raises(InputError, match="the mask is 5x4, the frames are 64x48") as caught:
        segment(segmenter, sighting())
    assert caught.value.fix == "give a mask of the frames' size"


def test_progress_is_heard_and_ends_the_work() -> None:
    class Enough(Exception):  # noqa: N818 - as `Cancelled`, it is no error
        pass

    heard: list[tuple[int, int]] = []

    def report(done: int, total: int, *, stop: int) -> None:
        heard.append((done, total))
        if done == stop:
            raise Enough

    segmenter, tracker = segmenter_of(Hint(mask=block(10, 20)))
    with pytest.raises(Enough):
        segment(segmenter, sighting(), report=partial(report, stop=2))
    assert heard == [(0, 5), (1, 5), (2, 5)]
    segment(segmenter, sighting())
    assert len(tracker.videos) == 2


def test_closing_closes_the_residual_too() -> None:
    residual = Residual(np.zeros((3, HEIGHT, WIDTH), dtype=np.bool_))
    segmenter, _ = segmenter_of(automatic=residual)
    segmenter.close()
    assert residual.closed
