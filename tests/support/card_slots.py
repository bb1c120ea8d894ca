"""A slot for a card and one for a SAM, with emulated cards in them: carries talks and keeps what was sent."""

from drivers.conversation import CardRead, Conversation, Slot, carry
from drivers.errors import CardLostError
from edge.card_content import ResidentHealthCard, Unread
from edge.card_talk import CardTalk
from tests.support.emulated_card import EmulatedCard
from tests.support.emulated_cards import PIN


def terminal_random(count: int) -> bytes:
    """The terminal's random bytes, always the same."""
    return bytes(range(0xA0, 0xA0 + count))


def card_talk(*, sam_pin: bytes | None = PIN, files: str | tuple[str, ...] = "desk") -> CardTalk:
    """What a node with this configuration asks."""
    return CardTalk(random_bytes=terminal_random, sam_pin=sam_pin, files=files)


class CardSlots:
    """Both slots.

    Args:
        card: In the slot for persons' cards.
        sam: In the slot for SAMs.
        talk: What to ask.

    Attributes:
        sent: Every command of the last talk and its answer, in order.
        lose: After how many commands to a slot that card is gone.
        spoil: After how many commands to a slot that card answers nonsense.
    """

    def __init__(
        self, card: EmulatedCard | None = None, *, sam: EmulatedCard | None = None, talk: CardTalk | None = None
    ) -> None:
        self.card = card
        self.sam = sam
        self.talk = talk or card_talk()
        self.sent: list[tuple[Slot, bytes, bytes]] = []
        self.lose: dict[Slot, int] = {}
        self.spoil: dict[Slot, int] = {}

    def read_card(self) -> CardRead:
        """Put the card in and read it."""
        assert self.card is not None
        self.card.power_on()
        return self.carry(self.talk.with_card(atr=self.card.atr, sam_atr=None if self.sam is None else self.sam.atr))

    def read_sam(self) -> CardRead:
        """Put the SAM in and take stock of it."""
        assert self.sam is not None
        self.sam.power_on()
        return self.carry(self.talk.with_sam(atr=self.sam.atr))

    def carry(self, conversation: Conversation) -> CardRead:
        """Carry any talk."""
        self.sent = []
        return carry(conversation, transmit=self._transmit)

    def commands(self, slot: Slot) -> list[str]:
        """What was sent to a slot, in hex."""
        return [command.hex().upper() for each, command, _ in self.sent if each is slot]

    def _transmit(self, slot: Slot, command: bytes) -> bytes:
        sent_count = len(self.commands(slot))
        if sent_count >= self.lose.get(slot, sent_count + 1):
            self.sent.append((slot, command, b""))
            raise CardLostError(slot)
        card = self.card if slot is Slot.CARD else self.sam
        if card is None:
            raise AssertionError("a command for an empty slot")
        answer = card.transmit(command)
        if sent_count >= self.spoil.get(slot, sent_count + 1):
            answer = b"\x00"
        self.sent.append((slot, command, answer))
        return answer


def health_card(read: CardRead) -> ResidentHealthCard:
    """The content of a reading, which is a resident health card."""
    assert isinstance(read.content, ResidentHealthCard)
    return read.content


def unread(read: CardRead) -> dict[str, Unread]:
    """What of it stayed unread, and why."""
    return {file.file: file.cause for file in health_card(read).unread}


def opened(card: ResidentHealthCard) -> tuple[str, ...]:
    """The files that a SAM opened."""
    return () if card.sam_use is None else card.sam_use.files
