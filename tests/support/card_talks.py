"""Every talk with a card or a SAM there is, recorded with emulated cards, and played again with whatever answers.

A recording is the answers in order, each behind two bytes of its length: so it can be damaged like any other input.
"""

from collections.abc import Callable, Iterator
from datetime import date
from itertools import repeat

from drivers.conversation import CardRead, Conversation, Slot, carry
from edge.apdu_talk import TALK_EXCHANGES_MAX
from edge.card_content import (
    Appended,
    NotAppended,
    ResidentHealthCard,
    SamInfo,
    SocialSecurityCard,
    UnreadableCard,
    UnreadableSam,
)
from edge.card_talk import CardTalk
from edge.rhc_files import BY_PATH
from tests.support.card_slots import CardSlots, card_talk
from tests.support.emulated_card import EmulatedCard
from tests.support.emulated_cards import (
    ATR,
    SAM_ATR,
    ResidentHealthCardEmulator,
    SamEmulator,
    SocialSecurityCardEmulator,
)

CONTENTS = (ResidentHealthCard, SocialSecurityCard, UnreadableCard, UnreadableSam, SamInfo, Appended, NotAppended)
PROFILES = ("desk", "all", tuple(BY_PATH))
NAMED = bytes.fromhex("0604201803010812") + b"11010020171225006X" + bytes.fromhex("3903110100")

TALKS: dict[str, Callable[[CardTalk], Conversation]] = {
    "card": lambda talk: talk.with_card(atr=ATR, sam_atr=SAM_ATR),
    "card alone": lambda talk: talk.with_card(atr=ATR, sam_atr=None),
    "sam": lambda talk: talk.with_sam(atr=SAM_ATR),
    "append": lambda talk: talk.append_immunization(
        name="疫苗", day=date(2026, 1, 2), card=NAMED, atr=ATR, sam_atr=SAM_ATR
    ),
}
_CARDS: dict[str, tuple[Callable[[], EmulatedCard], ...]] = {
    "card": (ResidentHealthCardEmulator,),
    "card alone": (ResidentHealthCardEmulator, SocialSecurityCardEmulator),
    "sam": (ResidentHealthCardEmulator,),
    "append": (ResidentHealthCardEmulator,),
}


def recorded(name: str) -> tuple[bytes, ...]:
    """The recordings of a talk, in each profile and with each card it is for."""
    return tuple(_recording(name, card=make(), files=files) for make in _CARDS[name] for files in PROFILES)


def played(recording: bytes, *, name: str, files: str | tuple[str, ...] = "desk") -> CardRead:
    """Play a talk with the answers of a recording; after the last one there is none.

    The talk's own promises are asserted: it ends within its limit, with something the node knows.
    """
    answers, sent = _answers(recording), 0

    def transmit(_slot: Slot, command: bytes) -> bytes:
        nonlocal sent
        sent += 1
        assert 4 <= len(command) <= 261
        return next(answers)

    read = carry(TALKS[name](card_talk(files=files)), transmit=transmit)
    assert sent <= TALK_EXCHANGES_MAX
    assert isinstance(read.content, CONTENTS)
    assert 1 <= len(read.data) <= 4096
    return read


def _recording(name: str, *, card: EmulatedCard, files: str | tuple[str, ...]) -> bytes:
    slots = CardSlots(card, sam=SamEmulator(sam_type=2), talk=card_talk(files=files))
    slots.carry(TALKS[name](slots.talk))
    return b"".join(len(answer).to_bytes(2, "big") + answer for _, _, answer in slots.sent)


def _answers(recording: bytes) -> Iterator[bytes]:
    while recording:
        length = int.from_bytes(recording[:2], "big")
        yield recording[2 : 2 + length]
        recording = recording[2 + length :]
    yield from repeat(b"")
