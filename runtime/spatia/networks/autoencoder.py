"""Pixels to latents and back, a few frames at a time, so that both can be cancelled and neither holds a whole video.

Wraps diffusers' loaded `AutoencoderKLWan` in its Wan2.2 form: 48 latent channels, one latent cell for 16 x 16 pixels,
one latent frame for the first frame and one for every four after it. The network is causal in time, so a video goes
through it in those pieces, with a cache of the last features of every convolution; the cache belongs to one call, which
is why a call that was cancelled leaves nothing behind. Used by the generation worker's thread alone.
"""

import hashlib
import importlib
import json
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import diffusers
import torch
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.autoencoder_kl_wan import WanCausalConv3d, patchify, unpatchify
from diffusers.utils.torch_utils import get_module_execution_device
from torch import Tensor, nn

from spatia.errors import DeviceError
from spatia.records.arrays import U8
from spatia.records.latents import FRAMES_A_LATENT, latent_count

STRIDE_PX = 16
# A latent cell covers 16 pixels and a token of the transformer 2 x 2 cells.
SIZE_STEP_PX = 32

# Called with how many pieces are done and how many there are; raises to cancel.
Check = Callable[[int, int], object]


def _uncancelled(done: int, total: int) -> None:
    pass


class Decoder(Protocol):
    """From normalised latents to frames: the autoencoder's own decoder, or a small one distilled from it."""

    def decode(self, latents: Tensor, *, check: Check = ...) -> Tensor:
        """[C, F, h, w] to uint8 [4F - 3, 16h, 16w, 3] on the CPU."""
        ...


class Autoencoder:
    """The Wan2.2 video autoencoder on one video at a time, in the order and with the numbers of diffusers' own."""

    stride_px = STRIDE_PX

    def __init__(self, vae: AutoencoderKLWan, *, compute_dtype: torch.dtype | None = None) -> None:
        """`compute_dtype` is what goes into the network: by default the type of its weights."""
        self.vae = vae
        self.latent_channels: int = vae.config.z_dim
        self._dtype: torch.dtype = compute_dtype or vae.dtype
        self._mean = torch.tensor(vae.config.latents_mean).view(-1, 1, 1, 1)
        self._std = torch.tensor(vae.config.latents_std).view(-1, 1, 1, 1)

    @property
    def device(self) -> torch.device:
        """Where the network computes, which under offloading is not where its weights lie."""
        return get_module_execution_device(self.vae)

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that change with the encoder, and not with the type, the device or the layout it came from.

        Latents are worth keeping only for the autoencoder that made them; its first and last convolutions and the
        latents' statistics stand for it.
        """
        statistics = [list(self.vae.config.latents_mean), list(self.vae.config.latents_std)]
        digest = hashlib.sha256(json.dumps(statistics).encode())
        for part in (self.vae.encoder.conv_in, self.vae.encoder.conv_out, self.vae.quant_conv):
            weight = part.weight.detach().to("cpu", torch.bfloat16).contiguous()
            digest.update(weight.view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()[:16]

    @torch.no_grad()
    def encode(self, frames: Tensor, *, check: Check = _uncancelled) -> Tensor:
        """Normalised latents, float32 [C, k + 1, H / 16, W / 16], of pixels [4k + 1, 3, H, W].

        The mean of the posterior, not a sample. Pixels may lie in any range and on any device: each piece is moved when
        its turn comes. `check` is called after each of the k + 1 pieces, or once where the network encodes in tiles.
        """
        _check_video(frames)
        pieces = latent_count(len(frames))
        video = frames.movedim(0, 1)[None]  # [1, 3, T, H, W]
        if self.vae.use_tiling:
            mean = self.vae.encode(video.to(self.device, self._dtype)).latent_dist.mode()[0]
            check(pieces, pieces)
            return self._normalised(mean)
        cache = _fresh_cache(self.vae.encoder)
        encoded: list[Tensor] = []
        for done, piece in enumerate(video.split([1] + [FRAMES_A_LATENT] * (pieces - 1), dim=2), start=1):
            patches = patchify(piece.to(self.device, self._dtype), patch_size=self.vae.config.patch_size)
            encoded.append(self.vae.encoder(patches, feat_cache=cache, feat_idx=[0]))
            check(done, pieces)
        moments = self.vae.quant_conv(torch.cat(encoded, dim=2))[0]  # mean, then log variance
        return self._normalised(moments[: self.latent_channels])

    @torch.no_grad()
    def decode(self, latents: Tensor, *, check: Check = _uncancelled) -> Tensor:
        """uint8 frames [4F - 3, 16h, 16w, 3] on the CPU of normalised latents [C, F, h, w].

        Each piece becomes bytes on the CPU before the next is decoded. `check` as in `encode`. In tiles the network
        blends whole videos, so the float video is held for that long.
        """
        _check_latents(latents, self.latent_channels)
        device = self.device
        scaled = latents.to(device, torch.float32) * self._std.to(device) + self._mean.to(device)
        return _bytes_of(self._decoded(scaled.to(self._dtype)[None]), pieces=latents.shape[1], check=check)

    def _decoded(self, latents: Tensor) -> Iterator[Tensor]:
        """Pieces [1, 3, 1 or 4, H, W] in about [-1, 1] of latents [1, C, F, h, w]; all at once in tiles."""
        if self.vae.use_tiling:
            yield self.vae.decode(latents).sample
            return
        cache = _fresh_cache(self.vae.decoder)
        for index, latent in enumerate(self.vae.post_quant_conv(latents).split(1, dim=2)):
            patches = self.vae.decoder(latent, feat_cache=cache, feat_idx=[0], first_chunk=index == 0)
            yield unpatchify(patches, patch_size=self.vae.config.patch_size)

    def _normalised(self, mean: Tensor) -> Tensor:
        return (mean.float() - self._mean.to(mean.device)) / self._std.to(mean.device)


class TinyDecoder:
    """A decoder some fifty times faster and somewhat less sharp, distilled from the full one (TAEHV's `taew2_2`)."""

    def __init__(self, network: Any, *, new_cache: Callable[[], object]) -> None:
        """`network` has the interface of diffusers' `AutoencoderTinyVideo`, `new_cache` makes its memory of a video."""
        self.network = network
        self._new_cache = new_cache

    @classmethod
    def open(cls, folder: Path, *, dtype: torch.dtype, device: torch.device) -> "TinyDecoder":
        """From a folder in diffusers' layout.

        Raises `DeviceError` where the installed diffusers has no such network.
        """
        kind = getattr(diffusers, "AutoencoderTinyVideo", None)
        if kind is None:
            raise DeviceError(
                f"diffusers {diffusers.__version__} has no AutoencoderTinyVideo, which the tiny decoder needs",
                where=str(folder),
                fix="install a diffusers newer than 0.42 that has it, or decode with the full autoencoder",
            )
        module = importlib.import_module(kind.__module__)
        network = kind.from_pretrained(folder, torch_dtype=dtype, local_files_only=True).to(device).eval()
        return cls(network, new_cache=module.TinyVideoDecodeCache)

    @torch.no_grad()
    def decode(self, latents: Tensor, *, check: Check = _uncancelled) -> Tensor:
        """As `Autoencoder.decode`. The distilled network takes normalised latents as they are."""
        _check_latents(latents, self.network.config.latent_channels)
        video = latents.to(get_module_execution_device(self.network), self.network.dtype)[None]
        cache = self._new_cache()
        pieces = (self.network.decode(latent, cache=cache).sample for latent in video.split(1, dim=2))
        return _bytes_of(pieces, pieces=latents.shape[1], check=check)


def pixels_of(rgb: U8, *, dtype: torch.dtype, device: torch.device | str, scale_in_dtype: bool = False) -> Tensor:
    """[T, 3, H, W] in [-1, 1] of sRGB pictures [T, H, W, 3].

    Scaled in float32 and rounded once, or, with `scale_in_dtype`, in `dtype` itself as the released code does in
    bfloat16, which moves some pixels by one step of that type.
    """
    if rgb.ndim != 4 or rgb.shape[3] != 3:
        raise ValueError(f"rgb must have shape (T, H, W, 3); got {rgb.shape}")
    pixels = _scaled(rgb, low=-1.0, dtype=dtype, device=device, scale_in_dtype=scale_in_dtype)
    return pixels.permute(0, 3, 1, 2)


def mask_pixels_of(mask: U8, *, dtype: torch.dtype, device: torch.device | str, scale_in_dtype: bool = False) -> Tensor:
    """[T, 3, H, W] in [0, 1], three equal channels, of masks [T, H, W] from 0 to 255. Scaled as in `pixels_of`."""
    if mask.ndim != 3:
        raise ValueError(f"mask must have shape (T, H, W); got {mask.shape}")
    pixels = _scaled(mask, low=0.0, dtype=dtype, device=device, scale_in_dtype=scale_in_dtype)
    return pixels[:, None].expand(-1, 3, -1, -1)


def _scaled(levels: U8, *, low: float, dtype: torch.dtype, device: torch.device | str, scale_in_dtype: bool) -> Tensor:
    """0..255 to `low`..1."""
    values = torch.tensor(levels, device=device).to(dtype if scale_in_dtype else torch.float32)
    return (values * ((1.0 - low) / 255) + low).to(dtype)


def _bytes_of(decoded: Iterator[Tensor], *, pieces: int, check: Check) -> Tensor:
    """uint8 [T, H, W, 3] on the CPU of pieces [1, 3, t, H, W] that are decoded as they are asked for."""
    frames: list[Tensor] = []
    latents_done = 0
    for piece in decoded:
        levels = ((piece[0].float().clamp(-1, 1) + 1) * 127.5).round()
        frames.append(levels.to(torch.uint8).permute(1, 2, 3, 0).cpu())
        latents_done += 1 + (piece.shape[2] - 1) // FRAMES_A_LATENT
        check(latents_done, pieces)
    return torch.cat(frames)


def _fresh_cache(network: nn.Module) -> list[Any]:
    """Room for the last features of every causal convolution; the network fills it in the order it runs them."""
    return [None] * sum(isinstance(part, WanCausalConv3d) for part in network.modules())


def _check_video(frames: Tensor) -> None:
    if frames.ndim != 4 or frames.shape[1] != 3:
        raise ValueError(f"frames must have shape (T, 3, H, W); got {tuple(frames.shape)}")
    count, _, height, width = frames.shape
    if count % FRAMES_A_LATENT != 1:
        raise ValueError(f"the number of frames must be 4k + 1; got {count}")
    if height % SIZE_STEP_PX or width % SIZE_STEP_PX or not height or not width:
        raise ValueError(f"height and width must be multiples of {SIZE_STEP_PX} px; got {height} x {width}")


def _check_latents(latents: Tensor, channels: int) -> None:
    if latents.ndim != 4 or latents.shape[0] != channels or not latents.shape[1]:
        raise ValueError(f"latents must have shape ({channels}, F, h, w); got {tuple(latents.shape)}")
