"""The terminal's own cards: which SAMs are in this box, what they are, when they expire (national briefing, part 3).

A SAM describes itself (`SamInfo`); place, purpose and who is responsible come from the configuration. A SAM that
expires unnoticed stops every card at every desk, so it is said 30 days before. Pure, told the time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum

from edge.card_content import SamInfo, UnreadFile
from edge.verdict import Interval

WARN_MS = 30 * 86_400_000
"""Long enough to order a new SAM from the issuer."""

SAMS_MAX = 32  # twice what a box is configured with; a SAM that comes and goes leaves one line each

_CHINA = timezone(timedelta(hours=8))  # a card's days are the clinics' days


class SamState(StrEnum):
    """How a SAM is."""

    OK = "ok"
    EXPIRING = "expiring"  # within 30 days, as far as the time is known
    EXPIRED = "expired"  # proven
    UNKNOWN = "unknown"  # its validity could not be read
    ABSENT = "absent"  # in the register, and not seen since the start
    UNREADABLE = "unreadable"  # something is in the SAM's slot that does not answer as a SAM


@dataclass(frozen=True, slots=True, kw_only=True)
class SamPlace:
    """What the organisation's register says of one SAM; empty: nothing.

    Attributes:
        number: Serial number, 20 upper-case hex digits; empty: not known, because it could not be read.
        place: Where it is.
        purpose: What for.
        responsible: Who answers for it.
    """

    number: str
    place: str = ""
    purpose: str = ""
    responsible: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SamEntry:
    """One line of the inventory.

    Attributes:
        registered: What the register says; only the number if the SAM is not in it.
        info: As it described itself; None: it has not been seen since the start.
        reader: Which reader saw it last.
        state: How it is.
        days_left: Whole days until it expires, negative after; None: unknown.
    """

    registered: SamPlace
    info: SamInfo | None
    reader: str | None
    state: SamState
    days_left: int | None

    @property
    def unread(self) -> tuple[UnreadFile, ...]:
        """What of it could not be read, and why."""
        return () if self.info is None else self.info.unread


class SamInventory:
    """All SAMs this box knows of.

    Args:
        registered: The register.
    """

    def __init__(self, registered: Sequence[SamPlace] = ()) -> None:
        self._registered = {place.number: place for place in registered}
        self._seen: dict[str, tuple[SamInfo, str]] = {}
        self._in_slot: dict[str, str] = {}  # by reader; another card in its slot, and this SAM is gone
        self._unreadable: set[str] = set()  # readers, of which there are as many as the configuration has

    def note(self, info: SamInfo, *, reader: str) -> None:
        """Remember what a SAM said of itself; what it does not say this time is not forgotten."""
        self._unreadable.discard(reader)
        earlier, _ = self._seen.pop(info.number, (info, reader))
        if info.valid_until is None:
            info = replace(info, valid_from=earlier.valid_from, valid_until=earlier.valid_until)
        self._seen[info.number] = (info, reader)
        self._in_slot[reader] = info.number
        while len(self._seen) > SAMS_MAX:
            del self._seen[next(iter(self._seen))]

    def note_unreadable(self, *, reader: str) -> None:
        """Remember that what is in a reader's slot for SAMs could not be read."""
        self._unreadable.add(reader)
        self._in_slot.pop(reader, None)

    def entries(self, *, now: Interval) -> list[SamEntry]:
        """Return one line for each SAM, the register's first, those that could not be read last."""
        numbers = dict.fromkeys((*self._registered, *(number for number in self._seen if self._is_in(number))))
        unreadable = [
            SamEntry(
                registered=SamPlace(number=""), info=None, reader=reader, state=SamState.UNREADABLE, days_left=None
            )
            for reader in sorted(self._unreadable)
        ]
        return [self._entry(number, now=now) for number in numbers] + unreadable

    def _is_in(self, number: str) -> bool:
        """Whether it was the last that a reader found in its slot."""
        return number in self._in_slot.values()

    def _entry(self, number: str, *, now: Interval) -> SamEntry:
        info, reader = self._seen.get(number, (None, None)) if self._is_in(number) else (None, None)
        until = None if info is None else info.valid_until
        return SamEntry(
            registered=self._registered.get(number, SamPlace(number=number)),
            info=info,
            reader=reader,
            state=SamState.ABSENT if info is None else _state(until, now=now),
            days_left=None if until is None else (end_ms(until) - latest_ms(now)) // 86_400_000,
        )


def end_ms(last_day: date) -> int:
    """Return when a card's last day is over, in Unix milliseconds; a card's days are those of China."""
    if last_day == date.max:
        return int(datetime.max.replace(tzinfo=UTC).timestamp() * 1000)
    over = datetime.combine(last_day + timedelta(days=1), datetime.min.time(), tzinfo=_CHINA)
    return int(over.timestamp() * 1000)


def _state(until: date | None, *, now: Interval) -> SamState:
    if until is None:
        return SamState.UNKNOWN
    if end_ms(until) <= now.lo_ms:
        return SamState.EXPIRED
    return SamState.EXPIRING if end_ms(until) - WARN_MS <= latest_ms(now) else SamState.OK


def latest_ms(now: Interval) -> int:
    """Return the latest time it may be; unknown, the earliest it must be."""
    return now.lo_ms if now.hi_ms is None else now.hi_ms
