"""Health cards through a real pcscd: the talk, the reader and the cards together, the SAM in its own slot."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from datetime import date
from pathlib import Path

import pytest

from drivers.readers.pcsc import PcscReader, PcscSettings
from drivers.reading import Medium, Reading
from edge.card_content import (
    Appended,
    CardFault,
    Immunization,
    ResidentHealthCard,
    SamInfo,
    SocialSecurityCard,
    Unread,
    UnreadableCard,
)
from tests.support.card_files import SAMPLE_ID_NO, SAMPLE_NAME
from tests.support.card_slots import card_talk
from tests.support.emulated_card import EmulatedCard
from tests.support.emulated_cards import (
    SAM_SERIAL,
    TRIES,
    ResidentHealthCardEmulator,
    SamEmulator,
    SocialSecurityCardEmulator,
)
from tests.support.pcscd import CARD_READER, SAM_READER, Pcscd, reserved_pcscd
from tests.support.vpcd import PulledError

READ_S = 20.0


@pytest.fixture
def pcscd(tmp_path: Path) -> Iterator[Pcscd]:
    with reserved_pcscd(tmp_path) as service:
        service.start()
        yield service


def desk_reader() -> PcscReader:
    return PcscReader("card-1", settings=PcscSettings(reader=CARD_READER, sam_reader=SAM_READER), talk=card_talk())


async def read(reader: PcscReader, *, count: int) -> list[Reading]:
    """The next readings of a reader that is open."""
    found = []
    async with asyncio.timeout(READ_S), aclosing(reader.readings()) as readings:
        async for reading in readings:
            found.append(reading)
            if len(found) == count:
                break
    return found


async def test_a_card_and_its_sam_are_read_and_written(pcscd: Pcscd) -> None:
    """The SAM is taken stock of, the card is read with it, an immunisation is appended and stands there after that."""
    sam, card = SamEmulator(sam_type=2), ResidentHealthCardEmulator(is_selection_told=True)
    await asyncio.to_thread(pcscd.sam_slot.insert, sam)
    await asyncio.to_thread(pcscd.card_slot.insert, card)

    async with desk_reader() as reader:
        stock, first = await read(reader, count=2)
        talk = card_talk().append_immunization(
            name="流感疫苗", day=date(2026, 11, 22), card=first.data, atr=card.atr, sam_atr=sam.atr
        )
        appended = await reader.converse(talk)
        await asyncio.to_thread(pcscd.card_slot.insert, card)
        (second,) = await read(reader, count=1)

    assert isinstance(stock.content, SamInfo)
    assert (stock.content.number, stock.content.valid_until) == (SAM_SERIAL.hex().upper(), date(2028, 12, 31))
    for reading in (first, second):
        assert (reading.medium, reading.data) == (Medium.ICC, first.data)
        assert isinstance(reading.content, ResidentHealthCard)
        assert reading.content.unread == ()
    assert isinstance(appended.content, Appended)
    assert second.content.immunizations is not None
    assert second.content.immunizations[0] == Immunization(name="流感疫苗", day=date(2026, 11, 22))


async def test_a_sam_of_another_pin_is_asked_once_and_never_locked(pcscd: Pcscd) -> None:
    """Stock and cards cost it one try in all; the cards give what is free."""
    sam = SamEmulator(pin=b"\x99\x99\x99")
    await asyncio.to_thread(pcscd.sam_slot.insert, sam)

    async with desk_reader() as reader:
        found = []
        for _ in range(3):
            await asyncio.to_thread(pcscd.card_slot.insert, ResidentHealthCardEmulator())
            found += [each.content for each in await read(reader, count=1 + (not found))]

    assert sam.tries == TRIES - 1
    cards = [content for content in found if isinstance(content, ResidentHealthCard)]
    assert [card.card_no for card in cards] == [SAMPLE_ID_NO] * 3
    assert {file.cause for card in cards for file in card.unread} == {Unread.SAM_PIN}


async def test_a_social_security_card_is_read_whoever_waits_in_the_other_slot(pcscd: Pcscd) -> None:
    """Nothing is in the SAM's slot; then a card that is pulled in the middle, and the next one works."""
    cards: list[EmulatedCard] = [SocialSecurityCardEmulator(), _Pulled(), SocialSecurityCardEmulator(gate=b"\x69\x82")]

    async with desk_reader() as reader:
        contents = []
        for card in cards:
            await asyncio.to_thread(pcscd.card_slot.insert, card)
            contents += [each.content for each in await read(reader, count=1)]

    free, pulled, gated = contents
    assert isinstance(free, SocialSecurityCard)
    assert free.holder is not None
    assert free.holder.name == SAMPLE_NAME
    assert pulled == UnreadableCard(fault=CardFault.PULLED)
    assert isinstance(gated, SocialSecurityCard)
    assert [(file.file, file.cause) for file in gated.unread] == [("EF06", Unread.REFUSED)]


class _Pulled(ResidentHealthCardEmulator):
    """A card that goes away at its fourth command."""

    def transmit(self, command: bytes) -> bytes:
        if len(self.received) == 3:
            raise PulledError
        return super().transmit(command)
