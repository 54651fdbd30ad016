"""What one round is given and what it gives back: the two messages between the main thread and production's."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from spatia.evaluation.pose_recovery import RecoveredPath
from spatia.geom.camera import Cameras
from spatia.memory.frames import ArchivedClip
from spatia.records.arrays import F32, I32, U8, Bool
from spatia.records.cloud import CloudSnapshot, Points, SightVotes
from spatia.records.frames import Frames
from spatia.records.generation import ClipLatents
from spatia.records.geometry import Sighting
from spatia.records.latents import FRAMES_A_LATENT, LatentPoints, LatentSnapshot

TAIL_LATENTS = 3  # those of nine frames


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PastKeyframes:
    """All keyframes that the memory was made of."""

    frames: Frames  # H, without depth
    moving: Bool  # [H, height, width] what moved in them
    clips: I32  # [H] ascending

    def __len__(self) -> int:
        return len(self.frames)

    def before(self, sighting: Sighting) -> Sighting:
        """All these and the sighting's keyframes, as if all had come into view now."""
        old, new = self.frames, sighting.frames
        return Sighting.of(
            Frames(
                rgb=np.concatenate([old.rgb, new.rgb]),
                cameras=Cameras.joined(old.cameras, new.cameras),
                time_s=np.concatenate([old.time_s, new.time_s]),
            )
        ).only(np.concatenate([np.arange(len(old)), len(old) + sighting.keyframes]))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Surroundings:
    """What the archive knows around the new frames."""

    context: Frames  # frames that overlap the new ones, the last of the walk last
    context_moving: Bool  # [C, H, W]
    history: PastKeyframes | None  # where the memory is made anew after every clip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RoundOrder:
    """What PROJECT froze: everything one round may know."""

    request_id: int
    epoch: int
    clip: int  # number of the clip in the world
    seed: int
    cameras: Cameras  # preceding + new + padding poses, 4k + 1 of them
    time_s: F32  # [T]
    new_frame_count: int  # padding left out
    snapshot: CloudSnapshot
    latents: LatentSnapshot | None  # None for a world that keeps none
    preceding_latents: ClipLatents | None  # of the last frames, where they are kept
    preceding: Frames
    surroundings: Surroundings
    references: Frames
    reference_numbers: tuple[int, ...]
    prompt: str
    deadline_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KeyframePoses:
    """Where keyframes were taken from, found in the memory as it was before the clip."""

    frames: I32  # [K] positions among the clip's new frames
    recovered: RecoveredPath  # K


class CommitTicks(NamedTuple):
    """When a clip came to the memory, and when the walk came to see it."""

    taken: int
    landed: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RoundResult:
    """What COMMIT merges. Arrays cover the new frames only."""

    order: RoundOrder
    archived: ArchivedClip  # T new frames, with the estimated depth of the keyframes
    projection_rgb: U8  # [T, H, W, 3] what the memory knew
    coverage: float  # share of the new frames' pixels that the memory knew
    points: Points  # of the new keyframes; of the history as well, where there is one
    votes: SightVotes | None  # what the keyframes say of the points that were there; None where the memory is made anew
    poses: KeyframePoses | None  # of some keyframes, found again; None where nobody asked
    latents: ClipLatents | None  # of the new frames, padding left out
    latent_points: LatentPoints | None
    frame_sha256: tuple[str, ...]  # of every new frame's raw RGB
    projection_sha256: tuple[str, ...]  # of every new frame's projection: colour, depth and index
    stage_s: dict[str, float]
    notes: tuple[str, ...] = ()  # the generator's and the estimator's, see `Clip` and `Geometry`

    @property
    def epoch(self) -> int:
        return self.order.epoch

    @property
    def latent_tail(self) -> ClipLatents | None:
        """The last of `latents`, where the last frame ends one: what the next clip may begin with."""
        walked = len(self.order.preceding) + self.order.new_frame_count
        if self.latents is None or walked % FRAMES_A_LATENT != 1:
            return None
        return ClipLatents(
            latents=self.latents.latents[:, -TAIL_LATENTS:],
            fingerprint=self.latents.fingerprint,
        )
