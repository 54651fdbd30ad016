import numpy as np
import pytest

torch = pytest.importorskip("torch")

from spatia.estimation.stereo.smooth import reference_smoothed, smoothed  # noqa: E402 - needs torch


def test_it_agrees_with_the_plain_reference() -> None:
    random = np.random.default_rng(0)
    cost = random.uniform(0, 1, (7, 9, 6)).astype(np.float32)
    gray = random.uniform(0, 60, (7, 9)).astype(np.float32)
    found = smoothed(torch.tensor(cost), torch.tensor(gray), small=0.1, large=0.7)
    np.testing.assert_allclose(found, reference_smoothed(cost, gray, small=0.1, large=0.7), atol=1e-5)


def test_a_place_without_evidence_follows_its_neighbours() -> None:
    cost = torch.ones((9, 9, 5))
    cost[:, :3, 1] = 0
    plane = smoothed(cost, torch.zeros((9, 9)), small=0.1, large=0.5).argmin(dim=2)
    assert (plane == 1).all()


def test_an_edge_in_the_picture_lets_depth_jump() -> None:
    cost = torch.full((9, 12, 5), 0.8)
    cost[:, :5, 1] = cost[:, 7:, 3] = 0.2
    gray = torch.zeros((9, 12))
    gray[:, 6:] = 200
    plane = smoothed(cost, gray, small=0.3, large=2.0).argmin(dim=2)
    assert (plane[:, :6] == 1).all()
    assert (plane[:, 6:] == 3).all()
