"""From masks to objects: connected parts, followed from mask to mask by their overlap. Pure, any thread."""

import numpy as np
from numba import njit

from spatia.records.arrays import I32, Bool


def followed(masks: Bool, *, most: int) -> I32:
    """[N, H, W] in 0..most: which object each pixel of N masks in order of time belongs to, 0 for none.

    A connected part continues the object, as last seen, that it overlaps most. Objects are numbered by their largest
    area in one mask, the largest first; the smaller ones beyond `most` share the last number, so that none is lost.
    """
    objects = np.zeros(masks.shape, dtype=np.int32)
    last = np.zeros(masks.shape[1:], dtype=np.int32)  # each object where it was seen last
    count = 0
    for mask, found in zip(masks, objects, strict=True):
        parts, part_count = components(mask)
        object_of = _most_overlapped(parts, last, part_count)
        new = object_of[1:] == 0
        object_of[1:][new] = count + 1 + np.arange(new.sum())
        count += int(new.sum())
        found[...] = object_of[parts]
        last[np.isin(last, object_of[1:])] = 0
        last[mask] = found[mask]
    areas = np.zeros(count + 1, dtype=np.int64)
    for found in objects:
        areas = np.maximum(areas, np.bincount(found.ravel(), minlength=count + 1))
    number = np.zeros(count + 1, dtype=np.int32)
    number[1 + np.argsort(-areas[1:], kind="stable")] = np.minimum(np.arange(1, count + 1), most)
    return number[objects]


def _most_overlapped(parts: I32, last: I32, part_count: int) -> I32:
    """[parts + 1] the object that each part shares most pixels with, 0 where there is none."""
    shared = (parts > 0) & (last > 0)
    pairs, sizes = np.unique(np.stack([parts[shared], last[shared]]), axis=1, return_counts=True)
    object_of = np.zeros(part_count + 1, dtype=np.int32)
    order = np.argsort(sizes, kind="stable")  # the largest is written last
    object_of[pairs[0, order]] = pairs[1, order]
    return object_of


def components(mask: Bool) -> tuple[I32, int]:
    """[H, W] parts that hang together by sides or corners, numbered from 1 in order of their first pixel; how many."""
    parts = np.zeros(mask.shape, dtype=np.int32)
    return parts, _components(np.ascontiguousarray(mask), parts)


@njit(cache=True, nogil=True)
def _components(mask: Bool, parts: I32) -> int:
    """Two passes over the raster with a union-find forest, in which a root is the least number of its tree."""
    height, width = mask.shape
    parent = np.zeros(height * width // 2 + 2, dtype=np.int32)
    count = 0
    for y in range(height):
        for x in range(width):
            if not mask[y, x]:
                continue
            own = 0
            for dy, dx in ((0, -1), (-1, -1), (-1, 0), (-1, 1)):
                if y + dy < 0 or x + dx < 0 or x + dx >= width or not mask[y + dy, x + dx]:
                    continue
                root = parts[y + dy, x + dx]
                while parent[root] != root:
                    root = parent[root]
                if own == 0:
                    own = root
                low, high = min(own, root), max(own, root)
                parent[high] = low
                own = low
            if own == 0:
                count += 1
                parent[count] = count
                own = count
            parts[y, x] = own
    number = np.zeros(count + 1, dtype=np.int32)
    found = 0
    for label in range(1, count + 1):
        if parent[label] == label:
            found += 1
            number[label] = found
        else:
            number[label] = number[parent[label]]
    for y in range(height):
        for x in range(width):
            parts[y, x] = number[parts[y, x]]
    return found


def reference_components(mask: Bool) -> tuple[I32, int]:
    """As `components`, in plain numpy: the least number spreads until nothing changes."""
    height, width = mask.shape
    beyond = mask.size
    label = np.where(mask, np.arange(mask.size).reshape(mask.shape), beyond)
    while True:
        around = np.pad(label, 1, constant_values=beyond)
        spread = np.min([around[dy : dy + height, dx : dx + width] for dy in range(3) for dx in range(3)], axis=0)
        spread = np.where(mask, spread, beyond)
        if (spread == label).all():
            firsts = np.unique(label[mask])
            return np.where(mask, np.searchsorted(firsts, label) + 1, 0).astype(np.int32), len(firsts)
        label = spread
