from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from spatia.geom.camera import Cameras, Intrinsics
from spatia.memory.shared_points import (
    UNMATCHED,
    match_independent,
    match_one_to_one,
    retrieve_by_shared_points,
    shared_point_counts,
    visible_points,
)

GOLDEN = Path(__file__).resolve().parents[3].parent / "shared" / "golden" / "memory_a" / "tensors.safetensors"
INTRINSICS = Intrinsics(fx_px=10, fy_px=10, cx_px=5, cy_px=4, width_px=10, height_px=8)
FORWARD = np.eye(4)[None]


def seen(*positions: tuple[float, float, float]) -> list[bool]:
    row: list[bool] = visible_points(np.array(positions, np.float32), FORWARD, INTRINSICS)[0].tolist()
    return row


def test_the_nearest_point_of_a_pixel_hides_the_others() -> None:
    assert seen((0, 0, 2), (0, 0, 1), (0.01, 0.01, 3)) == [False, True, False]


def test_points_within_a_micrometre_of_the_nearest_are_visible_too() -> None:
    assert seen((0, 0, 1), (0, 0, 1.0000005), (0, 0, 1.00001)) == [True, True, False]


def test_points_behind_or_outside_are_not_visible() -> None:
    assert seen((0, 0, -1), (0, 0, 0), (0.51, 0, 1), (0, 5, 1)) == [False, False, False, False]


def test_truncation_makes_the_first_pixel_reach_half_a_pixel_further_out() -> None:
    assert seen((-0.59, 0, 1), (-0.61, 0, 1)) == [True, False]
    assert seen((-0.59, 0, 1), (-0.41, 0, 0.99)) == [False, True]


def test_counts_are_exact() -> None:
    rng = np.random.default_rng(0)
    targets, candidates = rng.random((3, 5000)) < 0.5, rng.random((6, 5000)) < 0.5
    expected = [[int((t & c).sum()) for c in candidates] for t in targets]
    assert shared_point_counts(targets, candidates).tolist() == expected


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    seed=st.integers(0, 2**32 - 1),
    targets=st.integers(1, 9),
    candidates=st.integers(1, 30),
    top=st.sampled_from([1, 3, 20, 5000]),
)
def test_the_assignment_is_that_of_scipy_ties_included(seed: int, targets: int, candidates: int, top: int) -> None:
    counts = np.random.default_rng(seed).integers(0, top, (targets, candidates))
    rows, columns = linear_sum_assignment(-counts.astype(np.float64))
    expected = np.full(targets, UNMATCHED)
    expected[rows] = columns
    assert match_one_to_one(counts).tolist() == expected.tolist()


def test_independent_matches_take_the_first_of_equals_and_may_repeat() -> None:
    assert match_independent(np.array([[1, 5, 5], [0, 9, 2]])).tolist() == [1, 1]


def test_references_come_in_the_order_of_the_targets_without_repeats() -> None:
    points = np.random.default_rng(1).uniform((-1, -1, 2), (1, 1, 4), (4000, 3)).astype(np.float32)
    poses = np.tile(np.eye(4), (6, 1, 1))
    poses[:, 0, 3] = np.linspace(-1, 1, 6)
    candidates = Cameras(world_from_camera=poses, intrinsics=INTRINSICS)
    targets = candidates[np.array([4, 4, 1])]
    matched = retrieve_by_shared_points(points, targets=targets, candidates=candidates)
    assert len(matched) == 3 and 4 in matched[:2] and matched[2] == 1
    assert retrieve_by_shared_points(points, targets=targets, candidates=candidates, one_to_one=False) == [4, 1]
    assert len(retrieve_by_shared_points(points, targets=targets, candidates=candidates, k=2)) == 2


@pytest.mark.skipif(not GOLDEN.exists(), reason="../shared/golden is not here")
def test_visibility_and_matches_equal_the_releases_numbers() -> None:
    from safetensors.numpy import load_file

    golden = load_file(GOLDEN)
    fx, fy, cx, cy = (float(value) for value in golden["intrinsics_fxfycxcy"])
    height, width = golden["depth0"].shape
    intrinsics = Intrinsics(fx_px=fx, fy_px=fy, cx_px=cx, cy_px=cy, width_px=width, height_px=height)
    history = visible_points(golden["cloud_xyz"], golden["history_w2c"], intrinsics)
    target = visible_points(golden["cloud_xyz"], golden["target_w2c"], intrinsics)
    assert np.array_equal(history, golden["visible_history"])
    assert np.array_equal(target, golden["visible_target"])
    counts = shared_point_counts(target, history)
    assert np.array_equal(match_one_to_one(counts), golden["match_hungarian"])
    assert np.array_equal(match_independent(counts), golden["match_independent"])
