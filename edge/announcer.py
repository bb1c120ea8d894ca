"""Tells the person what became of a scan: on the reader itself, and on what stands beside it."""

from collections.abc import Callable
from typing import Protocol

from drivers.feedback.announcement import Announcement
from drivers.feedback.desk import FeedbackDesk
from drivers.reader import Feedback
from edge.day_view import DayEntry


class Lamp(Protocol):
    """The lamp or beeper that a reader has itself."""

    async def signal(self, feedback: Feedback) -> None:
        """Show it; returns at once and never fails."""
        ...


class Announcer:
    """The `edge.intake.Signals` of one reader.

    Args:
        lamp: The reader.
        desk: Lamps, voices and printers beside it; the same for all readers.
        ticket: Renders the lines of a ticket.
    """

    def __init__(self, lamp: Lamp, *, desk: FeedbackDesk, ticket: Callable[[DayEntry], tuple[str, ...]]) -> None:
        self._lamp = lamp
        self._desk = desk
        self._ticket = ticket

    async def signal(self, feedback: Feedback, *, entry: DayEntry | None) -> None:
        """Show it; returns at once and never fails."""
        lines = () if entry is None else self._ticket(entry)
        self._desk.announce(Announcement(feedback=feedback, ticket=lines))
        await self._lamp.signal(feedback)
