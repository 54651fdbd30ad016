"""Sizes of the transformer, as plain data. Any thread; needs no torch.

The control branch is a list of main layers that get a hint: eight for Spatia, fifteen for Mirage, any in general.
"""

from dataclasses import dataclass, replace

SPATIA_CONTROL_LAYERS = tuple(range(0, 30, 4))  # spec/spatia_release.md 1.3
MIRAGE_CONTROL_LAYERS = tuple(range(0, 30, 2))  # spec/mirage_release.md


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformerConfig:
    """Wan's diffusion transformer with a control branch; without one where `control_layers` is empty."""

    heads: int
    head_size: int
    ffn_size: int
    layers: int
    latent_channels: int = 48
    control_channels: int = 96
    text_size: int = 4096
    frequency_size: int = 256
    control_layers: tuple[int, ...] = ()
    patch: tuple[int, int, int] = (1, 2, 2)
    eps: float = 1e-6

    def __post_init__(self) -> None:
        if any(not 0 <= layer < self.layers for layer in self.control_layers):
            raise ValueError(f"control_layers must lie in 0..{self.layers - 1}; got {self.control_layers}")
        if tuple(sorted(set(self.control_layers))) != self.control_layers:
            raise ValueError(f"control_layers must increase; got {self.control_layers}")

    @property
    def width(self) -> int:
        return self.heads * self.head_size

    def with_control(self, layers: tuple[int, ...], *, channels: int | None = None) -> "TransformerConfig":
        return replace(self, control_layers=layers, control_channels=channels or self.control_channels)


# spec/spatia_release.md 1.2
WAN_TI2V_5B = TransformerConfig(heads=24, head_size=128, ffn_size=14336, layers=30)
