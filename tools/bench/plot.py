"""A chart of lines over a few numbers as SVG text: two panels side by side, logarithmic upwards. No dependencies."""

import math
from collections.abc import Mapping, Sequence
from html import escape

PANEL_WIDTH, PANEL_HEIGHT, LEFT, TOP, GAP = 330, 240, 70, 40, 90
COLORS = ("#0b6e4f", "#c84630", "#3d5a98")


def chart(panels: Mapping[str, Mapping[str, Sequence[float]]], *, xs: Sequence[float], x_title: str) -> str:
    """One panel a title, in it one line a name, over `xs`. All values above 0."""
    width = LEFT + len(panels) * (PANEL_WIDTH + GAP)
    height = TOP + PANEL_HEIGHT + 60
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" '
        f'font-size="12"><rect width="{width}" height="{height}" fill="white"/>'
    ]
    for number, (title, lines) in enumerate(panels.items()):
        parts += _panel(title, lines, xs, x_title, left=LEFT + number * (PANEL_WIDTH + GAP))
    return "\n".join([*parts, "</svg>\n"])


def _panel(
    title: str, lines: Mapping[str, Sequence[float]], xs: Sequence[float], x_title: str, *, left: float
) -> list[str]:
    values = [value for line in lines.values() for value in line]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    high = max(high, low + 1)

    def x_at(x: float) -> float:
        return left + PANEL_WIDTH * (x - xs[0]) / max(xs[-1] - xs[0], 1e-9)

    def y_at(value: float) -> float:
        return TOP + PANEL_HEIGHT * (high - math.log10(value)) / (high - low)

    bottom, right = TOP + PANEL_HEIGHT, left + PANEL_WIDTH
    parts = [f'<text x="{left}" y="{TOP - 18}" font-weight="bold">{escape(title)}</text>']
    for exponent in range(low, high + 1):
        y = y_at(10.0**exponent)
        parts.append(f'<path d="M{left} {y:.1f}H{right}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0**exponent:g}</text>')
    for x in xs:
        parts.append(f'<text x="{x_at(x):.1f}" y="{bottom + 18}" text-anchor="middle">{x:g}</text>')
    parts.append(f'<text x="{(left + right) / 2}" y="{bottom + 38}" text-anchor="middle">{escape(x_title)}</text>')
    for color, (name, line) in zip(COLORS, lines.items(), strict=False):
        points = [(x_at(x), y_at(value)) for x, value in zip(xs, line, strict=True)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts.append(
            f'<text x="{right - 4}" y="{points[-1][1] - 7:.1f}" text-anchor="end" fill="{color}">{escape(name)}</text>'
        )
    return parts
