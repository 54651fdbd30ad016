"""From a request to what the network is conditioned on. On the generator's thread.

Pictures go from memory to the autoencoder; none passes through a video file, where the release loses some of each
(spec/spatia_release.md 1.10).
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spatia.errors import GenerationError
from spatia.generation.wan.settings import ControlFrom
from spatia.networks.autoencoder import STRIDE_PX, Autoencoder, mask_pixels_of, pixels_of
from spatia.records.arrays import U8, Bool
from spatia.records.generation import ClipRequest
from spatia.records.latents import FRAMES_A_LATENT
from spatia.records.projection import Projection

LACKING_SHARE = 0.05  # of all cells
KEPT_LATENTS = 256  # of single frames; 660 KB each at 1248 x 704


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnownFrames:
    """Which pictures a clip is given, as uint8 [T, H, W, 3]."""

    history: U8  # 4k + 1 consecutive frames that the clip begins with, or none
    references: U8  # any number, each on its own


def known_frames(request: ClipRequest, *, references_in_first: bool) -> KnownFrames:
    """What is pinned and what is referred to.

    A first round has no frames before it. Where a reference was taken from its first pose, as a photograph that the
    world began with is, that is the clip's first frame. The release gives a first round no references.
    """
    references = request.references
    if len(request.preceding):
        return KnownFrames(history=request.preceding.rgb, references=references.rgb)
    first = references.cameras.taken_from(request.cameras.world_from_camera[0])[:1]
    others = np.ones(len(references), dtype=bool)
    others[first] = False
    history = references.rgb[first]
    return KnownFrames(history=history, references=references.rgb[others if references_in_first else slice(0)])


def hole_mask_of(projection: Projection) -> U8:
    """[T, H, W] 255 where the memory knows nothing, 0 where it covers the pixel, between the two on soft edges."""
    return (255 - np.rint(projection.coverage * 255)).astype(np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SceneLatents:
    """What the memory knows along a request's cameras, for the network."""

    latents: Tensor  # [C, F, h, w] float32
    known: Tensor  # [F, h, w] bool


def scene_latents(request: ClipRequest, *, control_from: ControlFrom, encode: Callable[[U8], Tensor]) -> SceneLatents:
    """From the coloured cloud, projected and encoded, or read from the latent cloud with no network in between.

    Where the coloured cloud knows more than a little that the latent cloud does not, as in the first round of a world
    that was not generated, those cells are encoded. Raises `GenerationError` for a world without latents.
    """
    covered = covered_cells(request.projection)
    if control_from == "rgb":
        return SceneLatents(latents=encode(request.projection.rgb), known=torch.from_numpy(covered))
    if request.latents is None:
        raise GenerationError(
            "the generator reads the latent memory, and this world keeps none",
            where="memory.latent",
            fix="set `memory: {latent: {}}`, or `control_from: rgb` for the generator",
        )
    visible = request.latents.visible
    latents = torch.tensor(request.latents.latents).movedim(0, 1)
    lacking = covered & ~visible
    if lacking.mean() > LACKING_SHARE:
        latents = torch.where(torch.from_numpy(lacking), encode(request.projection.rgb), latents)
        visible = visible | lacking
    return SceneLatents(latents=latents, known=torch.tensor(visible))


def covered_cells(projection: Projection) -> Bool:
    """[F, h, w] True where the coloured cloud covers most of a cell, in the last frame of each latent one."""
    coverage = projection.coverage[::FRAMES_A_LATENT]
    frames, height, width = coverage.shape
    cells = coverage.reshape(frames, height // STRIDE_PX, STRIDE_PX, width // STRIDE_PX, STRIDE_PX)
    return np.asarray(cells.mean(axis=(2, 4)) > 0.5)


class LatentEncoder:
    """Pictures to latents [C, F, h, w] float32 on the CPU. Keeps those of single frames by their content.

    A frame is often a reference in several rounds; what is kept depends on its bytes alone, so that a resumed walk
    gives the same clips as one that was never interrupted.
    """

    def __init__(self, autoencoder: Autoencoder, *, as_released: bool) -> None:
        self._autoencoder = autoencoder
        self._kept: OrderedDict[bytes, Tensor] = OrderedDict()
        # The release casts pixels to bfloat16 before it scales them (spec/spatia_release.md 1.2).
        self._pixels = {
            "dtype": autoencoder.vae.dtype,
            "device": "cpu",
            "scale_in_dtype": as_released,
        }

    def is_on(self, autoencoder: Autoencoder) -> bool:
        return self._autoencoder is autoencoder

    def video(self, rgb: U8, *, check: Callable[[int, int], object]) -> Tensor:
        """Of 4k + 1 consecutive frames."""
        return self._autoencoder.encode(pixels_of(rgb, **self._pixels), check=check).cpu()

    def mask(self, mask: U8, *, check: Callable[[int, int], object]) -> Tensor:
        """Of 4k + 1 hole masks [H, W], which the weights take in [0, 1] where pictures are in [-1, 1]."""
        return self._autoencoder.encode(mask_pixels_of(mask, **self._pixels), check=check).cpu()

    def singles(self, rgb: U8, *, check: Callable[[int, int], object]) -> Tensor:
        """Of frames that do not follow each other: one latent frame each."""
        latents = []
        for done, frame in enumerate(rgb, start=1):
            latents.append(self._single(frame))
            check(done, len(rgb))
        return torch.cat(latents, dim=1)

    def _single(self, frame: U8) -> Tensor:
        content = hashlib.sha256(np.ascontiguousarray(frame).data).digest() + str(frame.shape).encode()
        if content not in self._kept:
            self._kept[content] = self.video(frame[None], check=lambda done, total: None)
            if len(self._kept) > KEPT_LATENTS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(content)
        return self._kept[content]
