"""`python tools/bench/transformer.py [--toy]`: seconds and memory of a denoising forward by attention backend.

The 5B transformer with Spatia's eight control blocks, random weights in bfloat16, at 1248 x 704, 81 frames and 7
references: every attention backend of diffusers that is installed and runs here, in turn within each round, medians.
Each is first compared with torch's own. TFLOP/s are the FLOPs that `footprint` counts over the seconds, beside those of
a large matrix product in the same rounds; peak memory stands beside the pre-flight estimate. Writes a JSON file.

`--toy` goes the same road at toy size on the CPU; its figures mean nothing.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tools.bench import harness  # isort: skip - before torch, see there

import torch
from diffusers.utils import logging
from torch import Tensor

from spatia.clock import WallClock
from spatia.errors import DeviceError, SceneError
from spatia.networks import footprint, speed
from spatia.networks.config import SPATIA_CONTROL_LAYERS, WAN_TI2V_5B, TransformerConfig
from spatia.networks.preflight import Clip, in_dtype
from spatia.networks.transformer import WanControlTransformer

RESULTS = Path(__file__).parent / "results"
REFERENCE = "native"
# These hold the scores of all tokens by all tokens at once, 28 GB for each copy at full size.
LEFT_OUT = ("flex", "_native_math")
DTYPE = torch.bfloat16


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is run, and where."""

    config: TransformerConfig
    clip: Clip
    width_px: int
    height_px: int
    text_tokens: int
    matrix: int  # side of the matrix product
    device: str


FULL = Case(
    config=WAN_TI2V_5B.with_control(SPATIA_CONTROL_LAYERS),
    clip=Clip(frames=81, references=7),
    width_px=1248,
    height_px=704,
    text_tokens=512,
    matrix=8192,
    device="cuda",
)
TOY = Case(
    config=TransformerConfig(
        heads=2, head_size=24, ffn_size=96, layers=2, text_size=32, frequency_size=32, control_layers=(0,)
    ),
    clip=Clip(frames=5, references=1),
    width_px=64,
    height_px=64,
    text_tokens=8,
    matrix=64,
    device="cpu",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Of one backend; of one that does not run here, only why."""

    backend: str
    seconds: float | None = None
    tflop_per_s: float | None = None
    of_matrix_rate: float | None = None
    peak_gib: float | None = None  # of a GPU's memory, weights included
    difference: float | None = None  # from torch's own: mean absolute, over the mean size of the output
    unusable: str = ""


def bench(case: Case, *, steps: int) -> dict[str, Any]:
    """All figures, as they go into the file."""
    device = torch.device(case.device)
    transformer = random_transformer(case.config, device)
    estimate = footprint.transformer_step(
        empty_transformer(case.config),
        frames=case.clip.frames,
        references=case.clip.references,
        height_px=case.height_px,
        width_px=case.width_px,
        prompts=1,
        text_tokens=case.text_tokens,
    )
    forward = forward_of(transformer, case, device)
    differences, unusable = usable_backends(transformer, forward)
    seconds: dict[str, list[float]] = {name: [] for name in differences}
    peaks: dict[str, int] = {}
    matrix_s: list[float] = []
    for turn in range(steps + 1):  # the first is a warm-up
        matrix_run_s = matrix_product_s(case.matrix, device)
        for name in differences:
            speed.set_attention(transformer, name)
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(device)
            run_s = timed(forward, device)
            if device.type == "cuda":
                peaks[name] = torch.cuda.max_memory_allocated(device)
            if turn:
                seconds[name].append(run_s)
        if turn:
            matrix_s.append(matrix_run_s)
    matrix_rate = 2 * case.matrix**3 / statistics.median(matrix_s)
    results = [Result(backend=name, unusable=why) for name, why in unusable.items()]
    for name, runs in seconds.items():
        rate = estimate.flops / statistics.median(runs)
        results.append(
            Result(
                backend=name,
                seconds=statistics.median(runs),
                tflop_per_s=rate / 1e12,
                of_matrix_rate=rate / matrix_rate,
                peak_gib=peaks[name] / 2**30 if name in peaks else None,
                difference=differences[name],
            )
        )
    return {
        "environment": harness.environment(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else harness.cpu_name(),
        "case": asdict(case),
        "steps": steps,
        "tflop": estimate.flops / 1e12,
        "matrix_tflop_per_s": matrix_rate / 1e12,
        "estimated_peak_gib": (footprint.weight_bytes(transformer) + estimate.peak_bytes) / 2**30,
        "results": [asdict(result) for result in results],
    }


def empty_transformer(config: TransformerConfig) -> WanControlTransformer:
    with footprint.META:
        transformer: WanControlTransformer = WanControlTransformer.of(config)
        in_dtype(transformer, DTYPE)
    return transformer


def random_transformer(config: TransformerConfig, device: torch.device) -> WanControlTransformer:
    """Small random weights, made where they stay and in the types that they keep."""
    transformer = empty_transformer(config)
    transformer.to_empty(device=device).requires_grad_(False).eval()
    generator = torch.Generator(device).manual_seed(0)
    for parameter in transformer.parameters():
        parameter.normal_(std=0.02, generator=generator)
    return transformer


def forward_of(transformer: WanControlTransformer, case: Case, device: torch.device) -> Callable[[], Tensor]:
    config = case.config
    latents = 1 + (case.clip.frames - 1) // 4
    frames = case.clip.references + latents
    cells = (case.height_px // 16, case.width_px // 16)
    generator = torch.Generator(device).manual_seed(1)

    def noise(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, device=device).to(DTYPE)

    noisy = noise(1, config.latent_channels, frames, *cells)
    control = noise(1, config.control_channels, latents, *cells)
    text = noise(1, case.text_tokens, config.text_size)
    timestep = torch.full((1, frames), 500.0, device=device)

    @torch.no_grad()
    def forward() -> Tensor:
        flow: Tensor = transformer(noisy, timestep, text, control=control, references=case.clip.references)
        return flow

    return forward


def usable_backends(
    transformer: WanControlTransformer, forward: Callable[[], Tensor]
) -> tuple[dict[str, float], dict[str, str]]:
    """Backends that run, with how far each is from torch's own, and those that do not, with the reason."""
    speed.set_attention(transformer, REFERENCE)
    wanted = forward().float()
    differences: dict[str, float] = {}
    unusable: dict[str, str] = {}
    for name in (name for name in speed.attention_backends() if name not in LEFT_OUT):
        try:
            speed.set_attention(transformer, name)
            difference = (forward().float() - wanted).abs().mean() / wanted.abs().mean()
            differences[name] = float(difference)
        except SceneError as error:
            unusable[name] = error.problem
        except (RuntimeError, ValueError, TypeError, NameError, AssertionError) as error:
            # A kernel that is there and refuses this device, this type or this length says so in its own way.
            unusable[name] = f"{type(error).__name__}: {error}".splitlines()[0]
    return differences, unusable


def matrix_product_s(side: int, device: torch.device) -> float:
    square = torch.randn(side, side, dtype=DTYPE, device=device)
    return timed(lambda: square @ square, device)


def timed(run: Callable[[], object], device: torch.device) -> float:
    """Seconds of one run, to the end of the device's work."""
    clock = WallClock()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start_s = clock.now_s()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock.now_s() - start_s


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--toy", action="store_true", help="toy size on the CPU, to try the road")
    parser.add_argument("--steps", type=int, default=3, metavar="N", help="timed forwards of each backend")
    parser.add_argument("--json", type=Path, metavar="FILE", help="instead of results/transformer.json")
    options = parser.parse_args(arguments)
    if not options.toy and not torch.cuda.is_available():
        raise SystemExit(str(DeviceError("there is no CUDA device", fix="use --toy to try the road on the CPU")))
    logging.set_verbosity_error()  # each change of backend would be called experimental
    content = bench(TOY if options.toy else FULL, steps=options.steps)
    print(f"{content['device']}: {content['environment']}")
    print(
        f"{content['tflop']:.4g} TFLOP a forward; matrix product {content['matrix_tflop_per_s']:.4g} TFLOP/s; "
        f"estimated peak {content['estimated_peak_gib']:.4g} GiB"
    )
    for result in content["results"]:
        print("  " + "  ".join(f"{key} {value}" for key, value in result.items() if value not in (None, "")))
    path = options.json or RESULTS / "transformer.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n")
    print(f"written to {path}")


if __name__ == "__main__":
    main()
