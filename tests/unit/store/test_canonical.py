import math

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatia.errors import StoreError
from spatia.store.canonical import MAX_PLAIN_BYTES, pack_plain, unpack_plain
from spatia.store.protocol import Plain

leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.binary(max_size=8)
)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=3), inner)
)


@given(value=values)
@settings(derandomize=True, deadline=None)
def test_plain_data_comes_back(value: Plain) -> None:
    assert unpack_plain(pack_plain(value), where="test") == value


def test_one_value_has_one_form() -> None:
    assert pack_plain({"b": 1, "a": (1, 2)}) == pack_plain({"a": [1, 2], "b": 1})
    assert math.isnan(unpack_plain(pack_plain(float("nan")), where="test"))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (2**64, "64 bits"),
        ({1: 2}, "must be text"),
        ({"a": [np.float64(1)]}, r"value\.a\[0\] must be plain data; got numpy.float64"),
        (bytes(MAX_PLAIN_BYTES), "as arrays"),
        ("\ud800", "surrogates"),
    ],
)
def test_what_is_not_plain_is_refused(value: Plain, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pack_plain(value)


def test_deep_nesting_is_refused_both_ways() -> None:
    value: Plain = 0
    for _ in range(33):
        value = [value]
    with pytest.raises(ValueError, match="32 deep"):
        pack_plain(value)
    with pytest.raises(StoreError, match="32 deep"):
        unpack_plain(b"\x91" * 40 + b"\x00", where="test")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x01\x02",
        b"\x82\xa1b\x01\xa1a\x02",  # keys unsorted
        b"\x82\xa1a\x01\xa1a\x02",  # a key twice
        b"\xcd\x00\x01",  # 1 in three bytes
        b"\xdf\xff\xff\xff\xff",  # a map of 4 billion
        b"\xdd\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\x81\x01\x01",
        b"\x81\x90\x01",
        b"\xa1\xff",
        b"\x91" * 100_000,
        msgpack.packb(msgpack.ExtType(5, b"x")),
        msgpack.packb(msgpack.Timestamp(1)),
        bytes(MAX_PLAIN_BYTES + 1),
    ],
)
def test_anything_else_is_a_store_error_that_says_where(data: bytes) -> None:
    with pytest.raises(StoreError, match="payload of commit 3"):
        unpack_plain(data, where="payload of commit 3")
