"""The generation seam: a request for a clip, the clip, progress, and failure as data."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from spatia.geom.camera import Cameras
from spatia.records.arrays import F32, U8, frozen
from spatia.records.frames import Frames
from spatia.records.latents import LatentReadout
from spatia.records.projection import Projection


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClipLatents:
    """Frames as a video autoencoder's latents: of a clip's first frame one, then one for every four."""

    latents: F32  # [C, F, h, w] normalised
    fingerprint: str  # of the autoencoder

    def __post_init__(self) -> None:
        object.__setattr__(self, "latents", frozen(self.latents, "latents", np.float32, (None, None, None, None)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClipRequest:
    """Everything a generator may know. The first `len(preceding)` of the T cameras repeat frames already seen."""

    request_id: int
    epoch: int  # bumped by a reset; results of another epoch are dropped and counted
    base_version: int  # version of the cloud that the projection was made from
    seed: int
    cameras: Cameras  # T = preceding + new poses, T = 4k + 1
    time_s: F32  # [T] scene time
    projection: Projection  # T frames of the memory along the cameras
    preceding: Frames  # the last frames seen, with depth where it is known; may be empty
    references: Frames  # up to K retrieved frames, with depth where it is known; may be empty
    prompt: str = ""
    latents: LatentReadout | None = None  # of the latent memory, along every fourth camera; None where there is none
    latents_fingerprint: str = ""  # of the autoencoder that made the latent memory; empty while that is empty
    preceding_latents: ClipLatents | None = None  # the last ones that were made, where they are kept
    deadline_s: float | None = None  # of wall time, for the whole clip

    @property
    def new_frame_count(self) -> int:
        return len(self.cameras) - len(self.preceding)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clip:
    """What comes back: the new frames alone, without the preceding ones."""

    request_id: int
    rgb: U8  # [T_new, H, W, 3]
    latents: ClipLatents | None = None  # of the new frames, where the request came with latents
    notes: tuple[str, ...] = ()  # what was done otherwise than asked, such as for want of memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A request that gave no clip, with its cause in words."""

    request_id: int
    epoch: int
    kind: str  # "raised", "hung", "killed", "cancelled", "deadline"
    message: str
    detail: str = ""  # traceback text, for the log


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a request is."""

    request_id: int
    stage: str
    done: int
    total: int


Report = Callable[[Progress], None]


class Cancelled(Exception):  # noqa: N818 - not an error
    """Raised inside a generator when `Cancel.check` finds that its clip is no longer wanted."""


class Cancel(Protocol):
    """Asked by a generator at every step."""

    def check(self) -> None:
        """Raises `Cancelled` once the clip is no longer wanted."""
        ...


class Generator(Protocol):
    """The seam. One instance belongs to one worker; `generate` is never entered twice at once."""

    @property
    def name(self) -> str: ...

    @property
    def is_neural(self) -> bool: ...

    def generate(self, request: ClipRequest, *, report: Report, cancel: Cancel) -> Clip:
        """A clip of exactly `request.new_frame_count` frames. Raises `Cancelled` within one step of being cancelled."""
        ...
