"""Views on the raster that is swept. Torch; any thread, any device."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from spatia.geom.camera import Intrinsics
from spatia.records.arrays import F32, U8
from spatia.records.picture_quality import LUMA


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Look:
    """A view as it is compared with others."""

    rgb: Tensor  # [3, H, W] in 0..255
    gray: Tensor  # [H, W] in 0..255


def look_of(rgb: U8, *, lens: Intrinsics, device: torch.device) -> Look:
    """Of a picture [H, W, 3] of any size."""
    small = picture(rgb, lens=lens, device=device)
    luma = torch.tensor(LUMA, dtype=torch.float32, device=device)
    return Look(rgb=small, gray=(small * luma[:, None, None]).sum(dim=0))


def picture(rgb: U8, *, lens: Intrinsics, device: torch.device) -> Tensor:
    """[3, h, w] in 0..255 on the lens's raster, each pixel the mean of those of [H, W, 3] that fall into it."""
    large = torch.tensor(rgb, device=device).permute(2, 0, 1).float()
    return functional.interpolate(large[None], (lens.height_px, lens.width_px), mode="area")[0]


def depth_on(depth_m: F32, *, lens: Intrinsics, device: torch.device) -> Tensor:
    """[h, w] on the lens's raster, the nearest of [H, W]: a mean of two surfaces would be neither."""
    large = torch.tensor(np.ascontiguousarray(depth_m), device=device)[None, None]
    return functional.interpolate(large, (lens.height_px, lens.width_px), mode="nearest-exact")[0, 0]
