"""Letters for the screen: an atlas drawn once from PIL's own font, and lines of text as quads for `overlay.vert`.

A quad is [3, 4]: its rectangle in pixels and its cell of the atlas, low and high corner each, and its colour.
Pure but for the atlas's making; any thread.
"""

import re
import unicodedata

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from spatia.records.arrays import F32, U8

CHARACTERS = bytes(range(32, 127)).decode("ascii")  # what PIL's font has
COLUMNS = 16
SMALLEST_PX = 8
TEXT_COLOR = (0.93, 0.95, 0.97, 1.0)
TITLE_COLOR = (1.00, 0.80, 0.42, 1.0)
BOX_COLOR = (0.04, 0.05, 0.07, 0.88)


class Font:
    """The atlas of one letter height: cells in a raster, the last one full for boxes."""

    def __init__(self, height_px: int) -> None:
        face = ImageFont.load_default(height_px)
        self.height_px = height_px
        self.line_px = _line_px(height_px)
        self._cell_px = (round(1.4 * height_px), self.line_px)
        self._advances = np.array([round(face.getlength(character)) for character in CHARACTERS], np.float32)
        width, height = self._cell_px
        rows = -(-(len(CHARACTERS) + 1) // COLUMNS)
        image = Image.new("L", (COLUMNS * width, rows * height))
        pen = ImageDraw.Draw(image)
        for n, character in enumerate(CHARACTERS):
            pen.text(self._corner(n), character, fill=255, font=face)
        left, top = self._corner(len(CHARACTERS))
        pen.rectangle((left, top, left + width - 1, top + height - 1), fill=255)
        self.atlas: U8 = np.asarray(image)
        self._full = ((left + 0.5 * width) / image.width, (top + 0.5 * height) / image.height)

    def _corner(self, n: int) -> tuple[int, int]:
        return n % COLUMNS * self._cell_px[0], n // COLUMNS * self._cell_px[1]

    def width_px(self, line: str) -> float:
        return float(self._advances[_indices(line)].sum())

    def line(self, line: str, *, left_px: float, top_px: float, color: tuple[float, float, float, float]) -> F32:
        """[n, 3, 4] one quad a character; characters that the font lacks are shown as '?'."""
        at = _indices(line)
        quads = np.empty((len(at), 3, 4), np.float32)
        advances = self._advances[at]
        width, height = self._cell_px
        quads[:, 0, 0] = left_px + np.cumsum(advances) - advances
        quads[:, 0, 1] = top_px
        quads[:, 0, 2:] = quads[:, 0, :2] + self._cell_px
        quads[:, 1, 0], quads[:, 1, 1] = at % COLUMNS * width, at // COLUMNS * height
        quads[:, 1, 2:] = quads[:, 1, :2] + self._cell_px
        quads[:, 1] /= (self.atlas.shape[1], self.atlas.shape[0]) * 2
        quads[:, 2] = color
        return quads

    def box(self, rect_px: tuple[float, float, float, float]) -> F32:
        """[1, 3, 4] a dark pane behind text."""
        return np.array([[rect_px, self._full * 2, BOX_COLOR]], np.float32)


def hud_quads(font: Font, lines: tuple[str, ...]) -> F32:
    """Lines in the upper left corner, [n, 3, 4]."""
    if not lines:
        return np.empty((0, 3, 4), np.float32)
    pad = 0.5 * font.height_px
    right = 3 * pad + max(font.width_px(line) for line in lines)
    parts = [font.box((pad, pad, right, 2 * pad + len(lines) * font.line_px))]
    for n, line in enumerate(lines):
        parts.append(font.line(line, left_px=2 * pad, top_px=1.5 * pad + n * font.line_px, color=TEXT_COLOR))
    return np.concatenate(parts)


def panel_letters_px(font: Font, lines: tuple[str, ...], *, size_px: tuple[int, int]) -> int:
    """The letter height, at most the font's, at which a panel is no wider than the screen; `SMALLEST_PX` at least."""
    table = _table(lines)
    for height_px in range(font.height_px, SMALLEST_PX, -1):
        columns = -(-len(table) // _rows(len(table), height_px, size_px))
        if columns * _column_px(font, table) * height_px / font.height_px <= size_px[0]:
            return height_px
    return min(SMALLEST_PX, font.height_px)


def panel_quads(font: Font, lines: tuple[str, ...], *, size_px: tuple[int, int]) -> F32:
    """Lines in the middle of the screen, side by side where they are too many, [n, 3, 4].

    Two spaces or more end a cell of a table, whose cells stand one below the other.
    """
    if not lines:
        return np.empty((0, 3, 4), np.float32)
    pad, table = font.height_px, _table(lines)
    stops, column_px = _tab_stops(font, table), _column_px(font, table)
    rows = _rows(len(table), font.height_px, size_px)
    width, height = -(-len(table) // rows) * column_px, rows * font.line_px + 2 * pad
    left, top = max(0, round(0.5 * (size_px[0] - width))), max(0, round(0.5 * (size_px[1] - height)))
    parts = [font.box((left, top, left + width, top + height))]
    for n, cells in enumerate(table):
        column, row = divmod(n, rows)
        left_px, top_px = left + pad + column * column_px, top + pad + row * font.line_px
        color = TITLE_COLOR if n == 0 else TEXT_COLOR
        for cell, stop in zip(cells, stops, strict=False):
            parts.append(font.line(cell, left_px=left_px + stop, top_px=top_px, color=color))
    return np.concatenate(parts)


def _table(lines: tuple[str, ...]) -> list[list[str]]:
    return [re.split(r" {2,}", line.rstrip()) for line in lines]


def _rows(count: int, height_px: int, size_px: tuple[int, int]) -> int:
    """How many lines stand below each other."""
    return max(1, min(count, int((size_px[1] - 4 * height_px) / _line_px(height_px))))


def _column_px(font: Font, table: list[list[str]]) -> float:
    stops = _tab_stops(font, table)
    return 2 * font.height_px + max(stops[len(cells) - 1] + font.width_px(cells[-1]) for cells in table)


def _tab_stops(font: Font, table: list[list[str]]) -> list[float]:
    """Where the n-th cell of every line begins, in pixels."""
    stops = [0.0]
    for n in range(max(len(cells) for cells in table) - 1):
        stops.append(stops[-1] + font.height_px + max(font.width_px(c[n]) for c in table if len(c) > n + 1))
    return stops


def _line_px(height_px: int) -> int:
    return round(1.45 * height_px)


def _indices(line: str) -> npt.NDArray[np.intp]:
    """[n] where each character stands in `CHARACTERS`; accents are dropped, what is then unknown becomes '?'."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", line) if not unicodedata.combining(c))
    codes = np.frombuffer(plain.encode("ascii", "replace"), np.uint8).astype(np.intp)
    return np.where((codes >= 32) & (codes < 127), codes - 32, CHARACTERS.index("?"))
