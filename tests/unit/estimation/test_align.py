"""Estimates that are off by what estimates are off by, brought to a memory that knows the scene."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from spatia.errors import EstimateRejectedError, EstimationError
from spatia.estimation.align import AlignedEstimator, Gate, Unknown
from spatia.estimation.oracle import OracleEstimator
from spatia.geom.camera import Cameras
from spatia.geom.pose import F64, from_rotation_translation, rotation_about
from spatia.records.arrays import F32, Bool
from spatia.records.cloud import CloudSnapshot, Points, snapshot_of_points
from spatia.records.frames import Frames
from spatia.records.geometry import Geometry, Report, Sighting, ignore
from spatia.records.projection import Look, Projection
from support.projectors import ForgetfulProjector
from support.scenes import BALL, BallBeforeWall, frames_of, sideways

SCENE = BallBeforeWall()
CLOUD = snapshot_of_points(Points.of(np.zeros((1, 3)), [0, 0, 0]))
ALL_KNOWN = np.zeros((48, 64), dtype=np.bool_)
FRAMES = frames_of(SCENE, sideways(4, turn_rad=0.02))
TRUE_M: F32 = FRAMES.depth_m if FRAMES.depth_m is not None else np.zeros(0, np.float32)


class Wrong:
    """See `SceneEstimator`: the truth, spoiled."""

    name = "wrong"

    def __init__(self, spoil: Callable[[Geometry], Geometry], scene: BallBeforeWall = SCENE) -> None:
        self._oracle = OracleEstimator(scene)
        self._spoil = spoil
        self.closed = False

    def estimate(self, sighting: Sighting, *, cloud: CloudSnapshot, report: Report = ignore) -> Geometry:
        return self._spoil(self._oracle.estimate(sighting, cloud=cloud, report=report))

    def close(self) -> None:
        self.closed = True


def with_depth(change: Callable[[F32], F32 | F64]) -> Callable[[Geometry], Geometry]:
    return lambda g: replace(g, depth_m=change(g.depth_m).astype(np.float32))


def aligned(
    spoil: Callable[[Geometry], Geometry],
    *,
    frames: Frames = FRAMES,
    scene: BallBeforeWall = SCENE,
    forgotten: Bool = ALL_KNOWN,
    unknown: Unknown = "clip scale",
    moves: bool = False,
) -> Geometry:
    """The memory is of the scene in which nothing moves."""
    projector = ForgetfulProjector(SCENE, forgotten)
    estimator = AlignedEstimator(Wrong(spoil, scene), projector, unknown=unknown, moves=moves)
    return estimator.estimate(Sighting.of(frames), cloud=CLOUD)


def error(geometry: Geometry) -> float:
    known = geometry.depth_m > 0
    return float(np.abs(geometry.depth_m / TRUE_M - 1)[known].max())


@pytest.mark.parametrize("scale", [0.25, 0.7, 1.0, 1.31, 4.0])
def test_a_wrong_scale_is_found(scale: float) -> None:
    geometry = aligned(with_depth(lambda z: z / scale))
    assert error(geometry) < 1e-3
    assert geometry.notes == (f"scale {scale:.2f} against the memory, 100% of 12,288 pixels agree within 10%",)
    np.testing.assert_array_equal(geometry.cameras.world_from_camera, FRAMES.cameras.world_from_camera)


@pytest.mark.parametrize("scale", [0.1, 9.0])
def test_a_scale_beyond_the_gate_is_rejected(scale: float) -> None:
    with pytest.raises(EstimateRejectedError, match=r"its scale against the memory is .* 0\.2 to 5 are allowed; the w"):
        aligned(with_depth(lambda z: z / scale))


def test_scale_and_offset_of_inverse_depth_are_found_for_each_frame() -> None:
    def relative(z: F32) -> F64:
        gain = np.array([3.0, 7.0, 0.5, 40.0])[:, None, None]
        return 1 / (gain / z - 0.1 * gain)

    geometry = aligned(with_depth(relative), unknown="frame affine")
    assert error(geometry) < 1e-3
    assert geometry.notes == ("inverse depth fitted to the memory, 100% of 12,288 pixels agree within 10%",)


def test_each_frame_may_have_a_scale_of_its_own() -> None:
    factors = np.array([1.0, 1.2, 0.8, 1.5])[:, None, None]
    geometry = aligned(with_depth(lambda z: z / factors), unknown="frame scale")
    assert error(geometry) < 1e-3
    assert geometry.notes[0].startswith("scales 0.80 to 1.50 against the memory")
    with pytest.raises(EstimateRejectedError):
        aligned(with_depth(lambda z: z / np.array([1.0, 2.0, 0.5, 3.0])[:, None, None]))


@pytest.mark.parametrize("unknown", ["clip scale", "frame scale", "frame affine"])
def test_outliers_do_not_drive_the_scale(unknown: Unknown) -> None:
    chance = np.random.default_rng(3)
    wild = chance.random(TRUE_M.shape) < 0.3
    factors = chance.uniform(0.2, 3.0, TRUE_M.shape)
    geometry = aligned(with_depth(lambda z: np.where(wild, z * factors, z) / 1.4), unknown=unknown)
    assert np.median(np.abs(geometry.depth_m / TRUE_M - 1)) < 0.005


@pytest.mark.parametrize("unknown", ["clip scale", "frame scale", "frame affine"])
def test_what_comes_between_does_not_drive_the_scale(unknown: Unknown) -> None:
    """A thing at half the distance over 35 % of the pixels."""
    between = np.zeros(TRUE_M.shape, dtype=np.bool_)
    between[:, 31:] = True
    geometry = aligned(with_depth(lambda z: np.where(between, 0.5 * z, z) / 1.2), unknown=unknown)
    assert np.abs(geometry.depth_m / TRUE_M - 1)[~between].max() < 0.02
    np.testing.assert_allclose((geometry.depth_m / TRUE_M)[between], 0.5, atol=0.02)


def test_a_ball_that_has_moved_does_not_drive_the_scale() -> None:
    moving = BallBeforeWall(ball_speed_m_s=0.5)
    frames = frames_of(moving, FRAMES.cameras, start_s=1.0)
    geometry = aligned(with_depth(lambda z: z / 1.3), frames=frames, scene=moving)
    assert frames.depth_m is not None
    np.testing.assert_allclose(geometry.depth_m, frames.depth_m, rtol=0.01)


def test_depth_of_another_place_is_rejected() -> None:
    chance = np.random.default_rng(5)
    with pytest.raises(EstimateRejectedError, match=r"only \d+% of 12,288 pixels agree within 10% once .* 60% must"):
        aligned(with_depth(lambda z: chance.uniform(0.5, 8.0, z.shape)))


def drift(geometry: Geometry, *, turn_rad: float = 0.02, shift_m: tuple[float, ...] = (0.05, -0.03, 0.08)) -> Geometry:
    motion = from_rotation_translation(rotation_about([0.3, 1, 0.2], turn_rad), np.array(shift_m))
    cameras = geometry.cameras
    moved = Cameras(world_from_camera=motion @ cameras.world_from_camera, intrinsics=cameras.intrinsics)
    return replace(geometry, cameras=moved, depth_m=(geometry.depth_m / np.float32(1.1)).astype(np.float32))


def surface_error_m(geometry: Geometry) -> float:
    """How far from the wall or the ball a point lies, on average."""
    in_camera = geometry.cameras.intrinsics.rays_in_camera() * geometry.depth_m[..., None]
    poses = geometry.cameras.world_from_camera
    places = np.einsum("tij,thwj->thwi", poses[:, :3, :3], in_camera) + poses[:, None, None, :3, 3]
    to_wall = np.abs(places[..., 2] - 4)
    to_ball = np.abs(np.linalg.norm(places - [0, 0, 2.5], axis=-1) - 0.5)
    return float(np.minimum(to_wall, to_ball).mean())


def test_a_clip_that_drifted_is_moved_back_as_one() -> None:
    before = surface_error_m(drift(OracleEstimator(SCENE).estimate(Sighting.of(FRAMES), cloud=CLOUD)))
    geometry = aligned(drift, moves=True)
    assert surface_error_m(geometry) < 0.05 * before
    steps, true_steps = (
        np.linalg.inv(c.world_from_camera[0]) @ c.world_from_camera[3] for c in (geometry.cameras, FRAMES.cameras)
    )
    np.testing.assert_allclose(steps[:3, :3], true_steps[:3, :3], atol=1e-9)


def test_a_clip_that_fits_is_not_moved() -> None:
    geometry = aligned(lambda g: g, moves=True)
    assert surface_error_m(geometry) < 1e-3


def test_a_clip_that_would_have_to_move_far_is_rejected() -> None:
    with pytest.raises(EstimateRejectedError, match="does not fit the memory"):
        aligned(lambda g: drift(g, turn_rad=0.12), moves=True)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_depth_that_is_no_depth_is_an_error(value: float) -> None:
    def spoil(z: F32) -> F32:
        z = z.copy()
        z[1:3, 5, 5] = value
        return z

    with pytest.raises(EstimationError, match=r"at 2 pixels of 2 of 4 frames"):
        aligned(with_depth(spoil))


def thin(columns: int) -> Bool:
    forgotten = ~ALL_KNOWN
    forgotten[:, :columns] = False
    return forgotten


def test_a_thin_overlap_is_enough() -> None:
    geometry = aligned(with_depth(lambda z: z / 1.3), forgotten=thin(3))
    assert error(geometry) < 1e-3


def test_without_overlap_metric_depth_is_taken_as_it_is() -> None:
    geometry = aligned(with_depth(lambda z: z / 1.3), forgotten=thin(1))
    assert geometry.notes == ("the memory covers 1.6% of the keyframes: the scale is taken as it is",)
    np.testing.assert_allclose(geometry.depth_m, TRUE_M / 1.3, rtol=1e-6)


def test_without_overlap_depth_without_a_unit_is_rejected() -> None:
    with pytest.raises(
        EstimateRejectedError, match=r"covers 1\.6% of the keyframes, and depth without a unit needs 2%"
    ):
        aligned(lambda g: g, forgotten=thin(1), unknown="frame affine")


@pytest.mark.parametrize(("unknown", "fate"), [("frame scale", "scaled as the others"), ("frame affine", "left out")])
def test_a_frame_that_sees_nothing_known_goes_with_the_others_or_not_at_all(unknown: Unknown, fate: str) -> None:
    """The last frame's depth is unknown where the memory knows, all but a corner."""

    def spoil(z: F32) -> F32:
        z = z / np.float32(1.3)
        z[3, :47] = 0
        return z

    geometry = aligned(with_depth(spoil), unknown=unknown, forgotten=thin(30))
    assert geometry.notes[0].endswith(f"; 1 of 4 frames see too little of it and are {fate}")
    rest = geometry.depth_m[3, 47]
    np.testing.assert_allclose(rest, 0 if unknown == "frame affine" else TRUE_M[3, 47], rtol=0.01)
    assert (geometry.confidence[geometry.depth_m == 0] <= (unknown == "frame scale")).all()


def test_the_ball_of_an_aligned_clip_stands_where_it_does() -> None:
    geometry = aligned(with_depth(lambda z: z / 0.8))
    assert geometry.label is not None
    assert np.abs(geometry.depth_m - TRUE_M)[geometry.label == BALL].max() < 0.01


def test_closing_closes_the_inner_one() -> None:
    inner = Wrong(lambda g: g)
    estimator = AlignedEstimator(inner, ForgetfulProjector(SCENE, ALL_KNOWN), gate=Gate())
    estimator.close()
    assert inner.closed
    assert estimator.name == "wrong"


def test_only_a_clip_of_one_scale_moves() -> None:
    with pytest.raises(ValueError, match="moves as one"):
        AlignedEstimator(Wrong(lambda g: g), ForgetfulProjector(SCENE, ALL_KNOWN), unknown="frame scale", moves=True)


class NearerProjector(ForgetfulProjector):
    """Shows surfaces as a memory of many sightings does: 3 % too near."""

    def project(self, cloud: CloudSnapshot, cameras: Cameras, *, look: Look) -> Projection:
        shown = super().project(cloud, cameras, look=look)
        return replace(shown, depth_m=(shown.depth_m * 0.97).astype(np.float32))


def test_earlier_frames_tell_how_much_nearer_the_memory_shows_its_surfaces() -> None:
    estimator = AlignedEstimator(Wrong(with_depth(lambda z: z / 1.3)), NearerProjector(SCENE, ALL_KNOWN))
    alone = estimator.estimate(Sighting.of(FRAMES), cloud=CLOUD)
    np.testing.assert_allclose(alone.depth_m, 0.97 * TRUE_M, rtol=1e-3)
    beside = Sighting(
        frames=FRAMES,
        keyframes=np.arange(4, dtype=np.int32),
        context=frames_of(SCENE, sideways(2)),
        context_moving=np.zeros((2, 48, 64), dtype=np.bool_),
    )
    np.testing.assert_allclose(estimator.estimate(beside, cloud=CLOUD).depth_m, TRUE_M, rtol=1e-3)
