"""From how alike views look on each plane to one depth a pixel, and how far the pictures bear it out. Torch."""

from dataclasses import dataclass

import torch
from torch import Tensor

from spatia.estimation.stereo.smooth import smoothed

CLEAR_MARGIN = 0.1  # of the smoothed cost, from the best plane to the next that is not beside it: beyond doubt
BESIDE = 2  # planes on either side of the best that belong to it


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Match:
    """What one keyframe's sweep found."""

    depth_m: Tensor  # [H, W]
    quality: Tensor  # [H, W] in 0..1: alikeness at the chosen plane, less where another did as well


def best_planes(
    alike: Tensor,  # [D, H, W] in -1..1
    gray: Tensor,  # [H, W] in 0..255
    inverse_depths: Tensor,  # [D] per metre, evenly spaced
    *,
    memory_m: Tensor,  # [H, W] what is known, 0 where nothing is
    memory_weight: float,
    memory_reach: float,
    small_step: float,
    large_step: float,
) -> Match:
    """The plane of least smoothed cost, refined by the parabola through it and its neighbours.

    Leaving the memory's depth costs in proportion, up to `memory_weight` where it is off by a part `memory_reach`.
    """
    cost = (1 - alike.clamp(min=0)).permute(1, 2, 0).contiguous()
    known = memory_m > 0
    remembered = torch.where(known, 1 / torch.where(known, memory_m, 1.0), 0.0)[..., None]
    off = (inverse_depths - remembered).abs() / (memory_reach * remembered.clamp(min=1e-6))
    cost += memory_weight * torch.where(known[..., None], off.clamp(max=1), 0.0)
    total = smoothed(cost, gray, small=small_step, large=large_step)
    least, plane = total.min(dim=2)
    count = len(inverse_depths)
    before, after = (total.gather(2, (plane + step).clamp(0, count - 1)[..., None])[..., 0] for step in (-1, 1))
    bend = before - 2 * least + after
    inner = (plane > 0) & (plane < count - 1) & (bend > 1e-9)
    offset = torch.where(inner, (before - after) / (2 * torch.where(inner, bend, 1.0)), 0.0)
    step = inverse_depths[1] - inverse_depths[0]
    inverse = inverse_depths[plane] + offset.clamp(-0.5, 0.5) * step
    apart = (torch.arange(count, device=plane.device) - plane[..., None]).abs() > BESIDE
    margin = torch.where(apart, total, torch.inf).amin(dim=2) - least
    likeness = alike.gather(0, plane[None])[0].clamp(0, 1)
    return Match(depth_m=1 / inverse, quality=likeness * (margin / CLEAR_MARGIN).clamp(0, 1))
