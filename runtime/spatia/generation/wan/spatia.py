"""Spatia's generator: a clip by Wan2.2 under the projected memory, references and the frames before it.

One instance belongs to one worker thread. The clip depends on the request alone: nothing that an earlier request left
behind changes it, so that a resumed walk goes on as the uninterrupted one would have.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from spatia.errors import GenerationError
from spatia.generation.wan.conditioning import KnownFrames, LatentEncoder, hole_mask_of, known_frames
from spatia.generation.wan.denoise import Conditions, denoise, noise_of
from spatia.generation.wan.networks import Networks, Work
from spatia.generation.wan.resize import resized
from spatia.generation.wan.settings import WanSettings
from spatia.networks import speed
from spatia.networks.autoencoder import SIZE_STEP_PX
from spatia.networks.lora import use_lora
from spatia.records.arrays import U8
from spatia.records.generation import Cancel, Clip, ClipRequest, Progress, Report

R = TypeVar("R")

Check = Callable[[int, int], None]


class NetworkSource(Protocol):
    """Where the networks come from."""

    def check_prompts(self, prompts: tuple[str, ...]) -> None:
        """Raises `GenerationError` for a prompt that is too long, without loading the text encoder."""
        ...

    def networks_for(self, work: Work) -> Networks:
        """Loaded and fitted into the device's memory. Raises `SpatiaError` before anything is loaded."""
        ...

    def fall_back(self, work: Work) -> bool:
        """After the device ran out of memory: free it and take the next way to need less. False when none is left."""
        ...


class SpatiaGenerator:
    """See `Generator`."""

    name = "spatia"
    is_neural = True

    def __init__(self, source: NetworkSource, settings: WanSettings) -> None:
        self._source = source
        self._settings = settings
        self._encoder: LatentEncoder | None = None

    def generate(self, request: ClipRequest, *, report: Report, cancel: Cancel) -> Clip:
        """Raises `GenerationError` for a request that no network could serve, before one is loaded."""
        check_request(request)
        prompts = self._prompts(request)
        self._source.check_prompts(prompts)
        known = known_frames(request, references_in_first=self._settings.compat == "corrected")
        work = Work.of(request, known.layout(len(request.cameras)))
        steps = _Steps(request, report=report, cancel=cancel)
        while True:
            try:
                return self._generated(request, known, work, prompts, steps)
            except torch.OutOfMemoryError as problem:
                shortage = str(problem)
            # Only here, outside the handler, are the tensors of the attempt gone with its frames.
            self._encoder = None
            if not self._source.fall_back(work):
                raise GenerationError(
                    f"the device ran out of memory: {shortage}",
                    fix="close what else uses it, or make camera.width_px and camera.height_px smaller",
                )

    def _prompts(self, request: ClipRequest) -> tuple[str, ...]:
        sampling = self._settings.sampling
        prompt = request.prompt + sampling.prompt_suffix
        return (prompt, sampling.negative_prompt) if sampling.guidance != 1.0 else (prompt,)

    def _generated(
        self, request: ClipRequest, known: KnownFrames, work: Work, prompts: tuple[str, ...], steps: "_Steps"
    ) -> Clip:
        networks = steps.whole("networks", lambda: self._source.networks_for(work))
        conditions = self._conditions(request, known, work, networks, prompts, steps)
        sampling = self._settings.sampling
        is_later = len(request.preceding) > 0
        speed.reset(networks.transformer)
        use_lora(networks.transformer, *(networks.later_clip_adapters if is_later else networks.first_clip_adapters))
        noise = noise_of(
            conditions.layout,
            channels=networks.autoencoder.latent_channels,
            height=conditions.control.shape[2],
            width=conditions.control.shape[3],
            seed=request.seed if sampling.noise_seed is None else sampling.noise_seed,
        )
        latents = denoise(
            networks.transformer,
            conditions,
            noise=noise,
            sampling=sampling,
            one_batch=networks.one_batch,
            check=steps.stage("denoise"),
        )
        frames = networks.decoder.decode(latents, check=steps.stage("decode")).numpy()
        new = frames[len(request.preceding) :]
        lens = request.cameras.intrinsics
        return Clip(
            request_id=request.request_id,
            rgb=resized(new, width_px=lens.width_px, height_px=lens.height_px),
            notes=networks.notes,
        )

    def _conditions(
        self,
        request: ClipRequest,
        known: KnownFrames,
        work: Work,
        networks: Networks,
        prompts: tuple[str, ...],
        steps: "_Steps",
    ) -> Conditions:
        def sized(pictures: U8) -> U8:
            return resized(pictures, width_px=networks.width_px, height_px=networks.height_px)

        def placed(tensor: Tensor) -> Tensor:
            return tensor.to(networks.device, networks.dtype)

        text = placed(steps.whole("text", lambda: networks.text.encode(prompts)))
        encoder = self._encoder_of(networks)
        control = torch.cat(
            [
                encoder.video(sized(request.projection.rgb), check=steps.stage("encode projection")),
                encoder.mask(sized(hole_mask_of(request.projection)), check=steps.stage("encode holes")),
            ]
        )
        clean = [control.new_empty(len(control) // 2, 0, *control.shape[2:])]
        if len(known.references):
            clean.append(encoder.singles(sized(known.references), check=steps.stage("encode references")))
        if len(known.history):
            clean.append(encoder.video(sized(known.history), check=steps.stage("encode history")))
        return Conditions(
            layout=work.layout,
            clean=torch.cat(clean, dim=1).to(networks.device),
            control=placed(control),
            text=text[:1],
            negative_text=text[1:] if len(prompts) > 1 else None,
        )

    def _encoder_of(self, networks: Networks) -> LatentEncoder:
        """What it keeps is good for one autoencoder at one size."""
        if self._encoder is None or not self._encoder.is_on(networks.autoencoder):
            self._encoder = LatentEncoder(networks.autoencoder, as_released=self._settings.compat == "release")
        return self._encoder


def check_request(request: ClipRequest) -> None:
    """Raises `GenerationError` for a size or a length that the networks cannot take."""
    lens = request.cameras.intrinsics
    for name, side in (("width_px", lens.width_px), ("height_px", lens.height_px)):
        if side % SIZE_STEP_PX:
            low = side // SIZE_STEP_PX * SIZE_STEP_PX
            raise GenerationError(
                f"frames must be multiples of {SIZE_STEP_PX} pixels wide and high; got {lens.width_px} x "
                f"{lens.height_px}",
                where=f"camera.{name}",
                fix=f"use {f'{low} or ' if low else ''}{low + SIZE_STEP_PX}",
            )
    for name, frames in (("the clip", len(request.cameras)), ("the frames before it", len(request.preceding))):
        if frames % 4 != 1 and frames:
            raise GenerationError(
                f"{name} must count 4k + 1 frames; got {frames}",
                where="generation",
                fix=f"use {frames - (frames - 1) % 4 + 4} frames",
            )


class _Steps:
    """Progress and cancelling of one request."""

    def __init__(self, request: ClipRequest, *, report: Report, cancel: Cancel) -> None:
        self._request_id = request.request_id
        self._report = report
        self._cancel = cancel

    def whole(self, name: str, work: Callable[[], R]) -> R:
        """A stage that cannot be stopped halfway."""
        check = self.stage(name)
        check(0, 1)
        result = work()
        check(1, 1)
        return result

    def stage(self, name: str) -> Check:
        def check(done: int, total: int) -> None:
            self._report(Progress(request_id=self._request_id, stage=name, done=done, total=total))
            self._cancel.check()

        return check
