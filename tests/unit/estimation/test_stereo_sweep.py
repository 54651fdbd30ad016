import numpy as np
import pytest

from spatia.geom.pose import from_rotation_translation, rotation_about
from support.scenes import lens

torch = pytest.importorskip("torch")

from spatia.estimation.stereo.sweep import alikeness, box_mean, reference_alikeness  # noqa: E402 - needs torch

LENS = lens(width_px=40, height_px=30)
INVERSE_DEPTHS = np.linspace(0.1, 2.0, 11, dtype=np.float32)  # more planes than are taken at once


def pictures(count: int) -> np.ndarray:
    random = np.random.default_rng(0)
    return random.uniform(0, 255, (count, 30, 40)).astype(np.float32)


def poses() -> np.ndarray:
    """One beside the reference, one that has turned as well, one so far off that it sees little of it."""
    moves = [([0.1, 0, 0], 0.0), ([0, 0.1, 0.05], 0.1), ([2.0, 0, 0], 0.3)]
    return np.stack([from_rotation_translation(rotation_about([0, 1, 0], turn), move) for move, turn in moves])


@pytest.mark.parametrize("best", [1, 2, 5])
def test_it_agrees_with_the_plain_reference(best: int) -> None:
    reference, *sources = pictures(4)
    want = reference_alikeness(reference, np.array(sources), poses(), INVERSE_DEPTHS, lens=LENS, radius_px=2, best=best)
    found = alikeness(
        torch.tensor(reference),
        torch.tensor(np.array(sources)),
        poses(),
        INVERSE_DEPTHS,
        lens=LENS,
        radius_px=2,
        best=best,
    )
    # Pixels on the very edge of a source may fall on either side of it.
    assert np.mean(np.abs(found.numpy() - want) < 1e-4) > 0.999


def test_a_window_beyond_the_edge_repeats_it() -> None:
    picture = torch.tensor([[1.0, 2.0, 4.0]])
    torch.testing.assert_close(box_mean(picture, 1), torch.tensor([[4 / 3, 7 / 3, 10 / 3]]))
    torch.testing.assert_close(box_mean(picture, 0), picture)


def test_exposure_does_not_matter() -> None:
    reference, source = (torch.tensor(picture) for picture in pictures(2))
    both = [
        alikeness(reference, gain * source[None] + offset, poses()[:1], INVERSE_DEPTHS, lens=LENS, radius_px=2, best=1)
        for gain, offset in ((1.0, 0.0), (0.5, 30.0))
    ]
    torch.testing.assert_close(*both, atol=1e-4, rtol=0)


def test_a_view_that_sees_nothing_has_no_say() -> None:
    reference, source = (torch.tensor(picture) for picture in pictures(2))
    behind = from_rotation_translation(rotation_about([0, 1, 0], np.pi), np.zeros(3))
    alone, beside = poses()[:1], np.stack([poses()[0], behind])
    scores = [
        alikeness(reference, torch.stack([source] * len(p)), p, INVERSE_DEPTHS, lens=LENS, radius_px=2, best=2)
        for p in (alone, beside)
    ]
    torch.testing.assert_close(*scores)


def test_a_source_that_stands_on_a_plane_of_the_sweep_spoils_nothing() -> None:
    reference, source = (torch.tensor(picture) for picture in pictures(2))
    ahead = from_rotation_translation(np.eye(3), [0.0, 0.0, -1 / float(INVERSE_DEPTHS[-1])])[None]
    found = alikeness(reference, source[None], ahead, INVERSE_DEPTHS, lens=LENS, radius_px=2, best=1)
    assert found.isfinite().all()


def test_a_picture_without_texture_says_nothing() -> None:
    flat = torch.full((30, 40), 90.0)
    found = alikeness(flat, flat[None], poses()[:1], INVERSE_DEPTHS, lens=LENS, radius_px=2, best=1)
    assert found.abs().max() < 0.01
