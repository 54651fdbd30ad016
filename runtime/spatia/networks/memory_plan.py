"""Whether a round fits into a GPU's memory, and the ladder down from there. Pure arithmetic; any thread, no torch.

The bytes come from `preflight`, and with each part what a rung of the ladder makes of it. Nothing here loads or changes
anything: a plan is announced first, and carried out by its reader.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from spatia.errors import DeviceError
from spatia.networks.options import SpeedOptions

GIB = 2**30
# Kernels' workspaces, fragments and small tensors: what no count of activations sees.
RESERVE_BYTES = GIB


class Rung(StrEnum):
    """Ways to need less memory."""

    FREE_TEXT_ENCODER = "free_text_encoder"
    TILE_AUTOENCODER = "tile_autoencoder"
    OFFLOAD = "offload"
    FP8 = "fp8"
    SMALLER = "smaller"


# In the order of what they cost the picture: nothing, seams, nothing but much time, precision, detail.
GENTLEST_FIRST = tuple(Rung)
DEEDS = {
    Rung.FREE_TEXT_ENCODER: "text encoder on the CPU and freed after encoding",
    Rung.TILE_AUTOENCODER: "autoencoder in tiles",
    Rung.OFFLOAD: "blocks of the transformer kept on the CPU",
    Rung.FP8: "transformer kept in fp8",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A network: its weights, and the peak of its activations while it works and the others wait.

    `lighter` says what a rung makes of the part.
    """

    name: str
    weights_bytes: int
    activations_bytes: int
    lighter: Mapping[Rung, "Part"] = field(default_factory=lambda: MappingProxyType({}))

    def after(self, rungs: Sequence[Rung]) -> "Part":
        part = self
        for rung in rungs:
            part = part.lighter.get(rung, part)
        return part


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The parts of one round at one size of the picture."""

    width_px: int
    height_px: int
    parts: tuple[Part, ...]

    def peak_bytes(self, rungs: Sequence[Rung] = ()) -> int:
        """The most that is needed at any time, one part working after the other, with the reserve."""
        parts = [part.after(rungs) for part in self.parts]
        weights_bytes = sum(part.weights_bytes for part in parts)
        return weights_bytes + max(part.activations_bytes for part in parts) + RESERVE_BYTES

    def table(self, rungs: Sequence[Rung] = ()) -> str:
        """A line for each part: weights and activations in GiB; then the peak."""
        lines = [f"{f'{self.width_px} x {self.height_px}':14} {'weights':>10} {'activations':>12}"]
        for part in (part.after(rungs) for part in self.parts):
            lines.append(f"{part.name:14} {_gib(part.weights_bytes):>10} {_gib(part.activations_bytes):>12}")
        return "\n".join([*lines, f"{'peak':14} {_gib(self.peak_bytes(rungs)):>23}"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do so that a round fits. `sentence` is for the user, before it is done."""

    width_px: int
    height_px: int
    rungs: tuple[Rung, ...]
    peak_bytes: int
    sentence: str

    def options(self, wanted: SpeedOptions) -> SpeedOptions:
        """The wanted options with those that the rungs stand for."""
        return replace(
            wanted,
            tiling=wanted.tiling or Rung.TILE_AUTOENCODER in self.rungs,
            offload=wanted.offload or Rung.OFFLOAD in self.rungs,
            fp8=wanted.fp8 or Rung.FP8 in self.rungs,
        )


def rungs_of(options: SpeedOptions) -> tuple[Rung, ...]:
    """The rungs that options stand on from the start."""
    chosen = {Rung.TILE_AUTOENCODER: options.tiling, Rung.OFFLOAD: options.offload, Rung.FP8: options.fp8}
    return tuple(rung for rung, is_on in chosen.items() if is_on)


def plan(estimates: Sequence[Estimate], *, free_bytes: int, allowed: Sequence[Rung] = GENTLEST_FIRST) -> Plan:
    """The gentlest set of rungs that fits, at the first size that has one.

    `estimates` hold the wanted size, then smaller ones for `Rung.SMALLER`, the last resort. The other rungs are
    `allowed` from the gentlest to the harshest: one is taken only where no set of those before it fits, and none in
    vain. Raises `DeviceError` if nothing fits.
    """
    wanted = estimates[0]
    sizes = estimates if Rung.SMALLER in allowed else estimates[:1]
    ladder = [rung for rung in allowed if rung is not Rung.SMALLER]
    for estimate in sizes:
        for rungs in _sets(ladder):
            peak_bytes = estimate.peak_bytes(rungs)
            if peak_bytes <= free_bytes:
                deeds = [DEEDS[rung] for rung in rungs]
                if estimate is not wanted:
                    rungs = (*rungs, Rung.SMALLER)
                    deeds.append(f"{estimate.width_px} x {estimate.height_px} instead of the size asked for")
                sentence = f"needs {_gib(wanted.peak_bytes())}, {_gib(free_bytes)} free"
                if deeds:
                    sentence += f": {', '.join(deeds)}; expected peak {_gib(peak_bytes)}"
                return Plan(
                    width_px=estimate.width_px,
                    height_px=estimate.height_px,
                    rungs=rungs,
                    peak_bytes=peak_bytes,
                    sentence=sentence,
                )
    least = min(estimate.peak_bytes(rungs) for estimate in sizes for rungs in _sets(ladder))
    missing = [rung for rung in Rung if rung not in allowed]
    raise DeviceError(
        f"a round needs {_gib(wanted.peak_bytes())} of GPU memory, at least {_gib(least)} with all that may be done, "
        f"and {_gib(free_bytes)} is free",
        where=f"{wanted.width_px} x {wanted.height_px}",
        fix=f"free {_gib(least - free_bytes)} on the GPU or use a larger one, make smaller pictures or shorter clips"
        + (f", or allow {', '.join(missing)}" if missing else ""),
    )


def _sets(rungs: Sequence[Rung]) -> Iterator[tuple[Rung, ...]]:
    """All sets, the gentlest first: counted in binary, with the harshest rung as the highest digit."""
    for number in range(2 ** len(rungs)):
        yield tuple(rung for digit, rung in enumerate(rungs) if number >> digit & 1)


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / GIB:.1f} GiB"
