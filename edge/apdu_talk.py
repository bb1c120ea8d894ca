"""One talk with a card and a SAM: commands go out as `Exchange`, answers come in, and it always ends.

What a card or a SAM says is never an exception here, whatever it is. That the person's card was pulled is one, and
whoever begins the talk catches it; a SAM that falls silent is asked nothing more and answers `NO_RESPONSE`, because the
talk goes on with what is free.
"""

from collections.abc import Generator
from typing import TypeAlias, TypeVar

from drivers.conversation import Exchange, Slot
from drivers.errors import CardLostError
from drivers.framing.apdu import (
    NO_RESPONSE,
    WRONG_LE,
    Response,
    StatusWord,
    asked_bytes,
    command,
    get_response,
    split,
    with_le,
)
from edge.card_content import Unread

T = TypeVar("T")
Part: TypeAlias = Generator[Exchange, bytes, T]
"""A part of a conversation, and what it found out."""

TALK_EXCHANGES_MAX = 500
"""Every file of a resident health card with its pictures takes 411; `drivers.conversation.carry` gives up at 512."""

FOLLOW_UPS_MAX = 4
"""One 6Cxx and one 61xx are what cards do; a card that goes on like that is broken."""


class ApduLine:
    """Carries the commands of one talk, and counts them.

    Args:
        exchanges_max: After so many, every answer is `NO_RESPONSE`: the talk runs out.
    """

    def __init__(self, *, exchanges_max: int = TALK_EXCHANGES_MAX) -> None:
        self._left_count = exchanges_max
        self._is_sam_silent = False

    def send(self, sent: bytes, *, slot: Slot = Slot.CARD, is_counted: bool = False) -> Part[Response]:
        """Send a command; follow 61xx by GET RESPONSE and 6Cxx by the same command with that Le.

        Args:
            sent: What `drivers.framing.apdu.command` built.
            slot: To which card.
            is_counted: Whether the card counts it or keeps what it brings (a PIN, a proof, a record): then it goes out
                once, and 6Cxx is a refusal.

        Returns:
            The last status word and all data; `NO_RESPONSE` if the card asks for more and more.

        Raises:
            CardLostError: The person's card was pulled.
        """
        data = b""
        for _ in range(1 + FOLLOW_UPS_MAX):
            answer = yield from self._exchanged(sent, slot=slot)
            data += answer.data
            if answer.has_more:
                sent = get_response(asked_bytes(answer))
            elif answer.sw >> 8 == WRONG_LE and not is_counted:
                sent = with_le(sent, response_bytes=asked_bytes(answer))
            else:
                return Response(data=data, sw=answer.sw)
        return NO_RESPONSE

    def select(self, file_id: bytes, *, slot: Slot = Slot.CARD, p1: int = 0, p2: int = 0) -> Part[Response]:
        """SELECT a file by its identifier (domain facts 2.1), or whatever P1 says.

        What a file says of itself (61xx) is not fetched: nobody needs it, and each round trip costs the person time.
        So 61xx is a success as 9000 is, and the status word returned is `StatusWord.OK` for both.
        """
        answer = yield from self._exchanged(command(0xA4, p1=p1, p2=p2, data=file_id), slot=slot)
        return Response(sw=StatusWord.OK) if answer.has_more else answer

    def _exchanged(self, sent: bytes, *, slot: Slot) -> Part[Response]:
        """One command and its answer."""
        if self._left_count == 0 or (slot is Slot.SAM and self._is_sam_silent):
            return NO_RESPONSE
        self._left_count -= 1
        try:
            answer = yield Exchange(slot=slot, command=sent)
        except CardLostError:
            if slot is Slot.CARD:
                raise
            self._is_sam_silent = True
            return NO_RESPONSE
        return split(answer)


def read_record(tag: int, *, response_bytes: int) -> bytes:
    """READ RECORD by its identifier, the tag (domain facts 2.2)."""
    return command(0xB2, p1=tag, response_bytes=response_bytes)


def read_record_no(number: int, *, response_bytes: int) -> bytes:
    """READ RECORD by its number, 1 the newest of a cyclic file (domain facts 2.2)."""
    return command(0xB2, p1=number, p2=0x04, response_bytes=response_bytes)


def read_binary(offset: int, *, response_bytes: int) -> bytes:
    """READ BINARY from 0..32767."""
    return command(0xB0, p1=offset >> 8, p2=offset & 0xFF, response_bytes=response_bytes)


def why_unread(answer: Response) -> Unread:
    """Say why a card's file stays unread, by the answer that was no success."""
    if answer.sw == StatusWord.FILE_NOT_FOUND:
        return Unread.MISSING
    return Unread.REFUSED if answer.is_refusal else Unread.DAMAGED
