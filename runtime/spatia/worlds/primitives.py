"""Convex solids as arrays, with a bounding volume hierarchy over them; the form in which a scene is ray-cast.

A solid has a shape, a rigid pose and a size in its own frame, whose origin is its centre and whose +y points down:

| shape     | size                                    | faces                               |
|-----------|-----------------------------------------|-------------------------------------|
| BOX       | half extents along x, y, z              | -x +x -y +y -z +z                   |
| ELLIPSOID | radii along x, y, z                     | one                                 |
| FRUSTUM   | radius below, half height, radius above | side, top (-y), bottom (+y)         |

A cylinder is a frustum of equal radii; a cone has a radius of 0 above. Pure data; any thread.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from spatia.geom.pose import F64
from spatia.records.arrays import I32

BOX, ELLIPSOID, FRUSTUM = range(3)
FACE_COUNT = (6, 1, 3)  # by shape

LEAF_SOLIDS = 2
SLACK_M = 1e-6  # rounding must not lose a flat box's own face


@dataclass(frozen=True, slots=True, kw_only=True)
class Solid:
    """One convex solid."""

    shape: int
    rotation: F64  # [3, 3] world_from_local
    center_m: F64  # [3] in world
    size_m: tuple[float, float, float]
    material: int
    label: int

    def bounds_in_world_m(self) -> F64:
        """[2, 3] lowest and highest corner."""
        half = np.array(self.size_m)
        if self.shape == FRUSTUM:
            radius = max(half[0], half[2])
            half = np.array([radius, half[1], radius])
        if self.shape == ELLIPSOID:
            reach = np.sqrt((self.rotation**2) @ half**2)
        else:
            reach = np.abs(self.rotation) @ half
        return np.stack([self.center_m - reach, self.center_m + reach])


class Solids(NamedTuple):
    """N solids in the order of the hierarchy's leaves. Node i is followed by its subtree; `skip` jumps over that."""

    shape: I32  # [N]
    rotation: F64  # [N, 3, 3] world_from_local
    center: F64  # [N, 3]
    size: F64  # [N, 3]
    material: I32  # [N]
    label: I32  # [N]
    bounds: F64  # [N, 2, 3] lowest and highest corner in the world
    node_bounds: F64  # [M, 6] lowest x y z, highest x y z
    node_skip: I32  # [M] the node to go on with when this one is missed
    node_first: I32  # [M] first solid of a leaf, -1 inside the tree
    node_count: I32  # [M] solids of a leaf


def solids_of(parts: Sequence[Solid]) -> Solids:
    """Packs solids and builds their hierarchy: median splits along the widest axis, the same for the same input."""
    boxes = np.stack([part.bounds_in_world_m() for part in parts]) if parts else np.zeros((0, 2, 3))
    centers = boxes.mean(axis=1)
    bounds: list[F64] = []
    skip: list[int] = []
    first: list[int] = []
    count: list[int] = []
    leaves: list[int] = []

    def add(members: list[int]) -> None:
        node = len(bounds)
        low, high = boxes[members, 0].min(axis=0), boxes[members, 1].max(axis=0)
        bounds.append(np.concatenate([low - SLACK_M, high + SLACK_M]))
        skip.append(0)
        is_leaf = len(members) <= LEAF_SOLIDS
        first.append(len(leaves) if is_leaf else -1)
        count.append(len(members) if is_leaf else 0)
        if is_leaf:
            leaves.extend(members)
        else:
            axis = int(np.argmax(np.ptp(centers[members], axis=0)))
            ordered = sorted(members, key=lambda member: (centers[member, axis], member))
            add(ordered[: len(ordered) // 2])
            add(ordered[len(ordered) // 2 :])
        skip[node] = len(bounds)

    if parts:
        add(list(range(len(parts))))
    chosen = [parts[i] for i in leaves]
    return Solids(
        shape=np.array([part.shape for part in chosen], dtype=np.int32),
        rotation=np.array([part.rotation for part in chosen], dtype=np.float64).reshape(-1, 3, 3),
        center=np.array([part.center_m for part in chosen], dtype=np.float64).reshape(-1, 3),
        size=np.array([part.size_m for part in chosen], dtype=np.float64).reshape(-1, 3),
        material=np.array([part.material for part in chosen], dtype=np.int32),
        label=np.array([part.label for part in chosen], dtype=np.int32),
        bounds=boxes[leaves],
        node_bounds=np.array(bounds, dtype=np.float64).reshape(-1, 6),
        node_skip=np.array(skip, dtype=np.int32),
        node_first=np.array(first, dtype=np.int32),
        node_count=np.array(count, dtype=np.int32),
    )
