"""What the screens show of the last hours: one small line a scan, nothing that is not needed there.

A line is stored as a note beside its record, sealed under the machine key, and read back at start. In memory only the
newest are kept.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from edge.identity import mask_name
from edge.transaction import Transaction
from edge.verdict import Carrier, Reason, Verdict
from sync.cbor import decode, encode
from sync.errors import WireError

ENTRIES_MAX = 500  # a busy clinic's day; a page shows a hundred
NOTE_BYTES_MAX = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class DayEntry:
    """One scan as the screens show it.

    Attributes:
        id: Id of the transaction, 16 bytes.
        at_ms: The shown clock.
        reader: Name of the reader.
        carrier: What was shown.
        reason: The verdict's reason.
        name: The person's name, masked; None: unknown.
        notes: What to know of a chip card beside the reason, the words of `edge.card_verdict.CardNote`.
        seq: Where the record stands in the ledger; None: not saved, or settled in a former epoch.
        epoch: Of which epoch that is.
        is_saved: Whether the record is committed; False: it must be scanned again.
        is_of_former_epoch: Whether the city had it in an epoch before this one.
    """

    id: bytes
    at_ms: int
    reader: str
    carrier: Carrier
    reason: Reason
    name: str | None = field(default=None, repr=False)
    notes: tuple[str, ...] = field(default=(), repr=False)
    seq: int | None = None
    epoch: int | None = None
    is_saved: bool = True
    is_of_former_epoch: bool = False


def entry_of(transaction: Transaction, *, verdict: Verdict, notes: tuple[str, ...] = ()) -> DayEntry:
    """Return the line of a record that is about to be stored."""
    # What the chip card itself says is shown where neither a signature nor the roster names the person.
    name = verdict.subject.name or transaction.data.get("card", {}).get("name")
    return DayEntry(
        id=transaction.id,
        at_ms=transaction.at.wall_ms,
        reader=transaction.terminal.reader or "",
        carrier=verdict.subject.kind,
        reason=verdict.reason,
        name=None if name is None else mask_name(name),
        notes=notes,
    )


def to_note(entry: DayEntry) -> bytes:
    """Return the plain bytes of a line's note."""
    members: dict[str, Any] = {
        "id": entry.id,
        "at": entry.at_ms,
        "reader": entry.reader,
        "carrier": entry.carrier.value,
        "reason": entry.reason.value,
    }
    if entry.name is not None:
        members["name"] = entry.name
    if entry.notes:
        members["notes"] = list(entry.notes)
    return encode(members)


def from_note(note: bytes) -> DayEntry | None:
    """Return the line of a note; None: not one of this version."""
    try:
        members = decode(note, bytes_max=NOTE_BYTES_MAX)
        return DayEntry(
            id=members["id"],
            at_ms=members["at"],
            reader=members["reader"],
            carrier=Carrier(members["carrier"]),
            reason=Reason(members["reason"]),
            name=members.get("name"),
            notes=tuple(members.get("notes", ())),
        )
    except (WireError, KeyError, TypeError, ValueError):
        return None


class DayView:
    """The newest lines, newest first."""

    def __init__(self) -> None:
        self._entries: deque[DayEntry] = deque(maxlen=ENTRIES_MAX)

    def __iter__(self) -> Iterator[DayEntry]:
        """Yield the lines, newest first."""
        return reversed(self._entries)

    def add(self, entry: DayEntry) -> None:
        """Show a line: it is saved, or certainly not."""
        self._entries.append(entry)


def saved(entry: DayEntry, *, seq: int, epoch: int) -> DayEntry:
    """Return the line of a record that is committed."""
    return replace(entry, seq=seq, epoch=epoch)


def placed(entry: DayEntry, *, seqs: Mapping[bytes, int], is_all: bool, epoch: int) -> DayEntry:
    """Return the line of a record from before a restart with its place.

    Args:
        entry: The line, as its note says.
        seqs: Of the newest records of this epoch, by id, more of them than there are lines.
        is_all: Whether none of them is missing; else nothing is claimed of the others.
        epoch: Of those seqs.
    """
    seq = seqs.get(entry.id)
    if seq is not None:
        return replace(entry, seq=seq, epoch=epoch)
    # A record that stands in no seq of this epoch was settled in a former one: what was not, moved along.
    return replace(entry, is_of_former_epoch=is_all)


def not_saved(entry: DayEntry) -> DayEntry:
    """Return the line of a record that could not be stored."""
    return replace(entry, is_saved=False)
