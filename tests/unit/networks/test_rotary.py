import torch
from diffusers.models.transformers.transformer_wan import WanRotaryPosEmbed

from spatia.networks.rotary import rotary_tables

CPU = torch.device("cpu")


def test_without_references_they_are_diffusers_positions() -> None:
    cos, sin = rotary_tables(frames=3, references=0, rows=4, columns=5, head_size=128, device=CPU)
    theirs = WanRotaryPosEmbed(128, (1, 2, 2), 64)(torch.zeros(1, 1, 3, 8, 10))
    torch.testing.assert_close(cos, theirs[0].float(), atol=1e-6, rtol=0)
    torch.testing.assert_close(sin, theirs[1].float(), atol=1e-6, rtol=0)


def test_references_stand_before_the_first_frame_and_below_the_last_row() -> None:
    cos, sin = rotary_tables(frames=4, references=2, rows=3, columns=2, head_size=12, device=CPU)
    angle = torch.atan2(sin, cos)[0, :, 0].reshape(4, 3, 2, 12)
    frame, row, column = angle[..., 0], angle[..., 4], angle[..., 8]  # the first pair of each turns one radian a step
    # Only differences within (-pi, pi] can be told from an angle.
    assert torch.allclose(frame[:, 0, 0], torch.tensor([-2.0, -1.0, 0.0, 1.0]), atol=1e-6)
    assert torch.allclose(row[2, :, 0], torch.tensor([0.0, 1.0, 2.0]), atol=1e-6)
    below = torch.tensor([3.0, 4.0, 5.0])
    assert torch.allclose(torch.cos(row[0, :, 0] - below), torch.ones(3), atol=1e-6)
    assert torch.allclose(column[0, 0], torch.tensor([0.0, 1.0]), atol=1e-6)


def test_the_frames_of_the_video_are_counted_from_zero_whatever_stands_before() -> None:
    alone = rotary_tables(frames=3, references=0, rows=2, columns=2, head_size=12, device=CPU)
    after = rotary_tables(frames=5, references=2, rows=2, columns=2, head_size=12, device=CPU)
    assert torch.equal(after[0][:, 8:], alone[0]) and torch.equal(after[1][:, 8:], alone[1])
