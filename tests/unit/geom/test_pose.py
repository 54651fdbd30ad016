import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatia.geom.pose import (
    F64,
    check_poses,
    from_rotation_translation,
    gl_from_camera,
    inverse,
    look_at,
    quaternion_from_rotation,
    rotation_about,
    rotation_from_quaternion,
    slerp,
    transform,
)

steady = settings(derandomize=True, deadline=None, max_examples=60)

quaternion = st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: np.linalg.norm(q) > 0.1)
point = st.lists(st.floats(-50, 50), min_size=3, max_size=3)
pose = st.builds(lambda q, t: from_rotation_translation(rotation_from_quaternion(q), t), quaternion, point)


@steady
@given(a_from_b=pose)
def test_a_pose_times_its_inverse_is_identity(a_from_b: F64) -> None:
    assert np.allclose(a_from_b @ inverse(a_from_b), np.eye(4), atol=1e-12)
    assert np.allclose(inverse(inverse(a_from_b)), a_from_b, atol=1e-12)


@steady
@given(a=pose, b=pose, c=pose, p=point)
def test_poses_compose_associatively_and_act_on_points(a: F64, b: F64, c: F64, p: list[float]) -> None:
    assert np.allclose((a @ b) @ c, a @ (b @ c), atol=1e-11)
    points = np.array([p])
    assert np.allclose(transform(a, transform(b, points)), transform(a @ b, points), atol=1e-11)


@steady
@given(q=quaternion)
def test_a_quaternion_survives_the_way_through_its_matrix(q: list[float]) -> None:
    unit = np.asarray(q) / np.linalg.norm(q)
    back = quaternion_from_rotation(rotation_from_quaternion(q))
    assert min(np.abs(back - unit).max(), np.abs(back + unit).max()) < 1e-12
    assert back[0] >= 0


@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0)])
def test_half_turns_survive_the_quaternion(axis: tuple[int, int, int]) -> None:
    half_turn = rotation_about(axis, np.pi)
    assert np.allclose(rotation_from_quaternion(quaternion_from_rotation(half_turn)), half_turn, atol=1e-12)


@steady
@given(a=quaternion, b=quaternion, f=st.floats(0, 1))
def test_slerp_meets_both_ends_and_moves_at_constant_speed(a: list[float], b: list[float], f: float) -> None:
    start, end = (np.asarray(q) / np.linalg.norm(q) for q in (a, b))
    assert np.allclose(rotation_from_quaternion(slerp(start, end, 0.0)), rotation_from_quaternion(start), atol=1e-7)
    assert np.allclose(rotation_from_quaternion(slerp(start, end, 1.0)), rotation_from_quaternion(end), atol=1e-7)
    whole = np.arccos(np.clip(abs(start @ end), 0, 1))
    part = np.arccos(np.clip(abs(start @ slerp(start, end, f)), 0, 1))
    assert part == pytest.approx(f * whole, abs=1e-6)


@steady
@given(eye=point, target=point)
def test_look_at_aims_forward_and_keeps_the_picture_upright(eye: list[float], target: list[float]) -> None:
    offset = np.subtract(target, eye)
    if np.linalg.norm(offset[::2]) < 1e-2:
        return  # straight up or down has no upright
    view = check_poses(look_at(eye, target))
    assert np.allclose(view[:3, 2], offset / np.linalg.norm(offset), atol=1e-9)
    assert np.array_equal(view[:3, 3], np.asarray(eye))
    assert view[1, 1] > 0  # the camera's down points down
    assert abs(view[1, 0]) < 1e-9  # its right is level


def test_look_at_refuses_what_has_no_answer() -> None:
    with pytest.raises(ValueError, match="must differ"):
        look_at((1, 2, 3), (1, 2, 3))
    with pytest.raises(ValueError, match="parallel to up"):
        look_at((0, 0, 0), (0, 5, 0))


def test_opengl_sees_up_as_up_and_forward_as_minus_z() -> None:
    up_and_forward = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, 1.0]])
    assert np.array_equal(transform(gl_from_camera(), up_and_forward), [[0, 1, 0], [0, 0, -1]])
    assert np.array_equal(gl_from_camera() @ gl_from_camera(), np.eye(4))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.eye(3), r"shape \(\.\.\., 4, 4\)"),
        (np.full((2, 4, 4), np.nan), "finite; got nan at"),
        (np.diag([2.0, 1.0, 1.0, 1.0]), "orthonormal"),
        (np.diag([-1.0, 1.0, 1.0, 1.0]), "determinant"),
        (np.eye(4) + np.eye(4, k=-3), "last row"),
    ],
)
def test_a_matrix_that_is_no_pose_is_refused(wrong: F64, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_poses(wrong)
