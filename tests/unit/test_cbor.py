"""Deterministic CBOR: one value has one form, and nothing but that form is read."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sync import cbor
from sync.errors import WireError

INTEGERS = st.integers(min_value=-(2**63), max_value=2**64 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    INTEGERS | st.binary() | TEXTS | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(TEXTS, inner, max_size=5)
        | st.dictionaries(st.binary(), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_encoded_reads_back(value: Any) -> None:
    """Decoding gives back what was encoded."""
    assert cbor.decode(cbor.encode(value), bytes_max=2**20) == value


@given(st.binary(max_size=200))
@example(b"\xd8\x1c\x81\xd8\x1d\x00")  # a list that holds itself
@example(b"\xc5\x82\x1b\x7f\xff\xff\xff\xff\xff\xff\xff\x01")  # a bigfloat that would fill the memory
@example(b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff")
def test_garbage_is_refused_or_has_one_form(data: bytes) -> None:
    """Any bytes are either refused with WireError or the deterministic form of their value."""
    try:
        value = cbor.decode(data, bytes_max=1000)
    except WireError:
        return
    assert cbor.encode(value) == data


@given(VALUES, st.data())
def test_a_cut_value_is_refused(value: Any, data: st.DataObject) -> None:
    """No beginning of an item is an item."""
    encoded = cbor.encode(value)
    cut = data.draw(st.integers(min_value=0, max_value=len(encoded) - 1))

    with pytest.raises(WireError):
        cbor.decode(encoded[:cut], bytes_max=2**20)


@pytest.mark.parametrize(
    ("encoded", "why"),
    [
        ("f93c00", "a float"),
        ("f6", "null"),
        ("f7", "undefined"),
        ("f820", "a simple value"),
        ("c11a514b67b0", "a tag"),
        ("5f4100ff", "an indefinite string"),
        ("9fff", "an indefinite list"),
        ("1c", "a reserved length"),
        ("1800", "an integer not in its shortest form"),
        ("a2616201616102", "keys out of order"),
        ("a2616101616102", "a key twice"),
        ("a10102", "a key that is a number"),
        ("a2410161610102", "keys of two kinds"),
        ("a18000", "a key that is a list"),
        ("62c328", "text that is no UTF-8"),
        ("6060", "something behind the item"),
        ("6261", "a string cut short"),
        ("3bffffffffffffffff", "an integer below 64 bits"),
        ("81" * 30 + "00", "too deep"),
        ("", "nothing"),
    ],
)
def test_other_spellings_are_refused(encoded: str, why: str) -> None:
    """What deterministic CBOR or the contract does not allow is refused."""
    with pytest.raises(WireError):
        cbor.decode(bytes.fromhex(encoded), bytes_max=1000)


def test_too_many_bytes_are_refused_unread() -> None:
    """The bound is checked before anything else."""
    with pytest.raises(WireError, match="too long"):
        cbor.decode(cbor.encode(b"x" * 10), bytes_max=10)


@pytest.mark.parametrize("value", [1.5, None, {1: 2}, {"a": 1, b"a": 2}, object(), [None], {"a": 0.5}])
def test_values_outside_the_contract_are_a_bug(value: Any) -> None:
    """Encoding what no reader would take raises TypeError."""
    with pytest.raises(TypeError):
        cbor.encode(value)


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, "\ud800"])
def test_values_out_of_range_are_a_bug(value: Any) -> None:
    """Integers beyond 64 bits and lone surrogates raise ValueError."""
    with pytest.raises(ValueError):  # noqa: PT011  # the library words it differently for text
        cbor.encode(value)


def test_deep_nesting_is_a_bug() -> None:
    """Deeper than any payload of ours raises ValueError."""
    value: list[Any] = []
    for _ in range(cbor.DEPTH_MAX + 1):
        value = [value]

    with pytest.raises(ValueError, match="deep"):
        cbor.encode(value)


def test_keys_are_in_bytewise_order() -> None:
    """RFC 8949 4.2.1: the shorter key first, then by bytes."""
    assert cbor.encode({"bb": 1, "a": 2, "aa": 3}).hex() == "a3616102626161036262" + "6201"
