"""What every reader looks like, to those who use one and to those who write one.

`edge` sees a `Reader`: a name, readings for ever, a lamp. A family of readers implements `OpenableReader`, the same
with a port to open; `drivers.keep_open` makes a `Reader` of it that survives unplugging. So a family never reopens,
backs off or logs: it opens, reads, and says `ReaderLostError` when the device is gone.
"""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Protocol

from drivers.reading import Reading


class Feedback(StrEnum):
    """What the device itself tells the person, by lamp or beep, once the outcome is known and stored."""

    ACCEPT = "accept"
    PENDING = "pending"
    CHECK = "check"  # taken, but somebody should look at the screen
    REFUSE = "refuse"
    RETRY = "retry"
    NOT_SAVED = "not_saved"


class ReaderState(StrEnum):
    """Where a reader stands, as the status page shows it."""

    CLOSED = "closed"
    OPENING = "opening"  # only before the first result: while it is waited for a lost reader, the state stays `lost`
    OPEN = "open"
    LOST = "lost"


class LostCause(StrEnum):
    """Why a reader is not there, in the words of `ReaderLostError.cause`."""

    UNPLUGGED = "unplugged"
    PERMISSION = "permission"
    BUSY = "busy"  # another program holds the port
    MISSING = "missing"
    IO = "io"
    NO_SERVICE = "no_service"  # pcscd, which owns the card readers, does not run


class Reader(Protocol):
    """A reader as the rest of the node uses it."""

    @property
    def name(self) -> str:
        """The reader's name in the configuration."""
        ...

    def readings(self) -> AsyncGenerator[Reading, None]:
        """Yield what is read, in order.

        One iteration at a time. Whoever iterates closes: ``async with aclosing(reader.readings()) as readings``. A
        cancelled iteration closes by itself.
        """
        ...

    async def signal(self, feedback: Feedback) -> None:
        """Show the feedback on the device; a reader without lamp and beeper ignores it.

        It returns at once and never fails: a lamp must not hold up or undo a scan.
        """
        ...


class OpenableReader(Reader, Protocol):
    """A reader as a family implements it: an ``async with`` opens the device, and does so again after each close.

    `readings` is iterated only while it is open and ends only by `ReaderLostError`, which opening raises too, with one
    of `LostCause` as its cause. Closing succeeds even when the device is gone, and leaves no descriptor behind.
    """

    @property
    def dropped_count(self) -> int:
        """Frames dropped as unusable since the program started: a scanner that is set up wrongly makes it grow."""
        ...

    async def __aenter__(self) -> object: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderFamily:
    """What the registry knows of one family of readers.

    Attributes:
        settings_type: A frozen dataclass of the family's settings; it raises ValueError for values out of range.
        build: Makes a closed reader: ``build(name, settings=settings)``; with ``talk=``, a
            `drivers.conversation.CardTalk`, if the family needs one.
        needs_talk: Whether it reads chip cards, and so must be told what to ask them.
    """

    settings_type: type
    build: Callable[..., OpenableReader]
    needs_talk: bool = False
