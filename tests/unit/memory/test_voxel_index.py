"""The hash table against a dict, through its growth."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spatia.memory.voxel_index import (
    CUBE_SLOTS,
    MOVED_PER_ADDED,
    SMALLEST_SLOTS,
    Tables,
    VoxelIndex,
    find_all,
    hashed,
    home_slot,
    push_border,
    put_all,
    shift_of,
    single,
)

KEYS = np.unique(np.random.default_rng(7).integers(0, 2**63 - 1, 60_000, endpoint=True))


@given(st.lists(st.sampled_from([1, 7, 100, 900, 1600, 5000, 20_000]), min_size=1, max_size=12))
@settings(derandomize=True, max_examples=30, deadline=None)
def test_every_key_is_found_after_every_batch(sizes: list[int]) -> None:
    keys = np.random.default_rng(len(sizes)).permutation(KEYS)
    index = VoxelIndex()
    known = 0
    for size in sizes:
        end = min(known + size, len(keys))
        rows = np.arange(known, end, dtype=np.int32)
        np.testing.assert_array_equal(index.find(keys[known:end]), -1)
        index.add(keys[known:end], rows)
        known = end
        np.testing.assert_array_equal(index.find(keys[:known]), np.arange(known))
        assert len(index) == known
    np.testing.assert_array_equal(index.find(keys[known:]), -1)


@given(st.integers(0, 2**32 - 1), st.lists(st.tuples(st.integers(1, 40), st.integers(0, 4)), min_size=1, max_size=6))
@settings(derandomize=True, max_examples=300, deadline=None)
def test_wherever_the_border_is_every_key_is_found_in_its_one_table(seed: int, steps: list[tuple[int, int]]) -> None:
    old_slots, slots = np.zeros((64, 2), np.int64), np.zeros((128, 2), np.int64)
    tables = Tables(slots, old_slots, shift_of(slots), shift_of(old_slots), 0)
    homes = np.array([home_slot(np.uint64(hashed(key)), key, tables.old_shift) for key in KEYS[:2000].tolist()])
    crowded = np.flatnonzero(homes >= 60)[:30]  # a cluster that wraps around
    keys = np.random.default_rng(seed).permutation(KEYS[np.union1d(crowded, np.arange(40))])
    rows = np.arange(len(keys), dtype=np.int32)
    known = 28
    put_all(*single(old_slots), keys[:known], rows[:known])
    for moved, added in steps:
        end = min(tables.border + moved, len(old_slots))
        push_border(*tables, end)
        tables = tables._replace(border=end)
        put_all(*tables, keys[known : known + added], rows[known : known + added])
        known += added
        np.testing.assert_array_equal(find_all(*tables, keys[:known]), rows[:known])
        np.testing.assert_array_equal(find_all(*tables, keys[known:]), -1)


def test_growth_moves_a_share_of_the_old_table_at_a_time_and_stays_half_empty() -> None:
    index = VoxelIndex()
    tables_seen = set()
    for row, key in enumerate(KEYS[:10_000]):
        before = index._tables
        index.add(np.array([key]), np.array([row], np.int32))
        tables = index._tables
        tables_seen.add(len(tables.slots))
        if len(tables.old_slots):
            start = before.border if before.slots is tables.slots else 0
            assert tables.border - start == MOVED_PER_ADDED
            assert 2 * np.count_nonzero(tables.old_slots[:, 0]) <= len(tables.old_slots)
        assert 2 * np.count_nonzero(tables.slots[:, 0]) <= len(tables.slots)
    assert sorted(tables_seen) == [SMALLEST_SLOTS, 2 * SMALLEST_SLOTS, 4 * SMALLEST_SLOTS, 8 * SMALLEST_SLOTS]


def test_keys_whose_homes_collide_at_the_end_of_the_table_wrap_around() -> None:
    shift = 64 - 12
    homes = {key: home_slot(np.uint64(hashed(key)), key, shift) for key in range(1, 400_000)}
    last = np.array([key for key, home in homes.items() if home == SMALLEST_SLOTS - 1])
    others = np.array([key for key, home in homes.items() if home != SMALLEST_SLOTS - 1][:30_000])
    index = VoxelIndex()
    index.add(last, np.arange(len(last), dtype=np.int32))
    for start in range(0, len(others), 500):
        batch = others[start : start + 500]
        index.add(batch, np.arange(start, start + len(batch), dtype=np.int32) + len(last))
        np.testing.assert_array_equal(index.find(last), np.arange(len(last)))
    np.testing.assert_array_equal(index.find(others), np.arange(len(others)) + len(last))


def test_the_voxels_of_a_cube_have_neighbouring_homes_of_their_own() -> None:
    for x, y, z in np.random.default_rng(2).integers(0, 2**20, (50, 3)) * 2:
        keys = [int((x + i) << 42 | (y + j) << 21 | (z + k)) for i in (0, 1) for j in (0, 1) for k in (0, 1)]
        homes = sorted(home_slot(np.uint64(hashed(key)), key, 40) for key in keys)
        assert homes == list(range(homes[0], homes[0] + CUBE_SLOTS))
        assert homes[0] % CUBE_SLOTS == 0
