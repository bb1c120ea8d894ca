"""What is told to the people in front of the box, by every device that can tell it."""

from dataclasses import dataclass, field

from drivers.reader import Feedback


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """One outcome.

    Attributes:
        feedback: What lamp, beeper and voice show. They never say a name or a number.
        ticket: The lines of a ticket, ready to print; empty: no ticket. They may name a person.
    """

    feedback: Feedback
    ticket: tuple[str, ...] = field(default=(), repr=False)
