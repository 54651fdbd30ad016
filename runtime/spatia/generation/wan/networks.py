"""The loaded networks that make a clip, and the work they are fitted for. On the generator's thread."""

from dataclasses import dataclass

import torch

from spatia.generation.wan.layout import ClipLayout
from spatia.networks.autoencoder import Autoencoder, Decoder
from spatia.networks.text import TextEncoder
from spatia.networks.transformer import WanControlTransformer
from spatia.records.generation import ClipRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What decides how much memory a clip takes."""

    layout: ClipLayout
    frames: int  # of the clip, history included
    width_px: int
    height_px: int

    @property
    def size_px(self) -> tuple[int, int]:
        return self.width_px, self.height_px

    @classmethod
    def of(cls, request: ClipRequest, layout: ClipLayout) -> "Work":
        lens = request.cameras.intrinsics
        return cls(layout=layout, frames=len(request.cameras), width_px=lens.width_px, height_px=lens.height_px)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Networks:
    """All that a clip needs, on one device."""

    transformer: WanControlTransformer
    autoencoder: Autoencoder
    decoder: Decoder
    text: TextEncoder
    device: torch.device
    dtype: torch.dtype
    width_px: int  # the size at which clips are made; they are scaled to what was asked for
    height_px: int
    # LoRA that are on. In the release the base network makes a first clip and the adapter, which knows references and
    # history, all others (spec/spatia_release.md 1.6); in the paper one network makes them all.
    first_clip_adapters: tuple[str, ...]
    later_clip_adapters: tuple[str, ...]
    one_batch: bool  # both passes of the guidance at once
    notes: tuple[str, ...]  # what is done otherwise than asked
