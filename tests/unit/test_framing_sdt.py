"""Frames of identity-card readers: the bytes of domain facts 3, any cut, any rubbish round them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.framing import sdt
from drivers.framing.sdt import Command, SdtAnswer, SdtFramer, SdtStatus
from tests.support import id_texts
from tests.support.sdt_device import PHOTO, SAM_ID, SAM_ID_TEXT, answer_frame

FOUND = bytes.fromhex("AAAAAA9669 0008 00009F 00000000 97")
NOT_FOUND = bytes.fromhex("AAAAAA9669 0004 000080 84")
SELECTED = bytes.fromhex("AAAAAA9669 000C 000090 0000000000000000 9C")
NOT_SELECTED = bytes.fromhex("AAAAAA9669 0004 000081 85")
NOT_READ = bytes.fromhex("AAAAAA9669 0004 000041 45")
READ = answer_frame(0x90, b"\x01\x00\x04\x00" + id_texts.citizen() + PHOTO)

PIECES = st.lists(
    st.sampled_from(
        [
            FOUND,
            NOT_FOUND,
            READ,
            FOUND[:9],
            READ[:300],
            sdt.HEADER,
            sdt.HEADER + b"\x09\x0a",
            sdt.HEADER + b"\x00\x03abc",
            sdt.HEADER + b"\x09\x0babc",
            NOT_FOUND[:-1] + b"\x00",
            b"\xaa",
            b"\x96",
            b"\x69",
            b"noise",
        ]
    ),
    max_size=8,
).map(b"".join)
CUTS = st.lists(st.integers(min_value=0, max_value=10_000), max_size=20)


def cut(stream: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(at % (len(stream) + 1) for at in cuts), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


def fed(framer: SdtFramer, *chunks: bytes) -> list[SdtAnswer]:
    return [answer for chunk in chunks for answer in framer.feed(chunk)]


@pytest.mark.parametrize(
    ("command", "frame"),
    [
        (Command.SAM_NUMBER, "AAAAAA9669 0003 12FF EE"),
        (Command.FIND, "AAAAAA9669 0003 2001 22"),
        (Command.SELECT, "AAAAAA9669 0003 2002 21"),
        (Command.READ_BASE, "AAAAAA9669 0003 3001 32"),
    ],
)
def test_a_request_is_the_frame_of_the_protocol(command: Command, frame: str) -> None:
    """Each request is exactly the bytes that domain facts 3 lists."""
    assert sdt.request(command) == bytes.fromhex(frame)


@pytest.mark.parametrize(
    ("frame", "status", "data"),
    [
        (FOUND, SdtStatus.FOUND, bytes(4)),
        (NOT_FOUND, SdtStatus.FIND_FAILED, b""),
        (SELECTED, SdtStatus.OK, bytes(8)),
        (NOT_SELECTED, SdtStatus.SELECT_FAILED, b""),
        (NOT_READ, SdtStatus.READ_FAILED, b""),
        (answer_frame(0x90, SAM_ID), SdtStatus.OK, SAM_ID),
    ],
)
def test_an_answer_is_read_as_the_protocol_says(frame: bytes, status: SdtStatus, data: bytes) -> None:
    """Status and data of each answer that domain facts 3 lists come out."""
    assert SdtFramer().feed(frame) == [SdtAnswer(status=status, data=data)]


def test_an_answer_to_read_has_the_length_the_protocol_says() -> None:
    """With text and photograph it is 1295 bytes on the line."""
    assert len(READ) == 1295
    assert READ[5:12] == bytes.fromhex("0508 000090 0100")


STATUSES = {
    0x90: "ok",
    0x91: "no_content",
    0x9F: "found",
    0x10: "bad_checksum",
    0x11: "bad_length",
    0x21: "bad_command",
    0x23: "not_permitted",
    0x24: "unknown_error",
    0x31: "card_refused_sam",
    0x32: "sam_refused_card",
    0x33: "info_unverified",
    0x37: "finger_unverified",
    0x3F: "bad_data_length",
    0x40: "unknown_card_type",
    0x41: "read_failed",
    0x47: "random_failed",
    0x60: "sam_self_test_failed",
    0x66: "sam_not_authorised",
    0x80: "find_failed",
    0x81: "select_failed",
}


@pytest.mark.parametrize("code", range(256))
def test_every_status_has_its_name(code: int) -> None:
    """What the table names is named so, and nothing else is taken for it."""
    (answer,) = SdtFramer().feed(answer_frame(code))

    assert answer.status == STATUSES.get(code, "unlisted")


def test_every_name_is_in_the_table() -> None:
    """No status is invented."""
    assert {*STATUSES.values(), "unlisted"} == set(SdtStatus)


@pytest.mark.parametrize("first_two", ["0100", "0001", "9F9F"])
def test_a_status_with_other_first_bytes_is_unlisted(first_two: str) -> None:
    """Only two zero bytes make the third a status of the table."""
    (answer,) = SdtFramer().feed(sdt.frame(bytes.fromhex(first_two + "90")))

    assert answer.status is SdtStatus.UNLISTED


@given(stream=PIECES, cuts=CUTS)
def test_any_cut_gives_the_same_answers(stream: bytes, cuts: list[int]) -> None:
    """Where the stream is cut changes neither the answers, nor what is counted, nor what is still pending."""
    whole, pieces = SdtFramer(), SdtFramer()

    assert fed(pieces, *cut(stream, cuts)) == fed(whole, stream)
    assert pieces.bad_frame_count == whole.bad_frame_count
    assert pieces.give_up() == whole.give_up()
    assert pieces.bad_frame_count == whole.bad_frame_count


@given(noise=st.binary(max_size=400), cuts=CUTS)
def test_an_answer_behind_any_noise_is_found(noise: bytes, cuts: list[int]) -> None:
    """Whatever stands before an answer, it comes out, at the latest when the line falls silent."""
    framer = SdtFramer()

    answers = fed(framer, *cut(noise + FOUND, cuts)) + framer.give_up()

    assert SdtAnswer(status=SdtStatus.FOUND, data=bytes(4)) in answers


@given(count=st.integers(min_value=0, max_value=4), data=st.binary(max_size=sdt.LENGTH_MAX - 4))
def test_what_is_framed_comes_out(count: int, data: bytes) -> None:
    """Answers of every length that the protocol knows come out, however many at once."""
    answers = fed(SdtFramer(), answer_frame(0x90, data) * count)

    assert answers == [SdtAnswer(status=SdtStatus.OK, data=data)] * count


@given(st.binary(max_size=3_000))
def test_the_check_byte_is_the_exclusive_or(data: bytes) -> None:
    """The folded sum is the sum byte by byte."""
    expected = 0
    for byte in data:
        expected ^= byte

    assert sdt.checksum(data) == expected


@pytest.mark.parametrize("at", range(5, len(FOUND)))
def test_a_damaged_byte_costs_that_frame_only(at: int) -> None:
    """A frame with any byte changed is no answer; the next one is."""
    damaged = bytearray(FOUND)
    damaged[at] ^= 0x01
    framer = SdtFramer()

    answers = fed(framer, bytes(damaged), NOT_FOUND) + framer.give_up()

    assert [answer.status for answer in answers] == [SdtStatus.FIND_FAILED]
    assert framer.bad_frame_count == 1


@pytest.mark.parametrize("body_bytes", [0, 1, 2, sdt.LENGTH_MAX])
def test_a_frame_too_short_or_too_long_is_no_answer(body_bytes: int) -> None:
    """A body holds three bytes of status at least, and with its check byte no more than the longest answer."""
    framer = SdtFramer()

    answers = fed(framer, sdt.frame(bytes(body_bytes)), FOUND)

    assert [answer.status for answer in answers] == [SdtStatus.FOUND]
    assert framer.bad_frame_count == 1


def test_a_frame_that_never_ends_swallows_none() -> None:
    """What a false header had waited for is looked through once the line is silent."""
    framer = SdtFramer()

    waiting = framer.feed(sdt.HEADER + b"\x05\x08" + sdt.HEADER + b"\x05\x08" + FOUND + FOUND[:6])

    assert waiting == []
    assert [answer.status for answer in framer.give_up()] == [SdtStatus.FOUND]
    assert framer.bad_frame_count == 3
    assert framer.give_up() == []
    assert framer.feed(FOUND[6:] + NOT_FOUND) == [SdtAnswer(status=SdtStatus.FIND_FAILED, data=b"")]


def test_nothing_grows() -> None:
    """However much rubbish comes, no more than one longest frame is kept."""
    framer = SdtFramer()

    for _ in range(100):
        framer.feed((sdt.HEADER + b"\x09\x0a") * 100)

    assert len(framer._pending) <= len(sdt.HEADER) + 2 + sdt.LENGTH_MAX


@pytest.mark.parametrize(
    ("command", "frame", "is_answer"),
    [
        (Command.SAM_NUMBER, answer_frame(0x90, SAM_ID), True),
        (Command.SAM_NUMBER, SELECTED, False),
        (Command.SAM_NUMBER, FOUND, False),
        (Command.FIND, FOUND, True),
        (Command.FIND, SELECTED, False),
        (Command.FIND, answer_frame(0x9F), True),
        (Command.FIND, NOT_FOUND, True),
        (Command.SELECT, SELECTED, True),
        (Command.SELECT, FOUND, False),
        (Command.SELECT, answer_frame(0x90), True),
        (Command.SELECT, answer_frame(0x90, bytes(9)), False),
        (Command.SELECT, answer_frame(0x90, SAM_ID), False),
        (Command.SELECT, NOT_SELECTED, True),
        (Command.READ_BASE, READ, True),
        (Command.READ_BASE, SELECTED, False),
        (Command.READ_BASE, answer_frame(0x90, bytes(17)), True),
        (Command.READ_BASE, FOUND, False),
        (Command.READ_BASE, answer_frame(0x90, SAM_ID), False),
        (Command.READ_BASE, answer_frame(0x91), True),
        (Command.READ_BASE, NOT_READ, True),
    ],
)
def test_a_good_answer_to_another_request_is_told_apart(command: Command, frame: bytes, is_answer: bool) -> None:
    """Good answers differ by status and length; what says that something is wrong may be the answer to anything."""
    (answer,) = SdtFramer().feed(frame)

    assert sdt.answers(command, answer) is is_answer


def test_the_text_comes_without_the_photograph() -> None:
    """Of an answer to read, the 256 bytes of text come out."""
    (answer,) = SdtFramer().feed(READ)

    assert sdt.card_text(answer.data) == id_texts.citizen()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01\x00\x04",
        b"\x01\x00\x00\x00",
        b"\x01\x00\x00\x00" + bytes(255),
        b"\x01\x00\x00\x00" + bytes(257),
        b"\x00\xff\x00\x00" + bytes(255),
        b"\x01\x01\x00\x00" + bytes(257),
        b"\x01\x00\x04\x00" + bytes(256 + 1023),
    ],
)
def test_lengths_that_do_not_fit_give_no_text(data: bytes) -> None:
    """A text of another length than 256, or an answer longer or shorter than it says, is no text."""
    assert sdt.card_text(data) is None


def test_a_card_without_a_photograph_has_a_text() -> None:
    """The length of the photograph may be anything that is there."""
    assert sdt.card_text(b"\x01\x00\x00\x00" + id_texts.citizen()) == id_texts.citizen()


def test_the_number_of_the_sam_is_written_as_on_the_device() -> None:
    """Five decimal numbers, the last three from four bytes each, least significant first."""
    assert sdt.sam_number(SAM_ID) == SAM_ID_TEXT
    assert sdt.sam_number(bytes([5, 9, 3, 9]) + bytes(12)) == "05.03-00000000-0000000000-0000000000"


def test_no_answer_shows_what_it_holds() -> None:
    """An answer may name a person."""
    (answer,) = SdtFramer().feed(READ)

    assert "data" not in repr(answer)
