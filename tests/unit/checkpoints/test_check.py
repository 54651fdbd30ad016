from spatia.checkpoints.check import check
from spatia.checkpoints.tensors import TensorSpec

WANTED = {name: TensorSpec((2, 3), "float32") for name in ("a", "b", "c", "d")}


def test_a_network_that_finds_what_it_wants_is_ok_in_any_float_type() -> None:
    found = {**WANTED, "a": TensorSpec((2, 3), "bfloat16"), "b": TensorSpec((2, 3), "float16")}
    result = check(WANTED, found, place="file")
    assert result.ok and result.rows == () and result.table() == ""
    result.require()


def test_every_kind_of_finding_has_its_row() -> None:
    found = {
        "a": TensorSpec((3, 2), "float32"),
        "b": TensorSpec((2, 3), "F8_E4M3"),
        "d": TensorSpec((2, 3), "float32"),
        "e": TensorSpec((1,), "float32"),
    }
    result = check(WANTED, found, place="file")
    assert [(row.status, row.name) for row in result.rows] == [
        ("misshapen", "a"),
        ("dtype", "b"),
        ("missing", "c"),
        ("extra", "e"),
    ]
    assert result.table().splitlines() == [
        "misshapen a: wanted float32 [2, 3], found float32 [3, 2]",
        "dtype     b: wanted float32 [2, 3], found F8_E4M3 [2, 3]",
        "missing   c: wanted float32 [2, 3]",
        "extra     e: found float32 [1]",
    ]
    assert result.table(most=1).splitlines()[1] == "and 3 more"


def test_a_hostile_name_cannot_act_on_a_terminal() -> None:
    result = check({}, {"\x1b[2J" + "x" * 500: TensorSpec((1,), "float32")}, place="file")
    assert "\x1b" not in result.table() and len(result.table()) < 200
