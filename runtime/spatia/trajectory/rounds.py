"""How a walk is cut into rounds that a video model can generate. Pure arithmetic; any thread.

A video autoencoder that packs four frames into one latent after the first takes lengths of 4k + 1. The paper generates
81 frames, then 72 new ones on 9 already seen; the released weights start with 121 (spec/spatia_release.md 1.8).
"""

from dataclasses import dataclass

from spatia.errors import SceneError

PAPER_FIRST = 81
LATER = 81
PRECEDING = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Frames [start, stop) of the walk, of which the first `preceding` have been seen before."""

    index: int
    start: int
    stop: int
    preceding: int

    @property
    def new_frame_count(self) -> int:
        """Frames that this round adds to the walk; whatever the generator gives beyond them is padding."""
        return self.stop - self.start - self.preceding

    @property
    def padded_frames(self) -> int:
        """Length that the generator sees: the next 4k + 1, reached by repeating the last pose."""
        return _at_least(self.stop - self.start)


def plan_rounds(
    total_frames: int,
    *,
    already_generated: int = 0,
    first: int = PAPER_FIRST,
    later: int = LATER,
    preceding: int = PRECEDING,
) -> tuple[Round, ...]:
    """The rounds, counted from 0, that end a walk of `total_frames` poses at once. Only the last may be short.

    Raises `SceneError` for lengths that no model could be given.
    """
    if total_frames < 1:
        raise SceneError(f"a walk needs at least one frame; got {total_frames}", where="total_frames")
    rounds: list[Round] = []
    done = already_generated
    while done < total_frames:
        planned = next_round(done, total_frames, index=len(rounds), first=first, later=later, preceding=preceding)
        rounds.append(planned)
        done = planned.stop
    return tuple(rounds)


def next_round(
    already_generated: int,
    available: int,
    *,
    index: int,
    first: int = PAPER_FIRST,
    later: int = LATER,
    preceding: int = PRECEDING,
) -> Round:
    """The next round of a walk that goes on: `available` poses are known, the first `already_generated` have frames.

    After a very short round there are fewer than `preceding` frames to build on; the largest 4k + 1 of them is used.
    """
    _check_sizes(first=first, later=later, preceding=preceding)
    if not 0 <= already_generated < available:
        raise ValueError(f"already_generated must lie in 0..{available - 1}; got {already_generated}")
    if already_generated == 0:
        return Round(index=index, start=0, stop=min(first, available), preceding=0)
    seen = min(preceding, (already_generated - 1) // 4 * 4 + 1)
    start = already_generated - seen
    return Round(index=index, start=start, stop=min(start + later, available), preceding=seen)


def _check_sizes(**sizes: int) -> None:
    for name, frames in sizes.items():
        if frames < 1 or frames % 4 != 1:
            above = _at_least(max(frames, 1))
            choices = f"{above - 4} or {above}" if above > 4 else f"{above}"
            raise SceneError(
                f"{name} must be a length of 4k + 1 frames; got {frames}", where=name, fix=f"use {choices} (4k + 1)"
            )
    if sizes["preceding"] >= sizes["later"]:
        raise SceneError(
            f"a later round must be longer than the frames it builds on; got later {sizes['later']} "
            f"and preceding {sizes['preceding']}",
            where="later",
            fix="use later 81 and preceding 9, as the paper does",
        )


def _at_least(frames: int) -> int:
    """The smallest 4k + 1 that is not below `frames`."""
    return (frames + 2) // 4 * 4 + 1
