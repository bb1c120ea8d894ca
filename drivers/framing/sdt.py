"""What an identity-card reader is asked and answers (SDT protocol, domain facts 3), sans-IO.

One frame each way: five bytes of header, length, body, check byte. The line may lose bytes and make them up, so the
framer looks for the next header whatever stands before it, and a frame that is wrong in any way costs itself only: the
search goes on one byte behind its header, since what looked like a frame may have swallowed a good one.

Answers carry no number of their request. `answers` tells by status and length which request an answer can belong to, so
that a late answer to one request is not taken for the answer to the next.

An answer to `Command.READ_BASE` holds the text of the card and a photograph. `card_text` is the only way to the text,
and nothing here gives the photograph out.
"""

from dataclasses import dataclass, field
from enum import StrEnum

HEADER = bytes.fromhex("AAAAAA9669")
TEXT_BYTES = 256
SAM_NUMBER_BYTES = 16
LENGTH_MAX = 2314
"""Of body and check byte: an answer with text, photograph and fingerprint, 3 + 6 + 256 + 1024 + 1024 + 1."""

_LENGTH_BYTES = 2
_STATUS_BYTES = 3
_LENGTH_MIN = _STATUS_BYTES + 1
_LENGTHS_BYTES = 4  # of text and photograph, before them


class Command(StrEnum):
    """What a reader can be asked; the value is command and parameter in hex."""

    SAM_NUMBER = "12FF"
    FIND = "2001"
    SELECT = "2002"
    READ_BASE = "3001"


class SdtStatus(StrEnum):
    """What a reader says of a request; on the line it is the third byte after two zero bytes."""

    OK = "ok"
    NO_CONTENT = "no_content"  # the card has no such item
    FOUND = "found"  # a card is in the field
    BAD_CHECKSUM = "bad_checksum"  # of the request
    BAD_LENGTH = "bad_length"  # of the request
    BAD_COMMAND = "bad_command"
    NOT_PERMITTED = "not_permitted"
    UNKNOWN_ERROR = "unknown_error"
    CARD_REFUSED_SAM = "card_refused_sam"
    SAM_REFUSED_CARD = "sam_refused_card"
    INFO_UNVERIFIED = "info_unverified"  # what the card says fails the SAM's check
    FINGER_UNVERIFIED = "finger_unverified"
    BAD_DATA_LENGTH = "bad_data_length"
    UNKNOWN_CARD_TYPE = "unknown_card_type"
    READ_FAILED = "read_failed"
    RANDOM_FAILED = "random_failed"
    SAM_SELF_TEST_FAILED = "sam_self_test_failed"
    SAM_NOT_AUTHORISED = "sam_not_authorised"
    FIND_FAILED = "find_failed"  # no card, or the one that has been read and is still there
    SELECT_FAILED = "select_failed"
    UNLISTED = "unlisted"  # nothing that domain facts 3 names


_STATUSES = {
    0x90: SdtStatus.OK,
    0x91: SdtStatus.NO_CONTENT,
    0x9F: SdtStatus.FOUND,
    0x10: SdtStatus.BAD_CHECKSUM,
    0x11: SdtStatus.BAD_LENGTH,
    0x21: SdtStatus.BAD_COMMAND,
    0x23: SdtStatus.NOT_PERMITTED,
    0x24: SdtStatus.UNKNOWN_ERROR,
    0x31: SdtStatus.CARD_REFUSED_SAM,
    0x32: SdtStatus.SAM_REFUSED_CARD,
    0x33: SdtStatus.INFO_UNVERIFIED,
    0x37: SdtStatus.FINGER_UNVERIFIED,
    0x3F: SdtStatus.BAD_DATA_LENGTH,
    0x40: SdtStatus.UNKNOWN_CARD_TYPE,
    0x41: SdtStatus.READ_FAILED,
    0x47: SdtStatus.RANDOM_FAILED,
    0x60: SdtStatus.SAM_SELF_TEST_FAILED,
    0x66: SdtStatus.SAM_NOT_AUTHORISED,
    0x80: SdtStatus.FIND_FAILED,
    0x81: SdtStatus.SELECT_FAILED,
}
_GOOD = frozenset({SdtStatus.OK, SdtStatus.FOUND})
# Status and number of bytes. To find and select, as domain facts 3 has them, 4 and 8 bytes; fewer tell as much.
_GOOD_ANSWERS = {
    Command.SAM_NUMBER: (SdtStatus.OK, SAM_NUMBER_BYTES, SAM_NUMBER_BYTES),
    Command.FIND: (SdtStatus.FOUND, 0, LENGTH_MAX),
    Command.SELECT: (SdtStatus.OK, 0, 8),
    Command.READ_BASE: (SdtStatus.OK, SAM_NUMBER_BYTES + 1, LENGTH_MAX),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SdtAnswer:
    """One answer.

    Attributes:
        status: What became of the request.
        data: What came with it, 0..2310 bytes; of a card: who it names.
    """

    status: SdtStatus
    data: bytes = field(repr=False)


class SdtFramer:
    """Finds the answers in what a reader sends.

    Attributes:
        bad_frame_count: Headers that began no frame: a wrong length or check byte, or an end that never came.
    """

    def __init__(self) -> None:
        self.bad_frame_count = 0
        self._pending = b""

    def feed(self, data: bytes) -> list[SdtAnswer]:
        """Take the next bytes of the stream and return the answers they complete, in order.

        Args:
            data: Any number of bytes, cut anywhere.
        """
        stream = self._pending + data
        found: list[SdtAnswer] = []
        searched = 0  # what stands before has been taken or given up
        while (at := stream.find(HEADER, searched)) >= 0:
            end = _end_of_frame(stream, at=at)
            if end is None:
                self._pending = stream[at:]
                return found
            if end > at and checksum(stream[at + len(HEADER) : end]) == 0:
                found.append(_answer(stream[at + len(HEADER) + _LENGTH_BYTES : end - 1]))
                searched = end
            else:
                self.bad_frame_count += 1
                searched = at + 1
        self._pending = _half_header(stream[searched:])
        return found

    def give_up(self) -> list[SdtAnswer]:
        """Drop the unfinished frame, for its end will not come; return the answers that it had swallowed."""
        found: list[SdtAnswer] = []
        while self._pending.startswith(HEADER):
            self.bad_frame_count += 1
            rest, self._pending = self._pending[1:], b""
            found += self.feed(rest)
        self._pending = b""
        return found


def request(command: Command) -> bytes:
    """Return the frame that asks for this."""
    return frame(bytes.fromhex(command))


def frame(body: bytes) -> bytes:
    """Return the frame of a body, a request's or an answer's (domain facts 3)."""
    covered = (len(body) + 1).to_bytes(_LENGTH_BYTES, "big") + body
    return HEADER + covered + bytes((checksum(covered),))


def checksum(data: bytes) -> int:
    """Return the exclusive or of all bytes: of length and body it is the check byte, with the check byte it is 0."""
    # Folded as one long integer: 6 us for the longest frame, byte by byte 39 us, for every false header in noise.
    folded, width = int.from_bytes(data, "big"), len(data)
    while width > 1:
        half = (width + 1) // 2
        folded, width = (folded >> 8 * half) ^ (folded & (1 << 8 * half) - 1), half
    return folded


def answers(command: Command, answer: SdtAnswer) -> bool:
    """Whether this can be the answer to that request; if not, it is a late one to another."""
    if answer.status not in _GOOD:
        return True
    status, bytes_min, bytes_max = _GOOD_ANSWERS[command]
    return answer.status is status and bytes_min <= len(answer.data) <= bytes_max


def card_text(data: bytes) -> bytes | None:
    """Return the 256 bytes of text out of what came with a good answer to `Command.READ_BASE`.

    None if the lengths that stand inside do not fit it.
    """
    text_bytes = int.from_bytes(data[:2], "big")
    photo_bytes = int.from_bytes(data[2:_LENGTHS_BYTES], "big")
    if text_bytes != TEXT_BYTES or len(data) != _LENGTHS_BYTES + text_bytes + photo_bytes:
        return None
    return data[_LENGTHS_BYTES : _LENGTHS_BYTES + TEXT_BYTES]


def sam_number(data: bytes) -> str:
    """Return the number of the reader's SAM as it is printed on devices, such as ``05.03-20210901-0000012345-...``.

    Args:
        data: The 16 bytes that came with a good answer to `Command.SAM_NUMBER`.
    """
    third, fourth, fifth = (int.from_bytes(data[at : at + 4], "little") for at in (4, 8, 12))
    return f"{data[0]:02d}.{data[2]:02d}-{third:08d}-{fourth:010d}-{fifth:010d}"


def _end_of_frame(stream: bytes, *, at: int) -> int | None:
    """Where the frame that begins at `at` ends; `at` if its length cannot be; None if more bytes will tell."""
    body = at + len(HEADER) + _LENGTH_BYTES
    if len(stream) < body:
        return None
    length = int.from_bytes(stream[body - _LENGTH_BYTES : body], "big")
    if not _LENGTH_MIN <= length <= LENGTH_MAX:
        return at
    return body + length if len(stream) >= body + length else None


def _answer(body: bytes) -> SdtAnswer:
    is_listed = body[:2] == b"\0\0"
    status = _STATUSES.get(body[2], SdtStatus.UNLISTED) if is_listed else SdtStatus.UNLISTED
    return SdtAnswer(status=status, data=body[_STATUS_BYTES:])


def _half_header(stream: bytes) -> bytes:
    """The end of a stream, if the next bytes could make a header of it."""
    return next((stream[-size:] for size in range(len(HEADER) - 1, 0, -1) if stream.endswith(HEADER[:size])), b"")
