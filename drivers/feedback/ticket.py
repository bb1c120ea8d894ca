"""Receipt printers (ESC/POS): on a serial line, on the kernel's USB printer port, or in the network.

No paper is no reason to stop: the printer is asked before each ticket, and what it cannot print is left out. One that
does not answer the question is trusted to have paper.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Protocol

from drivers.errors import PaperOutError
from drivers.feedback.announcement import Announcement
from drivers.feedback.device import DeviceKind, FeedbackFamily, expect
from drivers.feedback.held_port import HeldPort
from drivers.feedback.ticket_print import rendered
from drivers.transport.device_file import DeviceFile
from drivers.transport.serial_port import SerialParameters, SerialPort
from drivers.transport.tcp_port import TcpPort

BAUD_MIN, BAUD_MAX = 300, 921_600
COLUMNS_MIN, COLUMNS_MAX = 16, 64
DOTS_MIN, DOTS_MAX = 192, 1_024
FONTS_MAX = 4
LIMIT_S = 30.0  # a ticket of 20 drawn lines, 25 kB, takes 26 s at 9600 bits a second
ANSWER_LIMIT_S = 0.5  # a printer answers a real-time command in some 10 ms, a USB adapter adds 16

_ASK_PAPER = b"\x10\x04\x04"  # DLE EOT 4: transmit the state of the paper sensors, even if the printer is offline
# Of the answer, bits 1 and 4 are always on, 0 and 7 always off; 5 and 6 are on when there is no paper.
_ANSWER_MASK, _ANSWER_MARK, _NO_PAPER = 0x93, 0x12, 0x60


class Connection(StrEnum):
    """How a printer is attached."""

    DEVICE = "device"  # the kernel's printer port
    SERIAL = "serial"
    NETWORK = "network"


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketSettings:
    """How the printer is attached and how wide its paper is.

    Attributes:
        connection: How it is attached.
        port: The device file, or the printer's name or address in the network.
        baud: Bits a second of a serial line, 300..921600.
        tcp_port: Of a printer in the network.
        columns: Characters of ASCII on a line, 16..64: 32 on paper of 58 mm, 48 on 80 mm.
        dots: Width of the paper in dots, 192..1024: 384 on paper of 58 mm, 576 on 80 mm.
        fonts: Font files, 4 at most, for characters the printer does not have.
        cuts: Whether the printer has a cutter.
        asks_paper: Whether to ask for paper before each ticket; a printer that never answers costs half a second.

    Raises:
        ValueError: A value is out of range; the text names the setting and what was expected.
    """

    port: str
    connection: Connection = Connection.DEVICE
    baud: int = 9600
    tcp_port: int = 9100
    columns: int = 32
    dots: int = 384
    fonts: tuple[str, ...] = (
        "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
        "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    )
    cuts: bool = True
    asks_paper: bool = True

    def __post_init__(self) -> None:
        expect(bool(self.port) and "\0" not in self.port, "port: expected a device file or a name in the network")
        expect(BAUD_MIN <= self.baud <= BAUD_MAX, f"baud: expected {BAUD_MIN}..{BAUD_MAX}")
        expect(1 <= self.tcp_port <= 65_535, "tcp_port: expected 1..65535")
        expect(COLUMNS_MIN <= self.columns <= COLUMNS_MAX, f"columns: expected {COLUMNS_MIN}..{COLUMNS_MAX}")
        expect(DOTS_MIN <= self.dots <= DOTS_MAX, f"dots: expected {DOTS_MIN}..{DOTS_MAX}")
        expect(len(self.fonts) <= FONTS_MAX, f"fonts: expected at most {FONTS_MAX} files")


class PrinterPort(Protocol):
    """What a printer needs of its port; both raise `ReaderLostError` when it is gone."""

    async def send(self, data: bytes) -> None:
        """Hand over all of it, waiting while the printer is busy."""
        ...

    async def read(self, *, timeout_s: float) -> bytes:
        """Return what has come in time, or nothing."""
        ...


class TicketPrinter:
    """A `FeedbackDevice` that prints tickets.

    Args:
        name: The device's name in the configuration.
        settings: How it is attached.
        open_port: Makes the port, open inside ``async with``.
        render: Makes the bytes of some lines; blocks.
    """

    kind = DeviceKind.TICKET
    limit_s = LIMIT_S

    def __init__(
        self,
        name: str,
        *,
        settings: TicketSettings,
        open_port: Callable[[TicketSettings], AbstractAsyncContextManager[PrinterPort]] | None = None,
        render: Callable[..., bytes] = rendered,
    ) -> None:
        self.name = name
        self._settings = settings
        self._held: HeldPort[PrinterPort] = HeldPort(partial(open_port or port_of, settings))
        self._render = render

    async def show(self, announcement: Announcement) -> None:
        """Print the ticket."""
        settings = self._settings
        data = await asyncio.to_thread(
            self._render,
            announcement.ticket,
            columns=settings.columns,
            dots=settings.dots,
            fonts=settings.fonts,
            cuts=settings.cuts,
        )
        is_whole = False
        try:
            if settings.asks_paper:
                await self._held.use(_expect_paper)
            await self._held.use(lambda port: port.send(data))
            is_whole = True
        finally:
            # What the kernel still holds of half a ticket goes; and others in the network print on it too.
            if not is_whole or settings.connection is Connection.NETWORK:
                await self._held.close()

    async def close(self) -> None:
        """Close the port."""
        await self._held.close()


def port_of(settings: TicketSettings) -> AbstractAsyncContextManager[PrinterPort]:
    """Make the port that the settings name."""
    match settings.connection:
        case Connection.DEVICE:
            return DeviceFile(settings.port)
        case Connection.SERIAL:
            return SerialPort(SerialParameters(path=settings.port, baud=settings.baud))
        case Connection.NETWORK:
            return TcpPort(settings.port, port=settings.tcp_port)


async def _expect_paper(port: PrinterPort) -> None:
    """Ask for paper.

    Raises:
        PaperOutError: There is none.
    """
    await port.read(timeout_s=0)  # an answer that came too late for the last question
    await port.send(_ASK_PAPER)
    answers = await port.read(timeout_s=ANSWER_LIMIT_S)
    known = [answer for answer in answers if answer & _ANSWER_MASK == _ANSWER_MARK]
    if known and known[-1] & _NO_PAPER:
        raise PaperOutError


FAMILY = FeedbackFamily(settings_type=TicketSettings, build=TicketPrinter)
