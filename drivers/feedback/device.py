"""What every feedback device looks like, to the desk that uses it and to those who write one.

A device shows one announcement at a time and says when it could not. It never retries, waits for its cable or logs an
announcement: `drivers.feedback.desk` does what is to be done about it, which is little: the scan is stored already.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from drivers.feedback.announcement import Announcement


class DeviceKind(StrEnum):
    """What becomes of announcements that come faster than they are shown."""

    SIGNAL = "signal"  # lamp, beeper, voice: the newest replaces what is being shown
    TICKET = "ticket"  # printer: one after the other, those without a ticket left out


class FeedbackCause(StrEnum):
    """Why a device does not show anything, in the words of `FeedbackError.cause`; five of them are a reader's."""

    UNPLUGGED = "unplugged"
    PERMISSION = "permission"
    BUSY = "busy"
    MISSING = "missing"
    IO = "io"
    TIMEOUT = "timeout"  # it took longer than `FeedbackDevice.limit_s`
    NO_LIBRARY = "no_library"  # the extra that drives it is not installed


class FeedbackDevice(Protocol):
    """A device; it opens what it needs when it needs it."""

    @property
    def name(self) -> str:
        """The device's name in the configuration."""
        ...

    @property
    def kind(self) -> DeviceKind:
        """How it takes announcements."""
        ...

    @property
    def limit_s(self) -> float:
        """Longer than it ever takes to show one announcement; then it is cancelled."""
        ...

    async def show(self, announcement: Announcement) -> None:
        """Show it, to the end of its pattern, clip or ticket.

        Cancelled, it stops at once: lamps off, voice silent. The next call opens again what was lost meanwhile.

        Raises:
            FeedbackError: The device is not there or does not work; the next announcement may find it better.
            PaperOutError: The printer has no paper; nothing was printed.
        """
        ...

    async def close(self) -> None:
        """Let go of the device, lamps off; never fails, and `show` may be called again."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackFamily:
    """What the registry knows of one family of devices.

    Attributes:
        settings_type: A frozen dataclass of the family's settings; it raises ValueError for values out of range.
        build: Makes a device: ``build(name, settings=settings)``.
    """

    settings_type: type
    build: Callable[..., FeedbackDevice]


def expect(is_right: bool, expectation: str) -> None:  # noqa: FBT001
    """Raise ValueError with the expectation (``key: expected ...``) unless it is met."""
    if not is_right:
        raise ValueError(expectation)
