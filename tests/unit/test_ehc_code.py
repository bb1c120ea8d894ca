"""The EHC1 text: base45, the fields, and what is refused."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.ehc_code import (
    HOLDER_CARD,
    STATIC_CARD,
    UnsupportedVersionError,
    base45_decode,
    base45_encode,
    card_bytes,
    code_text,
    parse,
    parse_bytes,
    presentation_bytes,
)
from edge.errors import CodeError
from tests.support.vectors import load

BASE45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
HOLDER_KEY = b"\x02" + bytes(32)


def sign(message: bytes) -> bytes:
    """A stand-in of the right length: nothing here verifies."""
    return message[:1] * 64


def card(version: int = STATIC_CARD, **changes: Any) -> bytes:
    """A card's bytes, any field changed."""
    members: dict[str, Any] = {
        "kid": b"kid!",
        "index": 10,
        "card_ref": b"card-ref",
        "issued_day": 2500,
        "expiry_day": 2865,
        "sign": sign,
        "holder_key": HOLDER_KEY if version == HOLDER_CARD else None,
    }
    return card_bytes(version, **members | changes)


def base45_by_the_letter(data: bytes) -> str:
    """RFC 9285 section 4, step by step."""
    text = ""
    for at in range(0, len(data), 2):
        value = int.from_bytes(data[at : at + 2], "big")
        for _ in range(3 if at + 1 < len(data) else 2):
            text += BASE45[value % 45]
            value //= 45
    return text


@pytest.mark.parametrize(
    ("data", "text"), [(b"AB", "BB8"), (b"Hello!!", "%69 VD92EX0"), (b"base-45", "UJCLQE7W581"), (b"ietf!", "QED8WEX0")]
)
def test_base45_gives_the_examples_of_its_standard(data: bytes, text: str) -> None:
    """The examples of RFC 9285 section 4.3 and 4.4, both ways."""
    assert base45_encode(data) == text
    assert base45_decode(text) == data


@given(st.binary(max_size=300))
def test_base45_is_undone_by_its_inverse(data: bytes) -> None:
    """Any bytes come back, and the text is the one the standard's procedure gives."""
    assert base45_encode(data) == base45_by_the_letter(data)
    assert base45_decode(base45_encode(data)) == data


@given(st.text(BASE45, max_size=40) | st.text(max_size=40))
def test_base45_has_one_text_for_each_bytes(text: str) -> None:
    """A text that decodes at all is the text of its bytes; any other is refused."""
    try:
        data = base45_decode(text)
    except CodeError:
        return
    assert base45_encode(data) == text


@pytest.mark.parametrize("text", ["0", "0000", "GGX", "::", ":::", "aaa", "B_8", "é00", "00\ud800", "000::"])
def test_what_is_no_base45_is_refused(text: str) -> None:
    """A wrong length, a group beyond its bytes and a foreign character are no base45."""
    with pytest.raises(CodeError):
        base45_decode(text)


def test_a_static_card_is_read_field_by_field() -> None:
    """What an issuer packed comes out, and the signed message is the domain and the bytes before the signature."""
    data = card(needs_trusted_time=True)

    code = parse(code_text(data))

    assert (code.version, code.kid, code.index, code.card_ref) == (STATIC_CARD, b"kid!", 10, b"card-ref")
    assert (code.issued_day, code.expiry_day, code.needs_trusted_time) == (2500, 2865, True)
    assert (code.holder_data, code.holder_key, code.presentation) == (None, None, None)
    assert code.issuer_signed == b"EHC1-card\x00" + data[:-64]
    assert code.issuer_signature == data[-64:]


def test_a_presentation_is_read_field_by_field() -> None:
    """A shown card carries holder data, key, time and nonce; the holder signs the issuer's signature too."""
    held = card(HOLDER_CARD, holder=(2, date(1999, 12, 31), "张伟"))

    code = parse_bytes(presentation_bytes(held, time_s=2**32 - 1, nonce=b"no", sign=sign))

    assert code.holder_key == HOLDER_KEY
    assert code.holder_data is not None
    assert (code.holder_data.sex, code.holder_data.birth, code.holder_data.name) == (2, date(1999, 12, 31), "张伟")
    assert code.presentation is not None
    assert (code.presentation.time_s, code.presentation.nonce) == (2**32 - 1, b"no")
    assert code.presentation.signed == b"EHC1-show\x00" + held + b"\xff\xff\xff\xffno"
    assert code.presentation.signature == b"E" * 64
    assert code.issuer_signed == b"EHC1-card\x00" + held[:-64]


def test_a_held_card_that_is_not_shown_has_no_presentation() -> None:
    """A holder-bound card alone is well formed."""
    assert parse_bytes(card(HOLDER_CARD)).presentation is None


@pytest.mark.parametrize(
    "name",
    [b"\xff\xff", b"\x81", "张\n伟".encode("gb18030"), "a\u202eb".encode("gb18030"), "a\u2028".encode("gb18030")],
)
def test_an_unusable_name_spoils_only_itself(name: bytes) -> None:
    """Undecodable bytes and control characters leave a card without a name, with sex and birth."""
    data = card(holder=(1, date(1990, 1, 1), "x" * len(name)))
    at = data.index(b"x" * len(name))

    code = parse_bytes(data[:at] + name + data[at + len(name) :])

    assert code.holder_data is not None
    assert (code.holder_data.name, code.holder_data.sex) == (None, 1)


@pytest.mark.parametrize("first", [b"\x00", b"\x10", b"\x13", b"\x21", b"\xff"])
def test_the_first_byte_is_judged_before_any_length(first: bytes) -> None:
    """An unknown version is told as such however short or long the rest is."""
    for rest in (b"", bytes(20), bytes(500)):
        with pytest.raises(UnsupportedVersionError):
            parse_bytes(first + rest)


@pytest.mark.parametrize("bit", range(2, 8))
def test_reserved_profile_bits_are_judged_before_the_length(bit: int) -> None:
    """A reserved bit is an unknown version as soon as 22 bytes are there, and not before."""
    head = bytearray(card()[:22])
    head[21] |= 1 << bit

    with pytest.raises(UnsupportedVersionError):
        parse_bytes(bytes(head))
    with pytest.raises(CodeError) as caught:
        parse_bytes(bytes(head[:21]))
    assert not isinstance(caught.value, UnsupportedVersionError)


@pytest.mark.parametrize(("offset", "value"), [(22, 3), (22, 8), (25, 0), (25, 31), (25, 255)])
def test_holder_data_out_of_range_are_refused(offset: int, value: int) -> None:
    """A sex that is none, and a name of no or too much length, make no card."""
    data = bytearray(card(holder=(1, date(1990, 1, 1), "张伟")))
    data[offset] = value

    with pytest.raises(CodeError):
        parse_bytes(bytes(data))


@given(st.sampled_from([card(), card(HOLDER_CARD), card(holder=(9, date(2000, 1, 1), "张伟"))]), st.data())
def test_only_the_exact_length_is_a_card(data: bytes, draw: st.DataObject) -> None:
    """A card cut anywhere, or with anything but a whole presentation behind it, is refused."""
    cut = draw.draw(st.integers(0, len(data) - 1))
    with pytest.raises(CodeError):
        parse_bytes(data[:cut])
    more = draw.draw(st.integers(1, 200).filter(lambda count: count != 70))
    with pytest.raises(CodeError):
        parse_bytes(data + bytes(more))


def test_holder_data_that_are_cut_short_are_refused() -> None:
    """A card that announces holder data and ends before or inside them is refused."""
    data = card(holder=(9, date(2000, 1, 1), "张伟"))

    for length in range(22, 31):
        with pytest.raises(CodeError):
            parse_bytes(data[:length])


def test_a_static_card_cannot_be_shown() -> None:
    """A whole presentation behind a static card is a wrong length."""
    with pytest.raises(CodeError):
        parse_bytes(card() + bytes(70))


@given(st.text(max_size=80) | st.text(BASE45, max_size=400) | st.binary(max_size=300).map(base45_encode))
def test_any_text_is_a_code_or_a_code_error(text: str) -> None:
    """No text makes the parser raise anything but its documented error."""
    for candidate in (text, "EHC1:" + text):
        try:
            parse(candidate)
        except CodeError:
            continue


@given(st.binary(max_size=300), st.sampled_from([b"\x11", b"\x12"]))
def test_any_bytes_are_a_code_or_a_code_error(data: bytes, version: bytes) -> None:
    """No bytes do either, and what is read is the bytes that were there."""
    try:
        code = parse_bytes(version + data)
    except CodeError:
        return
    signed = code.issuer_signed.removeprefix(b"EHC1-card\x00") + code.issuer_signature
    assert (version + data).startswith(signed)


def test_every_text_of_the_vectors_is_parsed_or_refused() -> None:
    """The codes of the vectors raise nothing else either."""
    for context in load("ehc1")["contexts"]:
        for case in context["cases"]:
            try:
                parse(case["text"])
            except CodeError:
                continue


@pytest.mark.parametrize(
    "changes",
    [
        {"kid": b"too long"},
        {"kid": b"kid"},
        {"card_ref": b"short"},
        {"index": 2**32},
        {"index": -1},
        {"issued_day": 65536},
        {"expiry_day": -1},
        {"holder": (3, date(1990, 1, 1), "张伟")},
        {"holder": (1, date(1899, 12, 31), "张伟")},
        {"holder": (1, date(1990, 1, 1), "")},
        {"holder": (1, date(1990, 1, 1), "张" * 16)},
        {"holder": (1, date(1990, 1, 1), "x" * 300)},
        {"holder": (1, date(1990, 1, 1), "\ud800")},
        {"sign": lambda message: message[:1] * 65},
        {"holder_key": HOLDER_KEY},
        {"version": HOLDER_CARD, "holder_key": HOLDER_KEY[:-1]},
        {"version": 0x13},
    ],
)
def test_nobody_can_make_a_card_that_is_not_read(changes: dict[str, Any]) -> None:
    """A value that does not fit its field is refused when the card is made, not when it is shown."""
    version = changes.pop("version", STATIC_CARD)

    with pytest.raises(CodeError):
        card(version, **changes)


@pytest.mark.parametrize("changes", [{"time_s": -1}, {"time_s": 2**32}, {"nonce": b"n"}, {"nonce": b"non"}])
def test_nobody_can_make_a_showing_that_is_not_read(changes: dict[str, Any]) -> None:
    """A time or nonce that does not fit is refused when the card is shown."""
    members: dict[str, Any] = {"time_s": 1, "nonce": b"no", "sign": sign}

    with pytest.raises(CodeError):
        presentation_bytes(card(HOLDER_CARD), **members | changes)


def test_nothing_personal_stands_in_a_repr() -> None:
    """Name, birth, card reference and signatures stay out of what a log could print."""
    code = parse_bytes(
        presentation_bytes(card(HOLDER_CARD, holder=(2, date(1999, 12, 31), "张伟")), time_s=1, nonce=b"no", sign=sign)
    )

    shown = repr(code)

    assert "张伟" not in shown
    assert "1999" not in shown
    assert "card-ref" not in shown
    assert "EEEE" not in shown
