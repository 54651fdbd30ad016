"""What keys do to a line, and what stands in its panel."""

import pytest

from spatia.app.line_editor import SHOWN, LineEditor
from spatia.records.input import BACKSPACE, COMPLETE, EARLIER, ENTER, ESCAPE, LATER


class Line(LineEditor):
    """Keeps what was entered."""

    def __init__(self) -> None:
        self.entered: list[str] = []
        super().__init__("a title", self._keep, complete="{}!".format)

    def _keep(self, text: str) -> str:
        self.entered.append(text)
        return f"got {text}"

    def types(self, letters: str) -> list[str]:
        return [said for letter in letters if (said := self.type(letter))]

    @property
    def shown(self) -> str:
        return self.panel[1]


@pytest.fixture
def line() -> Line:
    return Line()


def test_enter_hands_the_line_over_without_the_spaces_around_it(line: Line) -> None:
    assert line.types(f" a sofx{BACKSPACE}a {ENTER}") == ["got a sofa"]
    assert line.entered == ["a sofa"] and line.panel == ("a title", "_")


def test_an_empty_line_is_handed_over_and_not_kept(line: Line) -> None:
    line.types(f"one{ENTER} {ENTER}{EARLIER}")
    assert line.entered == ["one", ""] and line.shown == "one_"


def test_escape_drops_the_line(line: Line) -> None:
    assert line.types(f"one{ESCAPE}") == []
    assert line.shown == "_" and line.entered == []
    line.types(EARLIER)
    assert line.shown == "_"


def test_earlier_lines_come_back_from_the_newest_to_the_oldest_and_stop_there(line: Line) -> None:
    line.types(f"one{ENTER}two{ENTER}")
    shown = [line.types(key) or line.shown for key in (EARLIER, EARLIER, EARLIER, LATER, LATER, LATER)]
    assert shown == ["two_", "one_", "one_", "two_", "_", "_"]
    line.types(f"{EARLIER}{EARLIER}{ESCAPE}{EARLIER}")
    assert line.shown == "two_", "from the newest again"


def test_backspace_on_an_empty_line_and_keys_that_are_no_letters_change_nothing(line: Line) -> None:
    assert line.types(f"{BACKSPACE}\x00\x07") == [] and line.shown == "_"


def test_what_was_begun_is_completed(line: Line) -> None:
    line.types(f"a{COMPLETE}b")
    assert line.shown == "a!b_"


def test_a_line_that_is_not_completed_stays_as_it_is() -> None:
    plain = LineEditor("a title", lambda text: text)
    plain.type("a")
    plain.type(COMPLETE)
    assert plain.panel[1] == "a_"


def test_of_a_long_line_the_end_is_shown(line: Line) -> None:
    line.types("a" * SHOWN)
    assert line.shown == "a" * SHOWN + "_"
    line.types("bc")
    assert line.shown == "..." + "a" * (SHOWN - 2) + "bc_"
