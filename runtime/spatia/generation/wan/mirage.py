"""Mirage's generator: a chunk under latents read from the memory, with no rendering and no encoding between them.

See `WanGenerator`; spec/mirage_release.md says what the release does.
"""

import numpy as np
import torch
from torch import Tensor

from spatia.generation.wan.conditioning import KnownFrames, SceneLatents, known_frames, scene_latents
from spatia.generation.wan.generator import Given, Studio, WanGenerator
from spatia.generation.wan.layout import ClipLayout
from spatia.records.generation import ClipRequest
from spatia.records.latents import FRAMES_A_LATENT, latent_count


class MirageGenerator(WanGenerator):
    """[references][last frame seen][new][the latents before it], controlled by the latent memory.

    Of the frames before a chunk the last is its first, clean; the two latents before that trail behind.
    """

    name = "mirage"

    def layout(self, request: ClipRequest) -> ClipLayout:
        known = self._known(request)
        first = self.first_frame(request)
        history = 1 if len(known.history) else 0
        return ClipLayout(
            references=len(known.references),
            history=history,
            new=latent_count(len(request.cameras) - first) - history,
            trailing=first // FRAMES_A_LATENT,
        )

    def first_frame(self, request: ClipRequest) -> int:
        return max(0, len(request.preceding) - 1)

    def given(self, request: ClipRequest, studio: Studio) -> Given:
        known, trailing = self._known(request), self.first_frame(request) // FRAMES_A_LATENT
        seen = self._seen(request, known, studio, trailing + 1)
        references = (
            studio.singles(known.references, "encode references") if len(known.references) else studio.nothing()
        )
        scene = scene_latents(
            request,
            control_from=self._settings.control_from,
            encode=lambda pictures: studio.video(pictures, "encode projection"),
        )
        control = torch.cat([scene.latents, self._mask(request, scene, studio)])
        # In time the trailing latents come first.
        control = torch.cat([control[:, trailing:], control[:, :trailing]], dim=1)
        return Given(
            clean=torch.cat([references, seen[:, trailing:]], dim=1), trailing=seen[:, :trailing], control=control
        )

    def _seen(self, request: ClipRequest, known: KnownFrames, studio: Studio, count: int) -> Tensor:
        """[C, count, h, w] of the frames before the chunk, in time: as they were denoised (release), or encoded."""
        kept = request.preceding_latents
        if self._settings.compat == "release" and kept is not None and kept.latents.shape[1] >= count:
            return torch.tensor(kept.latents[:, -count:]).float()
        return studio.video(known.history, "encode history") if len(known.history) else studio.nothing()

    def _mask(self, request: ClipRequest, scene: SceneLatents, studio: Studio) -> Tensor:
        """The release gives the latent of an all-white video; the paper, one channel of which cells are known."""
        if self._settings.compat == "corrected":
            return scene.known[None].float()
        white = np.full(request.projection.depth_m.shape, 255, dtype=np.uint8)
        return studio.mask(white, "encode mask")

    def _known(self, request: ClipRequest) -> KnownFrames:
        return known_frames(request, references_in_first=True)
