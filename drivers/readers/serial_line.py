"""Code scanners that send each code as a line over a serial port, real or over USB."""

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self

from drivers.errors import ReaderLostError
from drivers.framing.line import LineFramer, Terminator
from drivers.reader import Feedback, ReaderFamily
from drivers.reading import Reading
from drivers.text import TextEncoding, decode
from drivers.transport.byte_port import BytePort
from drivers.transport.serial_port import Parity, SerialParameters, SerialPort

BAUD_MIN, BAUD_MAX = 300, 921_600
GAP_MS_MIN, GAP_MS_MAX = 5, 900
MARK_BYTES_MAX = 64  # a prefix or suffix; scanners allow at most about 20
COMMAND_BYTES_MAX = 64  # one write that a port always takes whole

_NS_PER_MS = 1_000_000
_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialLineSettings:
    """How one scanner is attached and set up.

    Attributes:
        port: The device file; best a link that names the device, such as those in ``/dev/serial/by-id``.
        baud: Bits a second, 300..921600.
        bytesize: Bits a byte.
        parity: The check bit.
        stopbits: Stop bits.
        terminator: What ends a code.
        gap_ms: With terminator ``none``, the silence that ends a code, 5..900.
        prefix: What the scanner is set up to send before each code; TOML can write control characters.
        suffix: What it sends after each code, before the terminator.
        encoding: How it sends text beyond ASCII.
        signals: Command bytes in hex for each feedback the scanner can show.

    Raises:
        ValueError: A value is out of range; the text names the setting and what was expected.
    """

    port: str
    baud: int = 9600
    bytesize: Literal[7, 8] = 8
    parity: Parity = Parity.NONE
    stopbits: Literal[1, 2] = 1
    terminator: Terminator = Terminator.AUTO
    gap_ms: int = 50
    prefix: str = ""
    suffix: str = ""
    encoding: TextEncoding = TextEncoding.AUTO
    signals: Mapping[Feedback, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _expect(bool(self.port) and "\0" not in self.port, "port: expected the path of a device file")
        _expect(BAUD_MIN <= self.baud <= BAUD_MAX, f"baud: expected {BAUD_MIN}..{BAUD_MAX}")
        _expect(GAP_MS_MIN <= self.gap_ms <= GAP_MS_MAX, f"gap_ms: expected {GAP_MS_MIN}..{GAP_MS_MAX}")
        for mark, key in ((self.prefix, "prefix"), (self.suffix, "suffix")):
            is_short = len(mark.encode()) <= MARK_BYTES_MAX
            _expect(is_short and "\0" not in mark, f"{key}: expected at most {MARK_BYTES_MAX} bytes without NUL")
        for feedback, command in self.signals.items():
            _expect(_is_command(command), f"signals.{feedback}: expected 1..{COMMAND_BYTES_MAX} bytes in hex")


class SerialLineReader:
    """An `OpenableReader` for such a scanner.

    Args:
        name: The reader's name in the configuration.
        settings: How the scanner is attached.
        open_port: Makes the port, open inside ``async with``.
        clock_ns: The monotonic clock.
    """

    def __init__(
        self,
        name: str,
        *,
        settings: SerialLineSettings,
        open_port: Callable[[SerialParameters], AbstractAsyncContextManager[BytePort]] = SerialPort,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.name = name
        self._settings = settings
        self._open_port = open_port
        self._clock_ns = clock_ns
        self._commands = {feedback: bytes.fromhex(command) for feedback, command in settings.signals.items()}
        self._closing = AsyncExitStack()
        self._port: BytePort | None = None
        self._framer = LineFramer(
            settings.terminator,
            gap_ns=settings.gap_ms * _NS_PER_MS,
            prefix=settings.prefix.encode(),
            suffix=settings.suffix.encode(),
        )

    @property
    def dropped_count(self) -> int:
        """Frames dropped since the program started, because they were too long or their end never came."""
        return self._framer.overlong_count + self._framer.unfinished_count

    async def __aenter__(self) -> Self:
        """Open the port.

        Raises:
            ReaderLostError: It cannot be opened.
        """
        settings = self._settings
        parameters = SerialParameters(
            path=settings.port,
            baud=settings.baud,
            bytesize=settings.bytesize,
            parity=settings.parity,
            stopbits=settings.stopbits,
        )
        self._port = await self._closing.enter_async_context(self._open_port(parameters))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._port = None
        self._framer.reset()  # half a code of the old connection must not meet half a code of the next
        await self._closing.aclose()

    async def readings(self) -> AsyncGenerator[Reading, None]:
        """Yield each code the scanner sends.

        Raises:
            ReaderLostError: The scanner is gone.
        """
        if self._port is None:
            raise RuntimeError("the reader is used outside its async with")
        while True:
            deadline_ns = self._framer.next_deadline_ns
            data = await self._port.read(timeout_s=self._seconds_until(deadline_ns))
            now_ns = self._clock_ns()
            # Bytes although the deadline is over: the program was held up and they may have waited in the kernel. To
            # take that for silence would cut a code in two.
            is_late = bool(data) and deadline_ns is not None and now_ns >= deadline_ns
            for frame in self._framer.feed(data, now_ns=now_ns, is_late=is_late):
                text = decode(frame, encoding=self._settings.encoding)
                yield Reading(reader=self.name, data=frame, text=text, read_at_monotonic_ns=now_ns)

    async def signal(self, feedback: Feedback) -> None:
        """Send the scanner its command for this feedback, if it has one and is there."""
        command = self._commands.get(feedback)
        if command is not None and self._port is not None:
            with suppress(ReaderLostError):  # `readings` notices the same and reports it
                self._port.write(command)

    def _seconds_until(self, deadline_ns: int | None) -> float | None:
        return None if deadline_ns is None else max(0.0, (deadline_ns - self._clock_ns()) / _NS_PER_S)


def _expect(is_right: bool, expectation: str) -> None:  # noqa: FBT001
    if not is_right:
        raise ValueError(expectation)


def _is_command(text: str) -> bool:
    try:
        return 1 <= len(bytes.fromhex(text)) <= COMMAND_BYTES_MAX
    except ValueError:
        return False


FAMILY = ReaderFamily(settings_type=SerialLineSettings, build=SerialLineReader)
