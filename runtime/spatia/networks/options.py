"""Options of speed and memory, as plain data. Any thread; needs no torch. All are off by default."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedOptions:
    """What `networks.speed` switches on.

    The picture stays the same but for rounding under `compile`, `offload` and a dense `attention`; it changes with
    `first_block_cache`, `fp8` and, at the seams, `tiling`.
    """

    compile: bool = False  # torch.compile of the transformer's blocks: minutes once, faster after
    first_block_cache: float | None = (
        None  # skip the other blocks while the first one's change is below this; 0.05..0.2
    )
    fp8: bool = False  # keep the transformer's weights in 8 bits and cast each layer for its work
    offload: bool = False  # keep the transformer's blocks on the CPU and bring each for its work
    tiling: bool = False  # autoencoder in overlapping tiles
    attention: str | None = None  # a diffusers attention backend; by default torch's own

    def __post_init__(self) -> None:
        if self.first_block_cache is not None and not 0 < self.first_block_cache <= 1:
            raise ValueError(f"first_block_cache must lie between 0 and 1; got {self.first_block_cache}")
