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
import numpy.typing as npt

from spatia.geom.pose import F64
from spatia.records.arrays import I32

I64 = npt.NDArray[np.int64]

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
        reach = np.sqrt((self.rotation**2) @ half**2) if self.shape == ELLIPSOID else np.abs(self.rotation) @ half
        return np.stack([self.center_m - reach, self.center_m + reach])


class Solids(NamedTuple):
    """N solids in the order of the hierarchy's leaves.

    The M nodes are written down eight times, once for each octant of ray directions, in the order in which such a ray
    meets them: a node is followed by its subtree, nearer child first, and `node_skip` jumps over that.
    """

    shape: I32  # [N]
    rotation: F64  # [N, 3, 3] world_from_local
    center: F64  # [N, 3]
    size: F64  # [N, 3]
    material: I32  # [N]
    label: I32  # [N]
    bounds: F64  # [N, 2, 3] lowest and highest corner in the world
    node_box: F64  # [8 M, 6] centre, half extents
    node_skip: I32  # [8 M] the node to go on with when this one is missed
    node_first: I32  # [8 M] first solid of a leaf
    node_count: I32  # [8 M] solids of a leaf, 0 inside the tree


@dataclass(frozen=True, slots=True)
class _Node:
    """Part of the hierarchy: a leaf has members, any other node an axis and two children, the lower one first."""

    low: F64
    high: F64
    members: list[int]
    axis: int
    children: tuple["_Node", ...]


def solids_of(parts: Sequence[Solid]) -> Solids:
    """Packs solids and builds their hierarchy; the same for the same input."""
    boxes = np.stack([part.bounds_in_world_m() for part in parts]) if parts else np.zeros((0, 2, 3))
    leaves: list[int] = []
    box, skip, first, count = ([], [], [], [])  # type: tuple[list[F64], list[int], list[int], list[int]]
    if parts:
        root = _split(boxes, np.arange(len(parts)), leaves)
        for octant in range(8):
            _write(root, octant, box, skip, first, count)
    chosen = [parts[i] for i in leaves]
    return Solids(
        shape=np.array([part.shape for part in chosen], dtype=np.int32),
        rotation=np.array([part.rotation for part in chosen], dtype=np.float64).reshape(-1, 3, 3),
        center=np.array([part.center_m for part in chosen], dtype=np.float64).reshape(-1, 3),
        size=np.array([part.size_m for part in chosen], dtype=np.float64).reshape(-1, 3),
        material=np.array([part.material for part in chosen], dtype=np.int32),
        label=np.array([part.label for part in chosen], dtype=np.int32),
        bounds=boxes[leaves],
        node_box=np.array(box, dtype=np.float64).reshape(-1, 6),
        node_skip=np.array(skip, dtype=np.int32),
        node_first=np.array(first, dtype=np.int32),
        node_count=np.array(count, dtype=np.int32),
    )


def _split(boxes: F64, members: I64, leaves: list[int]) -> _Node:
    """Splits where the boxes' areas times their contents are least (the surface area heuristic, all axes swept)."""
    low, high = boxes[members, 0].min(axis=0), boxes[members, 1].max(axis=0)
    n = len(members)
    if n <= LEAF_SOLIDS:
        first = len(leaves)
        leaves.extend(int(member) for member in members)
        return _Node(low, high, list(range(first, first + n)), 0, ())
    best, best_axis, best_order, best_cut = np.inf, 0, members, n // 2
    for axis in range(3):
        order = members[np.argsort(boxes[members, :, axis].sum(axis=1), kind="stable")]
        ordered = boxes[order]
        left = _areas(np.minimum.accumulate(ordered[:, 0]), np.maximum.accumulate(ordered[:, 1]))
        right = _areas(np.minimum.accumulate(ordered[::-1, 0]), np.maximum.accumulate(ordered[::-1, 1]))[::-1]
        cost = left[:-1] * np.arange(1, n) + right[1:] * np.arange(n - 1, 0, -1)
        cut = int(np.argmin(cost))
        if cost[cut] < best:
            best, best_axis, best_order, best_cut = float(cost[cut]), axis, order, cut + 1
    lower = _split(boxes, best_order[:best_cut], leaves)
    return _Node(low, high, [], best_axis, (lower, _split(boxes, best_order[best_cut:], leaves)))


def _areas(low: F64, high: F64) -> F64:
    x, y, z = (high - low).T
    return np.asarray(x * y + y * z + z * x)


def _write(node: _Node, octant: int, box: list[F64], skip: list[int], first: list[int], count: list[int]) -> None:
    at = len(box)
    box.append(np.concatenate([0.5 * (node.low + node.high), 0.5 * (node.high - node.low) + SLACK_M]))
    skip.append(0)
    first.append(node.members[0] if node.members else 0)
    count.append(len(node.members))
    children = node.children[::-1] if octant >> node.axis & 1 else node.children
    for child in children:
        _write(child, octant, box, skip, first, count)
    skip[at] = len(box)
