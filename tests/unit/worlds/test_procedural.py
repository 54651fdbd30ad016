import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from spatia.errors import SceneError
from spatia.geom.camera import Cameras, Intrinsics
from spatia.geom.pose import look_at
from spatia.records.truth import TrueScene
from spatia.worlds.courtyard import BALL_CIRCLE_M, BALL_PERIOD_S, BALL_RADIUS_M, courtyard
from spatia.worlds.procedural import PROCEDURAL, ProceduralScene, procedural_world
from spatia.worlds.room import room

LENS = Intrinsics.from_fov(fov_y_rad=math.radians(60), width_px=96, height_px=56)


@pytest.fixture(scope="module")
def small_room() -> ProceduralScene:
    return ProceduralScene(replace(room(), texel_m=0.6))  # coarse light: these tests look at geometry


@pytest.fixture(scope="module")
def small_courtyard() -> ProceduralScene:
    return ProceduralScene(replace(courtyard(), texel_m=0.6))


def cameras(*poses: np.ndarray, lens: Intrinsics = LENS) -> Cameras:
    return Cameras(world_from_camera=np.stack(poses), intrinsics=lens)


def at(*times_s: float) -> np.ndarray:
    return np.array(times_s, dtype=np.float32)


def test_depth_on_the_floor_is_that_of_the_plane(small_room: ProceduralScene) -> None:
    pose = small_room.start_pose
    frames = small_room.render(cameras(pose), at(0))
    floor = frames.label[0] == small_room.labels()["floor"]
    rays = LENS.rays_in_camera().astype(float) @ pose[:3, :3].T
    wanted = -pose[1, 3] / rays[..., 1]
    assert floor.sum() > 300
    np.testing.assert_allclose(frames.depth_m[0][floor], wanted[floor], rtol=1e-5)


def test_depth_on_the_far_wall_is_along_z_not_along_the_ray(small_room: ProceduralScene) -> None:
    frames = small_room.render(cameras(look_at((0.0, -1.6, -1.0), (0.0, -1.6, 1.0))), at(0))
    wall = frames.label[0] == small_room.labels()["wall"]
    depth = frames.depth_m[0][wall]
    assert (np.isclose(depth, 2.4 + 1.0, atol=1e-5)).sum() > 50


def test_the_sky_has_no_depth_and_no_label(small_courtyard: ProceduralScene) -> None:
    frames = small_courtyard.render(cameras(look_at((0, -1.6, 0), (0.1, -9, -1))), at(0))
    sky = frames.depth_m[0] == 0
    assert sky.any()
    assert (frames.label[0][sky] == 0).all()
    assert (frames.label[0][~sky] > 0).all()


def test_the_same_views_give_the_same_bytes_from_any_thread(small_courtyard: ProceduralScene) -> None:
    views = cameras(small_courtyard.start_pose, look_at((4, -1.6, -4), (-2, -1, 2)))
    first = small_courtyard.render(views, at(0.5, 3.0))
    with ThreadPoolExecutor(4) as pool:
        for again in pool.map(lambda _: small_courtyard.render(views, at(0.5, 3.0)), range(4)):
            for name in ("rgb", "depth_m", "label", "moving"):
                assert getattr(first, name).tobytes() == getattr(again, name).tobytes()


def test_a_frame_does_not_depend_on_the_frames_around_it(small_courtyard: ProceduralScene) -> None:
    pose, other = small_courtyard.start_pose, look_at((4, -1.6, -4), (-2, -1, 2))
    together = small_courtyard.render(cameras(other, pose), at(3.0, 1.0))
    alone = small_courtyard.render(cameras(pose), at(1.0))
    assert together.rgb[1].tobytes() == alone.rgb[0].tobytes()


def test_the_ball_is_where_its_time_says(small_courtyard: ProceduralScene) -> None:
    for time_s in (0.0, 1.3, 4.0):
        turn = 2 * math.pi * time_s / BALL_PERIOD_S
        middle = np.array([BALL_CIRCLE_M * math.cos(turn), -BALL_RADIUS_M, BALL_CIRCLE_M * math.sin(turn)])
        eye = middle + np.array([0.0, -2.0, 0.1])
        odd = Intrinsics.from_fov(fov_y_rad=0.4, width_px=33, height_px=33)
        frames = small_courtyard.render(cameras(look_at(eye, middle), lens=odd), at(time_s))
        assert frames.label[0, 16, 16] == small_courtyard.labels()["ball"]
        assert frames.moving[0, 16, 16]
        assert frames.depth_m[0, 16, 16] == pytest.approx(float(np.linalg.norm(eye - middle)) - BALL_RADIUS_M, rel=1e-5)


def test_what_moves_is_what_differs_in_depth_between_two_times(small_courtyard: ProceduralScene) -> None:
    pose = small_courtyard.start_pose
    frames = small_courtyard.render(cameras(pose, pose), at(0.0, 2.0))
    changed = frames.depth_m[0] != frames.depth_m[1]
    assert changed.any()
    assert not (changed & ~frames.moving[0] & ~frames.moving[1]).any()
    movers = {small_courtyard.labels()[name] for name in ("ball", "walker", "drone")}
    assert set(np.unique(frames.label[frames.moving]).tolist()) <= movers


def test_nothing_moves_in_the_room(small_room: ProceduralScene) -> None:
    pose = small_room.start_pose
    frames = small_room.render(cameras(pose, pose), at(0.0, 5.0))
    assert not frames.moving.any()
    assert frames.rgb[0].tobytes() == frames.rgb[1].tobytes()


def test_through_the_door_is_another_room(small_room: ProceduralScene) -> None:
    labels = small_room.labels()
    inside = small_room.render(cameras(look_at((2.2, -1.5, 1.0), (4.6, -1.2, 0.8))), at(0))
    first = small_room.render(cameras(look_at((-1.0, -1.6, 0.0), (-2.4, -1.2, 0.0))), at(0))
    assert labels["globe"] in inside.label or labels["desk"] in inside.label
    assert labels["globe"] not in first.label and labels["desk"] not in first.label


@pytest.mark.parametrize("name", sorted(PROCEDURAL))
def test_a_world_starts_inside_its_bounds_at_eye_height_and_has_labels(name: str) -> None:
    scene: TrueScene = procedural_world(name)
    assert isinstance(scene, ProceduralScene)
    low, high = scene.bounds_m
    assert (scene.start_pose[:3, 3] > low).all() and (scene.start_pose[:3, 3] < high).all()
    assert scene.start_pose[1, 3] == -1.6
    assert scene.name == name
    assert sorted(scene.labels().values()) == list(range(1, len(scene.labels()) + 1))


def test_a_wrong_name_gets_a_near_miss() -> None:
    with pytest.raises(SceneError, match="did you mean 'courtyard'"):
        procedural_world("courtyrad")


def test_times_must_be_as_many_as_poses(small_room: ProceduralScene) -> None:
    with pytest.raises(ValueError, match=r"time_s must have shape \(1,\)"):
        small_room.render(cameras(small_room.start_pose), at(0.0, 1.0))
