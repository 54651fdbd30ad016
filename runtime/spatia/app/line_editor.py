"""One line being typed in the window: its letters, those typed before it, and what becomes of it. Main thread."""

from collections.abc import Callable

from spatia.records.input import BACKSPACE, COMPLETE, EARLIER, ENTER, ESCAPE, LATER

SHOWN = 64  # letters, the last ones: a panel of them fits into a small window


class LineEditor:
    """Enter hands the line over and keeps it among the earlier ones, Escape drops it."""

    def __init__(
        self, title: str, enter: Callable[[str], str], *, complete: Callable[[str], str] = lambda text: text
    ) -> None:
        """`enter` takes the line and returns what to say of it; `complete` goes on with what was begun."""
        self._title = title
        self._enter = enter
        self._complete = complete
        self._entered: list[str] = []  # in this walk, the newest last
        self._recalled = 0  # how far back in them
        self._text = ""

    @property
    def panel(self) -> tuple[str, str]:
        """What it is for, and the line so far or the end of it."""
        shown = self._text if len(self._text) <= SHOWN else f"...{self._text[-SHOWN:]}"
        return self._title, f"{shown}_"

    def type(self, letter: str) -> str:
        """Take a letter, or a key that is none; returns what to say of the line that it ends."""
        if letter == ENTER:
            text = self._text.strip()
            self._clear()
            if text:
                self._entered.append(text)
            return self._enter(text)
        if letter == ESCAPE:
            self._clear()
        elif letter == BACKSPACE:
            self._text = self._text[:-1]
        elif letter == COMPLETE:
            self._text = self._complete(self._text)
        elif letter in (EARLIER, LATER):
            self._recalled = min(max(self._recalled + (1 if letter == EARLIER else -1), 0), len(self._entered))
            self._text = self._entered[-self._recalled] if self._recalled else ""
        elif letter.isprintable():
            self._text += letter
        return ""

    def _clear(self) -> None:
        self._text, self._recalled = "", 0
