import pytest

from spatia.generation.wan.layout import ClipLayout
from spatia.records.latents import latent_count

TOKENS_A_FRAME = (704 // 32) * (1248 // 32)  # 858


@pytest.mark.parametrize(("frames", "latents"), [(1, 1), (5, 2), (9, 3), (81, 21), (121, 31)])
def test_four_frames_after_the_first_share_a_latent(frames: int, latents: int) -> None:
    assert latent_count(frames) == latents


@pytest.mark.parametrize("frames", [0, 2, 80, 82])
def test_only_4k_plus_1_frames_have_latents(frames: int) -> None:
    with pytest.raises(ValueError, match="4k \\+ 1"):
        latent_count(frames)


def test_the_releases_rounds_have_its_token_counts() -> None:
    first = ClipLayout(references=0, history=1, new=latent_count(121) - 1)
    later = ClipLayout(references=7, history=3, new=latent_count(81) - 3)
    assert first.total * TOKENS_A_FRAME == 26_598
    assert later.total * TOKENS_A_FRAME == 24_024


def test_references_and_history_are_clean_and_the_rest_is_not() -> None:
    layout = ClipLayout(references=2, history=3, new=4)
    assert layout.timesteps(643.0) == [0, 0, 0, 0, 0, 643, 643, 643, 643]
    assert (layout.clean, layout.video, layout.total) == (5, 7, 9)
