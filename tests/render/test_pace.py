from spatia.render.pace import FEWEST_POINTS, FRAME_S, FRAMES, Pace

FLOOR_S, POINT_S = 0.005, 3e-7  # of a machine that draws a hundred thousand points in 35 ms


def _walked(pace: Pace, frames: int, *, worth: int, slower: float = 1.0) -> list[float]:
    seconds = []
    for _ in range(frames):
        points = worth if pace.most_points is None else min(worth, pace.most_points)
        seconds.append(slower * (FLOOR_S + POINT_S * points))
        pace.frame(seconds[-1], points=points)
    return seconds


def test_a_view_that_is_quick_to_draw_keeps_all_its_points() -> None:
    pace = Pace()
    _walked(pace, 100, worth=50_000)
    assert pace.most_points is None


def test_a_slow_view_comes_to_its_rhythm_within_a_second_and_stays() -> None:
    pace = Pace()
    seconds = _walked(pace, 60, worth=1_000_000)
    assert all(0.7 * FRAME_S <= took_s <= 1.15 * FRAME_S for took_s in seconds[30:])
    assert len({*seconds[30:]}) == 1, "points do not come and go"


def test_work_beside_the_walk_takes_points_and_gives_them_back() -> None:
    pace = Pace()
    _walked(pace, 60, worth=1_000_000)
    alone = pace.most_points
    assert alone is not None
    _walked(pace, 60, worth=1_000_000, slower=2.5)
    beside = pace.most_points
    assert beside is not None and beside < 0.6 * alone
    _walked(pace, 100, worth=1_000_000)
    assert pace.most_points is not None and pace.most_points > 0.7 * alone


def test_one_late_frame_changes_nothing() -> None:
    pace = Pace()
    for took_s in (0.03, 0.03, 0.4, 0.03, 0.03) * 4:
        pace.frame(took_s, points=100_000)
    assert pace.most_points is None


def test_a_walk_into_an_easy_view_has_all_points_again() -> None:
    pace = Pace()
    _walked(pace, 60, worth=1_000_000)
    _walked(pace, 60, worth=20_000)
    assert pace.most_points is None


def test_however_slow_some_points_are_left() -> None:
    pace = Pace()
    for _ in range(40 * FRAMES):
        pace.frame(1.0, points=FEWEST_POINTS)
    assert pace.most_points == FEWEST_POINTS
