from pathlib import Path

import pytest

from spatia.errors import InputError
from spatia.input.gamepad_mappings import MAX_BYTES, read_mappings

GUID = "030000005e0400008e02000014010000"
GOOD = f"{GUID},My Pad,a:b0,b:b1,leftx:a0,lefty:a1,rightx:+a3,lefttrigger:a2~,dpup:h0.1,platform:Linux,"


def write(tmp_path: Path, data: str | bytes) -> Path:
    path = tmp_path / "pads.txt"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def test_mappings_are_read_without_comments_and_empty_lines(tmp_path: Path) -> None:
    other = f"{GUID},Other,a:b0,misc1:b15,crc:abcd,+leftx:b3,platform:Windows,"
    assert read_mappings(write(tmp_path, f"# mine\n\n{GOOD}\r\n  {other}\n")) == (GOOD, other)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("xyz,My Pad,a:b0,", "32 hexadecimal digits"),
        (f"{GUID}", "wanted a name"),
        (f"{GUID},,a:b0", "wanted a name"),
        (f"{GUID},{'n' * 200},a:b0", "wanted a name"),
        (f"{GUID},My Pad,a:q0", "found 'a:q0'"),
        (f"{GUID},My Pad,a", "found 'a'"),
        (f"{GUID},My Pad,leftx:a999", "found 'leftx:a999'"),
        ("x" * 2000, "at most 1023 bytes"),
    ],
)
def test_a_line_that_glfw_would_leave_out_is_refused_with_its_place(tmp_path: Path, line: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        read_mappings(write(tmp_path, f"{GOOD}\n{line}\n"))
    assert caught.value.where.endswith("pads.txt:2")


def test_files_that_hold_no_mapping_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no gamepad mapping"):
        read_mappings(write(tmp_path, "# nothing\n"))
    with pytest.raises(InputError, match="not UTF-8"):
        read_mappings(write(tmp_path, b"\xff\xfe\n"))
    with pytest.raises(InputError, match="at most"):
        read_mappings(write(tmp_path, b"#\n" * (MAX_BYTES // 2 + 1)))
    with pytest.raises(InputError, match="cannot read"):
        read_mappings(tmp_path / "none.txt")
    with pytest.raises(InputError, match="cannot read"):
        read_mappings(tmp_path)
