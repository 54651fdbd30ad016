"""What a forward costs before it is run: peak bytes of live activations, and FLOPs. Any thread; touches no device.

The real forward runs on meta tensors, so nothing is allocated, while every storage that an operator returns is counted
from its birth to its collection. That is what PyTorch's allocator would hand out, less what hides inside a kernel (a
convolution's workspace) and what the allocator loses to fragments: `memory_plan` keeps room for both.
"""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKLWan
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode
from transformers import UMT5EncoderModel

from spatia.networks.autoencoder import STRIDE_PX, Autoencoder
from spatia.networks.transformer import WanControlTransformer
from spatia.records.latents import FRAMES_A_LATENT, latent_count

# Operators of torch that have no other name.
COPY = torch.ops.aten._to_copy.default  # noqa: SLF001
FLASH_ATTENTION = torch.ops.aten._scaled_dot_product_flash_attention  # noqa: SLF001
MASKED_ATTENTION = torch.ops.aten._scaled_dot_product_efficient_attention  # noqa: SLF001
META = torch.device("meta")
# The first two pieces of a video differ from the rest: one has no past, the next fills the cache of features.
ALIKE_AFTER_PIECES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """What one run costs: peak bytes beyond those there before it, and FLOPs, where a multiply-add is two."""

    peak_bytes: int
    flops: int


def measure(run: Callable[[], object], *, device: torch.device = META) -> Footprint:
    """The footprint of `run()` in storages that it makes on `device`.

    On the meta device attention counts as the fused kernel that a GPU has, and what is copied off the device comes
    out as uninitialised memory and counts no longer, as if it had left a GPU.
    """
    flops = FlopCounterMode(display=False)
    storages = _LiveStorages(device.type)
    with torch.no_grad(), flops, storages, _FusedAttention():
        run()
    return Footprint(peak_bytes=storages.peak_bytes, flops=flops.get_total_flops())


def weight_bytes(module: nn.Module) -> int:
    """Bytes of all parameters and buffers in the types that they have now."""
    return sum(tensor.nbytes for tensor in (*module.parameters(), *module.buffers()))


def offloaded_weight_bytes(transformer: WanControlTransformer) -> int:
    """What stays on the device with the blocks on the CPU: all else, the block that works and the one on its way."""
    stacks = [part for part in transformer.children() if isinstance(part, nn.ModuleList)]
    blocks = [weight_bytes(block) for stack in stacks for block in stack]
    return weight_bytes(transformer) - sum(blocks) + 2 * max(blocks)


def transformer_step(
    transformer: WanControlTransformer,
    *,
    frames: int,
    references: int,
    height_px: int,
    width_px: int,
    prompts: int = 2,
    in_one_batch: bool = False,
    text_tokens: int = 512,
) -> Footprint:
    """One denoising step of a transformer on the meta device, in its own types and with its own cache.

    `frames` are those of the video, 4k + 1; each of the `references` is a latent frame more. Guidance takes two
    `prompts`, one after the other or in one batch.
    """
    dtype = transformer.dtype
    config = transformer.config
    batch, forwards = (prompts, 1) if in_one_batch else (1, prompts)
    latents = latent_count(frames)
    cells = (height_px // STRIDE_PX, width_px // STRIDE_PX)

    def step() -> None:
        noisy = torch.empty(batch, config.in_channels, references + latents, *cells, dtype=dtype, device=META)
        timestep = torch.empty(batch, references + latents, device=META)
        text = torch.empty(batch, text_tokens, config.text_dim, dtype=dtype, device=META)
        control = None
        if config.vace_layers:
            control = torch.empty(batch, config.vace_in_channels, latents, *cells, dtype=dtype, device=META)
        for forward in range(forwards):
            with transformer.cache_context(f"prompt {forward}"):
                transformer(noisy, timestep, text, control=control, references=references)

    return measure(step)


def encode_video(vae: AutoencoderKLWan, *, frames: int, height_px: int, width_px: int) -> Footprint:
    """Pixels to latents, in tiles if the autoencoder (on the meta device) has tiling on."""
    autoencoder = Autoencoder(vae)

    def encode(pieces: int, height_px: int, width_px: int) -> Footprint:
        pixels = torch.empty(FRAMES_A_LATENT * pieces - 3, 3, height_px, width_px, device=META)
        return measure(lambda: autoencoder.encode(pixels))

    pieces = latent_count(frames)
    if not vae.use_tiling:
        return _of_pieces(lambda count: encode(count, height_px, width_px), pieces)
    # diffusers counts the tiles of an encoder in patches of pixels, those of a decoder in pixels.
    grid = _Tiles.of(vae, height_px=height_px, width_px=width_px, unit=vae.config.patch_size)
    with _untiled(vae):
        tile = _of_pieces(lambda count: encode(count, grid.tile_height_px, grid.tile_width_px), pieces)
    video_bytes = frames * 3 * height_px * width_px * vae.dtype.itemsize
    # Pixels and patches of the whole video stand beside the work on one tile.
    return Footprint(peak_bytes=2 * video_bytes + tile.peak_bytes, flops=round(grid.count * tile.flops))


def decode_video(vae: AutoencoderKLWan, *, frames: int, height_px: int, width_px: int) -> Footprint:
    """Latents to bytes on the CPU, in tiles if the autoencoder (on the meta device) has tiling on.

    In tiles the peak is a bound from above.
    """
    autoencoder = Autoencoder(vae)

    def decode(pieces: int, height_px: int, width_px: int) -> Footprint:
        cells = (height_px // STRIDE_PX, width_px // STRIDE_PX)
        latents = torch.empty(autoencoder.latent_channels, pieces, *cells, device=META)
        return measure(lambda: autoencoder.decode(latents))

    pieces = latent_count(frames)
    if not vae.use_tiling:
        return _of_pieces(lambda count: decode(count, height_px, width_px), pieces)
    grid = _Tiles.of(vae, height_px=height_px, width_px=width_px)
    with _untiled(vae):
        tile = _of_pieces(lambda count: decode(count, grid.tile_height_px, grid.tile_width_px), pieces)
    pixel_bytes = frames * 3 * vae.dtype.itemsize
    tiles_bytes = round(grid.count * grid.tile_height_px * grid.tile_width_px) * pixel_bytes
    video_bytes = height_px * width_px * pixel_bytes
    # All tiles are kept until they are blended. Then whole videos follow each other: rows of tiles, the rows joined,
    # patches made pixels, clamped, and in float32 on the way to bytes; five are never exceeded.
    return Footprint(
        peak_bytes=tiles_bytes + max(tile.peak_bytes, 5 * video_bytes), flops=round(grid.count * tile.flops)
    )


def text_encoder(model: UMT5EncoderModel, *, tokens: int = 512) -> Footprint:
    """One prompt through a text encoder on the meta device."""
    ids = torch.empty(1, tokens, dtype=torch.long, device=META)
    return measure(lambda: model(ids))  # a mask would be looked into, which a meta tensor does not allow


def _of_pieces(measured: Callable[[int], Footprint], pieces: int) -> Footprint:
    """A video of so many pieces, from the first few: each one more adds the same work and keeps the same bytes."""
    if pieces <= ALIKE_AFTER_PIECES + 1:
        return measured(pieces)
    few, more = measured(ALIKE_AFTER_PIECES), measured(ALIKE_AFTER_PIECES + 1)
    rest = pieces - ALIKE_AFTER_PIECES
    return Footprint(
        peak_bytes=few.peak_bytes + rest * (more.peak_bytes - few.peak_bytes),
        flops=few.flops + rest * (more.flops - few.flops),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tiles:
    """How diffusers' autoencoder cuts a picture: a tile at each stride, cut off at the right and the lower edge."""

    tile_height_px: int
    tile_width_px: int
    count: float  # in areas of a whole tile

    @classmethod
    def of(cls, vae: AutoencoderKLWan, *, height_px: int, width_px: int, unit: int = 1) -> "_Tiles":
        tile = (min(height_px, unit * vae.tile_sample_min_height), min(width_px, unit * vae.tile_sample_min_width))
        stride = (unit * vae.tile_sample_stride_height, unit * vae.tile_sample_stride_width)
        covered = [
            sum(min(side, size - start) for start in range(0, size, step))
            for side, step, size in zip(tile, stride, (height_px, width_px), strict=True)
        ]
        return cls(
            tile_height_px=tile[0],
            tile_width_px=tile[1],
            count=covered[0] * covered[1] / (tile[0] * tile[1]),
        )


@contextmanager
def _untiled(vae: AutoencoderKLWan) -> Iterator[None]:
    vae.disable_tiling()
    try:
        yield
    finally:
        vae.enable_tiling()


class _LiveStorages(TorchDispatchMode):
    """Counts bytes against the start: a storage born under it adds its size, one that dies takes it away.

    A view has its base's storage. One first seen as an argument was there before, like weights that are cast in place.
    """

    def __init__(self, device_type: str) -> None:
        super().__init__()
        self.peak_bytes = 0
        self._device_type = device_type
        self._live_bytes = 0
        # By identity: torch keeps one Python object for a storage as long as that lives.
        self._living: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        for tensor in _tensors((args, kwargs)):
            self._follow(tensor.untyped_storage(), born=False)
        if func is COPY and args[0].is_meta and kwargs.get("device") not in (None, META):
            result = torch.empty(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype, device=kwargs["device"])
        else:
            result = func(*args, **kwargs)
        for tensor in _tensors(result):
            self._follow(tensor.untyped_storage(), born=True)
        self.peak_bytes = max(self.peak_bytes, self._live_bytes)
        return result

    def _follow(self, storage: torch.UntypedStorage, *, born: bool) -> None:
        key = id(storage)
        if key in self._living or storage.device.type != self._device_type:
            return
        size = storage.nbytes()

        def release(_: object) -> None:
            del self._living[key]
            self._live_bytes -= size

        self._living[key] = weakref.ref(storage, release)
        if born:
            self._live_bytes += size


class _FusedAttention(TorchFunctionMode):
    """On the meta device torch would take attention apart, with its matrix of all tokens by all tokens."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is functional.scaled_dot_product_attention:
            func = _attention
        return func(*args, **(kwargs or {}))


def _attention(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, **options: Any) -> Tensor:
    """torch's attention, on meta tensors by the operators that its kernels for GPUs have."""
    if not query.is_meta:
        return functional.scaled_dot_product_attention(query, key, value, attn_mask, **options)
    fused: tuple[Tensor, ...]
    if attn_mask is None:
        fused = FLASH_ATTENTION(query, key, value, scale=options.get("scale"))
    else:
        fused = MASKED_ATTENTION(query, key, value, attn_mask, compute_log_sumexp=False, scale=options.get("scale"))
    return fused[0]


def _tensors(tree: object) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor))
