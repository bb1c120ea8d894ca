"""A talk with a chip card, carried without understanding it.

Whoever knows the card (`edge`) hands in a `CardTalk`; what it starts is a generator that yields commands and is sent
the answers, and returns what was read. The reader moves bytes. So the card's rules are tested without a card, and the
reader without knowing one.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeAlias

from drivers.errors import CardLostError, FrameError

EXCHANGES_MAX = 512
"""More than the longest talk there is, every file of a resident health card; a broken card could go on for ever."""

RESPONSE_BYTES_MAX = 258  # ISO/IEC 7816-3 12.1.1: 256 bytes of data and the status word of a short response


class Slot(StrEnum):
    """Which card a command is for."""

    CARD = "card"  # the person's
    SAM = "sam"  # the terminal's own, in a slot of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One command.

    Attributes:
        slot: For which card.
        command: The command APDU (ISO/IEC 7816-4), 4..261 bytes; its data may name a person.
    """

    slot: Slot = Slot.CARD
    command: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRead:
    """What a conversation brought back.

    Attributes:
        data: What names the card, as it was read, 1..4096 bytes: the same card gives the same bytes.
        content: What it means, for those who know.
    """

    data: bytes = field(repr=False)
    content: object = field(repr=False)


Conversation: TypeAlias = Generator[Exchange, bytes, CardRead]
"""Yields a command, is sent the whole response APDU (data and status word, 2 bytes at least); returns what was read.

Where a card does not answer, `CardLostError` is thrown in at the yield: a talk that can do without that card goes on.
"""


class CardTalk(Protocol):
    """Knows what to ask a card."""

    def with_card(self, *, atr: bytes, sam_atr: bytes | None) -> Conversation:
        """Begin a talk with a person's card.

        Args:
            atr: The answer to reset (ISO/IEC 7816-3) of the card, 2..33 bytes.
            sam_atr: That of the SAM; None: there is none.
        """
        ...

    def with_sam(self, *, atr: bytes) -> Conversation:
        """Begin a talk with a SAM that was found in its slot."""
        ...


def carry(conversation: Conversation, *, transmit: Callable[[Slot, bytes], bytes]) -> CardRead:
    """Carry a conversation to its end; blocks, so it runs in a thread.

    Args:
        conversation: Just begun.
        transmit: Sends a command APDU and returns the response APDU; raises CardLostError if that card is silent.

    Raises:
        CardLostError: A card was silent and the talk could not do without it.
        FrameError: The talk does not end: the card is not what it says.
    """
    try:
        exchange = next(conversation)
        for _ in range(EXCHANGES_MAX):
            try:
                response = transmit(exchange.slot, exchange.command)
            except CardLostError as lost:
                exchange = conversation.throw(lost)
            else:
                exchange = conversation.send(response)
    except StopIteration as ended:
        read = ended.value
        if not isinstance(read, CardRead):
            raise TypeError("a conversation returns a CardRead") from None
        return read
    finally:
        conversation.close()
    raise FrameError("a conversation without end")
