"""What the corner of the window says. Pure; any thread."""

from spatia.records.cloud import CloudSnapshot
from spatia.records.generation import Progress
from spatia.render.view import Drawn


def hud_lines(
    *,
    frame_s: float,
    mode: str,
    snapshot: CloudSnapshot,
    drawn: Drawn,
    progress: Progress | None,
    waiting: int,
    notice: str,
) -> tuple[str, ...]:
    """A line each: pace, points, the round in flight, what waits, and the last thing to know."""
    rate = f"{1 / frame_s:.0f} fps" if frame_s > 0 else ""
    lines = [
        f"{rate}  {mode}",
        f"{snapshot.alive_count:,} points, {drawn.points_drawn:,} drawn"
        + (f", {drawn.pages_waiting} pages to come" if drawn.pages_waiting else ""),
    ]
    if progress is not None:
        lines.append(f"clip: {progress.stage} {progress.done}/{progress.total}")
    if waiting:
        lines.append(f"{waiting} waiting for the clip")
    if notice:
        lines.append(notice)
    return tuple(lines)
