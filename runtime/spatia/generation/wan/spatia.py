"""Spatia's generator: a clip under the projected memory, references and the frames before it. See `WanGenerator`."""

import torch

from spatia.generation.wan.conditioning import KnownFrames, hole_mask_of, known_frames, scene_latents
from spatia.generation.wan.generator import Given, Studio, WanGenerator
from spatia.generation.wan.layout import ClipLayout
from spatia.records.generation import ClipRequest
from spatia.records.latents import latent_count


class SpatiaGenerator(WanGenerator):
    """[references][history][new], controlled by latents of the projected memory and of its holes."""

    name = "spatia"

    def layout(self, request: ClipRequest) -> ClipLayout:
        known = self._known(request)
        history = latent_count(len(known.history)) if len(known.history) else 0
        new = latent_count(len(request.cameras)) - history
        return ClipLayout(references=len(known.references), history=history, new=new)

    def given(self, request: ClipRequest, studio: Studio) -> Given:
        known = self._known(request)
        scene = scene_latents(
            request,
            control_from=self._settings.control_from,
            encode=lambda pictures: studio.video(pictures, "encode projection"),
        )
        control = [scene.latents, studio.mask(hole_mask_of(request.projection), "encode holes")]
        clean = [studio.nothing()]
        if len(known.references):
            clean.append(studio.singles(known.references, "encode references"))
        if len(known.history):
            clean.append(studio.video(known.history, "encode history"))
        return Given(clean=torch.cat(clean, dim=1), trailing=studio.nothing(), control=torch.cat(control))

    def _known(self, request: ClipRequest) -> KnownFrames:
        return known_frames(request, references_in_first=self._settings.compat == "corrected")
