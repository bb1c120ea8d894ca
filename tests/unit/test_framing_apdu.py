"""Commands and responses as ISO/IEC 7816-4 writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.framing.apdu import (
    NO_RESPONSE,
    Response,
    StatusWord,
    asked_bytes,
    command,
    get_response,
    split,
    with_le,
)


@pytest.mark.parametrize(
    ("built", "expected"),
    [
        (command(0x84), "00840000"),
        (command(0x84, response_bytes=8), "0084000008"),
        (command(0xB2, p1=1, p2=4, response_bytes=256), "00B2010400"),
        (command(0xA4, data=b"\xdd\xf1"), "00A4000002DDF1"),
        (command(0xDE, cla=0x80, p1=0x47, p2=0x31, data=b"\x01"), "80DE47310101"),
        (command(0xA4, p1=4, data=b"\xa0\x00", response_bytes=256), "00A4040002A00000"),
        (get_response(16), "00C0000010"),
        (get_response(256), "00C0000000"),
    ],
)
def test_a_command_of_each_case_has_the_standards_bytes(built: bytes, expected: str) -> None:
    """Lc and Le are there exactly where the case of the command has them."""
    assert built.hex().upper() == expected


@pytest.mark.parametrize("wrong", [{"data": bytes(256)}, {"response_bytes": 0}, {"response_bytes": 257}, {"p1": 256}])
def test_a_command_that_does_not_fit_its_bytes_is_refused(wrong: dict[str, object]) -> None:
    """Short commands have one byte for each length and parameter."""
    with pytest.raises(ValueError, match=r"."):
        command(0xB0, **wrong)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("00840000", "0084000010"),
        ("0084000008", "0084000010"),
        ("00A4000002DDF1", "00A4000002DDF110"),
        ("00A4000002DDF100", "00A4000002DDF110"),
    ],
)
def test_another_le_takes_the_place_of_the_one_there_was(sent: str, expected: str) -> None:
    """Whatever the case of a command, only its Le changes."""
    assert with_le(bytes.fromhex(sent), response_bytes=16).hex().upper() == expected


def test_a_response_is_data_and_a_status_word() -> None:
    """The last two bytes are the status word."""
    assert split(bytes.fromhex("01029000")) == Response(data=b"\x01\x02", sw=StatusWord.OK)
    assert split(bytes.fromhex("6A82")) == Response(sw=StatusWord.FILE_NOT_FOUND)


@pytest.mark.parametrize("answer", [b"", b"\x90", bytes(259)])
def test_what_cannot_be_a_response_is_none(answer: bytes) -> None:
    """A response has at least the status word and at most 256 bytes more."""
    assert split(answer) == NO_RESPONSE


@pytest.mark.parametrize(
    ("sw", "is_ok", "has_more", "is_refusal"),
    [
        (0x9000, True, False, False),
        (0x6110, False, True, False),
        (0x6282, False, False, False),
        (0x63C2, False, False, True),
        (0x6A82, False, False, True),
        (0x9403, False, False, True),
        (0x6000, False, False, False),
        (0x0000, False, False, False),
        (0x1234, False, False, False),
    ],
)
def test_a_status_word_is_a_success_more_to_come_a_refusal_or_nonsense(
    sw: int, is_ok: bool, has_more: bool, is_refusal: bool
) -> None:
    """No status word is two of these."""
    response = Response(sw=sw)

    assert (response.is_ok, response.has_more, response.is_refusal) == (is_ok, has_more, is_refusal)


def test_a_length_of_zero_means_256() -> None:
    """61 00 and 6C 00 speak of 256 bytes."""
    assert [asked_bytes(Response(sw=sw)) for sw in (0x6110, 0x6C00, 0x6100)] == [16, 256, 256]


@given(data=st.binary(max_size=256), sw=st.binary(min_size=2, max_size=2))
def test_whatever_is_sent_as_a_response_is_split_as_it_was_joined(data: bytes, sw: bytes) -> None:
    """Nothing is lost or added."""
    response = split(data + sw)

    assert response.data + response.sw.to_bytes(2, "big") == data + sw


@given(
    data=st.binary(max_size=255),
    before=st.one_of(st.none(), st.integers(1, 256)),
    after=st.integers(1, 256),
)
def test_a_command_with_another_le_is_the_one_built_with_it(data: bytes, before: int | None, after: int) -> None:
    """Changing Le is building anew."""
    sent = command(0xCA, data=data, response_bytes=before)

    assert with_le(sent, response_bytes=after) == command(0xCA, data=data, response_bytes=after)


def test_a_response_does_not_show_its_data() -> None:
    """What a card says may name a person."""
    assert "SECRET" not in repr(split(b"SECRET\x90\x00"))
