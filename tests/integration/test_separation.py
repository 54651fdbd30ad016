"""Six rounds through a courtyard in which a ball rolls, someone walks and a drone flies: what is remembered of them.

The full size and pictures: tools/evaluate_movers.py.
"""

import numpy as np
import pytest

from spatia.estimation.free_space import sight_votes
from spatia.estimation.fuse import points_of_geometry
from spatia.estimation.motion_residual import MotionResidual
from spatia.estimation.oracle import OracleEstimator
from spatia.memory.cloud import PointMemory
from spatia.projection.numba_bands import NumbaProjector
from spatia.records.arrays import Bool
from spatia.records.cloud import INITIAL_CLIP, CloudSnapshot
from spatia.records.frames import Frames
from spatia.records.geometry import Sighting
from spatia.scene.load import load_scene
from spatia.worlds.procedural import ProceduralScene, procedural_world
from support.scenes import BallBeforeWall, frames_of, lens, sideways
from tools.evaluate_movers import SCENE, Judgement, Walked, judge, still_world, walked

SMALL = ("camera.width_px=160", "camera.height_px=88", "memory.rgb.voxel_m=0.02", "estimation.max_depth_m=15")


@pytest.fixture(scope="module")
def world() -> ProceduralScene:
    return procedural_world("courtyard")


def judged(segmenter: str, world: ProceduralScene) -> tuple[Walked, Bool, Judgement]:
    walk = walked(load_scene(SCENE, [*SMALL, f"estimation.segmenter={segmenter}"]).scene)
    moving = world.measure(walk.cameras, walk.time_s).moving
    return walk, moving, judge(walk, world, moving, still_world(world))


@pytest.fixture(scope="module")
def given(world: ProceduralScene) -> tuple[Walked, Bool, Judgement]:
    return judged("oracle", world)


@pytest.fixture(scope="module")
def residual(world: ProceduralScene) -> tuple[Walked, Bool, Judgement]:
    return judged("motion_residual", world)


def test_after_six_rounds_of_given_masks_nothing_that_moves_is_remembered(
    given: tuple[Walked, Bool, Judgement],
) -> None:
    walk, _, judgement = given
    assert walk.rounds == 6
    assert judgement.movers < 0.001  # 0.01 is promised
    assert judgement.still > 0.75  # pixels of this size leave gaps between voxels


def test_the_motion_residual_leaves_hardly_more_and_loses_nothing_still(
    given: tuple[Walked, Bool, Judgement], residual: tuple[Walked, Bool, Judgement]
) -> None:
    _, moving, judgement = residual
    assert moving.mean() > 0.005
    assert judgement.movers < 0.002  # 0.05 is promised; without masks it would be 0.006
    assert judgement.found > 0.9
    assert judgement.right > 0.9
    assert judgement.still > given[2].still - 0.01


def test_what_stood_behind_movers_is_completed_once_it_is_seen(
    given: tuple[Walked, Bool, Judgement], residual: tuple[Walked, Bool, Judgement]
) -> None:
    assert given[2].behind > 0.6
    assert residual[2].behind > given[2].behind - 0.03


def test_the_sky_and_what_is_too_far_stay_out(world: ProceduralScene, residual: tuple[Walked, Bool, Judgement]) -> None:
    walk = residual[0]
    seen = world.measure(walk.cameras, walk.time_s).depth_m
    assert (seen == 0).any() and (seen > walk.max_depth_m).any()
    in_world = walk.cloud.points().positions_in_world
    pose, z = walk.cameras.camera_from_world, np.full(len(in_world), np.inf)
    for camera_from_world in pose:
        z = np.minimum(z, np.abs(in_world @ camera_from_world[2, :3] + camera_from_world[2, 3]))
    assert z.max() <= walk.max_depth_m + walk.cloud.voxel_m


def on_the_ball(cloud: CloudSnapshot) -> int:
    return int((cloud.points().positions_in_world[:, 2] < 3.5).sum())


def test_a_mover_of_the_first_picture_is_forgotten_once_it_is_seen_through() -> None:
    """A single picture contradicts nothing: what moves in it is remembered at first."""
    scene = BallBeforeWall(ball_speed_m_s=6.0)
    estimator, segmenter = OracleEstimator(scene), MotionResidual(NumbaProjector())
    memory = PointMemory(voxel_m=0.02)

    def see(frames: Frames, clip: int) -> None:
        cloud, sighting = memory.snapshot(), Sighting.of(frames)
        geometry = estimator.estimate(sighting, cloud=cloud)
        moving = segmenter.segment(sighting, geometry, cloud=cloud)
        points = points_of_geometry(frames, geometry, moving=moving, clip=clip)
        memory.insert(points, votes=sight_votes(geometry, cloud=cloud, moving=moving))

    views = sideways(12, step_m=0.02, intrinsics=lens(width_px=160, height_px=120))
    see(frames_of(scene, views[:1], start_s=-0.1), INITIAL_CLIP)
    assert on_the_ball(memory.snapshot()) > 1000
    for clip in range(2):
        see(frames_of(scene, views, start_s=-0.25), clip)
    assert on_the_ball(memory.snapshot()) < 10
