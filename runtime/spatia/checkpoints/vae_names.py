"""What the autoencoder's tensors are called: the authors' names and diffusers'. Plain text, any thread.

Wan2.2's autoencoder only (blocks with a shortcut around them, patches of pixels); Wan2.1's is named otherwise. The
authors number all layers of a block in one list, the resampler last; diffusers names the resampler.
"""

import math
import re
from collections.abc import Mapping

from spatia.checkpoints.names import Table, rename_head, turned
from spatia.checkpoints.tensors import TensorSpec

TRUNK: Table = (
    ("conv1", "quant_conv"),
    ("conv2", "post_quant_conv"),
    *(
        (f"{half}.{theirs}", f"{half}.{ours}")
        for half in ("encoder", "decoder")
        for theirs, ours in (
            ("conv1", "conv_in"),
            ("middle.0", "mid_block.resnets.0"),
            ("middle.1", "mid_block.attentions.0"),
            ("middle.2", "mid_block.resnets.1"),
            ("head.0", "norm_out"),
            ("head.2", "conv_out"),
        )
    ),
)
RESIDUAL: Table = (
    ("residual.0", "norm1"),
    ("residual.2", "conv1"),
    ("residual.3", "norm2"),
    ("residual.6", "conv2"),
    ("shortcut", "conv_shortcut"),
)
MOST_LATENT_CHANNELS = 1024
RESAMPLERS = ("resample", "time_conv")
THEIR_LAYER = re.compile(r"(encoder|decoder)\.(?:down|up)samples\.(\d+)\.(?:down|up)samples\.(\d+)\.(.+)")
OUR_LAYER = re.compile(r"(encoder|decoder)\.(?:down|up)_blocks\.(\d+)\.(?:resnets\.(\d+)|(?:down|up)sampler)\.(.+)")
MIDDLE = re.compile(r"((?:encoder|decoder)\.(?:middle\.\d+|mid_block\.resnets\.\d+))\.(.+)")

# spec/spatia_release.md 1.2: the mean and deviation of each of the 48 latent channels, part of the released model but
# not of its file.
LATENT_MEAN = (
    *(-0.2289, -0.0052, -0.1323, -0.2339, -0.2799, 0.0174, 0.1838, 0.1557, -0.1382, 0.0542, 0.2813, 0.0891),
    *(0.1570, -0.0098, 0.0375, -0.1825, -0.2246, -0.1207, -0.0698, 0.5109, 0.2665, -0.2108, -0.2158, 0.2502),
    *(-0.2055, -0.0322, 0.1109, 0.1567, -0.0729, 0.0899, -0.2799, -0.1230, -0.0313, -0.1649, 0.0117, 0.0723),
    *(-0.2839, -0.2083, -0.0520, 0.3748, 0.0152, 0.1957, 0.1433, -0.2944, 0.3573, -0.0548, -0.1681, -0.0667),
)
LATENT_DEVIATION = (
    *(0.4765, 1.0364, 0.4514, 1.1677, 0.5313, 0.4990, 0.4818, 0.5013, 0.8158, 1.0344, 0.5894, 1.0901),
    *(0.6885, 0.6165, 0.8454, 0.4978, 0.5759, 0.3523, 0.7135, 0.6804, 0.5833, 1.4146, 0.8986, 0.5659),
    *(0.7069, 0.5338, 0.4889, 0.4917, 0.4069, 0.4999, 0.6866, 0.4093, 0.5709, 0.6065, 0.6415, 0.4944),
    *(0.5726, 1.2042, 0.5458, 1.6887, 0.3971, 1.0600, 0.3943, 0.5537, 0.5444, 0.4089, 0.7468, 0.7744),
)


def to_diffusers(name: str) -> str:
    """``decoder.upsamples.1.upsamples.3.resample.1.bias`` -> ``decoder.up_blocks.1.upsampler.resample.1.bias``."""
    if layer := THEIR_LAYER.fullmatch(name):
        half, block, position, rest = layer.groups()
        way = "down" if half == "encoder" else "up"
        module = f"{way}sampler" if rest.startswith(RESAMPLERS) else f"resnets.{position}"
        return f"{half}.{way}_blocks.{block}.{module}.{rename_head(rest, RESIDUAL)}"
    if layer := MIDDLE.fullmatch(name):
        name = f"{layer[1]}.{rename_head(layer[2], RESIDUAL)}"
    return rename_head(name, TRUNK)


def to_original(name: str, *, residual_blocks: int = 2) -> str:
    """Undoes `to_diffusers` for so many `residual_blocks` at each size of the encoder; the decoder has one more."""
    if layer := OUR_LAYER.fullmatch(name):
        half, block, position, rest = layer.groups()
        way = "downsamples" if half == "encoder" else "upsamples"
        last = residual_blocks if half == "encoder" else residual_blocks + 1
        return f"{half}.{way}.{block}.{way}.{position or last}.{rename_head(rest, turned(RESIDUAL))}"
    if layer := MIDDLE.fullmatch(name):
        name = f"{layer[1]}.{rename_head(layer[2], turned(RESIDUAL))}"
    return rename_head(name, turned(TRUNK))


def config_of(tensors: Mapping[str, TensorSpec]) -> dict[str, object]:
    """The arguments of diffusers' ``AutoencoderKLWan`` that the shapes in the authors' file tell.

    The latents' statistics are known for the released 48 channels; of any other number they are left as they come out.
    Raises `KeyError` with the name of a tensor that is needed for it and is not there, `ValueError` for shapes that no
    autoencoder has.
    """
    layers = [found.groups() for name in sorted(tensors) if (found := THEIR_LAYER.fullmatch(name))]
    encoder = [(int(block), rest) for half, block, _, rest in layers if half == "encoder"]
    blocks = len({block for block, _ in encoder})
    first = "encoder.downsamples.0.downsamples"
    base, channels = tensors["encoder.conv1.weight"].shape[:2]
    latent = tensors["conv2.weight"].shape[0]
    widths = [
        tensors[f"encoder.downsamples.{block}.downsamples.0.residual.6.weight"].shape[0] for block in range(blocks)
    ]
    by_time = [(block, "time_conv.weight") in encoder for block in range(blocks - 1)]
    patch = math.isqrt(channels // 3)
    if latent > MOST_LATENT_CHANNELS:
        raise ValueError(f"{latent} latent channels")
    known = latent == len(LATENT_MEAN)
    return {
        "base_dim": base,
        "decoder_base_dim": tensors["decoder.head.0.gamma"].shape[0] * base // widths[0],
        "z_dim": latent,
        "dim_mult": [width // base for width in widths],
        "num_res_blocks": sum(name.startswith(first) and name.endswith("residual.0.gamma") for name in tensors),
        "temperal_downsample": by_time,
        "latents_mean": list(LATENT_MEAN) if known else [0.0] * latent,
        "latents_std": list(LATENT_DEVIATION) if known else [1.0] * latent,
        "is_residual": True,
        "in_channels": channels,
        "out_channels": tensors["decoder.head.2.weight"].shape[0],
        "patch_size": patch,
        "scale_factor_temporal": 2 ** sum(by_time),
        "scale_factor_spatial": patch * 2 ** (blocks - 1),
    }
