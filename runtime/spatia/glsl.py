"""Shader text with its ``#include "name.glsl"`` lines replaced by files of shaders/include. Any thread."""

import re

from spatia.assets import read_text
from spatia.errors import DeviceError

INCLUDE = re.compile(r'\s*#\s*include\s+"([^"/]+)"\s*')


def load(name: str) -> str:
    """The shader's full text. Raises `DeviceError` with file and line for an include that is malformed or unknown."""
    return _expanded(name, ())


def _expanded(name: str, within: tuple[str, ...]) -> str:
    lines = read_text("shaders", name).splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.lstrip().startswith("#") or "include" not in line:
            continue
        found = INCLUDE.fullmatch(line)
        if found is None:
            raise DeviceError(f"cannot read {line.strip()!r}", where=f"{name}:{number}", fix='#include "name.glsl"')
        included = f"include/{found[1]}"
        if included in within:
            raise DeviceError(f"{included} includes itself", where=f"{name}:{number}", fix="break the circle")
        try:
            lines[number - 1] = _expanded(included, (*within, included))
        except DeviceError as error:
            if error.where.startswith("include/"):
                raise
            raise DeviceError(
                f"no shader {found[1]!r} to include", where=f"{name}:{number}", fix="use a file of shaders/include"
            ) from error
    return "\n".join(lines) + "\n"
