from pathlib import Path
from types import SimpleNamespace

import diffusers
import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLWan
from torch import Tensor

from spatia.errors import DeviceError
from spatia.networks.autoencoder import Autoencoder, Decoder, TinyDecoder, mask_pixels_of, pixels_of


class CancelledError(Exception):
    pass


def small_vae(seed: int = 0) -> AutoencoderKLWan:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return AutoencoderKLWan(
            base_dim=4,
            decoder_base_dim=6,
            z_dim=48,
            dim_mult=[1, 2, 4, 4],
            latents_mean=torch.linspace(-0.3, 0.4, 48).tolist(),
            latents_std=torch.linspace(0.3, 1.2, 48).tolist(),
            is_residual=True,
            in_channels=12,
            out_channels=12,
            patch_size=2,
            scale_factor_spatial=16,
        ).eval()


def some_frames(count: int = 9, height: int = 32, width: int = 64) -> Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(1)) * 2 - 1


def reference_latents(vae: AutoencoderKLWan, frames: Tensor) -> Tensor:
    with torch.no_grad():
        mode = vae.encode(frames.movedim(0, 1)[None]).latent_dist.mode()[0]
    mean, std = (torch.tensor(values).view(-1, 1, 1, 1) for values in (vae.config.latents_mean, vae.config.latents_std))
    normalised: Tensor = (mode - mean) / std
    return normalised


def reference_levels(vae: AutoencoderKLWan, latents: Tensor) -> Tensor:
    """[T, H, W, 3] in 0..255, not rounded."""
    mean, std = (torch.tensor(values).view(-1, 1, 1, 1) for values in (vae.config.latents_mean, vae.config.latents_std))
    with torch.no_grad():
        video: Tensor = vae.decode((latents * std + mean)[None]).sample[0]
    return (video.permute(1, 2, 3, 0) + 1) * 127.5


def test_encoding_in_pieces_gives_the_normalised_mode_of_diffusers() -> None:
    vae, frames = small_vae(), some_frames()
    latents = Autoencoder(vae).encode(frames)
    assert latents.shape == (48, 3, 2, 4)
    torch.testing.assert_close(latents, reference_latents(vae, frames), atol=1e-6, rtol=0)


def test_one_frame_is_a_video_of_one_latent() -> None:
    vae, frames = small_vae(), some_frames(1)
    latents = Autoencoder(vae).encode(frames)
    torch.testing.assert_close(latents, reference_latents(vae, frames), atol=1e-6, rtol=0)
    assert Autoencoder(vae).decode(latents).shape == (1, 32, 64, 3)


def test_pixels_in_any_range_are_encoded_as_they_are() -> None:
    vae, frames = small_vae(), (some_frames() + 1) / 2
    torch.testing.assert_close(Autoencoder(vae).encode(frames), reference_latents(vae, frames), atol=1e-6, rtol=0)


def test_decoding_in_pieces_gives_the_rounded_frames_of_diffusers() -> None:
    vae = small_vae()
    latents = torch.randn(48, 3, 2, 4, generator=torch.Generator().manual_seed(2)) * 4
    frames = Autoencoder(vae).decode(latents)
    assert frames.dtype == torch.uint8
    assert frames.shape == (9, 32, 64, 3)
    assert frames.float().std() > 1
    assert (frames - reference_levels(vae, latents)).abs().max() <= 0.5 + 1e-3


def test_colours_beyond_the_range_are_clamped() -> None:
    vae = small_vae()
    with torch.no_grad():
        vae.decoder.conv_out.bias.fill_(3.0)
    frames = Autoencoder(vae).decode(torch.zeros(48, 1, 2, 2))
    assert int(frames.min()) == int(frames.max()) == 255


def test_progress_is_told_after_every_piece() -> None:
    autoencoder, told = Autoencoder(small_vae()), list[tuple[int, int]]()
    latents = autoencoder.encode(some_frames(), check=lambda done, total: told.append((done, total)))
    autoencoder.decode(latents, check=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)] * 2


@pytest.mark.parametrize("stop_after", [1, 2])
def test_a_cancelled_call_leaves_nothing_behind(stop_after: int) -> None:
    vae, frames = small_vae(), some_frames()
    autoencoder = Autoencoder(vae)
    latents = autoencoder.encode(frames)
    pictures = autoencoder.decode(latents)

    def cancel(done: int, total: int) -> None:
        if done == stop_after:
            raise CancelledError

    with pytest.raises(CancelledError):
        autoencoder.encode(frames, check=cancel)
    assert torch.equal(autoencoder.encode(frames), latents)
    with pytest.raises(CancelledError):
        autoencoder.decode(latents, check=cancel)
    assert torch.equal(autoencoder.decode(latents), pictures)


def test_with_tiling_the_tiles_are_those_of_diffusers() -> None:
    vae, frames, told = small_vae(), some_frames(5, 96, 128), list[tuple[int, int]]()
    untiled = Autoencoder(vae).encode(frames)
    vae.enable_tiling(64, 64, 32, 32)
    autoencoder = Autoencoder(vae)
    latents = autoencoder.encode(frames, check=lambda done, total: told.append((done, total)))
    assert latents.shape == untiled.shape
    assert not torch.equal(latents, untiled)
    torch.testing.assert_close(latents, reference_latents(vae, frames), atol=1e-6, rtol=0)
    pictures = autoencoder.decode(latents, check=lambda done, total: told.append((done, total)))
    assert (pictures - reference_levels(vae, latents)).abs().max() <= 0.5 + 1e-3
    assert told == [(2, 2), (2, 2)]


def test_weights_in_bfloat16_give_float32_latents_near_those_in_float32() -> None:
    frames = some_frames(5)
    exact = Autoencoder(small_vae()).encode(frames)
    rounded = Autoencoder(small_vae().to(torch.bfloat16)).encode(frames)
    assert rounded.dtype == torch.float32
    assert 0 < (rounded - exact).abs().max() < 0.05


def test_weights_stored_in_float8_are_computed_in_the_wider_type() -> None:
    vae, frames = small_vae(), some_frames(5)
    vae.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.float32)
    latents = Autoencoder(vae, compute_dtype=torch.float32).encode(frames)
    assert (latents - Autoencoder(small_vae()).encode(frames)).abs().max() < 0.2


def test_the_fingerprint_tells_encoders_apart_and_what_they_were_stored_as_not() -> None:
    fingerprint = Autoencoder(small_vae()).fingerprint
    assert len(fingerprint) == 16
    assert Autoencoder(small_vae()).fingerprint == fingerprint
    assert Autoencoder(small_vae().to(torch.bfloat16)).fingerprint == fingerprint
    with_more_settings = small_vae()
    with_more_settings.register_to_config(clip_output=False)  # as published in diffusers' layout
    assert Autoencoder(with_more_settings).fingerprint == fingerprint
    assert Autoencoder(small_vae(seed=1)).fingerprint != fingerprint


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((4, 3, 32, 32), "4k"),
        ((0, 3, 32, 32), "4k"),
        ((5, 3, 48, 32), "multiples of 32 px; got 48 x 32"),
        ((5, 3, 32, 40), "multiples"),
        ((5, 3, 0, 32), "multiples"),
        ((5, 32, 32, 3), "T, 3, H, W"),
        ((3, 32, 32), "T, 3, H, W"),
    ],
)
def test_videos_of_a_wrong_shape_are_refused(shape: tuple[int, ...], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Autoencoder(small_vae()).encode(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(16, 3, 2, 2), (48, 0, 2, 2), (48, 2, 2)])
def test_latents_of_a_wrong_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\(48, F, h, w\)"):
        Autoencoder(small_vae()).decode(torch.zeros(shape))


def test_pixels_go_from_bytes_to_minus_one_and_one() -> None:
    rgb = np.arange(2 * 2 * 4 * 3, dtype=np.uint8).reshape(2, 2, 4, 3) * 5
    pixels = pixels_of(rgb, dtype=torch.float32, device="cpu")
    assert pixels.shape == (2, 3, 2, 4)
    np.testing.assert_allclose(pixels.numpy(), rgb.transpose(0, 3, 1, 2) * (2 / 255) - 1, atol=1e-7)


def test_masks_go_from_bytes_to_zero_and_one_on_three_channels() -> None:
    mask = np.array([[[0, 255], [51, 102]]], np.uint8)
    pixels = mask_pixels_of(mask, dtype=torch.float32, device="cpu")
    assert pixels.shape == (1, 3, 2, 2)
    for channel in pixels[0].numpy():
        np.testing.assert_allclose(channel, np.array([[0, 1], [0.2, 0.4]]), atol=1e-7)


def test_scaling_in_bfloat16_rounds_as_the_released_code_does() -> None:
    levels = np.arange(256, dtype=np.uint8)
    rgb = np.broadcast_to(levels[:, None, None, None], (256, 1, 1, 3)).copy()
    released = torch.arange(256, dtype=torch.bfloat16) * (2 / 255) - 1
    exact = (torch.arange(256) * (2 / 255) - 1).to(torch.bfloat16)
    once = pixels_of(rgb, dtype=torch.bfloat16, device="cpu")[:, 0, 0, 0]
    twice = pixels_of(rgb, dtype=torch.bfloat16, device="cpu", scale_in_dtype=True)[:, 0, 0, 0]
    assert torch.equal(once, exact)
    assert torch.equal(twice, released)
    assert not torch.equal(once, twice)


@pytest.mark.parametrize("shape", [(2, 2, 3), (1, 3, 4, 4)])
def test_pictures_of_a_wrong_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="T, H, W, 3"):
        pixels_of(np.zeros(shape, np.uint8), dtype=torch.float32, device="cpu")
    with pytest.raises(ValueError, match="T, H, W"):
        mask_pixels_of(np.zeros((*shape, 1)[:4], np.uint8), dtype=torch.float32, device="cpu")


class GreyNetwork(torch.nn.Module):
    """The interface of diffusers' small video decoder: shows the mean of a latent, and counts frames in its cache."""

    config = SimpleNamespace(latent_channels=48)
    dtype = torch.float32
    device = torch.device("cpu")

    def decode(self, latents: Tensor, *, cache: list[int]) -> SimpleNamespace:
        grey = latents.mean(dim=1, keepdim=True).repeat_interleave(16, 3).repeat_interleave(16, 4)
        cache.append(latents.shape[2])
        return SimpleNamespace(sample=grey.expand(-1, 3, 1 if len(cache) == 1 else 4, -1, -1))


def test_a_tiny_decoder_takes_the_place_of_the_full_one() -> None:
    told = list[tuple[int, int]]()
    decoder: Decoder = TinyDecoder(GreyNetwork(), new_cache=list)
    latents = torch.zeros(48, 2, 2, 3)
    latents[:, 1] = 1
    for _ in range(2):  # each video has a cache of its own
        frames = decoder.decode(latents, check=lambda done, total: told.append((done, total)))
        assert frames.shape == (5, 32, 48, 3)
        assert frames[:, 0, 0, 0].tolist() == [128, 255, 255, 255, 255]
    assert told == [(1, 2), (2, 2)] * 2


def test_without_a_tiny_decoder_in_diffusers_the_error_names_the_class(tmp_path: Path) -> None:
    if hasattr(diffusers, "AutoencoderTinyVideo"):
        pytest.skip("the installed diffusers has it")
    with pytest.raises(DeviceError, match="AutoencoderTinyVideo") as raised:
        TinyDecoder.open(tmp_path, dtype=torch.float32, device=torch.device("cpu"))
    assert "newer than" in raised.value.fix
