"""Identity-card readers for the conformance suite: an SDT device on a pseudo-terminal, real pyserial, real kernel.

Such a reader says nothing unless it is asked, so a code is shown by laying a card on it that bears the code as its
address, and taking it away once it has been read. Raw bytes are what the line makes up between answers.
"""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from drivers.presence import GONE_COUNT
from drivers.reader import OpenableReader
from drivers.readers.id_card import SdtReader, SdtSettings
from drivers.reading import Reading
from tests.conformance.bench import Bench
from tests.support import id_texts
from tests.support.pty_port import PtyPort
from tests.support.sdt_device import PHOTO, PtySdt, SdtDevice, answer_frame
from tests.support.waiting import until

POLL_MS = 20  # or the suite would wait for most of a minute
ADDRESS = slice(52, 122)  # domain facts 3
ENDS_BYTES = 16  # of a frame that are cut one by one: header, lengths, status, check byte
STEP = 64


class SdtBench(Bench):
    """A reader that finds a card which has been read again, or does not."""

    def __init__(self, folder: Path, *, finds_again: bool) -> None:
        self._port = PtyPort(folder / "id-card")
        self._sdt = PtySdt(self._port, make=partial(SdtDevice, finds_again=finds_again))
        path = str(self._port.link)
        self.reader = SdtReader("id-1", settings=SdtSettings(port=path, poll_ms=POLL_MS))
        self._idle_reader = SdtReader("id-1", settings=SdtSettings(port=path))

    @property
    def idle_reader(self) -> OpenableReader:
        return self._idle_reader

    def plug(self) -> None:
        self._sdt.plug()

    def unplug(self) -> None:
        self._sdt.unplug()

    async def send(self, data: bytes) -> None:
        await asyncio.to_thread(self._port.write, data)
        await until(lambda: self._port.unread_count() == 0)

    def frames(self, *codes: str) -> list[bytes]:
        return [answer_frame(0x90, b"\x01\x00\x04\x00" + _card(code) + PHOTO) for code in codes]

    def cuts(self, frame: bytes) -> Iterable[int]:
        """The bytes round the text one by one, and each `STEP`-th between: a card takes 0.1 s, a frame 1295 bytes."""
        inner = range(ENDS_BYTES, len(frame) - ENDS_BYTES, STEP)
        return [*range(1, ENDS_BYTES), *inner, *range(len(frame) - ENDS_BYTES, len(frame))]

    async def show(self, code: str) -> None:
        device = self._sdt.device
        await self._lay(code)
        device.take()
        await until(lambda: device.empty_finds >= GONE_COUNT)

    async def show_cut(self, code: str, *, at: int) -> None:
        self._sdt.device.faults.cut_at = at
        await self.show(code)

    async def show_joined(self, *codes: str) -> None:
        """Cards that take each other's place without a gap, from a device that says everything twice at once."""
        self._sdt.device.faults.copies = 2
        for code in codes:
            await self._lay(code)

    async def show_half(self, code: str) -> None:
        device = self._sdt.device
        device.faults.half = 1
        sent_bytes = self._sdt.sent_bytes
        device.lay(_card(code))
        await until(lambda: device.faults.half == 0 and self._sdt.sent_bytes > sent_bytes)

    async def _lay(self, code: str) -> None:
        """Lay a card down and wait until it has been read, or taken for the one before."""
        device = self._sdt.device
        count = device.read_count
        device.lay(_card(code))
        await until(lambda: device.read_count > count)

    def code_of(self, reading: Reading) -> str:
        return reading.data[ADDRESS].decode("utf-16-le").rstrip(" ")


def _card(code: str) -> bytes:
    return id_texts.citizen(address=code)


def _sdt(*, finds_again: bool) -> Callable[[Path], Bench]:
    return lambda folder: SdtBench(folder, finds_again=finds_again)


BENCHES: dict[str, Callable[[Path], Bench]] = {
    "sdt-finds-once": _sdt(finds_again=False),
    "sdt-finds-again": _sdt(finds_again=True),
}
