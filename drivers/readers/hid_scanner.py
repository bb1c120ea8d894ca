"""Code scanners that type as a USB keyboard, read raw and taken for this program alone.

Nothing needs to be set up for them: what they type is ASCII, as their US keyboard has it. They have no lamp and no
beeper that a program could use, and show no letter beyond ASCII; a scanner that can be set to a serial port (USB CDC)
is better set to it.
"""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from drivers.framing.framer import Marks
from drivers.framing.key_wedge import KeyTerminator, KeyWedgeFramer
from drivers.framing.prompting import Prompts
from drivers.reader import Feedback, ReaderFamily
from drivers.readers.framed import Port, frames
from drivers.readers.option_checks import check_gap_ms, check_marks, check_path
from drivers.reading import Reading
from drivers.transport.hid import HidPort

_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class HidScannerSettings:
    """How one scanner is attached and set up.

    Attributes:
        port: The device file; best a link that names the device, such as those in ``/dev/input/by-id`` that end in
            ``-event-kbd``.
        model: Whose defaults hold for the other options (`drivers.scanner_models`); empty: nobody's.
        terminator: Which key ends a code.
        gap_ms: With terminator ``none``, the silence that ends a code, 5..900.
        prefix: What the scanner is set up to type before each code, in ASCII.
        suffix: What it types after each code, before the end.

    Raises:
        ValueError: A value is out of range; the text names the setting and what was expected.
    """

    port: str
    model: str = ""
    terminator: KeyTerminator = KeyTerminator.AUTO
    gap_ms: int = 50
    prefix: str = ""
    suffix: str = ""

    def __post_init__(self) -> None:
        check_path(self.port)
        check_gap_ms(self.gap_ms)
        check_marks(prefix=self.prefix, suffix=self.suffix)


class HidScannerReader:
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
        settings: HidScannerSettings,
        open_port: Callable[[str], AbstractAsyncContextManager[Port]] = HidPort,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.name = name
        self._settings = settings
        self._open_port = open_port
        self._clock_ns = clock_ns
        self._closing = AsyncExitStack()
        self._port: Port | None = None
        self._framer = KeyWedgeFramer(
            settings.terminator,
            gap_ns=settings.gap_ms * _NS_PER_MS,
            marks=Marks(prefix=settings.prefix.encode(), suffix=settings.suffix.encode()),
        )

    @property
    def dropped_count(self) -> int:
        """Codes dropped since the program started, because keys were lost, or they were too long or never ended."""
        return self._framer.dropped_count

    async def __aenter__(self) -> Self:
        """Open the device and take it.

        Raises:
            ReaderLostError: It cannot be opened.
        """
        self._port = await self._closing.enter_async_context(self._open_port(self._settings.port))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._port = None
        self._framer.reset()  # half a code of the old connection must not meet half a code of the next
        await self._closing.aclose()

    async def readings(self) -> AsyncGenerator[Reading, None]:
        """Yield each code the scanner types.

        Raises:
            ReaderLostError: The scanner is gone.
        """
        if self._port is None:
            raise RuntimeError("the reader is used outside its async with")
        typed = frames(self._port, framer=self._framer, clock_ns=self._clock_ns, prompts=Prompts())
        async with aclosing(typed) as codes:
            async for code, at_ns in codes:
                yield Reading(reader=self.name, data=code, text=code.decode("ascii"), read_at_monotonic_ns=at_ns)

    async def signal(self, feedback: Feedback) -> None:
        """Do nothing: a keyboard has no lamp for this."""


FAMILY = ReaderFamily(settings_type=HidScannerSettings, build=HidScannerReader)
