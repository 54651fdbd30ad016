"""Edits of the memory as data: the same objects stand in scene files, in the journal and in undo.

Labels are numbers here; scene files may name objects, which the world's own table turns into numbers.
"""

from dataclasses import dataclass

Vec3 = tuple[float, float, float]
Color = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """An axis-aligned region; both corners belong to it."""

    low_m: Vec3
    high_m: Vec3


@dataclass(frozen=True, slots=True, kw_only=True)
class Sphere:
    center_m: Vec3
    radius_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OfLabel:
    label: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OfClip:
    clip: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OfVoxels:
    """The points in these voxels of a grid: a surface that was picked by hand, wherever it is selected again.

    A key packs three coordinates, ``floor(position / voxel_m)``, each as 21 bits above -2^20, x highest.
    """

    voxel_m: float
    keys: tuple[int, ...]  # ascending, `MAX_VOXELS` at most


MAX_VOXELS = 1 << 15

Selection = Box | Sphere | OfLabel | OfClip | OfVoxels


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """Forget the selected points."""

    where: Selection


@dataclass(frozen=True, slots=True, kw_only=True)
class Recolor:
    """Blend the selected points towards a colour; strength 1 replaces it and 0.8 keeps some shading."""

    where: Selection
    color: Color
    strength: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Rotate the selected points about their centroid by a quaternion, then shift them."""

    where: Selection
    offset_m: Vec3 = (0.0, 0.0, 0.0)
    rotation_wxyz: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddPrimitive:
    """A solid's surface, sampled at the memory's voxel size. `size_m` is edge lengths, or the sphere's diameters."""

    shape: str  # "box", "sphere", "cylinder" (axis along y)
    center_m: Vec3
    size_m: Vec3
    color: Color
    label: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AddCloud:
    """Points of a PLY file, scaled, rotated and shifted. `sha256` pins the file's bytes."""

    path: str
    sha256: str
    offset_m: Vec3 = (0.0, 0.0, 0.0)
    rotation_wxyz: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)
    scale: float = 1.0
    label: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """Take the last edit back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redo:
    """Do again what was undone."""


Edit = Remove | Recolor | Move | AddPrimitive | AddCloud | Undo | Redo
