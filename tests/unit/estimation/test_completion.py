import numpy as np

from spatia.estimation.completion import (
    GUESS_CONFIDENCE,
    KNOWN_CONFIDENCE,
    REACH_PX,
    completed,
    reference_completed,
)
from spatia.records.arrays import F32, U8
from support.scenes import BALL, BallBeforeWall, lens, sideways

SCENE = BallBeforeWall()


def view() -> tuple[F32, U8, np.ndarray]:
    true = SCENE.render(sideways(1, intrinsics=lens(width_px=96, height_px=72)), np.zeros(1, dtype=np.float32))
    return true.depth_m[0], true.rgb[0], true.label[0]


def test_the_kernel_agrees_with_the_plain_reference() -> None:
    depth_m, rgb, _ = view()
    rng = np.random.Generator(np.random.PCG64(1))
    noisy = (rgb + rng.integers(0, 20, rgb.shape)).clip(0, 255).astype(np.uint8)
    holes = np.where(rng.uniform(size=depth_m.shape) < 0.9, 0, depth_m).astype(np.float32)
    holes[20:50, 20:70] = 0
    np.testing.assert_allclose(completed(holes, noisy)[0], reference_completed(holes, noisy), rtol=1e-4)


def test_known_depth_stays_and_is_trusted_more_than_any_guess() -> None:
    depth_m, rgb, _ = view()
    holes = depth_m.copy()
    holes[30:40, 10:20] = 0
    filled, confidence, _ = completed(holes, rgb)
    known = holes > 0
    np.testing.assert_array_equal(filled[known], holes[known])
    np.testing.assert_array_equal(confidence[known], np.float32(KNOWN_CONFIDENCE))
    assert (confidence[~known] <= GUESS_CONFIDENCE).all()
    assert (confidence[~known] > 0).all()
    np.testing.assert_allclose(filled[~known], depth_m[~known], rtol=0.01)


def test_a_hole_across_a_silhouette_is_filled_on_each_side_with_its_own_surface() -> None:
    depth_m, rgb, label = view()
    holes = depth_m.copy()
    edge = int(np.argmax(label[36] == BALL))
    holes[30:42, edge - 6 : edge + 6] = 0
    filled, _, _ = completed(holes, rgb)
    inside = np.zeros(label.shape, dtype=np.bool_)
    inside[30:42, edge - 6 : edge + 6] = True
    wrong = np.abs(filled - depth_m)[inside] > 0.3
    assert wrong.mean() < 0.1


def test_a_gap_is_bridged_and_confidence_falls_towards_its_middle() -> None:
    depth_m = np.zeros((3, 60), dtype=np.float32)
    depth_m[:, [5, 25]] = 2
    filled, confidence, _ = completed(depth_m, np.full((3, 60, 3), 90, dtype=np.uint8))
    np.testing.assert_allclose(filled[:, 5:26], 2, rtol=1e-6)
    assert (np.diff(confidence[:, 5:16], axis=1) < 0).all()
    assert (np.diff(confidence[:, 15:26], axis=1) > 0).all()


def test_nothing_is_invented_outside_of_what_is_known() -> None:
    depth_m = np.zeros((3, 60), dtype=np.float32)
    depth_m[:, [5, 25]] = 2
    filled, confidence, _ = completed(depth_m, np.full((3, 60, 3), 90, dtype=np.uint8))
    assert not filled[:, :5].any() and not filled[:, 26:].any()
    assert not confidence[:, :5].any() and not confidence[:, 26:].any()


def test_the_middle_of_a_wide_gap_stays_empty() -> None:
    depth_m = np.zeros((3, 3 * REACH_PX), dtype=np.float32)
    depth_m[:, [0, -1]] = 2
    filled, _, _ = completed(depth_m, np.full((3, 3 * REACH_PX, 3), 90, dtype=np.uint8))
    assert not filled[:, 1:-1].any()


def test_an_empty_memory_gives_no_depth() -> None:
    filled, confidence, _ = completed(np.zeros((5, 6), dtype=np.float32), np.zeros((5, 6, 3), dtype=np.uint8))
    assert not filled.any()
    assert not confidence.any()


def test_a_filled_pixel_names_the_known_pixel_that_it_was_filled_from() -> None:
    depth_m, rgb, label = view()
    holes = depth_m.copy()
    edge = int(np.argmax(label[36] == BALL))
    holes[34:38, edge - 3 : edge + 3] = 0
    _, _, origin = completed(holes, rgb)
    known = holes > 0
    np.testing.assert_array_equal(origin[known], np.arange(holes.size).reshape(holes.shape)[known])
    assert (label.ravel()[origin] == label)[~known].mean() > 0.9
