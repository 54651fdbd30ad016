"""Named random streams: one for each purpose and request, so the order of asking never changes what is drawn.

The module is not called ``random`` because that would hide the standard library's from a reader.
"""

import hashlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Streams:
    """All the chance of a run, from one seed."""

    seed: int

    def child_seed(self, purpose: str, number: int = 0) -> int:
        """A 63-bit seed that depends on the run's seed, the purpose and the number alone."""
        digest = hashlib.sha256(f"{self.seed}/{purpose}/{number}".encode()).digest()
        return int.from_bytes(digest[:8], "little") >> 1

    def generator(self, purpose: str, number: int = 0) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64(self.child_seed(purpose, number)))
