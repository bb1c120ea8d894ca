"""Commands to a chip card and what it answers, as bytes (ISO/IEC 7816-4), sans-IO.

Short commands only: no card here knows extended lengths. Nothing is sent; `drivers.conversation` says by whom.
"""

from dataclasses import dataclass, field
from enum import IntEnum

DATA_BYTES_MAX = 255  # ISO/IEC 7816-4 5.2: one byte Lc, which is not 0
LE_MAX = 256  # ISO/IEC 7816-4 5.2: one byte Le, 00 stands for 256

_HEAD_BYTES = 4
_SW_BYTES = 2
_RESPONSE_BYTES_MAX = LE_MAX + _SW_BYTES


class StatusWord(IntEnum):
    """The status words that somebody asks for by name (ISO/IEC 7816-4 5.6)."""

    NONE = 0  # of no card: what came is no response
    OK = 0x9000
    END_OF_FILE = 0x6282  # fewer bytes than were asked for, and these are they
    SECURITY_NOT_SATISFIED = 0x6982
    FILE_NOT_FOUND = 0x6A82
    RECORD_NOT_FOUND = 0x6A83
    WRONG_OFFSET = 0x6B00


MORE_BYTES = 0x61  # first byte of a status word; the second says how many GET RESPONSE brings
WRONG_LE = 0x6C  # first byte of a status word; the second is the right Le


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a card answered.

    Attributes:
        data: At most 256 bytes; more where several answers were joined.
        sw: The status word; `StatusWord.NONE`: what came is no response.
    """

    data: bytes = field(default=b"", repr=False)
    sw: int

    @property
    def is_ok(self) -> bool:
        """Whether the card did what it was told."""
        return self.sw == StatusWord.OK

    @property
    def has_more(self) -> bool:
        """Whether GET RESPONSE would bring something."""
        return self.sw >> 8 == MORE_BYTES

    @property
    def is_refusal(self) -> bool:
        """Whether the card said no as cards do: 6X or 9X, but neither 60, which is none, nor 62, which is a warning."""
        return self.sw >> 12 in (0x6, 0x9) and self.sw >> 8 not in (0x60, 0x62) and not (self.is_ok or self.has_more)


NO_RESPONSE = Response(sw=StatusWord.NONE)


def command(
    ins: int, *, cla: int = 0, p1: int = 0, p2: int = 0, data: bytes = b"", response_bytes: int | None = None
) -> bytes:
    """Build a command (ISO/IEC 7816-4 5.1, cases 1 to 4).

    Args:
        ins: Instruction byte.
        cla: Class byte.
        p1: First parameter byte.
        p2: Second parameter byte.
        data: At most 255 bytes.
        response_bytes: Le, 1..256; None: none is expected.

    Raises:
        ValueError: A length does not fit one byte, or a byte is none.
    """
    if len(data) > DATA_BYTES_MAX:
        raise ValueError("command data too long")
    body = bytes((len(data),)) + data if data else b""
    return bytes((cla, ins, p1, p2)) + body + _le(response_bytes)


def get_response(response_bytes: int) -> bytes:
    """Build a GET RESPONSE (ISO/IEC 7816-4 11.3.1) for 1..256 bytes."""
    return command(0xC0, response_bytes=response_bytes)


def with_le(sent: bytes, *, response_bytes: int) -> bytes:
    """Return a command with another Le, as a card asks for by 6Cxx.

    Args:
        sent: What `command` built.
        response_bytes: Le, 1..256.
    """
    data_end = _HEAD_BYTES
    if len(sent) > _HEAD_BYTES + 1:  # there are Lc and data
        data_end += 1 + sent[_HEAD_BYTES]
    return sent[:data_end] + _le(response_bytes)


def asked_bytes(response: Response) -> int:
    """Return how many bytes a status word 61xx or 6Cxx speaks of, 1..256."""
    return (response.sw & 0xFF) or LE_MAX


def split(answer: bytes) -> Response:
    """Split what came into data and status word; what is too short or too long is `NO_RESPONSE`."""
    if not _SW_BYTES <= len(answer) <= _RESPONSE_BYTES_MAX:
        return NO_RESPONSE
    return Response(data=answer[:-_SW_BYTES], sw=int.from_bytes(answer[-_SW_BYTES:], "big"))


def _le(response_bytes: int | None) -> bytes:
    if response_bytes is None:
        return b""
    if not 1 <= response_bytes <= LE_MAX:
        raise ValueError("Le out of range")
    return bytes((response_bytes % LE_MAX,))
