"""Typed reading of JSON members: each method takes its kind and refuses all others."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import TrustError
from edge.members import INTEGER_MAX, Members


def test_members_of_the_right_kind_are_read() -> None:
    """Every kind a document uses comes out typed."""
    members = Members(
        {
            "n": 0,
            "t": "名",
            "ts": ["a"],
            "x": "00ff",
            "xs": ["01", "02"],
            "o": {"n": 1},
            "os": [{"n": 2}],
            "om": {"a": {"n": 3}},
            "xm": {"0a": "0b"},
            "b": "YQ==",
        }
    )

    assert members.integer("n") == 0
    assert members.text("t") == "名"
    assert members.texts("ts") == ("a",)
    assert members.octets("x", length=2) == b"\x00\xff"
    assert members.octet_list("xs", length=1) == (b"\1", b"\2")
    assert members.inner("o").integer("n", low=1) == 1
    assert [inner.integer("n") for inner in members.inner_list("os")] == [2]
    assert members.inner_map("om")["a"].integer("n") == 3
    assert members.octet_map("xm", name_length=1, length=1) == {b"\n": b"\x0b"}
    assert members.base64("b") == b"a"
    assert "n" in members
    assert "absent" not in members


READERS: list[Callable[[Members], object]] = [
    lambda members: members.integer("m", low=1),
    lambda members: members.text("m"),
    lambda members: members.texts("m"),
    lambda members: members.octets("m", length=2),
    lambda members: members.octet_list("m", length=2),
    lambda members: members.inner("m"),
    lambda members: members.inner_list("m"),
    lambda members: members.inner_map("m"),
    lambda members: members.octet_map("m", name_length=2, length=2),
    lambda members: members.base64("m"),
]


@pytest.mark.parametrize("read", READERS)
def test_a_missing_member_refuses(read: Callable[[Members], object]) -> None:
    """What a document must say, it must say."""
    with pytest.raises(TrustError, match="member"):
        read(Members({}))


@pytest.mark.parametrize("value", [0, -1, INTEGER_MAX + 1, True, "1", None, [1]])
def test_what_is_no_integer_in_range_refuses(value: object) -> None:
    """Booleans and text are no integers, and every integer has a range."""
    with pytest.raises(TrustError, match="member"):
        Members({"m": value}).integer("m", low=1)


@pytest.mark.parametrize("value", ["", "a" * 201, "a\nb", "\ud800", 1, None, ["a"]])
def test_what_is_no_printable_text_refuses(value: object) -> None:
    """Empty, overlong and unprintable text is refused: it would stand on a page or in a log."""
    with pytest.raises(TrustError, match="member"):
        Members({"m": value}).text("m")


@pytest.mark.parametrize("value", ["00", "00ff00", "00FF", "00 ff", "zzzz", 1, None])
def test_what_is_no_lower_case_hex_of_its_length_refuses(value: object) -> None:
    """Octets have one spelling."""
    with pytest.raises(TrustError, match="member"):
        Members({"m": value}).octets("m", length=2)


def test_an_octet_list_with_a_repeat_refuses() -> None:
    """A key that stands twice is refused under that name."""
    with pytest.raises(TrustError, match="key_twice"):
        Members({"m": ["00", "00"]}).octet_list("m", length=1)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(value=JSON, read=st.sampled_from(READERS))
def test_any_member_raises_nothing_but_the_documented_error(value: object, read: Callable[[Members], object]) -> None:
    """Whatever stands in a member is read or refused with `TrustError`."""
    with contextlib.suppress(TrustError):
        read(Members({"m": value}))


@given(value=JSON)
def test_only_an_object_has_members(value: object) -> None:
    """Anything but an object is refused at once."""
    if isinstance(value, dict):
        Members(value)
        return
    with pytest.raises(TrustError, match="member"):
        Members(value)
