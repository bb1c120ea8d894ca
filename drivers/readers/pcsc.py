"""Chip cards in a PC/SC reader: a slot for the person's card, and one for the SAM if there is one.

A thread of each opening (`drivers.readers.pcsc_opening`) does what blocks (`drivers.readers.pcsc_slots`). While one is
left over that hangs in pcscd, the reader is not opened again: so there is never more than one.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from drivers.conversation import CardRead, CardTalk, Conversation, Slot
from drivers.errors import CardLostError, ReaderLostError
from drivers.reader import Feedback, LostCause, ReaderFamily
from drivers.readers.option_checks import expect
from drivers.readers.pcsc_opening import Opening
from drivers.readers.pcsc_slots import Listener, SlotContext, SlotWatch
from drivers.reading import Reading
from drivers.transport.pcsc import PcscContext

NAME_CHARS_MAX = 127  # pcsc-lite's MAX_READERNAME without its end
READ_S_MIN, READ_S_MAX = 1, 60
OPEN_S_MAX = 5.0  # pcscd answers in milliseconds, started by its socket in less than a second
HANG_S = 5.0  # after the limit of a talk, for the one command that was on its way


@dataclass(frozen=True, slots=True, kw_only=True)
class PcscSettings:
    """Which reader, by what PC/SC calls it.

    Attributes:
        reader: Part of the name of the slot for a person's card; the first in which it occurs is taken. The numbers at
            its end depend on what else is plugged in, and tell the slots of one reader apart.
        sam_reader: Part of the name of another slot, for the SAM, which no other reader uses; empty: there is none.
        read_s_max: How long a card may take, 1..60.

    Raises:
        ValueError: A value is out of range; the text names the setting and what was expected.
    """

    reader: str
    sam_reader: str = ""
    read_s_max: int = 10

    def __post_init__(self) -> None:
        expect(0 < len(self.reader) <= NAME_CHARS_MAX, "reader: expected part of the reader's name in PC/SC")
        expect(len(self.sam_reader) <= NAME_CHARS_MAX, "sam_reader: expected part of the reader's name in PC/SC")
        expect(READ_S_MIN <= self.read_s_max <= READ_S_MAX, f"read_s_max: expected {READ_S_MIN}..{READ_S_MAX}")


class PcscReader:
    """An `OpenableReader` for chip cards.

    Args:
        name: The reader's name in the configuration.
        settings: Which slots.
        talk: What to say to cards; it is called in a thread.
        open_context: Connects to pcscd, inside ``with``.
        clock_ns: The monotonic clock.
    """

    def __init__(
        self,
        name: str,
        *,
        settings: PcscSettings,
        talk: CardTalk,
        open_context: Callable[[], AbstractContextManager[SlotContext]] = PcscContext,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.name = name
        self._settings = settings
        self._talk = talk
        self._open_context = open_context
        self._clock_ns = clock_ns
        self._dropped_count = 0
        self._opening: Opening | None = None
        self._hung_cause = LostCause.IO

    @property
    def dropped_count(self) -> int:
        """Cards that were in and could not be read, and readings nobody took, since the program started."""
        return self._dropped_count

    async def __aenter__(self) -> Self:
        """Open.

        Raises:
            ReaderLostError: pcscd does not run or has no such reader, or the last opening hangs in it.
        """
        last = self._opening
        if last is not None:
            await last.close()
            if last.is_running:
                raise ReaderLostError(self._hung_cause)
        opening = self._opening = Opening(
            self.name,
            make_watch=self._watch,
            on_drop=self._drop,
            clock_ns=self._clock_ns,
            hang_s=self._settings.read_s_max + HANG_S,
        )
        try:
            async with asyncio.timeout(OPEN_S_MAX):
                await opening.until_open()
        except TimeoutError as exc:
            opening.stop()
            self._hung_cause = LostCause.NO_SERVICE
            raise ReaderLostError(self._hung_cause) from exc
        except asyncio.CancelledError:
            opening.stop()
            raise
        self._hung_cause = LostCause.IO  # from here on only a talk can hang
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._used.close()

    async def readings(self) -> AsyncGenerator[Reading, None]:
        """Yield each card that is put in, and each SAM before the next card.

        Raises:
            ReaderLostError: The reader or pcscd is gone, or another program holds the card.
        """
        opening = self._used
        while True:
            yield await opening.next_reading()

    async def signal(self, feedback: Feedback) -> None:
        """Do nothing: PC/SC has no lamp."""

    async def converse(self, conversation: Conversation) -> CardRead:
        """Carry a conversation with the card now in the slot.

        Once begun it goes to its end, cancelled or not: a card half written is worse than one written for nobody. The
        card may be another than the one that was read; a conversation that writes looks first.

        Args:
            conversation: Just begun.

        Raises:
            CardLostError: There is no card, or it was pulled, or the reader is not there.
            FrameError: The conversation took too long or did not end.
        """
        if self._opening is None:
            conversation.close()
            raise CardLostError(Slot.CARD)
        return await self._opening.converse(conversation)

    @property
    def _used(self) -> Opening:
        if self._opening is None:
            raise RuntimeError("the reader is used outside its async with")
        return self._opening

    def _watch(self, listener: Listener) -> SlotWatch:
        return SlotWatch(
            reader=self._settings.reader,
            sam_reader=self._settings.sam_reader,
            read_s_max=self._settings.read_s_max,
            talk=self._talk,
            open_context=self._open_context,
            listener=listener,
            clock_ns=self._clock_ns,
        )

    def _drop(self) -> None:
        self._dropped_count += 1


FAMILY = ReaderFamily(settings_type=PcscSettings, build=PcscReader, needs_talk=True)
