"""Chip cards through a real pcscd and libpcsclite: what a clinic does to its cards, its SAM and its service."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.conversation import EXCHANGES_MAX, Slot
from drivers.errors import CardLostError, ReaderLostError
from drivers.reader import LostCause, ReaderState
from drivers.readers import pcsc, pcsc_opening
from drivers.readers.pcsc import PcscReader, PcscSettings
from drivers.reading import Medium
from drivers.transport.pcsc import PcscContext
from tests.conformance.bench import descriptors
from tests.support.pcsc_desk import Desk, SlowCard, insert, listening, talk_of
from tests.support.pcscd import CARD_READER, Pcscd, reserved_pcscd
from tests.support.toy_card import (
    ATR_T0,
    ATR_T1,
    PIECE,
    SAM_SAYS,
    SilentCard,
    ToyCard,
    ToyContent,
    ToySam,
    ToyTalk,
)
from tests.support.waiting import until


@pytest.fixture
def pcscd(tmp_path: Path) -> Iterator[Pcscd]:
    with reserved_pcscd(tmp_path) as pcscd:
        pcscd.start()
        yield pcscd


@pytest.mark.parametrize("atr", [ATR_T0, ATR_T1])
async def test_a_card_that_is_in_already_is_read_with_its_sam(pcscd: Pcscd, atr: bytes) -> None:
    """Both were in before the program came: the SAM is read, then the card with it, by either protocol."""
    pcscd.sam_slot.insert(ToySam())
    pcscd.card_slot.insert(ToyCard("Li Si, a long name", atr=atr))

    async with listening(Desk()) as desk:
        await desk.read(2)

    sam, card = desk.readings
    assert (sam.content, card.content) == (
        ToyContent(text="SAM", sam=SAM_SAYS, atr=ATR_T0),
        ToyContent(text="Li Si, a long name", sam=SAM_SAYS, atr=atr),
    )
    assert (card.reader, card.medium, card.data, card.text) == ("card-1", Medium.ICC, b"Li Si, a long name", "")


async def test_a_sam_that_comes_and_goes_is_noticed(pcscd: Pcscd) -> None:
    """Without it, with it, with another one, without it: each card's talk knows."""
    async with listening(Desk()) as desk:
        await insert(pcscd.card_slot, ToyCard("a"))
        await desk.read(1)
        await insert(pcscd.sam_slot, ToySam())
        await desk.read(2)
        await insert(pcscd.card_slot, ToyCard("b"))
        await desk.read(3)
        await insert(pcscd.sam_slot, ToySam())
        await desk.read(4)
        await asyncio.to_thread(pcscd.sam_slot.pull)
        await insert(pcscd.card_slot, ToyCard("c"))
        await desk.read(5)

    assert desk.texts == ["a", "SAM", "b", "SAM", "c"]
    contents = [reading.content for reading in desk.readings]
    assert [content.sam for content in contents if isinstance(content, ToyContent)] == [
        None,
        SAM_SAYS,
        SAM_SAYS,
        SAM_SAYS,
        None,
    ]


async def test_a_card_pulled_in_the_middle_costs_only_itself(pcscd: Pcscd) -> None:
    """It is counted, nothing is read of it, and the next one is."""
    async with listening(Desk()) as desk:
        await desk.in_state(ReaderState.OPEN)
        await insert(pcscd.card_slot, ToyCard("Li Si, a long name", pulled_after=PIECE))
        await until(lambda: desk.inner.dropped_count == 1)
        await insert(pcscd.card_slot, ToyCard("Wang Wu"))
        await desk.read(1)

        assert desk.reader.status.state is ReaderState.OPEN
    assert desk.texts == ["Wang Wu"]


async def test_a_card_forgets_what_it_was_shown(pcscd: Pcscd) -> None:
    """After a talk the card is reset, so that nobody finds it opened."""
    card = ToyCard("Li Si")

    async with listening(Desk()) as desk:
        await insert(pcscd.card_slot, card)
        await desk.read(1)
        await until(lambda: card.powered_count >= 2)

    assert desk.texts == ["Li Si"]


async def test_a_service_that_is_killed_and_comes_back(pcscd: Pcscd) -> None:
    """Killed while it waits: named, and read on with the new one, of which everything must be made anew."""
    async with listening(Desk()) as desk:
        await desk.in_state(ReaderState.OPEN)
        pcscd.kill()
        await desk.in_state(ReaderState.LOST)
        assert desk.reader.status.cause == LostCause.NO_SERVICE
        pcscd.start()
        await desk.in_state(ReaderState.OPEN)
        await insert(pcscd.card_slot, ToyCard("Li Si"))
        await desk.read(1)
        pcscd.stop()
        await desk.in_state(ReaderState.LOST)

        assert desk.reader.status.cause == LostCause.NO_SERVICE


async def test_a_service_that_dies_in_a_talk_is_lost(pcscd: Pcscd) -> None:
    """Not the card's fault: the reader is opened again, and the card that is put in then is read."""
    card = SlowCard("Li Si " * 200)

    async with listening(Desk()) as desk:
        await desk.in_state(ReaderState.OPEN)
        await insert(pcscd.card_slot, card)
        await until(lambda: card.count > 1)
        pcscd.kill()
        await desk.in_state(ReaderState.LOST)
        pcscd.card_slot.pull()
        pcscd.start()
        await desk.in_state(ReaderState.OPEN)
        await insert(pcscd.card_slot, ToyCard("Wang Wu"))
        await desk.read(1)

    assert desk.texts == ["Wang Wu"]


async def test_a_reader_with_another_name_is_missing(pcscd: Pcscd) -> None:
    """The service runs and has no such reader."""
    reader = PcscReader("card-1", settings=PcscSettings(reader="No Such Reader"), talk=ToyTalk())

    with pytest.raises(ReaderLostError, match=LostCause.MISSING):
        await reader.__aenter__()


async def test_a_sam_reader_that_is_not_there_is_waited_for(pcscd: Pcscd) -> None:
    """Cards are read without it, waiting for it is not polling, and closing ends the waiting."""
    async with listening(Desk(sam_reader="No Such Reader")) as desk:
        await insert(pcscd.card_slot, ToyCard("Li Si"))
        await desk.read(1)
        used_s = time.process_time()
        await asyncio.sleep(1.0)  # what is measured is this second
        used_s = time.process_time() - used_s
        before_s = time.monotonic()

    assert time.monotonic() - before_s < pcsc_opening.CLOSE_S_MAX
    assert used_s < 0.05
    assert desk.texts == ["Li Si"]


async def test_a_card_that_another_program_holds_is_busy(pcscd: Pcscd) -> None:
    """Named as such, and read when the other one lets go."""
    with PcscContext() as other:
        await insert(pcscd.card_slot, ToyCard("Li Si"))
        held = other.connect(CARD_READER, slot=Slot.CARD)
        async with listening(Desk()) as desk:
            await desk.in_state(ReaderState.LOST)
            cause = desk.reader.status.cause
            held.__exit__(None, None, None)
            await desk.read(1)

    assert cause == LostCause.BUSY
    assert desk.texts == ["Li Si"]


async def test_a_conversation_with_the_card_that_is_in(pcscd: Pcscd) -> None:
    """As often as somebody wants, between two cards; without a card it is lost."""
    async with listening(Desk()) as desk:
        await desk.in_state(ReaderState.OPEN)
        with pytest.raises(CardLostError):
            await desk.inner.converse(talk_of(1))
        await insert(pcscd.card_slot, ToyCard("Li Si"))
        await desk.read(1)

        reads = [await desk.inner.converse(talk_of(2)) for _ in range(5)]
        many = await asyncio.gather(*(desk.inner.converse(talk_of(3)) for _ in range(5)))

    assert [read.data for read in [*reads, *many]] == [b"Li Si\x90\x00"] * 10
    with pytest.raises(CardLostError):
        await desk.inner.converse(talk_of(1))


async def test_a_conversation_with_a_card_that_is_pulled(pcscd: Pcscd) -> None:
    """Whoever wanted it is told."""
    async with listening(Desk()) as desk:
        await insert(pcscd.card_slot, ToyCard("Li Si"))
        await desk.read(1)
        await asyncio.to_thread(pcscd.card_slot.pull)

        with pytest.raises(CardLostError):
            await desk.inner.converse(talk_of(1))


async def test_closing_in_a_talk_ends_it(pcscd: Pcscd) -> None:
    """A talk of ten seconds is left at the next command, whoever wanted it."""

    card = SlowCard("Li Si")

    async with listening(Desk()) as desk:
        await insert(pcscd.card_slot, card)
        await desk.read(1)
        asked = asyncio.ensure_future(desk.inner.converse(talk_of(EXCHANGES_MAX)))
        await until(lambda: card.count > 5)
        before_s = time.monotonic()

    assert time.monotonic() - before_s < pcsc_opening.CLOSE_S_MAX
    with pytest.raises(CardLostError):
        await asked


async def test_a_card_that_never_answers_is_given_up(pcscd: Pcscd, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command hangs in pcscd: the reader is lost, nothing more is begun, and it is back when the card is out."""
    monkeypatch.setattr(pcsc, "HANG_S", 0.2)
    monkeypatch.setattr(pcsc_opening, "CLOSE_S_MAX", 0.2)
    before = descriptors()

    async with listening(Desk(read_s_max=1)) as desk:
        await insert(pcscd.card_slot, ToyCard("Li Si"))
        await desk.read(1)
        await insert(pcscd.card_slot, SilentCard())
        await desk.in_state(ReaderState.LOST)
        assert desk.reader.status.cause == LostCause.IO
        await until(lambda: desk.inner.openings >= 4)  # the second and third time in vain
        assert len([t for t in threading.enumerate() if t.name == "pcsc card-1"]) == 1
        await asyncio.to_thread(pcscd.card_slot.pull)
        await desk.in_state(ReaderState.OPEN)
        await insert(pcscd.card_slot, ToyCard("Wang Wu"))
        await desk.read(2)
        await asyncio.to_thread(pcscd.card_slot.pull)

    assert desk.texts == ["Li Si", "Wang Wu"]
    await until(lambda: descriptors() == before)


async def test_a_service_that_hangs_holds_up_nobody(pcscd: Pcscd, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening and closing have limits, and afterwards it works again."""
    monkeypatch.setattr(pcsc, "OPEN_S_MAX", 0.3)
    monkeypatch.setattr(pcsc_opening, "CLOSE_S_MAX", 0.3)
    desk = Desk()

    async with listening(desk):
        await desk.in_state(ReaderState.OPEN)
        pcscd.pause()
        before_s = time.monotonic()
    closed_s = time.monotonic() - before_s
    causes = []
    for _ in range(2):
        with pytest.raises(ReaderLostError) as caught:
            await Desk().inner.__aenter__()
        causes.append(caught.value.cause)
    pcscd.resume()
    async with listening(desk):
        await insert(pcscd.card_slot, ToyCard("Li Si"))
        await desk.read(1)

    assert closed_s < 5.0
    assert causes == [LostCause.NO_SERVICE] * 2
    assert desk.texts == ["Li Si"]


PROGRAM = """
import asyncio, signal
from drivers.readers.pcsc import PcscReader, PcscSettings
from tests.support.toy_card import ToyTalk

async def main():
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with PcscReader("card-1", settings=PcscSettings(reader="Test Desk"), talk=ToyTalk()):
        print("open", flush=True)
        await stopped.wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("hangs", [False, True])
def test_a_program_ends_when_it_is_told_to(pcscd: Pcscd, hangs: bool) -> None:
    """Within 5 s of SIGTERM, and even if pcscd hangs."""
    command = [sys.executable, "-c", PROGRAM]
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"open\n"
        if hangs:
            pcscd.pause()
        before_s = time.monotonic()
        program.terminate()
        code = program.wait(25)
        ended_s = time.monotonic() - before_s
    if hangs:
        pcscd.resume()

    assert code == 0
    assert ended_s < 5.0


async def test_what_an_exchange_costs(pcscd: Pcscd) -> None:
    """A round trip to a card that answers at once is far below a millisecond; the figure is printed."""
    async with listening(Desk()) as desk:
        await insert(pcscd.card_slot, ToyCard("Li Si"))
        await desk.read(1)
        before_s = time.perf_counter()
        await desk.inner.converse(talk_of(500))
        used_ms = (time.perf_counter() - before_s) * 1000 / 500

    print(f"one APDU through pcscd and vpcd: {used_ms:.3f} ms")
    assert used_ms < 5.0
