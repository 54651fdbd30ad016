"""What stands where on the frame axis of a clip's latents.

    [references][history][new]              Spatia: spec/spatia_release.md 1.6
    [references][history][new][trailing]    Mirage: spec/mirage_release.md; history is the clip's first frame, and the
                                            frames before it trail behind

References, history and trailing frames are clean: their timestep is 0 and the sampler never changes them. The control
covers all but the references. Pure arithmetic; any thread.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipLayout:
    """Counts of latent frames."""

    references: int
    history: int  # clean frames that the clip begins with
    new: int
    trailing: int = 0

    @property
    def clean(self) -> int:
        """Clean frames before the new ones."""
        return self.references + self.history

    @property
    def video(self) -> int:
        """Frames that are decoded."""
        return self.history + self.new

    @property
    def controlled(self) -> int:
        return self.video + self.trailing

    @property
    def total(self) -> int:
        return self.references + self.controlled

    def timesteps(self, timestep: float) -> list[float]:
        """[total] one for each latent frame."""
        return [0.0] * self.clean + [timestep] * self.new + [0.0] * self.trailing
