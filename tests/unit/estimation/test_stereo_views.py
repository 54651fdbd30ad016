import numpy as np

from spatia.estimation.stereo.views import chosen_views, relative, usefulness
from spatia.geom.camera import Cameras
from spatia.geom.pose import from_rotation_translation, rotation_about, transform
from support.scenes import lens, sideways

DEPTHS_M = np.array([2.0, 3.0], dtype=np.float32)


def standing(positions_x_m: list[float]) -> Cameras:
    poses = [from_rotation_translation(np.eye(3), np.array([x, 0.0, 0.0])) for x in positions_x_m]
    return Cameras(world_from_camera=np.stack(poses), intrinsics=lens())


def test_a_camera_that_only_turns_is_of_no_use() -> None:
    turns = np.stack([from_rotation_translation(rotation_about([0, 1, 0], 0.05 * i), np.zeros(3)) for i in range(4)])
    cameras = Cameras(world_from_camera=turns, intrinsics=lens())
    assert not usefulness(cameras, reference=1, depths_m=DEPTHS_M).any()


def test_a_view_is_of_no_use_to_itself_nor_is_one_that_looks_away() -> None:
    away = from_rotation_translation(rotation_about([0, 1, 0], np.pi), np.array([0.2, 0, 0]))
    poses = np.stack([np.eye(4), from_rotation_translation(np.eye(3), np.array([0.2, 0, 0])), away])
    score = usefulness(Cameras(world_from_camera=poses, intrinsics=lens()), reference=0, depths_m=DEPTHS_M)
    assert score[0] == score[2] == 0
    assert score[1] > 0.5


def test_parallax_of_some_degrees_is_best() -> None:
    score = usefulness(standing([0.0, 0.02, 0.2, 1.5]), reference=0, depths_m=DEPTHS_M)
    assert score.argmax() == 2
    assert score[1] < 0.1


def test_views_to_both_sides_are_chosen_before_two_to_one_side() -> None:
    cameras = standing([0.0, 0.2, 0.21, 0.22, -0.25])
    score = usefulness(cameras, reference=0, depths_m=DEPTHS_M)
    chosen = chosen_views(cameras, score, count=2).tolist()
    assert chosen[0] == score.argmax()
    assert (chosen[0] == 4) != (chosen[1] == 4)


def test_no_more_are_chosen_than_are_of_use() -> None:
    cameras = sideways(3)
    assert chosen_views(cameras, np.array([0.0, 0.2, 0.0]), count=4).tolist() == [1]
    assert len(chosen_views(cameras, np.zeros(3), count=4)) == 0


def test_relative_poses_carry_points_from_the_reference_to_the_view() -> None:
    cameras = sideways(3, step_m=0.5, turn_rad=0.3)
    point = np.array([[0.1, -0.2, 2.0]])
    in_world = transform(cameras.world_from_camera[0], point)
    want = transform(cameras.camera_from_world[2], in_world)
    np.testing.assert_allclose(transform(relative(cameras, reference=0, view=2), point), want)
