import pytest

torch = pytest.importorskip("torch")

from spatia.estimation.stereo.enlarge import enlarged  # noqa: E402 - needs torch

RED, BLUE = torch.tensor([200.0, 20, 20]), torch.tensor([20.0, 20, 200])


def test_nothing_comes_to_hang_between_two_surfaces() -> None:
    depth_m = torch.full((6, 8), 1.0)
    depth_m[:, 4:] = 3.0
    small = RED[:, None, None].repeat(1, 6, 8)
    small[:, :, 4:] = BLUE[:, None, None]
    large = RED[:, None, None].repeat(1, 24, 32)
    large[:, :, 18:] = BLUE[:, None, None]  # where the edge is on the larger raster
    found, _ = enlarged(depth_m, torch.ones_like(depth_m), small, large)
    torch.testing.assert_close(found[:, :18], torch.full((24, 18), 1.0))
    torch.testing.assert_close(found[:, 18:], torch.full((24, 14), 3.0))


def test_a_slanted_plane_stays_one() -> None:
    inverse = torch.linspace(0.5, 0.4, 16).repeat(6, 1)
    gray = torch.full((3, 6, 16), 90.0)
    found, _ = enlarged(1 / inverse, torch.ones((6, 16)), gray, torch.full((3, 12, 32), 90.0))
    steps = (1 / found)[:, 1:-1].diff(dim=1)
    torch.testing.assert_close(steps, torch.full_like(steps, -0.1 / 30), atol=2e-4, rtol=0)


def test_the_unknown_stays_unknown() -> None:
    depth_m = torch.zeros((4, 4))
    depth_m[:2] = 2.0
    gray = torch.full((3, 4, 4), 90.0)
    found, confidence = enlarged(depth_m, (depth_m > 0).float(), gray, torch.full((3, 8, 8), 90.0))
    assert ((found == 0) | (found == 2)).all()
    assert ((confidence > 0) == (found > 0)).all()
    assert (found[:3] == 2).all()
    assert (found[5:] == 0).all()


def test_depth_of_the_same_size_is_left_alone() -> None:
    depth_m, picture = torch.rand((4, 5)), torch.rand((3, 4, 5))
    assert enlarged(depth_m, depth_m, picture, picture)[0] is depth_m
