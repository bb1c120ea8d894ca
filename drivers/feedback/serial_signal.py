"""Lamps and beepers that obey command bytes on a serial line, real or over USB: relay boards, signal towers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from typing import Protocol

from drivers.errors import ReaderLostError
from drivers.feedback.announcement import Announcement
from drivers.feedback.device import DeviceKind, FeedbackFamily, expect
from drivers.feedback.held_port import HeldPort
from drivers.reader import Feedback
from drivers.transport.serial_port import SerialParameters, SerialPort

BAUD_MIN, BAUD_MAX = 300, 921_600
COMMAND_BYTES_MAX = 64  # one write that a port always takes whole
ON_MS_MIN, ON_MS_MAX = 50, 10_000
OPENING_LIMIT_S = 3.0  # an adapter opens in milliseconds; a hub that wakes up takes a second

_MS_PER_S = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialSignalSettings:
    """How the device is attached and what it obeys.

    Attributes:
        port: The device file; best a link that names the device, such as those in ``/dev/serial/by-id``.
        baud: Bits a second, 300..921600.
        commands: Command bytes in hex, 64 at most, for each feedback it can show.
        off: Command bytes in hex that end it; empty: it ends by itself.
        on_ms: How long it is on before `off` is sent, 50..10000.

    Raises:
        ValueError: A value is out of range; the text names the setting and what was expected.
    """

    port: str
    baud: int = 9600
    commands: Mapping[Feedback, str] = field(default_factory=dict)
    off: str = ""
    on_ms: int = 1_000

    def __post_init__(self) -> None:
        expect(bool(self.port) and "\0" not in self.port, "port: expected the path of a device file")
        expect(BAUD_MIN <= self.baud <= BAUD_MAX, f"baud: expected {BAUD_MIN}..{BAUD_MAX}")
        expect(ON_MS_MIN <= self.on_ms <= ON_MS_MAX, f"on_ms: expected {ON_MS_MIN}..{ON_MS_MAX}")
        expect(not self.off or _is_command(self.off), f"off: expected 1..{COMMAND_BYTES_MAX} bytes in hex")
        for feedback, command in self.commands.items():
            expect(_is_command(command), f"commands.{feedback}: expected 1..{COMMAND_BYTES_MAX} bytes in hex")


class SignalPort(Protocol):
    """What such a device needs of a port."""

    def write(self, data: bytes) -> None:
        """Hand over a few bytes without waiting."""
        ...


class SerialSignal:
    """A `FeedbackDevice` for such a lamp or beeper.

    Args:
        name: The device's name in the configuration.
        settings: How it is attached.
        open_port: Makes the port, open inside ``async with``.
        sleep: Waits for so many seconds.
    """

    kind = DeviceKind.SIGNAL

    def __init__(
        self,
        name: str,
        *,
        settings: SerialSignalSettings,
        open_port: Callable[[SerialParameters], AbstractAsyncContextManager[SignalPort]] = SerialPort,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.name = name
        parameters = SerialParameters(path=settings.port, baud=settings.baud)
        self._held = HeldPort(lambda: open_port(parameters))
        self._commands = {feedback: bytes.fromhex(command) for feedback, command in settings.commands.items()}
        self._off = bytes.fromhex(settings.off)
        self._on_s = settings.on_ms / _MS_PER_S
        self._sleep = sleep

    @property
    def limit_s(self) -> float:
        """The time it is on, and that of opening the port."""
        return self._on_s + OPENING_LIMIT_S

    async def show(self, announcement: Announcement) -> None:
        """Send the command of this feedback, if there is one, and `off` when its time is over."""
        command = self._commands.get(announcement.feedback)
        if command is not None:
            await self._held.use(lambda port: self._signal(port, command=command))

    async def close(self) -> None:
        """Close the port."""
        await self._held.close()

    async def _signal(self, port: SignalPort, *, command: bytes) -> None:
        port.write(command)
        if self._off:
            try:
                await self._sleep(self._on_s)
            finally:
                with suppress(ReaderLostError):  # it was shown; a lamp without power is off
                    port.write(self._off)


def _is_command(text: str) -> bool:
    try:
        return 1 <= len(bytes.fromhex(text)) <= COMMAND_BYTES_MAX
    except ValueError:
        return False


FAMILY = FeedbackFamily(settings_type=SerialSignalSettings, build=SerialSignal)
