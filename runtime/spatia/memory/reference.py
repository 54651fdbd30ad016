"""Insertion in plain Python: one dict, one point at a time. What the kernels of `fusion` must equal, byte for byte.

For tests, and for reading: the rules of merging stand here without pages, hashing or Morton tricks.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from spatia.memory.fusion import WEIGHT_CAP
from spatia.records.cloud import Points, pack_colors, unpack_colors

Voxel = tuple[int, int, int]


@dataclass(slots=True)
class Row:
    """One voxel's point. Numbers are what their 32-bit words would hold."""

    position: tuple[float, float, float]
    color: tuple[float, float, float]
    weight: float
    clip: int
    label: int


@dataclass(slots=True)
class ReferenceMemory:
    """Rows in the order in which they were appended; a dict keeps it."""

    voxel_m: float
    rows: dict[Voxel, Row] = field(default_factory=dict)


def reference_insert(memory: ReferenceMemory, points: Points) -> None:
    """What `PointMemory.insert` does."""
    sightings: dict[Voxel, list[int]] = {}
    for i in range(len(points)):
        numbers = [*points.positions_in_world[i].tolist(), *points.colors[i].tolist(), float(points.weights[i])]
        if not all(math.isfinite(number) for number in numbers) or points.weights[i] <= 0:
            continue
        voxel = voxel_of(points.positions_in_world[i], memory.voxel_m)
        if all(-(2**20) <= c < 2**20 for c in voxel):
            sightings.setdefault(voxel, []).append(i)
    if not sightings:
        return
    corner = np.min(list(sightings), axis=0)
    for voxel in sorted(sightings, key=lambda voxel: morton_code(voxel, corner)):
        row = memory.rows.get(voxel)
        merged = merged_row(row if row and row.weight > 0 else None, points[np.array(sightings[voxel])], voxel, memory)
        memory.rows[voxel] = merged


def merged_row(old: Row | None, points: Points, voxel: Voxel, memory: ReferenceMemory) -> Row:
    """All sightings of one voxel in one batch, merged into what it held."""
    weight, sums = 0.0, [0.0] * 6
    for i in range(len(points)):
        w = float(points.weights[i])
        weight += w
        values = [*points.positions_in_world[i].tolist(), *points.colors[i].tolist()]
        sums = [total + w * value for total, value in zip(sums, values, strict=True)]
    if old is not None:
        weight += old.weight
        sums = [total + old.weight * value for total, value in zip(sums, [*old.position, *old.color], strict=True)]
    share = 1.0 / weight
    mean = np.array([total * share for total in sums])
    position = mean[:3].astype(np.float32)
    if voxel_of(position, memory.voxel_m) != voxel:
        position = np.array(old.position, np.float32) if old is not None else points.positions_in_world[0]
    color = unpack_colors(*pack_colors(mean[None, 3:]))[0]
    first_label = next((int(label) for label in points.labels if label), 0)
    x, y, z = position.tolist()
    red, green, blue = color.tolist()
    return Row(
        position=(x, y, z),
        color=(red, green, blue),
        weight=float(np.float32(min(weight, WEIGHT_CAP))),
        clip=old.clip if old is not None else int(points.clips[0]),
        label=(old.label if old is not None else 0) or first_label,
    )


def voxel_of(position: np.ndarray, voxel_m: float) -> Voxel:
    x, y, z = (math.floor(float(c) / voxel_m) for c in position)
    return x, y, z


def morton_code(voxel: Voxel, corner: np.ndarray) -> int:
    """The bits of the three coordinates, counted from `corner`, taken in turn; x is the highest of each three."""
    code = 0
    for bit in range(21):
        for axis in range(3):
            code |= ((int(voxel[axis] - corner[axis]) >> bit) & 1) << (3 * bit + 2 - axis)
    return code
