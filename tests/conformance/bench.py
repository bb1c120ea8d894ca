"""What the conformance suite needs of a reader: the reader itself, and somebody who holds its device in his hands.

A new family joins by a `Bench` of its own in `benches.BENCHES`; the tests stay as they are.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, aclosing, asynccontextmanager, nullcontext
from pathlib import Path

from drivers.keep_open import KeptOpenReader
from drivers.reader import OpenableReader, ReaderState
from drivers.reading import Reading
from tests.support.waiting import LIMIT_S, until


class Bench(ABC):
    """A reader on a desk, its device not yet plugged in.

    Attributes:
        reader: The reader, closed.
    """

    reader: OpenableReader

    @abstractmethod
    def plug(self) -> None:
        """Put the device in."""

    @abstractmethod
    def unplug(self) -> None:
        """Pull the device out, at once and without a word; nothing happens if it is out."""

    @abstractmethod
    async def send(self, data: bytes) -> None:
        """Let the device send raw bytes, however many, and return when the reader has taken them all."""

    @abstractmethod
    def frames(self, *codes: str) -> list[bytes]:
        """Return the bytes in which the device sends each code."""

    def held_time(self) -> AbstractContextManager[None]:
        """Let no time pass for the reader in this block, if silence means something to it.

        So a busy machine that pauses the test does not pause the device.
        """
        return nullcontext()

    @property
    def is_joinable(self) -> bool:
        """Whether two frames without a pause between them are two codes."""
        return True


class Heard:
    """What a reader has read so far, and what it stands on."""

    def __init__(self, reader: KeptOpenReader) -> None:
        self.reader = reader
        self.readings: list[Reading] = []

    @property
    def texts(self) -> list[str]:
        """The texts so far."""
        return [reading.text for reading in self.readings]

    async def in_state(self, state: ReaderState) -> None:
        """Wait until the reader is in a state."""
        await until(lambda: self.reader.status.state is state)

    async def until_count(self, count: int) -> None:
        """Wait until so many codes have been read."""
        await until(lambda: len(self.readings) >= count)


@asynccontextmanager
async def listening(reader: OpenableReader) -> AsyncGenerator[Heard, None]:
    """Keep a reader open and collect what it reads, until the block ends."""
    heard = Heard(KeptOpenReader(reader))

    async def listen() -> None:
        async with aclosing(heard.reader.readings()) as readings:
            async for reading in readings:
                heard.readings.append(reading)

    task = asyncio.create_task(listen())
    try:
        yield heard
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=LIMIT_S)
        if not task.cancelled():
            task.result()


def descriptors() -> dict[int, str]:
    """Return the open descriptors of this process and what they lead to."""
    folder = Path("/proc/self/fd")
    found = {}
    for entry in folder.iterdir():
        try:
            found[int(entry.name)] = str(entry.readlink())
        except FileNotFoundError:  # the one that lists the folder
            continue
    return found
