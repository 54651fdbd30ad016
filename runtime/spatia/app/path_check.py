"""The requested and the recovered path in one figure: from above, and how far they are apart frame by frame. Pure.

An HTML fragment for `report.html`, in the colours of its style sheet: yellow was asked for, blue was found.
"""

from collections.abc import Sequence

import numpy as np

from spatia.evaluation.camera_control import camera_control, path_error
from spatia.geom.pose import F64
from spatia.records.arrays import Bool

WIDTH, HEIGHT = 960, 300
PLAN = 300  # side of the view from above
LEFT, RIGHT = 400, 940  # of the two charts
TICK = 9  # length of a view direction
MARGIN = 18


def path_check(requested: F64, recovered: F64, converged: Bool, *, frames: Sequence[int]) -> str:
    """Of paths [T, 4, 4] at T frames of the walk; where `converged` [T] is False nothing is drawn of the recovered one.

    The figures are medians over the frames that converged; an empty path gives a sentence alone.
    """
    found = int(converged.sum())
    if found == 0:
        return "<p>In no frame did the memory know enough to say where it was taken from.</p>"
    error = path_error(requested, recovered)
    centimetres = 100 * error.translation_m
    control = camera_control(requested[converged], recovered[converged])
    return (
        f"<p>Where the frames were taken from, found by laying the memory over {found} of {len(converged)} of them: "
        f"<b>{np.median(error.rotation_deg[converged]):.2f}°</b> and "
        f"<b>{np.median(centimetres[converged]):.1f} cm</b> off the requested path (median); "
        f"camera control as WorldScore counts it: <b>{100 * control:.1f}</b>.</p>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{_plan(requested, recovered, converged)}'
        f"{_chart('degrees', error.rotation_deg, converged, frames=frames, top=28)}"
        f"{_chart('centimetres', centimetres, converged, frames=frames, top=172)}</svg>"
    )


def _plan(requested: F64, recovered: F64, converged: Bool) -> str:
    """World x to the right, z up, both to one scale that holds all that is drawn."""
    eyes = np.concatenate([requested[:, :3:2, 3], recovered[converged][:, :3:2, 3]])
    low, high = eyes.min(axis=0), eyes.max(axis=0)
    extent_m = max(float((high - low).max()), 0.1)
    scale = (PLAN - 2 * MARGIN - 2 * TICK) / extent_m
    middle = 0.5 * (low + high)

    def place(poses: F64) -> F64:
        x, z = ((poses[:, :3:2, 3] - middle) * scale).T
        return np.stack([PLAN / 2 + x, PLAN / 2 - z], axis=-1)

    def path(poses: F64, shown: Bool, color: str) -> str:
        at = place(poses)
        ahead = at + TICK * poses[:, :3:2, 2] * [1, -1]
        ticks = "".join(f"M{_point(start)}L{_point(end)}" for start, end in zip(at[shown], ahead[shown], strict=True))
        return (
            f'<path d="{_line(at, shown)}" fill="none" stroke="{color}" stroke-width="2"/>'
            f'<path d="{ticks}" fill="none" stroke="{color}" stroke-opacity="0.5"/>'
        )

    bar_m = 10.0 ** np.floor(np.log10(extent_m))
    return (
        f'<rect width="{PLAN}" height="{PLAN}" rx="6" fill="var(--card)"/>'
        f"{path(requested, np.ones(len(requested), dtype=np.bool_), 'var(--points)')}"
        f"{path(recovered, converged, 'var(--known)')}"
        f'<path d="M{MARGIN},{PLAN - 14}h{bar_m * scale:.1f}" stroke="var(--dim)"/>'
        f'<text x="{MARGIN + bar_m * scale / 2:.1f}" y="{PLAN - 20}">{bar_m:g} m</text>'
    )


def _chart(unit: str, values: F64, shown: Bool, *, frames: Sequence[int], top: int, height: int = 90) -> str:
    """A line over the frames, from 0 to the largest value shown; a grey mark below where there is none."""
    first, last = frames[0], max(frames[-1], frames[0] + 1)
    most = max(float(values[shown].max()), 1e-3)
    x = LEFT + (np.asarray(frames) - first) / (last - first) * (RIGHT - LEFT)
    at = np.stack([x, top + height * (1 - np.where(shown, values, 0) / most)], axis=-1)
    unknown = "".join(f"M{u:.1f},{top + height}v5" for u in x[~shown])
    return (
        f'<path d="M{LEFT},{top}V{top + height}H{RIGHT}" fill="none" stroke="var(--dim)" stroke-opacity="0.4"/>'
        f'<path d="{_line(at, shown)}" fill="none" stroke="var(--known)" stroke-width="2"/>'
        f'<path d="{unknown}" stroke="var(--dim)" stroke-width="2"/>'
        f'<text x="{(LEFT + RIGHT) / 2}" y="{top - 10}">{unit} off, by frame</text>'
        f'<text x="{LEFT - 30}" y="{top + 5}">{most:.2g}</text><text x="{LEFT - 30}" y="{top + height}">0</text>'
        f'<text x="{LEFT}" y="{top + height + 20}">{first}</text>'
        f'<text x="{RIGHT}" y="{top + height + 20}">{frames[-1]}</text>'
    )


def _line(at: F64, shown: Bool) -> str:
    """An SVG path through the shown points, broken where some are not; a point alone becomes a dot."""
    commands = []
    for i in np.flatnonzero(shown):
        joined = i > 0 and shown[i - 1]
        commands.append(f"L{_point(at[i])}" if joined else f"M{_point(at[i])}h.1")
    return "".join(commands)


def _point(at: F64) -> str:
    return f"{at[0]:.1f},{at[1]:.1f}"
