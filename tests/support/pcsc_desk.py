"""A PC/SC reader on a desk, kept open: what it has read, and cards and talks to try it with."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Self

from drivers.conversation import CardRead, Conversation, Exchange
from drivers.keep_open import KeptOpenReader
from drivers.reader import ReaderState
from drivers.readers.pcsc import PcscReader, PcscSettings
from drivers.reading import Reading
from tests.support.pcscd import CARD_READER, SAM_READER
from tests.support.toy_card import ToyCard, ToyTalk, text_of
from tests.support.waiting import until

BACK_LIMIT_S = 5 * 5.0  # promised: 5 s; five times the room on a busy machine
READ = Exchange(command=b"\x00\xb0\x00\x00\x06")


class SlowCard(ToyCard):
    """A card that takes its time, and counts its commands."""

    count = 0

    def transmit(self, command: bytes) -> bytes:
        self.count += 1
        time.sleep(0.02)
        return super().transmit(command)


class CountingReader(PcscReader):
    """Counts how often it was opened, or was tried to."""

    openings = 0

    async def __aenter__(self) -> Self:
        self.openings += 1
        return await super().__aenter__()


class Desk:
    """A reader that is kept open, and what it has read."""

    def __init__(self, *, sam_reader: str = SAM_READER, read_s_max: int = 10) -> None:
        self.talk = ToyTalk()
        settings = PcscSettings(reader=CARD_READER, sam_reader=sam_reader, read_s_max=read_s_max)
        self.inner = CountingReader("card-1", settings=settings, talk=self.talk)
        self.reader = KeptOpenReader(self.inner)
        self.readings: list[Reading] = []

    @property
    def texts(self) -> list[str]:
        return [text_of(reading) for reading in self.readings]

    async def read(self, count: int) -> None:
        await until(lambda: len(self.readings) >= count)

    async def in_state(self, state: ReaderState) -> None:
        await until(lambda: self.reader.status.state is state, limit_s=BACK_LIMIT_S)

    async def listen(self) -> None:
        async with aclosing(self.reader.readings()) as readings:
            async for reading in readings:
                self.readings.append(reading)


@asynccontextmanager
async def listening(desk: Desk) -> AsyncGenerator[Desk, None]:
    task = asyncio.create_task(desk.listen())
    try:
        yield desk
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()


def talk_of(count: int) -> Conversation:
    """A talk of so many commands."""
    response = b""
    for _ in range(count):
        response = yield READ
    return CardRead(data=response, content=count)


async def insert(slot: object, card: ToyCard) -> None:
    await asyncio.to_thread(slot.insert, card)  # type: ignore[attr-defined]
