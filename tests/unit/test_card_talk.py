"""Which card it is, and that a talk ends with a value whatever the card and the SAM answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.conversation import EXCHANGES_MAX, CardRead, CardTalk, Slot, carry
from drivers.errors import CardLostError
from edge.apdu_talk import FOLLOW_UPS_MAX, TALK_EXCHANGES_MAX, ApduLine
from edge.card_content import (
    CardFault,
    NotAppended,
    ResidentHealthCard,
    SocialSecurityCard,
    UnreadableCard,
    UnreadableSam,
)
from tests.support.card_files import SocialFiles
from tests.support.card_slots import CardSlots, card_talk
from tests.support.card_talks import CONTENTS, PROFILES, TALKS, played, recorded
from tests.support.emulated_cards import (
    ATR,
    SAM_ATR,
    ResidentHealthCardEmulator,
    SamEmulator,
    SocialSecurityCardEmulator,
    StrangeCard,
)

ANSWERS = st.one_of(
    st.binary(max_size=12),
    st.sampled_from([b"\x90\x00", b"\x61\x00", b"\x61\x10", b"\x6c\x00", b"\x6c\x05", b"\x6a\x82", b"\x62\x82", b""]),
    st.builds(lambda data: data + b"\x90\x00", st.binary(max_size=40)),
)


def test_each_kind_of_card_is_recognised() -> None:
    """A health card, a social security card, another card."""
    cards = [ResidentHealthCardEmulator(), SocialSecurityCardEmulator(), StrangeCard(atr=ATR)]

    contents = [CardSlots(card).read_card().content for card in cards]

    assert [type(content) for content in contents] == [ResidentHealthCard, SocialSecurityCard, UnreadableCard]
    assert contents[2] == UnreadableCard(fault=CardFault.UNKNOWN_CARD)


def test_a_social_security_card_with_a_folder_of_the_health_cards_name_is_what_it_is() -> None:
    """A file identifier is nobody's own: what there does not name a health card is none."""
    read = CardSlots(_Both()).read_card()

    assert isinstance(read.content, SocialSecurityCard)
    assert read.content.card_no == "A0000042X"


class _Both(SocialSecurityCardEmulator):
    """A social security card that lets DDF1 be selected, and a file EF05 in it with other records."""

    def transmit(self, command: bytes) -> bytes:
        if command == bytes.fromhex("00A4000002DDF1"):
            return b"\x90\x00"
        return super().transmit(command)


def test_a_card_of_both_kinds_that_nothing_names_is_damaged() -> None:
    """It said it was ours."""
    read = CardSlots(_Both(files=SocialFiles(base={}))).read_card()

    assert read == CardRead(data=_Both().atr, content=UnreadableCard(fault=CardFault.DAMAGED))


@pytest.mark.parametrize("answer", ["", "90", "6000", "1234", "6283"])
def test_a_card_that_does_not_answer_as_cards_do_is_damaged(answer: str) -> None:
    """Another card says no; this one says nothing."""
    read = carry(card_talk().with_card(atr=ATR, sam_atr=None), transmit=lambda *_: bytes.fromhex(answer))

    assert read.content == UnreadableCard(fault=CardFault.DAMAGED)


def test_a_talk_is_what_readers_carry() -> None:
    """The class has the form that the drivers ask for."""
    talk: CardTalk = card_talk()

    assert isinstance(carry(talk.with_sam(atr=SAM_ATR), transmit=lambda *_: b"\x6a\x82").content, UnreadableSam)


@given(data=st.data(), name=st.sampled_from(sorted(TALKS)), files=st.sampled_from(PROFILES))
def test_any_answers_end_in_a_value(data: st.DataObject, name: str, files: str | tuple[str, ...]) -> None:
    """Whatever comes, the talk ends, within the limit, with something the node knows."""
    answers = data.draw(st.lists(ANSWERS, min_size=1, max_size=30))
    sent: list[bytes] = []

    def transmit(slot: Slot, command: bytes) -> bytes:
        assert 4 <= len(command) <= 261
        sent.append(command)
        return answers[len(sent) % len(answers)]

    read = carry(TALKS[name](card_talk(files=files)), transmit=transmit)

    assert isinstance(read.content, CONTENTS)
    assert 1 <= len(read.data) <= 4096
    assert len(sent) <= TALK_EXCHANGES_MAX < EXCHANGES_MAX


@given(data=st.data(), name=st.sampled_from(sorted(TALKS)), files=st.sampled_from(PROFILES), lose=st.booleans())
def test_any_change_of_real_answers_ends_in_a_value(
    data: st.DataObject, name: str, files: str | tuple[str, ...], lose: bool
) -> None:
    """Real cards with one answer exchanged, or one of both pulled, anywhere."""
    at, answer = data.draw(st.integers(0, 120)), data.draw(ANSWERS)
    card, sam = ResidentHealthCardEmulator(), SamEmulator(sam_type=2)
    sent = 0

    def transmit(slot: Slot, command: bytes) -> bytes:
        nonlocal sent
        sent += 1
        if sent == at and lose:
            raise CardLostError(slot)
        return answer if sent == at else (card if slot is Slot.CARD else sam).transmit(command)

    read = carry(TALKS[name](card_talk(files=files)), transmit=transmit)

    assert isinstance(read.content, CONTENTS)


@pytest.mark.parametrize("name", TALKS)
def test_a_recorded_talk_reads_the_same_when_it_is_played(name: str) -> None:
    """What is read depends on the answers and on nothing else."""
    first, again = (played(recorded(name)[0], name=name) for _ in range(2))

    assert first == again
    assert not isinstance(first.content, UnreadableCard | NotAppended)


@pytest.mark.parametrize("answer", ["6C10", "6110", "61", "0102036110"])
def test_a_card_that_asks_for_more_for_ever_is_asked_a_few_times(answer: str) -> None:
    """One command becomes five at the most."""
    sent: list[bytes] = []

    def transmit(slot: Slot, command: bytes) -> bytes:
        sent.append(command)
        return bytes.fromhex("9000" if len(sent) in (1, 2) else answer)

    read = carry(card_talk().with_card(atr=ATR, sam_atr=None), transmit=transmit)

    assert read.content == UnreadableCard(fault=CardFault.DAMAGED)
    assert len(sent) <= 4 + 2 * (1 + FOLLOW_UPS_MAX)


def test_a_talk_runs_out() -> None:
    """After its last command every answer is none, and nothing more is sent."""
    line = ApduLine(exchanges_max=1)

    first = line.send(b"\x00\x84\x00\x00\x08")
    next(first)
    with pytest.raises(StopIteration) as answered:
        first.send(b"\x90\x00")
    with pytest.raises(StopIteration) as unanswered:
        next(line.send(b"\x00\x84\x00\x00\x08"))

    assert answered.value.value.is_ok
    assert unanswered.value.value.sw == 0


def test_a_response_in_pieces_is_joined() -> None:
    """Data before 61xx and what GET RESPONSE brings are one answer."""
    line = ApduLine()
    talk = line.send(b"\x00\xb2\x01\x00\x04")

    commands = [next(talk).command]
    commands += [talk.send(b"\x01\x6c\x00").command, talk.send(b"\x02\x61\x02").command]
    with pytest.raises(StopIteration) as ended:
        talk.send(b"\x03\x04\x90\x00")

    assert commands == [b"\x00\xb2\x01\x00\x04", b"\x00\xb2\x01\x00\x00", b"\x00\xc0\x00\x00\x02"]
    assert ended.value.value.data == b"\x01\x02\x03\x04"


@pytest.mark.parametrize("name", TALKS)
def test_a_talk_can_be_given_up(name: str) -> None:
    """A reader that is closed closes the talk; nothing is sent after that."""
    talk = TALKS[name](card_talk())
    next(talk)

    talk.close()

    with pytest.raises(StopIteration):
        next(talk)
