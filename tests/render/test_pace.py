from spatia.render.pace import FRAME_S, FRAMES, PIXELS_A_POINT, Pace

FLOOR_S, POINT_S = 0.005, 3e-7  # of a machine that draws a hundred thousand points in 35 ms
PIXELS = 640 * 360


def _walked(pace: Pace, frames: int, *, worth: int, slower: float = 1.0) -> list[float]:
    seconds = []
    for _ in range(frames):
        points = worth if pace.most_points is None else min(worth, pace.most_points)
        seconds.append(slower * (FLOOR_S + POINT_S * points))
        pace.frame(seconds[-1], points=points, pixels=PIXELS)
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
        pace.frame(took_s, points=100_000, pixels=PIXELS)
    assert pace.most_points is None


def test_an_easy_view_on_the_way_says_nothing_of_the_others() -> None:
    pace = Pace()
    _walked(pace, 60, worth=1_000_000)
    found = pace.most_points
    _walked(pace, 60, worth=20_000)
    assert pace.most_points == found


def test_frames_of_rest_are_not_judged_with_those_of_the_walk() -> None:
    pace = Pace()
    _walked(pace, 60, worth=1_000_000)
    found = pace.most_points
    for _ in range(3 * FRAMES):
        pace.rest()
        _walked(pace, FRAMES - 1, worth=1_000_000, slower=3.0)
    pace.rest()
    assert pace.most_points == found


def test_however_slow_the_picture_is_not_taken_apart() -> None:
    """A large window is slow by its pixels; without points it would be slow as well."""
    pace = Pace()
    for _ in range(40 * FRAMES):
        points = 1_000_000 if pace.most_points is None else pace.most_points
        pace.frame(1.0, points=points, pixels=PIXELS)
    assert pace.most_points == PIXELS // PIXELS_A_POINT


LARGE_PX = 1280 * 720
PIXEL_S = 4e-8


def _walked_large(pace: Pace, frames: int, *, slower: float = 1.0) -> list[bool]:
    """Of a window whose pixels alone take a frame's time; whether each frame was coarse."""
    coarse = []
    for _ in range(frames):
        pixels = LARGE_PX // 4 if pace.coarse else LARGE_PX
        points = pixels if pace.most_points is None else min(pixels, pace.most_points)
        coarse.append(pace.coarse)
        pace.frame(slower * (PIXEL_S * pixels + POINT_S * points), points=points, pixels=LARGE_PX)
    return coarse


def test_a_large_window_that_fewer_points_do_not_help_is_drawn_coarse_and_stays_so() -> None:
    pace = Pace()
    coarse = _walked_large(pace, 120)
    assert not coarse[0] and all(coarse[40:])
    assert pace.most_points is not None and pace.most_points > LARGE_PX // PIXELS_A_POINT // 4


def test_a_large_window_is_fine_again_where_that_costs_nothing() -> None:
    pace = Pace()
    _walked_large(pace, 120)
    assert not any(_walked_large(pace, 120, slower=0.1)[60:]), "the work beside it is done"


def test_a_fast_machine_never_draws_coarse() -> None:
    assert not any(_walked_large(Pace(), 200, slower=0.05))


def test_a_small_window_is_never_coarse() -> None:
    pace = Pace()
    _walked(pace, 200, worth=1_000_000, slower=10.0)
    assert not pace.coarse
