"""Identity-card readers that speak the SDT protocol over a serial port, real or over USB (domain facts 3).

They say nothing by themselves: every `poll_ms` this asks whether a card is there, selects it and reads its text. The
photograph comes with the text and is dropped here; it is in no reading.

What comes without having been asked for, or too late, is thrown away. Opening asks for the number of the reader's SAM:
whatever is answered in a good frame shows that such a reader is there. `trouble` says more of a loss than its cause.
"""

import hashlib
import secrets
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Self

from drivers.errors import ReaderLostError
from drivers.framing.sdt import (
    SAM_NUMBER_BYTES,
    Command,
    SdtAnswer,
    SdtFramer,
    SdtStatus,
    answers,
    card_text,
    request,
    sam_number,
)
from drivers.presence import Presence
from drivers.reader import Feedback, LostCause, ReaderFamily
from drivers.reading import Medium, Reading
from drivers.transport.byte_port import BytePort
from drivers.transport.serial_port import SerialParameters, SerialPort

BAUD_MIN, BAUD_MAX = 300, 921_600
POLL_MS_MIN, POLL_MS_MAX = 20, 2_000
ANSWER_MS_MIN, ANSWER_MS_MAX = 100, 5_000
READ_MS_MIN, READ_MS_MAX = 500, 20_000
ASKED_COUNT_MAX = 3
"""A reader that does not answer so often in a row is gone or is no such reader; one lost byte is none of both."""

_NS_PER_MS = 1_000_000
_NS_PER_S = 1_000_000_000
_DIGEST_BYTES = 16


class SdtTrouble(StrEnum):
    """Why a reader is of no use, where the port itself is good."""

    SILENT = "silent"  # not a byte came: no reader on this port, or it has no power
    NO_ANSWER = "no_answer"  # bytes came, and no good frame: another device, or another baud
    NOT_WORKING = "not_working"  # it answers, and cannot even look for a card
    SAM_SELF_TEST_FAILED = "sam_self_test_failed"
    SAM_NOT_AUTHORISED = "sam_not_authorised"


_FATAL = {
    SdtStatus.SAM_SELF_TEST_FAILED: SdtTrouble.SAM_SELF_TEST_FAILED,
    SdtStatus.SAM_NOT_AUTHORISED: SdtTrouble.SAM_NOT_AUTHORISED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SdtSettings:
    """How one reader is attached.

    Attributes:
        port: The device file; best a link that names the device, such as those in ``/dev/serial/by-id``.
        baud: Bits a second, 300..921600; such readers leave the factory with 115200.
        poll_ms: The pause between two looks for a card, 20..2000.
        answer_ms: How long an answer may take, 100..5000; that to a read has `read_ms`.
        read_ms: How long reading a card may take, 500..20000.

    Raises:
        ValueError: A value is out of range; the text names the setting and what was expected.
    """

    port: str
    baud: int = 115_200
    poll_ms: int = 300  # shorter than it takes to wonder; 3 questions a second cost 0.2 % of a small CPU
    answer_ms: int = 1_000
    read_ms: int = 4_000

    def __post_init__(self) -> None:
        if not self.port or "\0" in self.port:
            raise ValueError("port: expected the path of a device file")
        for key, value, low, high in (
            ("baud", self.baud, BAUD_MIN, BAUD_MAX),
            ("poll_ms", self.poll_ms, POLL_MS_MIN, POLL_MS_MAX),
            ("answer_ms", self.answer_ms, ANSWER_MS_MIN, ANSWER_MS_MAX),
            ("read_ms", self.read_ms, READ_MS_MIN, READ_MS_MAX),
        ):
            if not low <= value <= high:
                raise ValueError(f"{key}: expected {low}..{high}")


class SdtReader:
    """An `OpenableReader` for such a reader.

    Args:
        name: The reader's name in the configuration.
        settings: How it is attached.
        open_port: Makes the port, open inside ``async with``.
        clock_ns: The monotonic clock.

    Attributes:
        sam_number: What the reader calls its SAM, None until it said so.
        trouble: Why it was given up the last time; None if it never was, or was opened since.
    """

    def __init__(
        self,
        name: str,
        *,
        settings: SdtSettings,
        open_port: Callable[[SerialParameters], AbstractAsyncContextManager[BytePort]] = SerialPort,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.name = name
        self.sam_number: str | None = None
        self.trouble: SdtTrouble | None = None
        self._settings = settings
        self._open_port = open_port
        self._clock_ns = clock_ns
        self._closing = AsyncExitStack()
        self._port: BytePort | None = None
        self._framer = SdtFramer()
        self._presence = Presence()  # outlives a loss: a loose cable shows no card twice that is found all the time
        self._digest_key = secrets.token_bytes(_DIGEST_BYTES)  # so that a digest in memory names nobody
        self._heard_bytes = 0

    @property
    def dropped_count(self) -> int:
        """Showings without a reading, and frames that were none, since the program started."""
        return self._presence.unread_count + self._framer.bad_frame_count

    async def __aenter__(self) -> Self:
        """Open the port and hear from the reader.

        Raises:
            ReaderLostError: The port cannot be opened, or what is on it is no such reader: see `trouble`.
        """
        parameters = SerialParameters(path=self._settings.port, baud=self._settings.baud)
        async with AsyncExitStack() as opening:
            opening.callback(self._forget)
            self._port = await opening.enter_async_context(self._open_port(parameters))
            self.trouble = None
            answer = await self._ask_patiently(Command.SAM_NUMBER, is_clear=lambda _: True)
            if answer.status is SdtStatus.OK and len(answer.data) == SAM_NUMBER_BYTES:
                self.sam_number = sam_number(answer.data)
            self._closing = opening.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._closing.aclose()

    async def readings(self) -> AsyncGenerator[Reading, None]:
        """Yield the text of each card that is laid on the reader, once for each time it is laid there.

        Raises:
            ReaderLostError: The reader is gone, or of no use any more: see `trouble`.
        """
        while True:
            text = await self._look()
            if text is not None:
                yield Reading(reader=self.name, data=text, read_at_monotonic_ns=self._clock_ns(), medium=Medium.ID_CARD)
            await self._pause()

    async def signal(self, feedback: Feedback) -> None:
        """Do nothing: such a reader beeps by itself, and the protocol has no lamp."""

    async def _look(self) -> bytes | None:
        """Look for a card once; return its text if this is a new showing."""
        clear = (SdtStatus.FOUND, SdtStatus.FIND_FAILED)
        found = await self._ask_patiently(Command.FIND, is_clear=lambda answer: answer.status in clear)
        if found.status is not SdtStatus.FOUND:
            self._presence.nothing()
            return None
        if not self._presence.found():
            return None
        text = await self._read_card()
        if text is None:
            self._presence.failed()
            return None
        digest = hashlib.blake2b(text, key=self._digest_key, digest_size=_DIGEST_BYTES).digest()
        return text if self._presence.read(digest) else None

    async def _read_card(self) -> bytes | None:
        """The text of the card that was found; None if it does not let itself be read, or was pulled."""
        selected = await self._ask(Command.SELECT, limit_ms=self._settings.answer_ms)
        if selected is None or selected.status is not SdtStatus.OK:
            return None
        read = await self._ask(Command.READ_BASE, limit_ms=self._settings.read_ms)
        if read is None or read.status is not SdtStatus.OK:
            return None
        return card_text(read.data)

    async def _ask_patiently(self, command: Command, *, is_clear: Callable[[SdtAnswer], bool]) -> SdtAnswer:
        """Ask until a clear answer comes, but not for ever.

        Raises:
            ReaderLostError: None came.
        """
        self._heard_bytes = 0
        trouble = None
        for _ in range(ASKED_COUNT_MAX):
            answer = await self._ask(command, limit_ms=self._settings.answer_ms)
            if answer is not None and is_clear(answer):
                return answer
            if answer is not None:
                trouble = SdtTrouble.NOT_WORKING
        self.trouble = trouble or (SdtTrouble.NO_ANSWER if self._heard_bytes else SdtTrouble.SILENT)
        raise ReaderLostError(LostCause.IO, trouble=self.trouble)

    async def _ask(self, command: Command, *, limit_ms: int) -> SdtAnswer | None:
        """Ask once; None if no answer came in time.

        Raises:
            ReaderLostError: The port is gone, or the reader says that its SAM is of no use.
        """
        self._framer.give_up()  # what is unfinished belongs to an earlier question
        self._opened.write(request(command))
        deadline_ns = self._clock_ns() + limit_ms * _NS_PER_MS
        answer = None
        while answer is None and (left_ns := deadline_ns - self._clock_ns()) > 0:
            answer = _answer_among(self._framer.feed(await self._hear(left_ns)), command=command)
        if answer is None:
            answer = _answer_among(self._framer.give_up(), command=command)
        return None if answer is None else self._checked(answer)

    def _checked(self, answer: SdtAnswer) -> SdtAnswer:
        if answer.status in _FATAL:
            self.trouble = _FATAL[answer.status]
            raise ReaderLostError(LostCause.IO, trouble=self.trouble)
        return answer

    async def _pause(self) -> None:
        """Wait until the next look; what comes meanwhile was not asked for."""
        deadline_ns = self._clock_ns() + self._settings.poll_ms * _NS_PER_MS
        while (left_ns := deadline_ns - self._clock_ns()) > 0:
            self._framer.feed(await self._hear(left_ns))

    async def _hear(self, limit_ns: int) -> bytes:
        data = await self._opened.read(timeout_s=limit_ns / _NS_PER_S)
        self._heard_bytes += len(data)
        return data

    def _forget(self) -> None:
        """Nothing of this opening may meet the next."""
        self._port = None
        self._framer.give_up()

    @property
    def _opened(self) -> BytePort:
        if self._port is None:
            raise RuntimeError("the reader is used outside its async with")
        return self._port


def _answer_among(found: list[SdtAnswer], *, command: Command) -> SdtAnswer | None:
    return next((answer for answer in found if answers(command, answer)), None)


FAMILY = ReaderFamily(settings_type=SdtSettings, build=SdtReader)
