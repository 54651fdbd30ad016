import pytest

from spatia.errors import SceneError
from spatia.scene import guarded_yaml
from spatia.scene.guarded_yaml import MAX_BYTES, parse


def test_plain_scalars_follow_yaml_1_2() -> None:
    text = b"""
    int: 12
    signed: -3
    float: 1.5
    exponent: 1e-3
    point: .5
    yes_is_text: yes
    no_is_text: no
    on_is_text: on
    time_is_text: 1:30
    date_is_text: 2024-01-01
    hex_is_text: 0x10
    octal_is_decimal: 010
    bool: true
    empty:
    tilde: ~
    quoted: "12"
    block: |
      two
      lines
    """
    assert parse(text, name="f").data == {
        "int": 12,
        "signed": -3,
        "float": 1.5,
        "exponent": 0.001,
        "point": 0.5,
        "yes_is_text": "yes",
        "no_is_text": "no",
        "on_is_text": "on",
        "time_is_text": "1:30",
        "date_is_text": "2024-01-01",
        "hex_is_text": "0x10",
        "octal_is_decimal": 10,
        "bool": True,
        "empty": None,
        "tilde": None,
        "quoted": "12",
        "block": "two\nlines\n",
    }


def test_every_value_and_key_has_its_place() -> None:
    document = parse(b"a:\n  - x: 1\n    y: {z: 2}\n", name="f")
    assert document.data == {"a": [{"x": 1, "y": {"z": 2}}]}
    assert document.values["a", 0, "y", "z"] == (3, 12)
    assert document.keys["a", 0, "y", "z"] == (3, 9)
    assert document.values["a", 0] == (2, 5)


def test_a_byte_order_mark_is_not_content() -> None:
    assert parse("\ufeffa: 1".encode(), name="f").data == {"a": 1}


HOSTILE = {
    "billion laughs": (b"a: &a [x, x]\nb: [*a, *a]", "f:1:4: anchors"),
    "alias": (b"a: *a", "f:1:4: aliases"),
    "merge bomb": (b"<<: {a: 1}", "f:1:1: merge keys"),
    "deep flow": (b"[" * MAX_BYTES, "nested more than 24"),
    "deep block": (b"- " * 100_000, "nested more than 24"),
    "deep mapping": (b"{a: " * 50_000, "nested more than 24"),
    "many values": (b"- 1\n" * 100_000, "more than 10,000 values"),
    "many keys": (b"".join(b"k%d: 1\n" % i for i in range(40_000)), "more than 10,000 values"),
    "too large": (b"x" * (MAX_BYTES + 1), "at most 524,288"),
    "long text": (b"a: " + b"x" * 300_000, "text of 300,000 characters"),
    "long quoted text": (b'a: "' + b"\\u0041" * 50_000 + b"x" * 60_000 + b'"', "text of 110,000 characters"),
    "duplicate key": (b"a: 1\nb: 2\na: 3", "f:3:1: key 'a' stands here and at 1:1"),
    "5,000 digits": (b"a: " + b"9" * 5000, "number of 5000 digits"),
    "too large a float": (b"a: 1e999", "too large"),
    "infinity": (b"a: -.inf", "finite"),
    "not a number": (b"a: .NaN", "finite"),
    "binary tag": (b"a: !!binary aGVsbG8=", "tags are not allowed"),
    "python tag": (b"a: !!python/object/apply:os.system [id]", "tags are not allowed"),
    "string tag": (b"a: !!str 1", "tags are not allowed"),
    "NUL": (b"a: 1\nb: \x00", "f:2: holds the control character U+0000"),
    "escaped NUL": (b'a: "\\0"', "control character '\\x00'"),
    "lone surrogate": (b'a: "\\ud800"', "control character"),
    "impossible escape": (b'a: "\\UFFFFFFFF"', "not valid YAML"),
    "UTF-16": ("a: 1".encode("utf-16"), "not UTF-8"),
    "Latin-1": (b"a: 1\nb: caf\xe9", "f:2: is not UTF-8 text: byte 0xe9"),
    "two documents": (b"a: 1\n---\nb: 2", "f:2:1: holds a second document"),
    "number as key": (b"1: a", "a key must be text; found 1"),
    "null as key": (b"~: a", "a key must be text"),
    "list as key": (b"? [a]\n: b", "a key must be text; found a collection"),
    "nothing": (b"", "is empty"),
    "only a comment": (b"# hello\n", "is empty"),
    "open bracket": (b"a: [1, 2", "not valid YAML"),
    "tab": (b"a:\n\tb: 1", "f:2:1: not valid YAML"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_yaml_is_refused_with_its_place(case: str) -> None:
    text, message = HOSTILE[case]
    with pytest.raises(SceneError) as caught:
        parse(text, name="f")
    assert message in str(caught.value)
    assert caught.value.where.startswith("f")
    assert len(str(caught.value)) < 1000


def test_nothing_large_is_built_before_a_limit_is_met(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded_yaml, "MAX_NODES", 3)
    with pytest.raises(SceneError, match="f:1:8: holds more than 3 values"):
        parse(b"[1, 2, 3, 4, 5]", name="f")
