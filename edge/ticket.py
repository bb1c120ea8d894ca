"""What a ticket says: the lines of one slip of paper, from the line that the screens show.

Pure. Names are masked here as on a screen the public sees: a slip is left lying about. No identity number, no code.
"""

from edge.day_view import DayEntry
from edge.messages import Messages
from edge.status_text import time_text
from edge.verdict import OUTCOME_OF, Outcome


def ticket_lines(entry: DayEntry, *, messages: Messages) -> tuple[str, ...]:
    """Return the lines; none for what needs no slip: a refusal, a second try, or what is not saved."""
    outcome = OUTCOME_OF[entry.reason]
    if not entry.is_saved or outcome not in {Outcome.ACCEPT, Outcome.ACCEPT_PENDING}:
        return ()
    lines = [
        messages.text(f"outcome.{outcome}"),
        "" if entry.seq is None else messages.text("ticket.number", number=f"{entry.seq:04d}"),
        entry.name or "",
        messages.text(f"carrier.{entry.carrier}"),
        time_text(entry.at_ms),
        messages.text("ticket.keep") if outcome is Outcome.ACCEPT_PENDING else "",
    ]
    return tuple(line for line in lines if line)
