import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatia.errors import SceneError
from spatia.trajectory.rounds import next_round, plan_rounds

lengths = st.integers(0, 40).map(lambda k: 4 * k + 1)
everywhere = settings(derandomize=True, deadline=None)


def test_the_paper_generates_81_frames_then_72_new_on_9() -> None:
    first, second, third = plan_rounds(81 + 72 + 72)
    assert (first.start, first.stop, first.preceding, first.new_frame_count) == (0, 81, 0, 81)
    assert (second.start, second.stop, second.preceding, second.new_frame_count) == (72, 153, 9, 72)
    assert (third.start, third.stop) == (144, 225)


@pytest.mark.parametrize(("frames", "rounds"), [(121, 1), (193, 2), (194, 3)])
def test_the_release_starts_with_121_frames(frames: int, rounds: int) -> None:
    assert len(plan_rounds(frames, first=121)) == rounds


def test_a_short_last_round_is_padded_to_the_next_length_and_adds_no_padded_frame() -> None:
    last = plan_rounds(194, first=121)[-1]
    assert (last.stop - last.start, last.padded_frames, last.new_frame_count) == (10, 13, 1)


@everywhere
@given(total=st.integers(1, 700), first=lengths, later=lengths, preceding=lengths)
def test_every_frame_is_generated_exactly_once(total: int, first: int, later: int, preceding: int) -> None:
    if preceding >= later:
        later = preceding + 4
    rounds = plan_rounds(total, first=first, later=later, preceding=preceding)
    new = [frame for r in rounds for frame in range(r.start + r.preceding, r.stop)]
    assert new == list(range(total))
    for at, r in enumerate(rounds):
        assert r.index == at
        assert r.padded_frames % 4 == 1
        assert 0 <= r.padded_frames - (r.stop - r.start) < 4
        assert r.padded_frames <= (later if at else first)
        assert r.new_frame_count == len(range(r.start + r.preceding, r.stop)) > 0


@everywhere
@given(steps=st.lists(st.integers(1, 200), min_size=1, max_size=12))
def test_a_walk_that_grows_by_any_steps_covers_every_frame_once(steps: list[int]) -> None:
    done = available = 0
    new: list[int] = []
    for step in steps:
        available += step
        while done < available:
            r = next_round(done, available, index=0)
            assert r.start >= 0
            assert r.preceding in (0, 1, 5, 9)
            new += range(r.start + r.preceding, r.stop)
            done = r.stop
    assert new == list(range(available))


def test_a_wrong_length_names_both_neighbours() -> None:
    with pytest.raises(SceneError, match=r"got 80\n  fix: use 77 or 81 \(4k \+ 1\)"):
        plan_rounds(100, first=80)
    with pytest.raises(SceneError, match="got -3"):
        plan_rounds(100, preceding=-3)


def test_a_later_round_must_add_frames() -> None:
    with pytest.raises(SceneError, match="longer than the frames it builds on"):
        plan_rounds(100, later=9, preceding=9)


def test_a_walk_without_frames_is_refused() -> None:
    with pytest.raises(SceneError, match="at least one frame"):
        plan_rounds(0)
    with pytest.raises(ValueError, match="already_generated"):
        next_round(5, 5, index=1)
