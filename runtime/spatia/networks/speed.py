"""Switches options of speed and memory on, through what diffusers offers. On the thread that runs the networks.

Order matters and is kept here: weights are cast before they are moved, a cache decides about a block inside the hook
that brings its weights, and all hooks stand before anything is compiled. LoRA adapters are to be attached first.
"""

import torch
from diffusers import AutoencoderKLWan, FirstBlockCacheConfig
from diffusers.hooks import HookRegistry
from diffusers.hooks._helpers import TransformerBlockMetadata, TransformerBlockRegistry
from diffusers.models.attention_dispatch import AttentionBackendName, attention_backend

from spatia.errors import SceneError, unknown_name
from spatia.networks.options import SpeedOptions
from spatia.networks.transformer import WanBlock, WanControlTransformer


def apply(
    transformer: WanControlTransformer,
    vae: AutoencoderKLWan,
    options: SpeedOptions,
    *,
    device: torch.device,
    compute_dtype: torch.dtype,
) -> None:
    """Switch on what `options` ask for, once, after the weights and adapters are loaded.

    With `offload` the transformer must lie on the CPU, else on `device`. Raises `SceneError` for an attention backend
    that diffusers does not know or cannot use here.
    """
    if options.attention is not None:
        set_attention(transformer, options.attention)
    if options.fp8:
        keep_in_fp8(transformer, compute_dtype=compute_dtype)
    if options.first_block_cache is not None:
        cache_first_block(transformer, options.first_block_cache)
    if options.offload:
        transformer.enable_group_offload(
            onload_device=device,
            offload_device=torch.device("cpu"),
            offload_type="block_level",
            num_blocks_per_group=1,
            use_stream=device.type == "cuda",
        )
    if options.compile:
        transformer.compile_repeated_blocks()
    if options.tiling:
        vae.enable_tiling()


def keep_in_fp8(transformer: WanControlTransformer, *, compute_dtype: torch.dtype) -> None:
    """Store the weights of linear layers in 8 bits, and cast each for the time it works. Adapters keep their type.

    One way: the lost bits do not come back.
    """
    transformer.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=compute_dtype)


def cache_first_block(transformer: WanControlTransformer, threshold: float) -> None:
    """Skip all blocks but the first in a step where its change is within `threshold` of the last step's."""
    TransformerBlockRegistry.register(WanBlock, TransformerBlockMetadata(return_hidden_states_index=0))
    transformer.enable_cache(FirstBlockCacheConfig(threshold=threshold))


def reset(transformer: WanControlTransformer) -> None:
    """Forget what the first-block cache keeps of a round; call it before each one.

    Within a round every forward runs in a context that names its prompt, for each has a cache of its own::

        with transformer.cache_context("cond"):
            flow = transformer(...)

    That context costs nothing where the cache is off.
    """
    HookRegistry.check_if_exists_or_initialize(transformer).reset_stateful_hooks()


def attention_backends() -> tuple[str, ...]:
    """Names of diffusers' attention backends, installed or not, without those that download programs to run."""
    return tuple(backend.value for backend in AttentionBackendName if not backend.value.endswith("_hub"))


def set_attention(transformer: WanControlTransformer, name: str) -> None:
    """Compute attention by one of diffusers' backends. Raises `SceneError` if it is unknown or not installed."""
    if name not in attention_backends():
        raise unknown_name("attention backend", name, attention_backends(), where="attention")
    try:
        with attention_backend(AttentionBackendName.NATIVE):  # gives other models back the backend that they had
            transformer.set_attention_backend(name)
    except (ImportError, RuntimeError, ValueError) as error:
        raise SceneError(
            f"the attention backend {name!r} cannot be used: {error}",
            where="attention",
            fix="install what it names, or leave `attention` out for torch's own",
        ) from error
