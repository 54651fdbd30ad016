"""A user's file of gamepad mappings, one a line as in SDL's gamecontrollerdb.txt. Any thread.

``GUID,name,a:b0,leftx:a0,dpup:h0.1,...,platform:Linux,``: which of its own buttons (b), axes (a) and hats (h) a gamepad
has where others expect theirs. GLFW leaves out what it cannot read without a word, so it is checked here.
"""

import re
from pathlib import Path
from typing import Final

from spatia.errors import InputError

MAX_BYTES = 4 * 1024 * 1024  # six times the list of all gamepads known to SDL
MAX_LINE_BYTES = 1023  # GLFW skips longer lines
MAX_NAME_BYTES = 127

_GUID = re.compile(r"[0-9a-fA-F]{32}")
_ELEMENT = re.compile(r"[+-]?a[0-9]{1,2}~?|b[0-9]{1,3}|h[0-9]\.[0-9]{1,2}")
_FIELDS: Final = (
    *("a", "b", "x", "y", "back", "start", "guide", "dpup", "dpright", "dpdown", "dpleft"),
    *("leftshoulder", "rightshoulder", "leftstick", "rightstick", "lefttrigger", "righttrigger"),
    *("leftx", "lefty", "rightx", "righty"),
)
_FIX = "copy the gamepad's line from SDL's gamecontrollerdb.txt"


def read_mappings(path: Path) -> tuple[str, ...]:
    """The lines of a file that hold a mapping, for all platforms. Raises `InputError` with ``file:line``."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(
            f"cannot read gamepad mappings: {error.strerror}", where=str(path), fix="check the path"
        ) from error
    if len(data) > MAX_BYTES:
        raise InputError(
            f"gamepad mappings take at most {MAX_BYTES:,} bytes", where=str(path), fix="keep your own gamepads"
        )
    mappings = []
    for number, line in enumerate(data.splitlines(), start=1):
        where = f"{path}:{number}"
        if len(line) > MAX_LINE_BYTES:
            raise InputError(f"a mapping has at most {MAX_LINE_BYTES} bytes; found {len(line)}", where=where, fix=_FIX)
        try:
            text = line.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            raise InputError("not UTF-8 text", where=where, fix="save it as UTF-8") from error
        if text and not text.startswith("#"):
            _check(text, where)
            mappings.append(text)
    if not mappings:
        raise InputError("holds no gamepad mapping", where=str(path), fix=_FIX)
    return tuple(mappings)


def _check(line: str, where: str) -> None:
    guid, *rest = line.split(",")
    if not _GUID.fullmatch(guid):
        raise InputError(f"a mapping begins with 32 hexadecimal digits; found {guid!r:.50}", where=where, fix=_FIX)
    if len(rest) < 2 or not rest[0] or len(rest[0].encode()) > MAX_NAME_BYTES:
        raise InputError(f"wanted a name of 1 to {MAX_NAME_BYTES} bytes and then buttons", where=where, fix=_FIX)
    for part in filter(None, rest[1:]):
        field, colon, element = part.partition(":")
        if not colon or (field.lstrip("+-") in _FIELDS and not _ELEMENT.fullmatch(element)):
            raise InputError(
                f"wanted a pair such as a:b0, leftx:a0 or dpup:h0.1; found {part!r:.40}", where=where, fix=_FIX
            )
