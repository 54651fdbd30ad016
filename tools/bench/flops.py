"""`python tools/bench/flops.py [--preset release|paper] [--size 1248x704] [--steps N] [--refs K]`: the work of a round.

Prints FLOPs (a multiply-add is two) and the peak of live activations for each part of the first and of a later round,
and the bytes of the weights, from forwards on the meta device: no weights, no GPU, under a minute. An encoder or a
decoder is counted once for each video that goes through it; what a runtime keeps from one round to the next (latents of
history, embeddings of a prompt) it saves.

At 1248 x 704 other counts say: a forward of the transformer without control 497 TFLOP for 121 frames and 280 for 81,
encoding 373 TFLOP for 121 frames, decoding 1961 (spec/performance.md 1d, 1e); here 497.4, 280.2, 373.1 and 1960.8.
"""

import argparse
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from diffusers import AutoencoderKLWan
from transformers import UMT5Config, UMT5EncoderModel

from spatia.networks import footprint
from spatia.networks.autoencoder import SIZE_STEP_PX
from spatia.networks.config import SPATIA_CONTROL_LAYERS, WAN_TI2V_5B
from spatia.networks.footprint import META, Footprint
from spatia.networks.preflight import Clip, in_dtype
from spatia.networks.transformer import WanControlTransformer

HISTORY_FRAMES = 9
DTYPE = torch.bfloat16


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    first: Clip
    later: Clip
    steps: int = 40
    prompts: int = 2  # with guidance


PRESETS = {
    "release": Preset(first=Clip(frames=121), later=Clip(frames=81, references=7)),
    "paper": Preset(first=Clip(frames=81), later=Clip(frames=81, references=7)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks:
    """Full-size networks on the meta device."""

    transformer: WanControlTransformer
    without_control: WanControlTransformer
    vae: AutoencoderKLWan
    text: UMT5EncoderModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A part of a round: so many runs of one footprint."""

    name: str
    runs: int
    each: Footprint

    @property
    def flops(self) -> int:
        return self.runs * self.each.flops


def networks() -> Networks:
    config = WAN_TI2V_5B.with_control(SPATIA_CONTROL_LAYERS)
    with META:
        return Networks(
            transformer=in_dtype(WanControlTransformer.of(config), DTYPE),
            without_control=in_dtype(WanControlTransformer.of(config.with_control(())), DTYPE),
            vae=in_dtype(wan_autoencoder(), DTYPE),
            text=in_dtype(UMT5EncoderModel(umt5_xxl()), DTYPE),
        )


def wan_autoencoder(*, width: int = 160, decoder_width: int = 256) -> AutoencoderKLWan:
    """Wan2.2's sizes (spec/spatia_release.md 1.2); the scales of the latents play no part here."""
    return AutoencoderKLWan(
        base_dim=width,
        decoder_base_dim=decoder_width,
        z_dim=48,
        dim_mult=[1, 2, 4, 4],
        num_res_blocks=2,
        temperal_downsample=[False, True, True],
        latents_mean=[0.0] * 48,
        latents_std=[1.0] * 48,
        is_residual=True,
        in_channels=12,
        out_channels=12,
        patch_size=2,
        scale_factor_spatial=16,
    )


def umt5_xxl() -> UMT5Config:
    return UMT5Config(
        vocab_size=256384,
        d_model=4096,
        d_kv=64,
        d_ff=10240,
        num_heads=64,
        num_layers=24,
        feed_forward_proj="gated-gelu",
    )


def round_of(nets: Networks, clip: Clip, preset: Preset, *, width_px: int, height_px: int, later: bool) -> list[Work]:
    """All parts of one round. The transformer's steps are split into main blocks and what the control branch adds."""
    size = {"width_px": width_px, "height_px": height_px}

    def encoding(frames: int) -> Footprint:
        return footprint.encode_video(nets.vae, frames=frames, **size)

    def step(transformer: WanControlTransformer) -> Footprint:
        return footprint.transformer_step(
            transformer,
            frames=clip.frames,
            references=clip.references,
            width_px=width_px,
            height_px=height_px,
            prompts=1,
        )

    both, main = step(nets.transformer), step(nets.without_control)
    control = replace(both, flops=both.flops - main.flops)
    forwards = preset.prompts * preset.steps
    works = [
        Work(name="prompts", runs=preset.prompts, each=footprint.text_encoder(nets.text)),
        Work(name="encode projections, masks", runs=2, each=encoding(clip.frames)),
        Work(name="encode references", runs=clip.references, each=encoding(1)),
        Work(name="encode history" if later else "encode image", runs=1, each=encoding(HISTORY_FRAMES if later else 1)),
        Work(name="transformer, main blocks", runs=forwards, each=main),
        Work(name="transformer, control", runs=forwards, each=control),
        Work(name="decode", runs=1, each=footprint.decode_video(nets.vae, frames=clip.frames, **size)),
    ]
    return [work for work in works if work.runs]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=PRESETS, default="release")
    parser.add_argument("--size", type=size_px, default=(1248, 704), metavar="WxH", help="in pixels")
    parser.add_argument("--steps", type=int, metavar="N", help="denoising steps; the preset's unless given")
    parser.add_argument("--refs", type=int, metavar="K", help="references of a later round; the preset's unless given")
    options = parser.parse_args(arguments)
    preset = PRESETS[options.preset]
    if options.steps is not None:
        preset = replace(preset, steps=options.steps)
    if options.refs is not None:
        preset = replace(preset, later=replace(preset.later, references=options.refs))
    width_px, height_px = options.size
    nets = networks()
    print(
        f"preset {options.preset}, {width_px} x {height_px}, {preset.steps} steps, {preset.prompts} prompts, bfloat16"
    )
    for title, clip, later in (("first round", preset.first, False), ("later round", preset.later, True)):
        works = round_of(nets, clip, preset, width_px=width_px, height_px=height_px, later=later)
        print_round(f"{title}, {clip.frames} frames, {clip.references} references", works)
    print("\nweights                        GiB")
    for name, module in (
        ("transformer with control", nets.transformer),
        ("autoencoder", nets.vae),
        ("text", nets.text),
    ):
        print(f"  {name:26} {footprint.weight_bytes(module) / 2**30:6.2f}")


def print_round(title: str, works: list[Work]) -> None:
    total = sum(work.flops for work in works)
    print(f"\n{title:42} {'runs':>5} {'TFLOP each':>11} {'TFLOP':>10} {'share':>6} {'peak GiB':>9}")
    for work in works:
        print(
            f"  {work.name:40} {work.runs:5d} {work.each.flops / 1e12:11.2f} {work.flops / 1e12:10.1f}"
            f" {work.flops / total:6.1%} {work.each.peak_bytes / 2**30:9.2f}"
        )
    peak = max(work.each.peak_bytes for work in works)
    print(f"  {'all':40} {'':5} {'':11} {total / 1e12:10.1f} {'':6} {peak / 2**30:9.2f}")


def size_px(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    sides = tuple(int(side) for side in match.groups()) if match else ()
    if len(sides) != 2 or any(side % SIZE_STEP_PX or not side for side in sides):
        raise argparse.ArgumentTypeError(f"{text!r} is no WIDTHxHEIGHT in multiples of {SIZE_STEP_PX}")
    return sides[0], sides[1]


if __name__ == "__main__":
    main()
