"""A card that holds one text, and the talk that reads it: small enough to test the way to a card, not the card.

The text is read in pieces of six bytes; a SAM in its slot is asked for four bytes with every card.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from drivers.conversation import CardRead, Conversation, Exchange, Slot
from drivers.errors import CardLostError
from drivers.reading import Reading
from tests.support.vpcd import PulledError

ATR_T1 = bytes.fromhex("3B800181")  # ISO/IEC 7816-3 8.2: T=1 by TD1, no historical bytes
ATR_T0 = bytes.fromhex("3B00")
PIECE = 6
OK = b"\x90\x00"
BEYOND_END = b"\x6b\x00"
ASK_SAM = b"\x00\x84\x00\x00\x04"
SAM_SAYS = b"\xaa\xbb\xcc\xdd"


class ToyCard:
    """A card.

    Args:
        text: What it holds.
        pulled_after: After so many bytes of it, it is gone in the middle of a command; None: it stays.
        atr: Its answer to reset.

    Attributes:
        is_read: Whether somebody has read to its end, or to where it was pulled.
        powered_count: How often it was powered or reset.
    """

    def __init__(self, text: str, *, pulled_after: int | None = None, atr: bytes = ATR_T1) -> None:
        self.atr = atr
        self.is_read = False
        self.powered_count = 0
        self._data = text.encode()
        self._pulled_after = pulled_after

    def power_on(self) -> None:
        self.powered_count += 1

    def transmit(self, command: bytes) -> bytes:
        """READ BINARY of one piece."""
        offset = int.from_bytes(command[2:4])
        if self._pulled_after is not None and offset + PIECE > self._pulled_after:
            self.is_read = True
            raise PulledError
        piece = self._data[offset : offset + PIECE]
        self.is_read = self.is_read or not piece
        return piece + OK if piece else BEYOND_END


class ToySam(ToyCard):
    """A SAM: it says the same to whatever it is asked."""

    def __init__(self) -> None:
        super().__init__("", atr=ATR_T0)

    def transmit(self, command: bytes) -> bytes:
        return SAM_SAYS + OK


class HostileCard(ToyCard):
    """A card that answers with whatever comes, and is pulled when nothing is left of it."""

    def __init__(self, answers: Iterator[bytes]) -> None:
        super().__init__("")
        self._answers = answers

    def transmit(self, command: bytes) -> bytes:
        answer = next(self._answers, None)
        if answer is None:
            raise PulledError
        return answer


class SilentCard(ToyCard):
    """A card that takes a command and never answers: vpcd waits for what comes after an empty answer."""

    def __init__(self) -> None:
        super().__init__("")

    def transmit(self, command: bytes) -> bytes:
        self.is_read = True
        return b""


def hostile_answers(noise: bytes, *, rng: random.Random) -> Iterator[bytes]:
    """Cut noise into answers: one byte, status words alone, as long as may be, too long, far too long.

    An empty one is not among them: vpcd would wait for ever (`SilentCard`).
    """
    at = 0
    while at < len(noise):
        length = rng.choice([1, 2, 2, 3, PIECE + 2, 200, 256, 258, 259, 300, 4_000, 30_000, 65_535])
        yield noise[at : at + length]
        at += length


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyContent:
    """What the talk found out.

    Attributes:
        text: The card's text.
        sam: What the SAM said; None: there was none, or it was silent.
        atr: The answer to reset.
    """

    text: str
    sam: bytes | None = None
    atr: bytes


class ToyTalk:
    """The talk: it goes on through any status word but the one at the end.

    Attributes:
        ended_count: How many talks with cards are over, well or not.
    """

    def __init__(self) -> None:
        self.ended_count = 0

    def with_card(self, *, atr: bytes, sam_atr: bytes | None) -> Conversation:
        try:
            return (yield from self._with_card(atr=atr, sam_atr=sam_atr))
        finally:
            self.ended_count += 1

    def with_sam(self, *, atr: bytes) -> Conversation:
        says = yield Exchange(slot=Slot.SAM, command=ASK_SAM)
        return CardRead(data=b"SAM", content=ToyContent(text="SAM", sam=says[:-2], atr=atr))

    def _with_card(self, *, atr: bytes, sam_atr: bytes | None) -> Conversation:
        sam = None
        if sam_atr is not None:
            try:
                sam = (yield Exchange(slot=Slot.SAM, command=ASK_SAM))[:-2]
            except CardLostError:
                sam = None
        data = b""
        while True:
            command = b"\x00\xb0" + len(data).to_bytes(2) + bytes((PIECE,))
            response = yield Exchange(command=command)
            if response[-2:] == BEYOND_END:
                text = data.decode("utf-8", "replace")
                return CardRead(data=data or b"?", content=ToyContent(text=text, sam=sam, atr=atr))
            if response[-2:] == OK:
                data = (data + response[:-2])[:4096]


def text_of(reading: Reading) -> str:
    """Return the text that was on the card."""
    assert isinstance(reading.content, ToyContent)
    return reading.content.text
