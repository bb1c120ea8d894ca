"""Code scanners on a serial port, real or over USB, however they frame a code."""

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self, assert_never

from drivers.errors import ReaderLostError
from drivers.framing.framer import Framer, Framing, Marks
from drivers.framing.length_prefixed import LengthFramer
from drivers.framing.line import LineFramer, Terminator
from drivers.framing.prompting import Prompts
from drivers.framing.stx_etx import StxEtxFramer
from drivers.reader import Feedback, ReaderFamily
from drivers.readers.framed import frames
from drivers.readers.option_checks import check_commands, check_gap_ms, check_marks, check_path, expect
from drivers.reading import Reading
from drivers.text import TextEncoding, decode
from drivers.transport.byte_port import BytePort
from drivers.transport.serial_port import Parity, SerialParameters, SerialPort

BAUD_MIN, BAUD_MAX = 300, 921_600
TRIGGER_EVERY_MS_MIN, TRIGGER_EVERY_MS_MAX = 100, 60_000

_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialScannerSettings:
    """How one scanner is attached and set up.

    Attributes:
        port: The device file; best a link that names the device, such as those in ``/dev/serial/by-id``.
        model: Whose defaults hold for the other options (`drivers.scanner_models`); empty: nobody's.
        baud: Bits a second, 300..921600.
        bytesize: Bits a byte.
        parity: The check bit.
        stopbits: Stop bits.
        framing: How the scanner marks where a code begins and ends.
        terminator: With framing ``line``, what ends a code.
        gap_ms: With terminator ``none``, the silence that ends a code; with framing ``length``, the one that no code
            has inside; 5..900.
        lrc: With framing ``stx-etx``, whether a check byte follows ETX.
        length_bytes: With framing ``length``, how many bytes say how long the code is.
        length_order: Which of the two comes first.
        prefix: What the scanner is set up to send before each code; TOML can write control characters.
        suffix: What it sends after each code, before the terminator.
        encoding: How it sends text beyond ASCII.
        wake: Command bytes in hex that are sent after opening; empty: none.
        trigger: Command bytes in hex that ask for a code, sent after opening and after each code; empty: none.
        trigger_every_ms: Send them again when nothing has come for so long, 100..60000; 0: not.
        ack: What the scanner answers to commands, in hex; taken off. No code begins with it.
        signals: Command bytes in hex for each feedback the scanner can show.

    Raises:
        ValueError: A value is out of range; the text names the setting and what was expected.
    """

    port: str
    model: str = ""
    baud: int = 9600
    bytesize: Literal[7, 8] = 8
    parity: Parity = Parity.NONE
    stopbits: Literal[1, 2] = 1
    framing: Framing = Framing.LINE
    terminator: Terminator = Terminator.AUTO
    gap_ms: int = 50
    lrc: bool = False
    length_bytes: Literal[1, 2] = 1
    length_order: Literal["big", "little"] = "big"
    prefix: str = ""
    suffix: str = ""
    encoding: TextEncoding = TextEncoding.AUTO
    wake: str = ""
    trigger: str = ""
    trigger_every_ms: int = 0
    ack: str = ""
    signals: Mapping[Feedback, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_path(self.port)
        expect(BAUD_MIN <= self.baud <= BAUD_MAX, f"baud: expected {BAUD_MIN}..{BAUD_MAX}")
        check_gap_ms(self.gap_ms)
        check_marks(prefix=self.prefix, suffix=self.suffix)
        check_commands(is_optional=True, wake=self.wake, trigger=self.trigger, ack=self.ack)
        check_commands(is_optional=False, **{f"signals.{name}": command for name, command in self.signals.items()})
        expect(
            self.trigger_every_ms == 0 or TRIGGER_EVERY_MS_MIN <= self.trigger_every_ms <= TRIGGER_EVERY_MS_MAX,
            f"trigger_every_ms: expected 0 or {TRIGGER_EVERY_MS_MIN}..{TRIGGER_EVERY_MS_MAX}",
        )


class SerialScannerReader:
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
        settings: SerialScannerSettings,
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
        self._framer = framer_of(settings)

    @property
    def dropped_count(self) -> int:
        """Frames dropped since the program started, because they were damaged, too long or never ended."""
        return self._framer.dropped_count

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
        settings = self._settings
        prompts = Prompts(
            wake=bytes.fromhex(settings.wake),
            trigger=bytes.fromhex(settings.trigger),
            trigger_every_ms=settings.trigger_every_ms,
        )
        sent = frames(self._port, framer=self._framer, clock_ns=self._clock_ns, prompts=prompts)
        async with aclosing(sent) as codes:
            async for code, at_ns in codes:
                text = decode(code, encoding=settings.encoding)
                yield Reading(reader=self.name, data=code, text=text, read_at_monotonic_ns=at_ns)

    async def signal(self, feedback: Feedback) -> None:
        """Send the scanner its command for this feedback, if it has one and is there."""
        command = self._commands.get(feedback)
        if command is not None and self._port is not None:
            with suppress(ReaderLostError):  # `readings` notices the same and reports it
                self._port.write(command)


def framer_of(settings: SerialScannerSettings) -> Framer:
    """Return what cuts the stream of a scanner that is set up so."""
    marks = Marks(prefix=settings.prefix.encode(), suffix=settings.suffix.encode(), ack=bytes.fromhex(settings.ack))
    gap_ns = settings.gap_ms * _NS_PER_MS
    match settings.framing:
        case Framing.LINE:
            return LineFramer(settings.terminator, gap_ns=gap_ns, marks=marks)
        case Framing.STX_ETX:
            return StxEtxFramer(has_lrc=settings.lrc, marks=marks)
        case Framing.LENGTH:
            return LengthFramer(
                length_bytes=settings.length_bytes, byte_order=settings.length_order, gap_ns=gap_ns, marks=marks
            )
        case _:
            assert_never(settings.framing)


FAMILY = ReaderFamily(settings_type=SerialScannerSettings, build=SerialScannerReader)
