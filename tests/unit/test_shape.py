"""The shape of a stream, and invented content of the same shape."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.framing.line import LineFramer, Terminator
from drivers.shape import invented, shape_of
from edge.identity import valid_id_number

ID_NUMBER = b"11010020171225006X"

text_streams = st.lists(st.sampled_from(["1", "A", "z", ":", "\x02", "\r", "\n", "\0", "王", "é", "㐀", "𠮷", "ß"]))


@pytest.mark.parametrize(
    ("data", "shape"),
    [
        (b"", ""),
        (b"Ab9\r\n", "Aa9<0d><0a>"),
        (b"EHC1:6BF", "AAA9<3a>9AA"),
        ("王".encode(), "###"),
        ("王".encode("gb18030"), "##"),
        (b"\x7f~", "<7f><7e>"),
    ],
)
def test_a_shape_says_how_and_not_what(data: bytes, shape: str) -> None:
    """Digits, capitals, small letters and bytes beyond ASCII by their kind, the rest in hex."""
    assert shape_of(data) == shape


@given(pieces=text_streams, encoding=st.sampled_from(["utf-8", "gb18030"]))
def test_invented_content_keeps_length_shape_and_every_control_byte(pieces: list[str], encoding: str) -> None:
    """Whoever looks for a fault of framing finds the same one."""
    data = "".join(pieces).encode(encoding)

    new = invented(data)

    assert len(new) == len(data)
    assert [byte if byte < 0x20 else None for byte in new] == [byte if byte < 0x20 else None for byte in data]
    if encoding == "utf-8":
        assert shape_of(new) == shape_of(data)


@given(data=st.binary(max_size=300))
def test_any_stream_at_all_has_a_likeness(data: bytes) -> None:
    """Noise comes out as noise of the same length, with its control bytes."""
    new = invented(data)

    assert len(new) == len(data)
    assert re.sub(rb"[^\x00-\x1f\x7f]", b"", new) == re.sub(rb"[^\x00-\x1f\x7f]", b"", data)


@given(
    digits=st.text("0123456789", min_size=18, max_size=18),
    others=st.text("0123456789", min_size=18, max_size=18),
)
def test_what_stood_there_cannot_be_known(digits: str, others: str) -> None:
    """Two streams of one shape have one likeness, so nothing of either is left; and it is no identity number."""
    new = invented(digits.encode())

    assert new == invented(others.encode())
    assert not valid_id_number(new.decode())


def test_no_identity_number_comes_out_wherever_it_stands() -> None:
    """Not one window of eighteen in a long stream of invented digits is the number of a person."""
    new = invented(b"1" * 2_000).decode()

    assert not any(valid_id_number(new[at : at + 17] + last) for at in range(len(new) - 17) for last in "0123456789X")
    assert b"110100" not in invented(ID_NUMBER)


def test_characters_stay_readable_in_their_encoding() -> None:
    """A name in UTF-8 or GB18030 becomes invented characters of the same encoding."""
    for encoding in ("utf-8", "gb18030"):
        new = invented("姓名:王小明,㐀".encode(encoding)).decode(encoding)
        assert len(new) == len("姓名:王小明,㐀")
        assert not set(new) & set("姓名王小明")


def test_what_the_scanner_adds_stays() -> None:
    """Prefix, suffix and the AIM identifier are the scanner's own words, and what a fault is looked for in."""
    data = b"\x02QR:]Q1" + ID_NUMBER + b"#\x03\r\n" + b"QR:#\r\nother\r\n"

    new = invented(data, keep=[b"\x02QR:", b"#"])

    assert new.startswith(b"\x02QR:]Q1")
    assert new[len(b"\x02QR:]Q1") + 18 :].startswith(b"#\x03\r\nQR:#\r\n")
    assert ID_NUMBER not in new
    assert not new.endswith(b"other\r\n")


def test_what_no_encoding_reads_stays_unreadable() -> None:
    """A fault of encoding is still one afterwards."""
    new = invented(b"a\xff1")

    assert shape_of(new) == "a#9"
    with pytest.raises(UnicodeDecodeError):
        new.decode("utf-8")


@given(pieces=st.lists(st.sampled_from([b"code", b"17", b"\r", b"\n", b"\r\n", b"\0"])))
def test_a_framer_cuts_the_likeness_as_it_cuts_the_stream(pieces: list[bytes]) -> None:
    """The frames of both have the same lengths."""
    data = b"".join(pieces)

    first = LineFramer(Terminator.AUTO).feed(data, now_ns=0)
    second = LineFramer(Terminator.AUTO).feed(invented(data), now_ns=0)

    assert [len(frame) for frame in first] == [len(frame) for frame in second]
