import numpy as np
import pytest

from spatia.estimation.stereo.views import relative
from support.scenes import lens, sideways
from support.textured import panel_before_wall

torch = pytest.importorskip("torch")

from spatia.estimation.stereo.agree import (  # noqa: E402 - needs torch
    agreed,
    reference_seen_alike,
    seen_alike,
    without_specks,
)

FRAMES = panel_before_wall(sideways(3, step_m=0.15, turn_rad=0.05, intrinsics=lens(width_px=48, height_px=32)))
LENS = FRAMES.cameras.intrinsics


def depths() -> np.ndarray:
    """What the frames show, with noise, and some of it unknown."""
    random = np.random.default_rng(0)
    assert FRAMES.depth_m is not None
    noisy = FRAMES.depth_m * random.uniform(0.97, 1.03, FRAMES.depth_m.shape)
    return np.where(random.uniform(size=noisy.shape) < 0.1, 0, noisy).astype(np.float32)


def test_it_agrees_with_the_plain_reference() -> None:
    noisy, pose = depths(), relative(FRAMES.cameras, reference=0, view=2)
    found = seen_alike(torch.tensor(noisy[0]), torch.tensor(noisy[2]), pose, lens=LENS, tolerance=0.03).numpy()
    want = reference_seen_alike(noisy[0], noisy[2], pose, lens=LENS, tolerance=0.03)
    assert 0.2 < (want > 0).mean() < 0.8
    # A point may fall on either side of a pixel's edge.
    assert np.mean(np.abs(found - want) < 1e-4) > 0.995


def test_true_depth_is_borne_out_where_both_see_it() -> None:
    assert FRAMES.depth_m is not None
    true = torch.tensor(np.array(FRAMES.depth_m))
    others = [(true[view], relative(FRAMES.cameras, reference=1, view=view)) for view in (0, 2)]
    mean, votes = agreed(true[1], others, lens=LENS, tolerance=0.02)
    assert (votes == 2).float().mean() > 0.6
    assert (votes >= 1).float().mean() > 0.9
    assert ((mean - true[1]).abs() / true[1]).max() < 0.02


def test_wrong_depth_is_not_borne_out() -> None:
    assert FRAMES.depth_m is not None
    true = torch.tensor(np.array(FRAMES.depth_m))
    pose = relative(FRAMES.cameras, reference=1, view=0)
    assert not seen_alike(0.5 * true[1], true[0], pose, lens=LENS, tolerance=0.02).any()
    assert not seen_alike(torch.zeros_like(true[1]), true[0], pose, lens=LENS, tolerance=0.02).any()


def test_specks_go_and_surfaces_stay() -> None:
    depth_m = torch.zeros((20, 30))
    depth_m[:, :15] = torch.linspace(2.0, 2.2, 15)
    depth_m[4, 25] = depth_m[5, 5] = 1.0
    kept = without_specks(depth_m)
    assert kept[4, 25] == kept[5, 5] == 0
    assert (kept[5:15, :14] > 0).sum() == 10 * 14 - 1
