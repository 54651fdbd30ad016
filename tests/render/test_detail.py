import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatia.geom.camera import Intrinsics
from spatia.geom.pose import inverse, look_at, transform
from spatia.records.arrays import F32
from spatia.records.cloud import PAGE_POINTS, Points, snapshot_of_points
from spatia.render.detail import GROUP_POINTS, group_table, groups_within, shares_worth_drawing
from spatia.render.eye import Eye

LENS = Intrinsics.from_fov(fov_y_rad=1.0, width_px=160, height_px=90)


def clusters(count: int, *, seed: int = 1) -> F32:
    """[count * PAGE_POINTS, 3] a small ball of points for each page, scattered about the origin."""
    random = np.random.default_rng(seed)
    centers = np.repeat(random.uniform(-6, 6, (count, 3)), PAGE_POINTS, axis=0)
    return (centers + random.normal(0, 0.15, centers.shape)).astype(np.float32)


@pytest.mark.parametrize("target", [(1, 0, 0), (0.2, 0.4, -1), (-1, -0.7, 0.3)])
def test_every_page_with_a_point_on_the_screen_is_wanted(target: tuple[float, float, float]) -> None:
    positions = clusters(300)
    eye = Eye.of(look_at((0.1, 0.2, 0.3), target), LENS)
    wanted = shares_worth_drawing(snapshot_of_points(Points.of(positions, 0)), eye)
    p = transform(inverse(eye.world_from_camera), positions)
    uv = p[:, :2] / p[:, 2:] * LENS.fx_px + (LENS.cx_px, LENS.cy_px)
    seen = (p[:, 2] > 0) & (uv >= 0).all(axis=1) & (uv <= (LENS.width_px, LENS.height_px)).all(axis=1)
    pages_seen = seen.reshape(-1, PAGE_POINTS).any(axis=1)
    assert pages_seen.sum() > 5
    assert (wanted[pages_seen] > 0).all()
    assert (wanted > 0).sum() < 2 * pages_seen.sum() + 10


def test_a_smaller_part_of_a_page_is_drawn_the_farther_it_is() -> None:
    near = np.random.default_rng(0).uniform(-0.1, 0.1, (PAGE_POINTS, 3))
    positions = np.concatenate([near + np.array([0, 0, distance]) for distance in (0.5, 4, 8, 16)])
    wanted = shares_worth_drawing(snapshot_of_points(Points.of(positions, 0)), Eye.of(np.eye(4), LENS))
    assert wanted[0] == 1
    assert (np.diff(wanted) < 0).all()
    assert wanted[2] / wanted[3] == pytest.approx(4, rel=0.1)


@settings(derandomize=True)
@given(st.lists(st.floats(0, 64, width=32), max_size=60), st.integers(GROUP_POINTS, 30_000))
def test_the_budget_is_kept_and_all_of_it_is_used(wishes: list[float], budget_points: int) -> None:
    wanted = np.array(wishes, np.float32)
    groups = groups_within(wanted, budget_points)
    budget = budget_points // GROUP_POINTS
    assert groups.sum() <= budget
    assert ((groups >= 0) & (groups <= np.ceil(wanted))).all()
    if (wanted > 0).sum() <= budget:
        assert ((groups > 0) == (wanted > 0)).all()
        assert groups.sum() == np.ceil(wanted).sum() or groups.sum() >= budget - (wanted > 0).sum()
    else:
        assert groups.sum() == budget
        assert wanted[groups > 0].min() >= wanted[groups == 0].max()


def test_the_table_has_a_word_for_each_group_of_each_page() -> None:
    slots, groups, held = np.array([[3, 500], [2, 64], [5, 64]], np.int32)
    table = group_table(slots, groups, held=held)
    assert table[:2].tolist() == [3 << 18 | 4 << 12 | 1 << 6 | 0, 3 << 18 | 4 << 12 | 1 << 6 | 1]
    assert (table[2:] >> 18 == 500).all()
    assert (table[2:] >> 12 & 63 == 63).all()
    assert (table[2:] >> 6 & 63 == 63).all()
    assert (table[2:] & 63 == np.arange(64)).all()


def test_no_page_makes_an_empty_table() -> None:
    none = np.empty(0, np.int32)
    assert len(group_table(none, none, held=none)) == 0
