"""A clip by a diffusion network on Wan2.2, whatever it is conditioned on: the road that Spatia and Mirage share.

One instance belongs to one worker thread. The clip depends on the request alone: nothing that an earlier request left
behind changes it, so that a resumed walk goes on as the uninterrupted one would have.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from spatia.errors import GenerationError
from spatia.generation.wan.conditioning import LatentEncoder
from spatia.generation.wan.denoise import Conditions, denoise, noise_of
from spatia.generation.wan.layout import ClipLayout
from spatia.generation.wan.networks import Networks, Work
from spatia.generation.wan.resize import resized
from spatia.generation.wan.settings import WanSettings
from spatia.networks import speed
from spatia.networks.autoencoder import SIZE_STEP_PX
from spatia.networks.lora import use_lora
from spatia.records.arrays import U8
from spatia.records.generation import Cancel, Clip, ClipLatents, ClipRequest, Progress, Report

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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Given:
    """What a kind of generator makes of a request, on the CPU."""

    clean: Tensor  # [C, references + history, h, w] float32
    trailing: Tensor  # [C, trailing, h, w] float32
    control: Tensor  # [control channels, history + new + trailing, h, w] float32


class WanGenerator(ABC):
    """See `Generator`. A kind of generator says how a clip is laid out and what it is given."""

    is_neural = True

    def __init__(self, source: NetworkSource, settings: WanSettings) -> None:
        self._source = source
        self._settings = settings
        self._encoder: LatentEncoder | None = None

    @property
    @abstractmethod
    def name(self) -> str: ...

    @abstractmethod
    def layout(self, request: ClipRequest) -> ClipLayout: ...

    @abstractmethod
    def given(self, request: ClipRequest, studio: "Studio") -> Given: ...

    def first_frame(self, request: ClipRequest) -> int:
        """The frame of the request that the video begins with."""
        return 0

    def generate(self, request: ClipRequest, *, report: Report, cancel: Cancel) -> Clip:
        """Raises `GenerationError` for a request that no network could serve, before one is loaded."""
        check_request(request)
        prompts = self._prompts(request)
        self._source.check_prompts(prompts)
        work = Work.of(request, self.layout(request))
        steps = Steps(request, report=report, cancel=cancel)
        while True:
            try:
                return self._generated(request, work, prompts, steps)
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

    def _generated(self, request: ClipRequest, work: Work, prompts: tuple[str, ...], steps: "Steps") -> Clip:
        networks = steps.whole("networks", lambda: self._source.networks_for(work))
        _check_latents(request, work, networks)
        text = steps.whole("text", lambda: networks.text.encode(prompts)).to(networks.device, networks.dtype)
        studio = Studio(networks, self._encoder_of(networks), steps)
        given = self.given(request, studio)
        conditions = Conditions(
            layout=work.layout,
            clean=given.clean.to(networks.device),
            trailing=given.trailing.to(networks.device),
            control=given.control.to(networks.device, networks.dtype),
            text=text[:1],
            negative_text=text[1:] if len(prompts) > 1 else None,
        )
        speed.reset(networks.transformer)
        is_later = len(request.preceding) > 0
        use_lora(networks.transformer, *(networks.later_clip_adapters if is_later else networks.first_clip_adapters))
        sampling = self._settings.sampling
        noise = noise_of(
            work.layout,
            channels=networks.autoencoder.latent_channels,
            height=given.control.shape[2],
            width=given.control.shape[3],
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
        new = frames[len(request.preceding) - self.first_frame(request) :]
        lens = request.cameras.intrinsics
        return Clip(
            request_id=request.request_id,
            rgb=resized(new, width_px=lens.width_px, height_px=lens.height_px),
            latents=None if request.latents is None else self._kept(request, latents, frames, studio),
            notes=networks.notes,
        )

    def _kept(self, request: ClipRequest, latents: Tensor, frames: U8, studio: "Studio") -> ClipLatents:
        """The latents of the new frames: as denoised, or encoded from what was decoded (the paper's way)."""
        if self._settings.compat == "corrected":
            latents = studio.encoder.video(frames, check=studio.steps.stage("encode clip"))
        history = (len(request.preceding) - self.first_frame(request) + 3) // 4
        return ClipLatents(
            latents=latents[:, history:].float().cpu().numpy(), fingerprint=studio.networks.autoencoder.fingerprint
        )

    def _encoder_of(self, networks: Networks) -> LatentEncoder:
        """What it keeps is good for one autoencoder."""
        if self._encoder is None or not self._encoder.is_on(networks.autoencoder):
            self._encoder = LatentEncoder(networks.autoencoder, as_released=self._settings.compat == "release")
        return self._encoder


@dataclass(frozen=True, slots=True, eq=False)
class Studio:
    """What a kind of generator works with while it makes one clip."""

    networks: Networks
    encoder: LatentEncoder
    steps: "Steps"

    def sized(self, pictures: U8) -> U8:
        """At the size that clips are made in."""
        return resized(pictures, width_px=self.networks.width_px, height_px=self.networks.height_px)

    def video(self, pictures: U8, stage: str) -> Tensor:
        return self.encoder.video(self.sized(pictures), check=self.steps.stage(stage))

    def singles(self, pictures: U8, stage: str) -> Tensor:
        return self.encoder.singles(self.sized(pictures), check=self.steps.stage(stage))

    def mask(self, mask: U8, stage: str) -> Tensor:
        return self.encoder.mask(self.sized(mask), check=self.steps.stage(stage))

    def nothing(self) -> Tensor:
        """[C, 0, h, w]"""
        networks = self.networks
        cells = (
            networks.height_px // networks.autoencoder.stride_px,
            networks.width_px // networks.autoencoder.stride_px,
        )
        return torch.empty(networks.autoencoder.latent_channels, 0, *cells)


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


def _check_latents(request: ClipRequest, work: Work, networks: Networks) -> None:
    """Raises `GenerationError` where the latent memory and the networks do not go together."""
    if request.latents is None:
        return
    other = "use the base model that the world was begun with, or begin a new world"
    made_by, ours = request.latents_fingerprint, networks.autoencoder.fingerprint
    if made_by and made_by != ours:
        raise GenerationError(
            f"the world's latents were made by the autoencoder {made_by}; the generator's is {ours}",
            where="generation.generator.base",
            fix=other,
        )
    kept, made = request.latents.latents.shape[1], networks.autoencoder.latent_channels
    if kept != made:
        raise GenerationError(
            f"the world keeps latents of {kept} channels; the autoencoder's have {made}",
            where="generation.generator.base",
            fix=other,
        )
    if (networks.width_px, networks.height_px) != work.size_px:
        raise GenerationError(
            "the latent memory holds cells of the size asked for, and the device has room for a smaller one only",
            where="generation.generator.fit",
            fix="choose a smaller camera for the whole world, or set memory.latent to null",
        )


class Steps:
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
