"""The real class of network with random weights, loaded through real files: shapes and ways, no sense."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spatia.errors import DeviceError, InputError
from spatia.estimation.given import GivenDepth
from spatia.estimation.sam2.opening import find_weights, open_tracker
from spatia.estimation.sam2.segmenter import Sam2Segmenter, Tracker
from spatia.estimation.sam2.settings import Hint, Sam2Settings
from spatia.estimation.segment import grown
from spatia.geom.camera import Cameras, Intrinsics
from spatia.records.arrays import Bool
from spatia.records.cloud import Points, snapshot_of_points
from spatia.records.frames import Frames
from spatia.records.geometry import Sighting, ignore
from support.scenes import BallBeforeWall, frames_of, sideways
from support.tiny_sam2 import write_tiny_sam2

CLOUD = snapshot_of_points(Points.of(np.zeros((1, 3)), [0, 0, 0]))
CASE = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "photos" / "case_3"
VIDEO = frames_of(BallBeforeWall(ball_speed_m_s=1.0), sideways(5)).rgb


def block(top: int, left: int) -> Bool:
    mask = np.zeros((48, 64), dtype=np.bool_)
    mask[top : top + 12, left : left + 16] = True
    return mask


POINTS = Hint(object_id=1, frame=2, inside=((30.0, 20.0),), outside=((4.0, 4.0),))
BOX = Hint(object_id=2, frame=1, box=(20.0, 10.0, 40.0, 30.0))
BOX_AND_POINT = Hint(object_id=3, frame=4, box=(20.0, 10.0, 40.0, 30.0), inside=((30.0, 20.0),))
MASK = Hint(object_id=4, frame=0, mask=block(20, 30))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_sam2(tmp_path_factory.mktemp("sam2"))


@pytest.fixture(scope="module")
def tracker(weights: Path) -> Tracker:
    return open_tracker(Sam2Settings(weights=str(weights), device="cpu"))


@pytest.mark.parametrize("hint", [POINTS, BOX, BOX_AND_POINT, MASK], ids=["points", "box", "both", "mask"])
def test_an_object_is_tracked_through_all_frames_in_both_directions(tracker: Tracker, hint: Hint) -> None:
    heard: list[tuple[int, int]] = []
    moving = tracker.track(VIDEO, [hint], report=lambda done, total: heard.append((done, total)))
    assert moving.dtype == np.bool_
    assert moving.shape == VIDEO.shape[:3]
    assert moving.any(axis=(1, 2)).all()
    assert not moving.all()
    assert heard == [(done, 5) for done in range(6)]


def test_objects_do_not_know_of_each_other(tracker: Tracker) -> None:
    hints = [POINTS, BOX, BOX_AND_POINT, MASK]
    together = tracker.track(VIDEO, hints, report=ignore)
    alone = [tracker.track(VIDEO, [hint], report=ignore) for hint in hints]
    np.testing.assert_array_equal(together, np.any(alone, axis=0))
    np.testing.assert_array_equal(together, tracker.track(VIDEO, hints[::-1], report=ignore))


def test_what_was_tracked_depends_on_the_hint_the_picture_and_the_frames_between(tracker: Tracker) -> None:
    moving = tracker.track(VIDEO, [MASK], report=ignore)
    elsewhere = Hint(object_id=4, mask=block(2, 2))
    assert (tracker.track(VIDEO, [elsewhere], report=ignore)[1:] != moving[1:]).any()
    other = VIDEO.copy()
    other[1] = 255 - other[1]
    changed = tracker.track(other, [MASK], report=ignore)
    assert (changed[1] != moving[1]).any()
    assert (changed[2] != moving[2]).any()  # by what is remembered of frame 1


def test_masks_are_as_they_were_given_on_their_own_frames(tracker: Tracker) -> None:
    hints = [MASK, Hint(object_id=4, frame=3, mask=block(5, 8))]
    moving = tracker.track(VIDEO, hints, report=ignore)
    np.testing.assert_array_equal(moving[0], block(20, 30))
    np.testing.assert_array_equal(moving[3], block(5, 8))


def test_a_picture_of_twice_the_size_with_its_hint_gives_the_mask_in_twice_the_size(tracker: Tracker) -> None:
    plain = np.full((2, 48, 64, 3), (90, 140, 60), dtype=np.uint8)
    large = plain.repeat(2, axis=1).repeat(2, axis=2)
    for small_hint, large_hint in (
        (Hint(inside=((50.0, 12.0),)), Hint(inside=((100.0, 24.0),))),
        (Hint(box=(10.0, 4.0, 30.0, 20.0)), Hint(box=(20.0, 8.0, 60.0, 40.0))),
        (Hint(mask=block(20, 30)), Hint(mask=block(20, 30).repeat(2, axis=0).repeat(2, axis=1))),
    ):
        small = tracker.track(plain, [small_hint], report=ignore)
        twice = tracker.track(large, [large_hint], report=ignore)
        assert np.mean(twice[:, ::2, ::2] == small) > 0.97


def segmented(segmenter: Sam2Segmenter, sighting: Sighting) -> Bool:
    geometry = GivenDepth(
        np.ones((len(sighting.keyframes), *sighting.frames.rgb.shape[1:3]), dtype=np.float32)
    ).estimate(sighting, cloud=CLOUD)
    return segmenter.segment(sighting, geometry, cloud=CLOUD)


def test_tracking_goes_on_across_clips_the_same_each_time(weights: Path, tracker: Tracker) -> None:
    settings = Sam2Settings(weights=str(weights), device="cpu", hints=(MASK,), margin_px=1)
    scene = BallBeforeWall(ball_speed_m_s=1.0)
    clips = [frames_of(scene, sideways(4), start_s=start_s) for start_s in (0.0, 0.2)]

    def run(first: Tracker, second: Tracker) -> list[Bool]:
        masks = [segmented(Sam2Segmenter(settings, lambda: first), Sighting.of(clips[0]))]
        later = Sighting(
            frames=clips[1],
            keyframes=np.array([0, 3], dtype=np.int32),
            context=clips[0][-2:],
            context_moving=masks[0][-2:],
        )
        return [*masks, segmented(Sam2Segmenter(settings, lambda: second), later)]

    first, second = run(tracker, tracker)
    assert second.shape == (2, 48, 64)
    assert second.any(axis=(1, 2)).all()
    for masks, again in zip((first, second), run(tracker, open_tracker(settings)), strict=True):
        np.testing.assert_array_equal(masks, again)


@pytest.mark.skipif(not CASE.is_dir(), reason="the authors' photos are not here")
@pytest.mark.parametrize("margin_px", [0, 4])
def test_the_authors_mask_comes_back_at_its_size_grown_and_never_shrunk(tracker: Tracker, margin_px: int) -> None:
    rgb = np.asarray(Image.open(CASE / "img.jpg").convert("RGB"))
    mask = np.asarray(Image.open(CASE / "mask.png").convert("L")) > 127
    lens = Intrinsics.from_fov(fov_y_rad=1.0, width_px=rgb.shape[1], height_px=rgb.shape[0])
    photo = Frames(
        rgb=rgb[None],
        cameras=Cameras(world_from_camera=np.eye(4)[None], intrinsics=lens),
        time_s=np.zeros(1, dtype=np.float32),
    )
    settings = Sam2Settings(hints=(Hint(mask=mask),), margin_px=margin_px)
    moving = segmented(Sam2Segmenter(settings, lambda: tracker), Sighting.of(photo))
    assert moving.shape == (1, 704, 1248)
    assert moving[0][mask].all()
    np.testing.assert_array_equal(moving, grown(mask[None], margin_px=margin_px))
    if margin_px:
        rows, columns = np.nonzero(moving[0])
        given_rows, given_columns = np.nonzero(mask)
        assert rows.min() == max(0, given_rows.min() - margin_px)
        assert columns.max() == min(1247, given_columns.max() + margin_px)


def test_weights_that_are_missing_are_named_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPATIA_MODELS", str(tmp_path))
    with pytest.raises(InputError, match=r"SAM 2's weights are not here: no config.json, no \*.safetensors") as caught:
        open_tracker(Sam2Settings())
    assert (caught.value.where, caught.value.fix) == (str(tmp_path / "sam2"), "`spatia models fetch sam2`")
    with pytest.raises(InputError, match=r"the cache of Hugging Face has no config\.json") as caught:
        open_tracker(Sam2Settings(weights="facebook/sam2.1-no-such"))
    assert caught.value.fix == "`hf download facebook/sam2.1-no-such config.json model.safetensors`"
    with pytest.raises(InputError, match="there is no such folder"):
        open_tracker(Sam2Settings(weights="/no/such/folder"))


def test_what_was_fetched_is_found(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sam2").symlink_to(weights)
    monkeypatch.setenv("SPATIA_MODELS", str(tmp_path))
    assert find_weights(Sam2Settings()) == tmp_path / "sam2"


def test_another_networks_weights_are_refused(weights: Path, tmp_path: Path) -> None:
    config = json.loads((weights / "config.json").read_text())
    config["mask_decoder_config"]["num_multimask_outputs"] = 5
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").symlink_to(weights / "model.safetensors")
    with pytest.raises(InputError, match=r"cannot be loaded|tensors are missing"):
        open_tracker(Sam2Settings(weights=str(tmp_path), device="cpu"))


def test_damaged_weights_are_refused(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").symlink_to(weights / "config.json")
    (tmp_path / "model.safetensors").write_bytes((weights / "model.safetensors").read_bytes()[:1000])
    with pytest.raises(InputError, match="SAM 2's weights cannot be loaded"):
        open_tracker(Sam2Settings(weights=str(tmp_path), device="cpu"))


def test_a_device_that_is_not_here_is_refused(weights: Path) -> None:
    with pytest.raises(DeviceError, match="CUDA devices here"):
        open_tracker(Sam2Settings(weights=str(weights), device="cuda:99"))
