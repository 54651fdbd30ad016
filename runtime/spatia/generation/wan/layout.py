"""What stands where on the frame axis of a clip's latents: references, then history, then what is to be made.

    [K references][history][new]          spec/spatia_release.md 1.6

References and history are clean: their timestep is 0 and the sampler never changes them. The control video covers
history and new. Pure arithmetic; any thread.
"""

from dataclasses import dataclass

FRAMES_A_LATENT = 4  # after the first, which holds one frame


def latent_count(frames: int) -> int:
    """Latent frames of a video of 4k + 1 frames."""
    if frames % FRAMES_A_LATENT != 1:
        raise ValueError(f"frames must be 4k + 1; got {frames}")
    return 1 + (frames - 1) // FRAMES_A_LATENT


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipLayout:
    """Counts of latent frames."""

    references: int
    history: int  # 3 after the first round; in a first round 1 where the first frame is known, else 0
    new: int

    @property
    def clean(self) -> int:
        return self.references + self.history

    @property
    def video(self) -> int:
        """Frames that the control covers and that are decoded."""
        return self.history + self.new

    @property
    def total(self) -> int:
        return self.references + self.video

    def timesteps(self, timestep: float) -> list[float]:
        """[total] one for each latent frame."""
        return [0.0] * self.clean + [timestep] * self.new
