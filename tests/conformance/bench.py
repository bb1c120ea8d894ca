"""What the conformance suite needs of a reader: the reader itself, and somebody who holds its device in his hands.

A new family joins by a `Bench` of its own in `benches.BENCHES`; the tests stay as they are.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AbstractContextManager, aclosing, asynccontextmanager, nullcontext
from pathlib import Path

from drivers.keep_open import KeptOpenReader
from drivers.reader import LostCause, OpenableReader, ReaderState
from drivers.reading import Medium, Reading
from tests.support.waiting import LIMIT_S, until


class Bench(ABC):
    """A reader on a desk, its device not yet plugged in.

    Attributes:
        reader: The reader, closed.
        lost_cause: What a reader says whose device is pulled out while it waits.
        missing_cause: What it says if it is opened while the device is out.
    """

    reader: OpenableReader
    lost_cause = LostCause.UNPLUGGED
    missing_cause = LostCause.MISSING

    @abstractmethod
    def plug(self) -> None:
        """Put the device in."""

    @abstractmethod
    def unplug(self) -> None:
        """Pull the device out, at once and without a word; nothing happens if it is out."""

    def close(self) -> None:  # noqa: B027  # most have nothing but the device
        """Give back what the bench itself needed; the device is out."""

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

    def cuts(self, frame: bytes) -> Iterable[int]:
        """Return where the suite cuts a frame: after every byte, unless a frame is too long for so many rounds."""
        return range(1, len(frame))

    async def show(self, code: str) -> None:
        """Let a person show a code once, and return when the reader has what the device says of it."""
        await self.send(self.frames(code)[0])

    async def show_cut(self, code: str, *, at: int) -> None:
        """The same, with a pause in the frame before this byte."""
        (frame,) = self.frames(code)
        with self.held_time():
            await self.send(frame[:at])
            await self.send(frame[at:])

    async def show_joined(self, *codes: str) -> None:
        """Show codes one after the other, and let the device send them together."""
        await self.send(b"".join(self.frames(*codes)))

    async def show_half(self, code: str) -> None:
        """Let the device send the first 7 bytes of a frame, and no more."""
        await self.send(self.frames(code)[0][:7])

    def code_of(self, reading: Reading) -> str:
        """Return the code that was shown, out of what the reader made of it."""
        return reading.text

    @property
    def idle_reader(self) -> OpenableReader:
        """The reader as it is set up in a clinic; another than `reader` only if the suite hurries that one."""
        return self.reader

    @property
    def is_joinable(self) -> bool:
        """Whether two frames without a pause between them are two codes."""
        return True


class Heard:
    """What a reader has read so far, and what it stands on."""

    def __init__(self, reader: KeptOpenReader, *, code_of: Callable[[Reading], str]) -> None:
        self.reader = reader
        self.readings: list[Reading] = []
        self._code_of = code_of

    @property
    def texts(self) -> list[str]:
        """The codes so far."""
        return [self._code_of(reading) for reading in self.readings]

    async def in_state(self, state: ReaderState) -> None:
        """Wait until the reader is in a state."""
        await until(lambda: self.reader.status.state is state)

    async def until_count(self, count: int) -> None:
        """Wait until so many codes have been read."""
        await until(lambda: len(self.readings) >= count)


@asynccontextmanager
async def listening(
    reader: OpenableReader, *, code_of: Callable[[Reading], str] = lambda reading: reading.text
) -> AsyncGenerator[Heard, None]:
    """Keep a reader open and collect what it reads, until the block ends."""
    heard = Heard(KeptOpenReader(reader), code_of=code_of)

    async def listen() -> None:
        async with aclosing(heard.reader.readings()) as readings:
            async for reading in readings:
                is_silent_card = reading.medium is Medium.ICC and reading.content is None
                if not is_silent_card:  # such a reading is told to the person, and is no code
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
