import numpy as np
import pytest

from spatia.evaluation.camera_paths import Move, blender_axes, closed_loop, key_camera, worldscore_path
from spatia.geom.pose import check_poses

SIDEWAYS: list[tuple[Move, float]] = [("move_left", -0.5), ("move_right", 0.5)]
ALONG: list[tuple[Move, float]] = [("push_in", 1.0), ("pull_out", -1.0)]


@pytest.mark.parametrize(("move", "x"), SIDEWAYS)
def test_a_sideways_move_is_half_a_unit(move: Move, x: float) -> None:
    np.testing.assert_allclose(key_camera(np.eye(4), move, speed=2.0)[:3, 3], [2 * x, 0, 0])


@pytest.mark.parametrize(("move", "z"), ALONG)
def test_a_push_is_one_unit_along_the_view(move: Move, z: float) -> None:
    np.testing.assert_allclose(key_camera(np.eye(4), move)[:3, 3], [0, 0, z])


def test_a_pan_to_the_right_turns_the_view_to_plus_x() -> None:
    end = key_camera(np.eye(4), "pan_right")
    np.testing.assert_allclose(end[:3, 2], [0.5, 0, np.sqrt(0.75)], atol=1e-12)
    np.testing.assert_allclose(end[:3, 3], 0)


def test_an_orbit_keeps_the_pivot_in_the_middle_and_at_its_distance() -> None:
    end = key_camera(np.eye(4), "orbit_left")
    assert end[0, 3] < 0
    np.testing.assert_allclose(end[:3, 3] + end[:3, 2], [0, 0, 1], atol=1e-12)


def test_moves_follow_each_other_without_a_seam() -> None:
    path = worldscore_path(["push_in", "pan_left", "move_left"], frames=5)
    check_poses(path)
    assert path.shape == (13, 4, 4)
    np.testing.assert_array_equal(path[0], np.eye(4))
    np.testing.assert_array_equal(path[4], key_camera(np.eye(4), "push_in"))
    np.testing.assert_allclose(path[12], key_camera(path[8], "move_left"), atol=1e-12)


def test_an_orbit_follows_the_chord_between_key_cameras() -> None:
    eyes = worldscore_path(["orbit_right"], frames=9)[:, :3, 3]
    np.testing.assert_allclose(eyes, np.linspace(0, 1, 9)[:, None] * eyes[-1], atol=1e-12)


def test_a_camera_may_stay_where_it_is() -> None:
    np.testing.assert_array_equal(worldscore_path(["fixed"], frames=3), np.repeat(np.eye(4)[None], 3, axis=0))


def test_a_closed_loop_goes_left_then_right_and_ends_where_it_began() -> None:
    loop = closed_loop(frames=81)
    x = loop[:, 0, 3]
    np.testing.assert_array_equal(loop[-1], loop[0])
    assert [int(x.argmin()), int(x.argmax())] == [20, 60]
    np.testing.assert_allclose(np.abs(np.diff(x)), 2 / 80, atol=1e-12)


def test_blender_cameras_look_along_minus_z_and_begin_at_the_identity() -> None:
    path = worldscore_path(["push_in"], frames=3)
    np.testing.assert_array_equal(blender_axes(path)[0], np.eye(4))
    np.testing.assert_allclose(blender_axes(path)[-1, :3, 3], [0, 0, -1])
    np.testing.assert_allclose(blender_axes(blender_axes(path)), path)
