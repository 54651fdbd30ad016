"""A scene that knows itself exactly: what the oracle generator and estimator ask. Procedural worlds implement it."""

from dataclasses import dataclass
from typing import Protocol

from spatia.geom.camera import Cameras
from spatia.records.arrays import F32, I32, U8, Bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrueGeometry:
    """The scene's surfaces as T cameras see them at T times, exact at the pixels' centres."""

    depth_m: F32  # [T, H, W] along +z; 0 for sky
    label: I32  # [T, H, W] object label; 0 for sky
    moving: Bool  # [T, H, W] True on movers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrueFrames(TrueGeometry):
    """The same with colour."""

    rgb: U8  # [T, H, W, 3] sRGB


class TrueScene(Protocol):
    """Pure: the same cameras and times give the same bytes."""

    @property
    def name(self) -> str: ...

    def render(self, cameras: Cameras, time_s: F32) -> TrueFrames: ...

    def measure(self, cameras: Cameras, time_s: F32) -> TrueGeometry:
        """As `render`, without its colours and most of its cost."""
        ...

    def labels(self) -> dict[str, int]:
        """Object labels by name, for edits and queries."""
        ...
