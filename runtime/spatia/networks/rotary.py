"""Rotary positions of the tokens. Any thread.

Video tokens stand at frames 0, 1, ..., rows 0..h-1 and columns 0..w-1. Reference tokens stand before them, at frames
-K..-1, and below them, at rows h..2h-1 (spec/spatia_release.md 1.6): a reference is no neighbour in time or space.
"""

import torch

THETA = 10_000.0

Tables = tuple[torch.Tensor, torch.Tensor]


def rotary_tables(
    *, frames: int, references: int, rows: int, columns: int, head_size: int, device: torch.device
) -> Tables:
    """Cosines and sines, [1, frames * rows * columns, 1, head_size] float32 each, every value twice in a row.

    The first `references` of `frames` are reference frames. A head is split between frame, row and column as Wan does:
    of 128 entries they get 44, 42 and 42.
    """
    frame = torch.arange(-references, frames - references, device=device)
    row = torch.arange(rows, device=device) + torch.where(frame < 0, rows, 0)[:, None]  # [frames, rows]
    column = torch.arange(columns, device=device)
    side = 2 * (head_size // 6)
    angles = torch.cat(
        [
            _angles(frame, head_size - 2 * side)[:, None, None].expand(-1, rows, columns, -1),
            _angles(row, side)[:, :, None].expand(-1, -1, columns, -1),
            _angles(column, side)[None, None].expand(frames, rows, -1, -1),
        ],
        dim=-1,
    )
    angles = angles.reshape(1, frames * rows * columns, 1, head_size // 2).repeat_interleave(2, dim=-1)
    return angles.cos().float(), angles.sin().float()


def _angles(position: torch.Tensor, size: int) -> torch.Tensor:
    """[..., size / 2] float64: the angle of each pair of entries at each position."""
    exponent = torch.arange(0, size, 2, device=position.device, dtype=torch.float64) / size
    return position.double()[..., None] / THETA**exponent
