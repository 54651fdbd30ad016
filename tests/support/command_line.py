"""Runs the command `spatia` within the test's own process, as a shell would see it."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from spatia.__main__ import main


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    out: str
    err: str


def spatia(*words: str | Path) -> Answer:
    """`spatia WORDS...`: its exit status and all it wrote. What it raises beyond `SystemExit` passes through."""
    out, err = io.StringIO(), io.StringIO()
    before = sys.argv
    sys.argv = ["spatia", *map(str, words)]
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.argv = before
    return Answer(status=status, out=out.getvalue(), err=err.getvalue())
