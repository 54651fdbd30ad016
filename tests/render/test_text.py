import numpy as np
import pytest

from spatia.records.arrays import F32
from spatia.render.text import CHARACTERS, Font, hud_quads, panel_letters_px, panel_quads


@pytest.fixture(scope="module")
def font() -> Font:
    return Font(12)


def ink(font: Font, quad: F32) -> float:
    """How much of a glyph's cell is covered, 0..1."""
    height, width = font.atlas.shape
    left, top, right, bottom = np.round(quad[1] * (width, height, width, height)).astype(int)
    return float(font.atlas[top:bottom, left:right].mean()) / 255


def test_every_character_but_the_space_has_ink_of_its_own(font: Font) -> None:
    quads = font.line(CHARACTERS, left_px=0, top_px=0, color=(1, 1, 1, 1))
    assert [c for c, quad in zip(CHARACTERS, quads, strict=True) if ink(font, quad) == 0] == [" "]


def test_accents_are_dropped_and_other_scripts_are_questions(font: Font) -> None:
    def cells(line: str) -> F32:
        return font.line(line, left_px=0, top_px=0, color=(1, 1, 1, 1))[:, 1]

    np.testing.assert_array_equal(cells("caf\u00e9\u2026 \u6f22\n"), cells("cafe... ??"))


def test_letters_follow_each_other_from_the_left(font: Font) -> None:
    quads = font.line("walk on", left_px=5, top_px=7, color=(1, 1, 1, 1))
    assert quads[0, 0, 0] == 5
    assert (np.diff(quads[:, 0, 0]) > 0).all()
    assert (quads[:, 0, 1] == 7).all()


@pytest.mark.parametrize("size_px", [(640, 360), (1280, 720), (320, 1200)])
@pytest.mark.parametrize("count", [1, 12, 40])
def test_a_panel_stays_on_the_screen(font: Font, size_px: tuple[int, int], count: int) -> None:
    lines = ("Keys", *(f"Left shift, Right shift  go on {n}" for n in range(count - 1)))
    fitting = Font(panel_letters_px(font, lines, size_px=size_px))
    box = panel_quads(fitting, lines, size_px=size_px)[0, 0]
    assert 0 <= box[0] < box[2] <= size_px[0]
    assert 0 <= box[1] < box[3] <= size_px[1]


def test_the_cells_of_a_panel_stand_below_each_other(font: Font) -> None:
    quads = panel_quads(font, ("W  go", "Left shift  go"), size_px=(640, 360))[1:]
    g = font.line("g", left_px=0, top_px=0, color=(1, 1, 1, 1))[0, 1]
    first, second = (quad[0] for quad in quads if (quad[1] == g).all())
    assert first[0] == second[0] > 0
    assert first[1] < second[1]


def test_no_lines_are_no_quads(font: Font) -> None:
    assert len(hud_quads(font, ())) == len(panel_quads(font, (), size_px=(64, 64))) == 0
