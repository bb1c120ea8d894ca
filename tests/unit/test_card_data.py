"""Data elements of cards: what is on the chip becomes values, and values become what the chip holds."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import card_data
from edge.errors import CardDataError

NAME_BYTES = 30
FULL_OF_HAN = "王" * 15
texts = st.text(st.characters(exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp")), min_size=1).filter(
    lambda text: not text.endswith(" ")
)


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("张三", "d5c5c8fd"),
        ("ZHANG SAN", "5a48414e472053414e"),
        ("㐀", "8139ee39"),  # CJK extension A: four bytes
        ("𠮷", "9534b235"),  # beyond the basic plane: four bytes
        ("热娜·买买提", "c8c8c4c8a1a4c2f2c2f2cce1"),
    ],
)
def test_a_name_is_gbk_or_gb18030_padded_with_zeros(value: str, stored: str) -> None:
    """ans: GBK, four bytes for rare characters, 00 on the right (national briefing: 姓名 ans30, D5C5...)."""
    field = bytes.fromhex(stored).ljust(NAME_BYTES, b"\0")

    assert card_data.text(field) == value
    assert card_data.encode_text(value, bytes_max=NAME_BYTES) == field


@pytest.mark.parametrize("field", [b"", bytes(30), b"\xff" * 30, b"  \0\0", b"\0\xff"])
def test_an_empty_text_is_absent(field: bytes) -> None:
    """A field of padding or blanks holds no text."""
    assert card_data.text(field) is None


def test_a_field_that_was_never_written_ends_in_ff() -> None:
    """FF behind a text is padding as 00 is, mixed or not."""
    assert card_data.text("李四".encode("gbk") + b"\0\xff\xff") == "李四"


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_character_cut_by_the_end_of_a_full_field_is_dropped(cut: int) -> None:
    """A text that fills its field keeps the whole characters before the cut."""
    assert card_data.text("欧阳".encode("gb18030") + "𠮷".encode("gb18030")[:cut]) == "欧阳"
    assert card_data.text("欧阳".encode("gb18030") + "王".encode("gb18030")[:1]) == "欧阳"


def test_half_a_character_alone_is_no_text() -> None:
    """If nothing but the half remains, there is no text."""
    assert card_data.text("王".encode("gb18030")[:1]) is None


@pytest.mark.parametrize("half", ["王".encode("gb18030")[:1], "𠮷".encode("gb18030")[:3]])
def test_half_a_character_before_padding_is_damage(half: bytes) -> None:
    """A field with room left was not cut by its end."""
    assert card_data.text("欧阳".encode("gb18030") + half + b"\0\0") is None


@pytest.mark.parametrize("field", [b"\x80\x80\x00", b"\xd5\x20\x00", b"A\xd5 A"])
def test_bytes_that_are_no_gb18030_are_no_text(field: bytes) -> None:
    """Undecodable bytes give nothing rather than something like it."""
    assert card_data.text(field) is None


@pytest.mark.parametrize("character", ["\n", "\x1b", "\x7f", "\x85", "\u202e", "\u200b", "\u2028", "\u2029", "\0A"])
def test_a_text_with_control_characters_is_refused(character: str) -> None:
    """What would break or turn a line is no text, to read or to write."""
    value = f"张{character}三"

    assert card_data.text(value.encode("gb18030").ljust(NAME_BYTES, b"\0")) is None
    with pytest.raises(CardDataError, match="not_encodable"):
        card_data.encode_text(value, bytes_max=NAME_BYTES)


@pytest.mark.parametrize("value", ["", " ", "张 ", "张\0", "\ud800", "三\udc80"])
def test_what_would_not_read_back_is_not_encoded(value: str) -> None:
    """Nothing, blanks at the end, padding and lone surrogates cannot be written."""
    with pytest.raises(CardDataError, match="not_encodable") as caught:
        card_data.encode_text(value, bytes_max=NAME_BYTES)
    assert caught.value.__cause__ is None


def test_a_text_that_does_not_fit_is_refused_whole() -> None:
    """15 Han characters fill a name; a sixteenth is an error, not a cut."""
    assert len(card_data.encode_text(FULL_OF_HAN, bytes_max=NAME_BYTES)) == NAME_BYTES
    with pytest.raises(CardDataError, match="too_long") as caught:
        card_data.encode_text(FULL_OF_HAN + "四", bytes_max=NAME_BYTES)
    assert FULL_OF_HAN not in str(caught.value)


@given(value=texts, room=st.integers(0, 20))
def test_a_text_survives_the_card(value: str, room: int) -> None:
    """Every text that can be written reads back as it was, in any field it fits."""
    length = len(value.encode("gb18030")) + room

    field = card_data.encode_text(value, bytes_max=length)

    assert (len(field), card_data.text(field)) == (length, value)


@given(value=texts, length=st.integers(0, 40))
def test_a_cut_text_is_a_beginning_of_it(value: str, length: int) -> None:
    """However long the field, what is read of a text cut by its end is the beginning of the text."""
    read = card_data.text(value.encode("gb18030")[:length])

    assert read is None or value.startswith(read)


@given(field=st.binary(max_size=40))
def test_any_bytes_give_a_text_that_can_be_shown_or_nothing(field: bytes) -> None:
    """Decoding never raises; what it returns is not empty, printable, and encodes again."""
    read = card_data.text(field)

    if read is not None:
        assert "\n" not in read
        assert "\0" not in read
        assert card_data.text(card_data.encode_text(read, bytes_max=len(read.encode("gb18030")))) == read


@pytest.mark.parametrize(
    ("field", "value"),
    [("20020329", "20020329"), ("12345f", "12345"), ("1fff", "1"), ("0000", "0000"), ("ffff", None), ("", None)],
)
def test_digits_are_two_a_byte_padded_with_f(field: str, value: str | None) -> None:
    """cn: BCD, high nibble first, F on the right."""
    assert card_data.digits(bytes.fromhex(field)) == value


@pytest.mark.parametrize("field", ["1a", "a1", "1f2f", "f1", "0e"])
def test_a_nibble_that_is_no_digit_is_refused(field: str) -> None:
    """Letters, and padding before the end, are no digits."""
    assert card_data.digits(bytes.fromhex(field)) is None


def test_digits_of_another_count_are_refused() -> None:
    """Where a number has a fixed length, a shorter or longer one is none."""
    assert card_data.digits(b"\x01", count=2) == "01"
    assert card_data.digits(b"\x1f", count=2) is None
    assert card_data.digits(b"\x01\x23", count=2) is None


@given(value=st.text("0123456789", min_size=1, max_size=30), room=st.integers(0, 5))
def test_digits_survive_the_card(value: str, room: int) -> None:
    """Every number that is written reads back with its zeros."""
    length = (len(value) + 1) // 2 + room

    field = card_data.encode_digits(value, bytes_max=length)

    assert (len(field), card_data.digits(field, count=len(value))) == (length, value)


@pytest.mark.parametrize(("value", "rule"), [("", "not_encodable"), ("12a", "not_encodable"), ("١", "not_encodable")])
def test_only_digits_are_encoded(value: str, rule: str) -> None:
    """Letters, other scripts' digits and nothing are refused."""
    with pytest.raises(CardDataError, match=rule):
        card_data.encode_digits(value, bytes_max=4)


def test_a_number_that_does_not_fit_is_refused() -> None:
    """Nine digits do not go into four bytes."""
    with pytest.raises(CardDataError, match="too_long"):
        card_data.encode_digits("123456789", bytes_max=4)


def test_a_day_is_eight_digits() -> None:
    """The national briefing's example of a birth day: 0x20 0x02 0x03 0x29."""
    field = bytes((0x20, 0x02, 0x03, 0x29))

    assert card_data.day(field) == date(2002, 3, 29)
    assert card_data.encode_day(date(2002, 3, 29)) == field


@pytest.mark.parametrize(
    "field",
    ["ffffffff", "00000000", "20020230", "20021301", "00010100", "2002032f", "200203", "2002032900", "2002032a"],
)
def test_a_day_that_does_not_exist_is_absent(field: str) -> None:
    """Missing, impossible and badly formed dates are no date."""
    assert card_data.day(bytes.fromhex(field)) is None


@given(value=st.dates())
def test_a_day_survives_the_card(value: date) -> None:
    """Every day reads back as it was written."""
    assert card_data.day(card_data.encode_day(value)) == value


@given(field=st.binary(max_size=8), count=st.none() | st.integers(0, 16))
def test_any_bytes_give_digits_or_nothing(field: bytes, count: int | None) -> None:
    """Decoding never raises; what it returns are ASCII digits."""
    read = card_data.digits(field, count=count)

    assert read is None or (read.isascii() and read.isdigit() and count in {None, len(read)})


@pytest.mark.parametrize(
    ("field", "value"), [(b"\x00", 0), (b"\x09", 9), (b"\xfe", 254), (b"\xff", None), (b"", None), (b"\x01\x01", None)]
)
def test_a_byte_is_a_number_or_missing(field: bytes, value: int | None) -> None:
    """b1: FF is missing; another length is not one byte."""
    assert card_data.byte(field) == value
