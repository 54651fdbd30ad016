"""Building a scene by hand: solids that stand on their base, named materials and labels, nested places.

Here positions are (x, height, z) with height upwards, since furniture is thought of that way; the world's y is minus
the height. Pure data; any thread.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from spatia.geom.pose import F64, rotation_about
from spatia.worlds.primitives import BOX, ELLIPSOID, FRUSTUM, Solid

Vec3 = tuple[float, float, float]
Color = tuple[float, float, float]

UP = np.array([0.0, -1.0, 0.0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """A texture and what it is made of. `pattern` is one of textures.py; `scale_m` are its lengths."""

    pattern: int
    color: Color  # linear light, 0..1
    second: Color = (0.0, 0.0, 0.0)  # grout, gaps, veins, motifs
    scale_m: tuple[float, float] = (0.1, 0.1)
    in_world: bool = False  # texture fixed to the world, so that it runs on over neighbouring solids
    emission: float = 0.0  # > 0: shines with its colour and casts no shadow


def color(hexadecimal: str) -> Color:
    """Linear light of an sRGB colour written as rrggbb."""
    channels = [int(hexadecimal[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return r, g, b


@dataclass
class Blueprint:
    """Collects solids. A `place` shares its parent's list and adds in its own turned and shifted frame."""

    materials: Mapping[str, Material]
    solids: list[Solid] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    rotation: F64 = field(default_factory=lambda: np.eye(3))
    origin: F64 = field(default_factory=lambda: np.zeros(3))
    label: str = ""

    def place(
        self, label: str = "", *, at: Vec3 = (0.0, 0.0, 0.0), yaw: float = 0.0, tilt: float = 0.0, roll: float = 0.0
    ) -> "Blueprint":
        """A frame at a position, turned by degrees: `roll` about z first, `tilt` about x, then `yaw` (to the right)."""
        return Blueprint(
            materials=self.materials,
            solids=self.solids,
            labels=self.labels,
            rotation=self.rotation @ _turned(yaw, tilt, roll),
            origin=self.origin + self.rotation @ _world(at),
            label=label or self.label,
        )

    def box(
        self, material: str, at: Vec3, size: Vec3, *, yaw: float = 0.0, tilt: float = 0.0, roll: float = 0.0
    ) -> None:
        """`at` is the middle of the underside, `size` (width along x, height, depth along z)."""
        width, height, depth = size
        self._add(BOX, material, at, (width / 2, height / 2, depth / 2), height / 2, yaw, tilt, roll)

    def ball(
        self, material: str, at: Vec3, radii: Vec3 | float, *, yaw: float = 0.0, tilt: float = 0.0, roll: float = 0.0
    ) -> None:
        """An ellipsoid about its centre."""
        x, y, z = (radii, radii, radii) if isinstance(radii, float | int) else radii
        self._add(ELLIPSOID, material, at, (x, y, z), 0.0, yaw, tilt, roll)

    def cone(
        self,
        material: str,
        at: Vec3,
        below: float,
        height: float,
        above: float = 0.0,
        *,
        yaw: float = 0.0,
        tilt: float = 0.0,
        roll: float = 0.0,
    ) -> None:
        """A frustum on the middle of its underside, from radius `below` to radius `above`."""
        self._add(FRUSTUM, material, at, (below, height / 2, above), height / 2, yaw, tilt, roll)

    def cylinder(
        self,
        material: str,
        at: Vec3,
        radius: float,
        height: float,
        *,
        yaw: float = 0.0,
        tilt: float = 0.0,
        roll: float = 0.0,
    ) -> None:
        self.cone(material, at, radius, height, radius, yaw=yaw, tilt=tilt, roll=roll)

    def _add(
        self, shape: int, material: str, at: Vec3, size: Vec3, lift: float, yaw: float, tilt: float, roll: float
    ) -> None:
        rotation = self.rotation @ _turned(yaw, tilt, roll)
        label = self.label or material
        self.solids.append(
            Solid(
                shape=shape,
                rotation=rotation,
                center_m=self.origin + self.rotation @ _world(at) + rotation @ (lift * UP),
                size_m=size,
                material=list(self.materials).index(material),
                label=self.labels.setdefault(label, len(self.labels) + 1),
            )
        )


def _world(at: Vec3) -> F64:
    return np.array([at[0], -at[1], at[2]])


def _turned(yaw_deg: float, tilt_deg: float, roll_deg: float) -> F64:
    about_y = rotation_about((0.0, 1.0, 0.0), math.radians(yaw_deg))
    about_x = rotation_about((1.0, 0.0, 0.0), math.radians(tilt_deg))
    return np.asarray(about_y @ about_x @ rotation_about((0.0, 0.0, 1.0), math.radians(roll_deg)))
