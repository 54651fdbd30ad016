"""Where frames were really taken from, found by laying the memory's cloud over them.

Coarse to fine over the levels of a frame's pyramid: the cloud is projected from the best pose so far, which says what
is visible from there, and the visible points are moved until their brightness fits the frame (`alignment`). Runs on the
thread that owns the projector.
"""

from dataclasses import dataclass

import numpy as np

from spatia.evaluation.alignment import Exposure, align, best_turn
from spatia.evaluation.visible import at_level, halved, luma_of, visible_points
from spatia.geom.camera import Intrinsics
from spatia.geom.pose import F64, check_poses, inverse
from spatia.records.arrays import F32, U8, Bool, frozen
from spatia.records.cloud import CloudSnapshot
from spatia.records.frames import Frames
from spatia.records.geometry import Report, ignore
from spatia.records.projection import Projector

WIDEST_PX = 400  # larger pictures are halved first: what they show beyond that moves the answer by a millimetre
COARSEST_SIDE_PX = 10
LEAST_COVERED = 0.2  # of the frame, from where it was found to be taken
LEAST_CORRELATION = 0.92  # between the points' brightness and the frame's
MOST_DEVIATION_PX = 0.1  # of `Alignment.deviation_px`: beyond it errors reach half a degree


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecoveredPose:
    """Where one frame was taken from."""

    world_from_camera: F64  # [4, 4]
    residual: float  # robust deviation of brightness in 0..255 between cloud and frame, exposure made equal; infinite
    # where too little was left to compare
    covered_share: float  # of the frame's pixels that the cloud shows from there
    converged: bool  # False: it was not found, and the pose is the guess


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecoveredPath:
    """The same for T frames."""

    world_from_camera: F64  # [T, 4, 4]
    residual: F32  # [T]
    covered_share: F32  # [T]
    converged: Bool  # [T]

    def __post_init__(self) -> None:
        t = len(self.world_from_camera)
        object.__setattr__(
            self, "world_from_camera", frozen(self.world_from_camera, "world_from_camera", np.float64, (t, 4, 4))
        )
        object.__setattr__(self, "residual", frozen(self.residual, "residual", np.float32, (t,)))
        object.__setattr__(self, "covered_share", frozen(self.covered_share, "covered_share", np.float32, (t,)))
        object.__setattr__(self, "converged", frozen(self.converged, "converged", np.bool_, (t,)))


def recover_pose(
    rgb: U8,  # [H, W, 3]
    *,
    guess: F64,  # world_from_camera [4, 4]
    intrinsics: Intrinsics,
    cloud: CloudSnapshot,
    projector: Projector,
) -> RecoveredPose:
    """The pose near `guess` from which `cloud` looks like the frame; 5 degrees and 20 cm away are near enough.

    It has not converged where less than a fifth of the frame is covered, where what is covered is too plain to say, or
    where cloud and frame do not look alike in the end. Raises `ValueError` for a frame of another size than the lens.
    """
    guess = check_poses(guess, name="guess")
    if guess.shape != (4, 4):
        raise ValueError(f"guess must have shape (4, 4); got {guess.shape}")
    pyramid, lens = _pyramid(frozen(rgb, "rgb", np.uint8, (intrinsics.height_px, intrinsics.width_px, 3)), intrinsics)
    pose, exposure = guess, Exposure()
    for level in reversed(range(len(pyramid))):
        seen = visible_points(cloud, projector, world_from_camera=pose, lens=lens, level=level)
        picture, camera = pyramid[level], at_level(lens, level)
        coarsest = level == len(pyramid) - 1
        start = best_turn(seen.in_camera, seen.luma, picture, camera) if coarsest else np.eye(4)
        found = align(seen.in_camera, seen.luma, picture, camera, start=start, exposure=exposure)
        pose = pose @ inverse(found.camera_from_points)
        exposure = found.exposure
        if np.isinf(found.spread):
            break
    converged = (
        found.settled
        and seen.covered_share >= LEAST_COVERED
        and found.correlation >= LEAST_CORRELATION
        and found.deviation_px <= MOST_DEVIATION_PX
    )
    return RecoveredPose(
        world_from_camera=pose if converged else guess,
        residual=found.spread,
        covered_share=seen.covered_share,
        converged=converged,
    )


def recover_path(
    frames: Frames, *, cloud: CloudSnapshot, projector: Projector, report: Report = ignore
) -> RecoveredPath:
    """Each frame is looked for at its requested pose, carried along as far as the frame before had strayed.

    A generator that misses its path misses it smoothly, so the search keeps up where the requested pose alone would
    have become too poor a guess. Where it fails all the same, the requested pose itself is tried. `cloud` must not
    know the frames themselves, or it finds each where it was asked for.
    """
    requested = frames.cameras.world_from_camera
    astray = np.eye(4)
    found: list[RecoveredPose] = []

    def placed(t: int, guess: F64) -> RecoveredPose:
        return recover_pose(
            frames.rgb[t], guess=guess, intrinsics=frames.cameras.intrinsics, cloud=cloud, projector=projector
        )

    for t in range(len(frames)):
        report(t, len(frames))
        one = placed(t, requested[t] @ astray)
        if not (one.converged or np.array_equal(astray, np.eye(4))):
            one = placed(t, requested[t])
        if one.converged:
            astray = inverse(requested[t]) @ one.world_from_camera
        found.append(one)
    return RecoveredPath(
        world_from_camera=np.array([one.world_from_camera for one in found]).reshape(-1, 4, 4),
        residual=np.array([one.residual for one in found], dtype=np.float32),
        covered_share=np.array([one.covered_share for one in found], dtype=np.float32),
        converged=np.array([one.converged for one in found], dtype=np.bool_),
    )


def _pyramid(rgb: U8, lens: Intrinsics) -> tuple[list[F32], Intrinsics]:
    """Brightness from fine to coarse, each half the size of the one before, and the lens of the finest."""
    luma = luma_of(rgb)
    while luma.shape[1] > WIDEST_PX:
        luma, lens = halved(luma), at_level(lens, 1)
    pyramid = [luma]
    while min(pyramid[-1].shape) >= 2 * COARSEST_SIDE_PX:
        pyramid.append(halved(pyramid[-1]))
    return pyramid, lens
