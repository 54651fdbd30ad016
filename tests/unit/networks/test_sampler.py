import numpy as np
import pytest
import torch

from spatia.networks.sampler import Name, Sampler


@pytest.mark.parametrize("name", ["unipc", "euler"])
@pytest.mark.parametrize("steps", [1, 4, 40])
def test_noise_levels_are_the_releases(name: Name, steps: int) -> None:
    levels = np.linspace(0.999, 0, steps + 1)
    shifted = 5 * levels / (1 + 4 * levels)
    np.testing.assert_allclose(Sampler(name, steps=steps, shift=5.0).sigmas.numpy(), shifted, atol=1e-6)


def test_timesteps_of_four_steps_are_the_releases() -> None:
    assert Sampler("unipc", steps=4, shift=5.0).timesteps.tolist() == [999, 937, 833, 624]


@pytest.mark.parametrize("name", ["unipc", "euler"])
def test_a_flow_that_points_at_one_picture_ends_there(name: Name) -> None:
    """With x = (1 - s) * picture + s * noise the flow is noise - picture, whatever the level."""
    generator = torch.Generator().manual_seed(0)
    picture, noise = torch.randn(2, 1, 8, 3, generator=generator)
    sampler = Sampler(name, steps=5, shift=5.0)
    first = sampler.sigmas[0]
    latents = (1 - first) * picture + first * noise
    for timestep in sampler.timesteps:
        latents = sampler.step(noise - picture, timestep, latents)
    torch.testing.assert_close(latents, picture, atol=1e-4, rtol=0)
