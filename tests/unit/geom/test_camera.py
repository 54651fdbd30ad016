import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatia.geom.camera import MAX_SIDE_PX, Cameras, Intrinsics
from spatia.geom.path import dolly

steady = settings(derandomize=True, deadline=None, max_examples=60)

focal_px = st.floats(1, 3000)
side_px = st.integers(1, 200)
intrinsics = st.builds(
    Intrinsics,
    fx_px=focal_px,
    fy_px=focal_px,
    cx_px=st.floats(-100, 300),
    cy_px=st.floats(-100, 300),
    width_px=side_px,
    height_px=side_px,
)


def project(camera: Intrinsics, point: tuple[float, float, float]) -> tuple[float, float]:
    u, v, w = camera.matrix @ np.asarray(point)
    return float(u / w), float(v / w)


@steady
@given(camera=intrinsics, width_px=side_px, height_px=side_px, x=st.floats(-3, 3), y=st.floats(-3, 3))
def test_resizing_keeps_every_ray_at_the_same_share_of_the_picture(
    camera: Intrinsics, width_px: int, height_px: int, x: float, y: float
) -> None:
    other = camera.resized(width_px=width_px, height_px=height_px)
    u, v = project(camera, (x, y, 1.0))
    other_u, other_v = project(other, (x, y, 1.0))
    assert other_u / width_px == pytest.approx(u / camera.width_px, abs=1e-9)
    assert other_v / height_px == pytest.approx(v / camera.height_px, abs=1e-9)


@steady
@given(camera=intrinsics)
def test_rays_project_back_to_the_pixel_centres(camera: Intrinsics) -> None:
    rays = camera.rays_in_camera()
    assert rays.shape == (camera.height_px, camera.width_px, 3)
    row, column = camera.height_px // 2, camera.width_px // 2
    x, y, z = (float(value) for value in rays[row, column])
    u, v = project(camera, (x, y, z))
    scale = 1e-6 * (1 + camera.width_px + camera.height_px + abs(camera.cx_px) + abs(camera.cy_px))
    assert abs(u - column - 0.5) < scale and abs(v - row - 0.5) < scale


@steady
@given(fov_y_rad=st.floats(0.05, 3.0), width_px=side_px, height_px=side_px)
def test_the_field_of_view_is_what_was_asked_for(fov_y_rad: float, width_px: int, height_px: int) -> None:
    camera = Intrinsics.from_fov(fov_y_rad=fov_y_rad, width_px=width_px, height_px=height_px)
    assert camera.fov_y_rad == pytest.approx(fov_y_rad, abs=1e-12)
    top = project(camera, (0.0, -math.tan(fov_y_rad / 2), 1.0))[1]
    assert top == pytest.approx(0.0, abs=1e-9 * height_px)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width_px": 0}, "width_px"),
        ({"height_px": MAX_SIDE_PX + 1}, "height_px"),
        ({"fx_px": -1.0}, "fx_px"),
        ({"fy_px": math.nan}, "fy_px"),
        ({"cx_px": math.inf}, "principal point"),
    ],
)
def test_impossible_intrinsics_are_refused(change: dict[str, float], message: str) -> None:
    good = {"fx_px": 50.0, "fy_px": 50.0, "cx_px": 32.0, "cy_px": 24.0, "width_px": 64, "height_px": 48}
    with pytest.raises(ValueError, match=message):
        Intrinsics(**(good | change))  # type: ignore[arg-type]  # a wrong value is the point


def test_cameras_slice_join_and_cannot_be_written() -> None:
    camera = Intrinsics.from_fov(fov_y_rad=1.0, width_px=64, height_px=48)
    walk = Cameras(world_from_camera=dolly(np.eye(4), 1.0, frames=9), intrinsics=camera)
    again = Cameras.joined(walk[:4], walk[4:])
    assert len(again) == 9
    assert np.array_equal(again.world_from_camera, walk.world_from_camera)
    assert np.allclose(walk.camera_from_world @ walk.world_from_camera, np.eye(4))
    with pytest.raises(ValueError, match="read-only"):
        walk.world_from_camera[0, 0, 0] = 2.0


def test_cameras_of_two_lenses_do_not_join() -> None:
    camera = Intrinsics.from_fov(fov_y_rad=1.0, width_px=64, height_px=48)
    walk = Cameras(world_from_camera=np.eye(4)[None], intrinsics=camera)
    with pytest.raises(ValueError, match="share one intrinsics"):
        Cameras.joined(walk, walk.resized(width_px=32, height_px=24))
