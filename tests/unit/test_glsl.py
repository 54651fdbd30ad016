from pathlib import Path

import pytest

from spatia import glsl
from spatia.errors import DeviceError


@pytest.fixture
def shaders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of shaders in place of the real one."""
    (tmp_path / "include").mkdir()

    def read_text(kind: str, name: str) -> str:
        path = tmp_path / name
        if not path.is_file():
            raise DeviceError(f"no {name!r} among the {kind}", where=str(tmp_path))
        return path.read_text()

    monkeypatch.setattr(glsl, "read_text", read_text)
    return tmp_path


def test_an_include_is_replaced_by_its_text(shaders: Path) -> None:
    (shaders / "include" / "b.glsl").write_text("float b;\n")
    (shaders / "include" / "a.glsl").write_text('#include "b.glsl"\nfloat a;\n')
    (shaders / "main.comp").write_text('#version 430\n#include "a.glsl"\nvoid main() {}\n')
    lines = [line for line in glsl.load("main.comp").splitlines() if line]
    assert lines == ["#version 430", "float b;", "float a;", "void main() {}"]


@pytest.mark.parametrize(
    ("line", "said"),
    [('#include "gone.glsl"', "gone.glsl"), ("#include <a.glsl>", "cannot read"), ('#include "../x"', "cannot read")],
)
def test_a_bad_include_names_file_and_line(shaders: Path, line: str, said: str) -> None:
    (shaders / "main.comp").write_text(f"#version 430\n{line}\n")
    with pytest.raises(DeviceError, match=said) as raised:
        glsl.load("main.comp")
    assert raised.value.where == "main.comp:2"


def test_a_circle_of_includes_is_refused(shaders: Path) -> None:
    (shaders / "include" / "a.glsl").write_text('#include "a.glsl"\n')
    (shaders / "main.comp").write_text('#include "a.glsl"\n')
    with pytest.raises(DeviceError, match="includes itself") as raised:
        glsl.load("main.comp")
    assert raised.value.where == "include/a.glsl:1"


def test_every_projection_shader_is_complete() -> None:
    for name in ("begin_layer", "nearest_depth", "nearest_row", "blend_layer", "finish"):
        text = glsl.load(f"projection/{name}.comp")
        assert text.startswith("#version 430")
        assert "#include" not in text
