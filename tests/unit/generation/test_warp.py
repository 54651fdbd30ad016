import numpy as np
import pytest

from spatia.generation.warp import blended_sources, reference_blended_sources
from spatia.records.arrays import F32
from spatia.records.frames import Frames
from support.scenes import BALL, BallBeforeWall, frames_of, lens, sideways

SCENE = BallBeforeWall()


def depth_of(frames: Frames) -> F32:
    assert frames.depth_m is not None
    return frames.depth_m


def test_the_kernel_agrees_with_the_plain_reference() -> None:
    sources = frames_of(SCENE, sideways(5, step_m=0.2, turn_rad=-0.04, intrinsics=lens(width_px=80, height_px=50)))
    target = frames_of(SCENE, sideways(3, step_m=0.1, turn_rad=0.02))
    surface_m = np.array(depth_of(target)[2])
    surface_m[10:14, 10:20] = 0
    sums, weights = blended_sources(surface_m, target.cameras[2:], sources)
    wanted_sums, wanted_weights = reference_blended_sources(surface_m, target.cameras[2:], sources)
    np.testing.assert_allclose(weights, wanted_weights, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(sums, wanted_sums, rtol=1e-4, atol=1e-2)


def test_a_view_is_rebuilt_from_its_neighbours() -> None:
    walk = frames_of(SCENE, sideways(3, step_m=0.1, intrinsics=lens(width_px=160, height_px=120)))
    others = Frames(rgb=walk.rgb[::2], cameras=walk.cameras[::2], time_s=walk.time_s[::2], depth_m=depth_of(walk)[::2])
    sums, weights = blended_sources(depth_of(walk)[1], walk.cameras[1:2], others)
    seen = weights > 0
    assert seen.mean() > 0.95
    error = np.abs(sums[seen] / weights[seen][:, None] - walk.rgb[1][seen])
    assert np.median(error) < 1
    assert np.percentile(error, 99) < 20


def test_what_hides_a_point_gives_it_no_colour() -> None:
    walk = frames_of(SCENE, sideways(2, step_m=0.8, intrinsics=lens(width_px=160, height_px=120)))
    wall = SCENE.render(walk.cameras, walk.time_s).label[1] != BALL
    sums, weights = blended_sources(depth_of(walk)[1], walk.cameras[1:], walk[:1])
    from_source = wall & (weights > 0)
    red_less_green = (sums[..., 0] - sums[..., 1])[from_source] / weights[from_source]
    assert red_less_green.max() < 120  # the ball's is 160
    assert (wall & (weights == 0)).any()


def test_sources_without_depth_are_the_callers_mistake() -> None:
    frames = frames_of(SCENE, sideways(1), with_depth=False)
    with pytest.raises(ValueError, match="sources must have depth"):
        blended_sources(np.ones((48, 64), dtype=np.float32), frames.cameras, frames)
