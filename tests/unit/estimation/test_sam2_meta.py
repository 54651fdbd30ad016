"""Meta's package as it is called, with a stand-in of the same signatures: the real one needs torchvision."""

import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from spatia.errors import DeviceError, InputError
from spatia.estimation.sam2.meta_tracker import MetaTracker
from spatia.estimation.sam2.opening import find_weights, open_tracker
from spatia.estimation.sam2.settings import Hint, Sam2Settings
from spatia.records.arrays import Bool
from spatia.records.geometry import ignore
from support.scenes import BallBeforeWall, frames_of, sideways

VIDEO = frames_of(BallBeforeWall(ball_speed_m_s=1.0), sideways(5)).rgb


@pytest.fixture(autouse=True)
def package(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "support" / "stand_in_sam2"))
    yield
    for name in ("sam2.build_sam", "sam2"):
        sys.modules.pop(name, None)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "sam2.1_hiera_base_plus.pt"
    ZipFile(path, "w").close()
    return path


def opened(checkpoint: Path) -> MetaTracker:
    tracker = open_tracker(Sam2Settings(weights=str(checkpoint), implementation="meta", device="cpu"))
    assert isinstance(tracker, MetaTracker)
    return tracker


def block(top: int, left: int) -> Bool:
    mask = np.zeros((48, 64), dtype=np.bool_)
    mask[top : top + 6, left : left + 6] = True
    return mask


def test_the_checkpoints_name_tells_its_configuration(checkpoint: Path) -> None:
    assert opened(checkpoint)._predictor.config_file == "configs/sam2.1/sam2.1_hiera_b+.yaml"
    assert find_weights(Sam2Settings(weights=str(checkpoint.parent), implementation="meta")) == checkpoint


def test_all_objects_are_tracked_through_all_frames(checkpoint: Path) -> None:
    tracker = opened(checkpoint)
    hints = [
        Hint(object_id=3, frame=2, mask=block(10, 20)),
        Hint(object_id=5, frame=3, inside=((40.5, 30.5),), outside=((52.0, 42.0),), box=(50.0, 40.0, 56.0, 46.0)),
    ]
    heard: list[tuple[int, int]] = []
    moving = tracker.track(VIDEO, hints, report=lambda done, total: heard.append((done, total)))
    wanted = block(10, 20) | block(40, 50)
    wanted[30, 40], wanted[42, 52] = True, False
    np.testing.assert_array_equal(moving, [wanted] * 5)
    assert heard == [(done, 6) for done in range(7)]
    (state,) = tracker._predictor.states
    assert state["tracked"] == [2, 3, 4, 2, 1, 0]
    np.testing.assert_allclose(np.stack(state["images"]).astype(float), VIDEO, atol=8)  # as JPEG


def test_a_hint_on_the_first_frame_needs_no_way_back(checkpoint: Path) -> None:
    heard: list[tuple[int, int]] = []
    opened(checkpoint).track(
        VIDEO, [Hint(inside=((4.0, 4.0),))], report=lambda done, total: heard.append((done, total))
    )
    assert heard[-1] == (5, 5)


def test_a_mask_is_as_it_was_given_on_its_own_frame(checkpoint: Path) -> None:
    hints = [Hint(frame=1, mask=block(10, 20)), Hint(frame=4, mask=block(30, 40))]
    moving = opened(checkpoint).track(VIDEO, hints, report=ignore)
    np.testing.assert_array_equal(moving[1], block(10, 20))
    np.testing.assert_array_equal(moving[4], block(30, 40))


def test_a_file_of_another_name_or_content_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "sam2_hiera_huge.pt"
    other.write_bytes(b"weights")
    with pytest.raises(InputError, match="the name does not tell which network it is for"):
        opened(other)
    damaged = other.rename(tmp_path / "sam2_hiera_tiny.pt")
    with pytest.raises(InputError, match="Meta's sam2 cannot open it"):
        opened(damaged)
    with pytest.raises(InputError, match=r"one checkpoint of Meta's is wanted.*found none"):
        opened(tmp_path / "..")
    (tmp_path / "sam2_hiera_small.pt").write_bytes(b"weights")
    with pytest.raises(InputError, match=r"found sam2_hiera_small\.pt, sam2_hiera_tiny\.pt"):
        opened(tmp_path)


def test_a_checkpoint_that_was_not_fetched_is_named_with_the_command() -> None:
    with pytest.raises(InputError) as caught:
        find_weights(Sam2Settings(weights="facebook/sam2.1-hiera-no-such", implementation="meta"))
    assert caught.value.fix == "`hf download facebook/sam2.1-hiera-no-such sam2.1_hiera_no_such.pt`"


def test_without_the_package_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with pytest.raises(DeviceError, match="SAM 2 needs sam2, not installed here") as caught:
        find_weights(Sam2Settings(implementation="meta"))
    assert caught.value.fix == "pip install 'git+https://github.com/facebookresearch/sam2'"
