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

    depth_m: Tensor  # [H, W], 0 where the first or the last plane is best: what it shows may lie beyond
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
    """The plane of least smoothed cost, refined by the parabola through the pictures' own cost there.

    Leaving the memory's depth costs in proportion, up to `memory_weight` where it is off by a part `memory_reach` or by
    a plane. Where the pictures prefer no place within a plane, the memory's place in it is taken.
    """
    cost = (1 - alike.clamp(min=0)).permute(1, 2, 0).contiguous()
    count, step = len(inverse_depths), inverse_depths[1] - inverse_depths[0]
    known = (memory_m > 0)[..., None]
    remembered = torch.where(known, 1 / torch.where(known, memory_m[..., None], 1.0), 0.0)
    off = (inverse_depths - remembered).abs() / (memory_reach * remembered).clamp(min=step)
    guided = cost + memory_weight * torch.where(known, off.clamp(max=1), 0.0)
    total = smoothed(guided, gray, small=small_step, large=large_step)
    least, plane = total.min(dim=2)
    # The smoothed cost is flattened beside its least by what a small step costs; the pictures' own is not.
    before, here, after = (cost.gather(2, (plane + side).clamp(0, count - 1)[..., None])[..., 0] for side in (-1, 0, 1))
    dip = (before > here) & (after > here)
    within = ((remembered[..., 0] - inverse_depths[plane]) / step).clamp(-1, 1)
    fallback = torch.where(known[..., 0] & (within.abs() < 1), within, 0.0)
    bend = torch.where(dip, before - 2 * here + after, 1.0)
    offset = torch.where(dip, (before - after) / (2 * bend), fallback)
    inverse = inverse_depths[plane] + offset.clamp(-0.5, 0.5) * step
    apart = (torch.arange(count, device=plane.device) - plane[..., None]).abs() > BESIDE
    margin = torch.where(apart, total, torch.inf).amin(dim=2) - least
    likeness = alike.gather(0, plane[None])[0].clamp(0, 1)
    inner = (plane > 0) & (plane < count - 1)
    return Match(
        depth_m=torch.where(inner, 1 / inverse, 0.0),
        quality=torch.where(inner, likeness * (margin / CLEAR_MARGIN).clamp(0, 1), 0.0),
    )
