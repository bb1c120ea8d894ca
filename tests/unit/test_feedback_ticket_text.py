"""Lines of a ticket, fitted to the paper."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.feedback.ticket_text import UNSHOWN, columns_of, is_in_gbk, shown, wrapped


@pytest.mark.parametrize("bad", ["\x1b@", "\n", "\x00", "\x7f", "\u202e", "\ue000", "\ud800"])
def test_what_has_no_picture_never_reaches_the_printer(bad: str) -> None:
    """Control characters, direction marks, private use and surrogates become a mark."""
    line = shown(f"张{bad[0]}三")

    assert line == f"张{UNSHOWN}三"
    assert line.encode("gb18030")


@pytest.mark.parametrize(
    ("line", "is_in"), [("张三 A1", True), ("龑喆镕", True), ("䶮", False), ("𠮷野", False), ("Zoë", False), ("", True)]
)
def test_gbk_is_what_the_printer_has(line: str, is_in: bool) -> None:
    """Rare characters, and letters of other languages, must be drawn."""
    assert is_in_gbk(line) is is_in


@pytest.mark.parametrize(
    ("line", "pieces"),
    [("", [""]), ("abcd", ["abcd"]), ("abcde", ["abcd", "e"]), ("张三李", ["张三", "李"]), ("a张三", ["a张", "三"])],
)
def test_a_long_line_goes_on_below(line: str, pieces: list[str]) -> None:
    """Four columns hold four letters or two Han characters; none is cut in two."""
    assert wrapped(line, columns=4) == pieces


@given(line=st.text(), columns=st.integers(2, 64))
def test_wrapping_loses_nothing_and_fits(line: str, columns: int) -> None:
    """The pieces are the line, and none is wider than the paper."""
    pieces = wrapped(line, columns=columns)

    assert "".join(pieces) == line
    assert all(columns_of(piece) <= columns for piece in pieces)


@given(line=st.text())
def test_what_is_shown_can_be_sent(line: str) -> None:
    """Every line can be encoded, holds no control byte, and showing it again changes nothing."""
    data = shown(line).encode("gb18030")

    assert not any(byte < 0x20 or byte == 0x7F for byte in data)
    assert shown(shown(line)) == shown(line)
