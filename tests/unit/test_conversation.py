"""A talk with a card, carried to its end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.conversation import EXCHANGES_MAX, CardRead, Conversation, Exchange, Slot, carry
from drivers.errors import CardLostError, FrameError

READ = CardRead(data=b"1", content=None)


def echo(slot: Slot, command: bytes) -> bytes:
    return slot.encode() + command


@given(commands=st.lists(st.tuples(st.sampled_from(Slot), st.binary(min_size=4, max_size=261)), max_size=20))
def test_each_command_gets_its_answer_in_order(commands: list[tuple[Slot, bytes]]) -> None:
    """Every command goes to the card it names, and its answer comes back before the next is asked."""
    answers = []

    def talk() -> Conversation:
        for slot, command in commands:
            answers.append((yield Exchange(slot=slot, command=command)))
        return CardRead(data=b"done", content=answers)

    read = carry(talk(), transmit=echo)

    assert answers == [echo(slot, command) for slot, command in commands]
    assert (read.data, read.content) == (b"done", answers)


def test_a_silent_card_is_told_to_the_talk_that_can_do_without_it() -> None:
    """CardLostError comes out of the yield, names the card, and the talk may go on."""

    def talk() -> Conversation:
        try:
            yield Exchange(slot=Slot.SAM, command=b"1234")
        except CardLostError as lost:
            return CardRead(data=(yield Exchange(command=b"5678")), content=lost.slot)
        raise AssertionError("the SAM was silent")

    def transmit(slot: Slot, command: bytes) -> bytes:
        if slot is Slot.SAM:
            raise CardLostError(slot)
        return command

    assert carry(talk(), transmit=transmit) == CardRead(data=b"5678", content=Slot.SAM)


def test_a_silent_card_ends_the_talk_that_cannot_do_without_it() -> None:
    """What the talk does not catch comes out, and the talk is closed."""
    closed = []

    def talk() -> Conversation:
        try:
            yield Exchange(command=b"1234")
        finally:
            closed.append(True)
        return READ

    def transmit(slot: Slot, command: bytes) -> bytes:
        raise CardLostError(slot)

    with pytest.raises(CardLostError) as caught:
        carry(talk(), transmit=transmit)

    assert (caught.value.slot, closed) == (Slot.CARD, [True])


def test_another_failure_ends_the_talk_at_once() -> None:
    """Only a silent card is the talk's business."""
    asked = []

    def talk() -> Conversation:
        while True:
            try:
                asked.append((yield Exchange(command=b"1234")))
            except CardLostError:
                asked.append(b"never")

    def transmit(slot: Slot, command: bytes) -> bytes:
        raise FrameError("too slow")

    with pytest.raises(FrameError, match="too slow"):
        carry(talk(), transmit=transmit)

    assert not asked


def test_a_talk_without_end_is_ended() -> None:
    """So many commands a talk may take; with one more the card is not believed."""

    def talk(count: int) -> Conversation:
        for _ in range(count):
            yield Exchange(command=b"1234")
        return READ

    assert carry(talk(EXCHANGES_MAX), transmit=echo) == READ
    with pytest.raises(FrameError, match="without end"):
        carry(talk(EXCHANGES_MAX + 1), transmit=echo)


def test_a_talk_without_a_command_is_one_too() -> None:
    """A card may be known by its answer to reset alone."""

    def talk() -> Conversation:
        return READ
        yield Exchange(command=b"1234")  # makes it a generator

    assert carry(talk(), transmit=echo) == READ


def test_a_talk_that_returns_something_else_is_a_bug() -> None:
    """A talk keeps its promise or is mended."""

    def talk() -> Conversation:
        yield Exchange(command=b"1234")
        return None  # type: ignore[return-value]

    with pytest.raises(TypeError, match="CardRead"):
        carry(talk(), transmit=echo)


def test_nothing_of_a_card_is_shown() -> None:
    """Commands and what was read may name a person."""
    shown = repr(Exchange(command=b"Zhang San")) + repr(CardRead(data=b"Zhang San", content="Zhang San"))

    assert "Zhang" not in shown
