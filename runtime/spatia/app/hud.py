"""What the corner of the window says. Main thread."""

from spatia.records.cloud import FIELDS, PAGE_POINTS, CloudSnapshot
from spatia.records.generation import Progress
from spatia.render.view import Drawn

PAGE_MB = 4e-6 * FIELDS * PAGE_POINTS


class Eta:
    """When a stage will be done, by how fast it has gone so far."""

    def __init__(self) -> None:
        self._stage, self._from, self._since_s = "", 0, 0.0

    def left_s(self, progress: Progress | None, *, now_s: float) -> float | None:
        """None while there is nothing to tell it by."""
        if progress is None or progress.stage != self._stage or progress.done < self._from:
            self._stage = "" if progress is None else progress.stage
            self._from, self._since_s = (0 if progress is None else progress.done), now_s
            return None
        done = progress.done - self._from
        return (now_s - self._since_s) / done * (progress.total - progress.done) if done else None


def hud_lines(
    *,
    frame_s: float,
    mode: str,
    snapshot: CloudSnapshot,
    drawn: Drawn,
    progress: Progress | None,
    left_s: float | None,
    waiting: int,
    notice: str,
) -> tuple[str, ...]:
    """A line each: pace, points, the round in flight, what waits, and the last thing to know."""
    rate = f"{1 / frame_s:.0f} fps" if frame_s > 0 else ""
    lines = [
        f"{rate}  {mode}",
        f"{snapshot.alive_count:,} points ({len(snapshot.pages) * PAGE_MB:.0f} MB), {drawn.points_drawn:,} drawn"
        + (f", {drawn.pages_waiting} pages to come" if drawn.pages_waiting else ""),
    ]
    if progress is not None:
        soon = "" if left_s is None else f", {left_s:.0f} s left of it"
        lines.append(f"clip: {progress.stage} {progress.done}/{progress.total}{soon}")
    if waiting:
        lines.append(f"{waiting} waiting for the clip")
    if notice:
        lines.append(notice)
    return tuple(lines)
