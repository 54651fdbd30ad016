"""Without a device: a context whose buffers are bytes."""

from typing import Any

import numpy as np

from spatia.memory.cloud import PointMemory
from spatia.records.arrays import U32
from spatia.records.cloud import PAGE_POINTS, CloudSnapshot, Points, snapshot_of_points
from spatia.records.edits import OfLabel, Remove
from spatia.render.device_pages import DevicePages
from spatia.render.point_packing import PAGE_BYTES, POINT_WORDS, packed_plainly


class ByteBuffer:
    def __init__(self, reserve: int) -> None:
        self.content = bytearray(reserve)
        self.released = False

    def write(self, data: Any, offset: int) -> None:
        raw = np.ascontiguousarray(data).tobytes()
        self.content[offset : offset + len(raw)] = raw

    def release(self) -> None:
        self.released = True


class ByteContext:
    def buffer(self, *, reserve: int) -> ByteBuffer:
        return ByteBuffer(reserve)


def on_device(pages: DevicePages, count: int) -> U32:
    """[count, PAGE_POINTS, POINT_WORDS] what the blocks hold."""
    words = np.concatenate([np.frombuffer(bytes(block.content), np.uint32) for block in pages.blocks])
    return words.reshape(-1, PAGE_POINTS, POINT_WORDS)[:count]


def expected(cloud: CloudSnapshot) -> U32:
    last = cloud.row_count - (len(cloud.pages) - 1) * PAGE_POINTS
    return packed_plainly(cloud.arena, cloud.pages, rows=last)[0]


def bring_all(pages: DevicePages, cloud: CloudSnapshot, *, budget_bytes: int = 1 << 30) -> int:
    pages.follow(cloud)
    return pages.upload(np.ones(len(cloud.pages), np.float32), budget_bytes=budget_bytes)


def scattered(count: int, *, seed: int = 0, label: int = 0) -> Points:
    random = np.random.default_rng(seed)
    positions, colors = random.uniform(-3, 3, (count, 3)), random.uniform(0, 255, (count, 3))
    return Points.of(positions, colors, weights=random.uniform(1, 9, count), labels=label)


def test_all_pages_arrive_under_the_budget_the_urgent_ones_first() -> None:
    cloud = snapshot_of_points(scattered(9 * PAGE_POINTS - 100))
    pages, urgency = DevicePages(ByteContext()), np.array([0, 0, 5, 0, 9, 0, 0, 1, 0], np.float32)
    arrived: list[list[int]] = []
    while not arrived or pages.waiting:
        pages.follow(cloud)
        before = pages.held > 0
        assert pages.upload(urgency, budget_bytes=2 * PAGE_BYTES + 7) <= 2 * PAGE_BYTES
        arrived.append(np.flatnonzero((pages.held > 0) & ~before).tolist())
    assert arrived == [[2, 4], [0, 7], [1, 3], [5, 6], [8]]
    np.testing.assert_array_equal(on_device(pages, 9), expected(cloud))
    assert bring_all(pages, cloud) == 0


def test_only_pages_that_changed_are_brought_again() -> None:
    memory, pages = PointMemory(), DevicePages(ByteContext())
    memory.insert(scattered(40_000))
    cloud = memory.snapshot()
    assert bring_all(pages, cloud) == len(cloud.pages) * PAGE_BYTES
    memory.insert(cloud.points()[:1])
    changed = memory.snapshot()
    del cloud
    assert bring_all(pages, changed) == PAGE_BYTES
    np.testing.assert_array_equal(on_device(pages, len(changed.pages)), expected(changed))


def test_the_device_follows_a_memory_through_inserts_and_edits_at_a_small_budget() -> None:
    memory, pages = PointMemory(), DevicePages(ByteContext())
    for step in range(12):
        memory.insert(scattered(3_000, seed=step, label=step))
        if step % 3 == 2:
            memory.apply(Remove(where=OfLabel(label=step - 1)))
        bring_all(pages, memory.snapshot(), budget_bytes=4 * PAGE_BYTES)
    cloud = memory.snapshot()
    while pages.waiting:
        bring_all(pages, cloud, budget_bytes=4 * PAGE_BYTES)
    np.testing.assert_array_equal(on_device(pages, len(cloud.pages)), expected(cloud))


def test_another_cloud_shares_nothing_with_the_last() -> None:
    pages = DevicePages(ByteContext())
    bring_all(pages, snapshot_of_points(scattered(5_000)))
    other = snapshot_of_points(scattered(2_000, seed=1))
    pages.follow(other)
    assert not pages.held.any()
    assert pages.waiting == 2


def test_rows_beyond_the_count_are_removed_ones() -> None:
    whole = snapshot_of_points(scattered(100))
    fields = {name: getattr(whole, name) for name in CloudSnapshot.__dataclass_fields__}
    pages = DevicePages(ByteContext())
    bring_all(pages, CloudSnapshot(**fields | {"row_count": 40}))
    assert (on_device(pages, 1)[0, :, 3] >> 24 > 0).sum() == 40


def test_release_gives_every_block_back() -> None:
    pages = DevicePages(ByteContext())
    bring_all(pages, snapshot_of_points(scattered(5_000)))
    blocks = list(pages.blocks)
    pages.release()
    assert blocks and all(block.released for block in blocks)
