import math

import numpy as np
import pytest

from spatia.evaluation.camera_control import angles_rad, best_scale, camera_control, path_error, score
from spatia.evaluation.camera_paths import worldscore_path
from spatia.geom.pose import from_rotation_translation, rotation_about

PATH = worldscore_path(["push_in", "orbit_left"], frames=9)


def noise(*, seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def turned(degrees: float) -> np.ndarray:
    return from_rotation_translation(rotation_about([0.3, 1.0, -0.2], math.radians(degrees)), np.zeros(3))


def test_a_path_that_was_kept_scores_one() -> None:
    assert camera_control(PATH, PATH) == pytest.approx(1, abs=1e-7)


def test_where_the_world_lies_does_not_matter_to_the_score() -> None:
    moved = from_rotation_translation(rotation_about([1, 2, 3], 1.0), np.array([3.0, -1.0, 2.0])) @ PATH
    assert camera_control(PATH, moved) == pytest.approx(1, abs=1e-7)


def test_a_path_that_shrank_scores_one_but_is_off_in_metres() -> None:
    small = PATH.copy()
    small[:, :3, 3] *= 0.25
    assert camera_control(PATH, small) == pytest.approx(1, abs=1e-7)
    np.testing.assert_allclose(path_error(PATH, small).translation_m, 0.75 * np.linalg.norm(PATH[:, :3, 3], axis=1))


def test_the_requested_path_is_divided_by_its_speed() -> None:
    fast = worldscore_path(["push_in"], frames=5, speed=4.0)
    still = np.repeat(np.eye(4)[None], 5, axis=0)
    assert camera_control(fast, still, speed=4.0) == 0
    assert camera_control(fast, fast, speed=4.0) == pytest.approx(1, abs=1e-7)


def test_the_score_is_the_geometric_mean_of_what_is_left() -> None:
    assert score(rotation_deg=7.5, translation=0.125) == pytest.approx(math.sqrt(0.5 * 0.75))
    assert score(rotation_deg=15, translation=0) == 0
    assert score(rotation_deg=90, translation=7) == 0


@pytest.mark.parametrize("degrees", [0, 1e-6, 0.01, 30, 179.9999, 180])
def test_angles_are_exact_near_nothing_and_near_half_a_turn(degrees: float) -> None:
    error = path_error(PATH, PATH @ turned(degrees))
    np.testing.assert_allclose(error.rotation_deg, degrees, rtol=1e-6, atol=1e-5 if degrees > 170 else 1e-12)
    np.testing.assert_allclose(error.translation_m, 0, atol=1e-12)


def test_angles_of_stacks_are_taken_one_by_one() -> None:
    a = np.stack([turned(0)[:3, :3], turned(10)[:3, :3]])
    np.testing.assert_allclose(np.degrees(angles_rad(a, a[::-1])), [10, 10])


def test_no_other_scale_gives_a_smaller_sum() -> None:
    chance = noise(seed=7)
    for _ in range(20):
        found = chance.normal(size=(12, 3))
        wanted = 1.7 * found + chance.standard_t(1.5, size=(12, 3))
        best = best_scale(wanted, found)
        sums = [np.linalg.norm(wanted - c * found, axis=1).sum() for c in best + np.linspace(-0.5, 0.5, 101)]
        assert np.argmin(sums) == 50


def test_one_wild_frame_hardly_moves_the_scale() -> None:
    found = PATH[:, :3, 3]
    wanted = 2 * found
    wanted[-1] += [0, 0, 30]
    assert best_scale(wanted, found) == pytest.approx(2, abs=1e-9)


def test_a_path_without_motion_has_no_scale() -> None:
    assert best_scale(np.ones((3, 3)), np.zeros((3, 3))) == 1


def test_paths_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one shape \(T, 4, 4\)"):
        path_error(PATH, PATH[:-1])
