"""What received records are to the city, and the seam between the rules of ingest and the database that keeps them.

`IngestStore` and `Transaction` are all that `city.ingest` knows of a database: SQLite in `city.ingest_store` today,
PostgreSQL where a city outgrows it. A frame is one transaction with its node's row locked first, and nothing is
answered before it is committed and synced. Values only: no SQL, no I/O.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class RecordState(StrEnum):
    """What became of a record; all three are kept and count as acked."""

    TAKEN = "taken"
    UNREADABLE = "unreadable"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey:
    """A wrapped sealing key as it came: 8-byte id, 8-byte keyid of the city key it is wrapped to, the wrapped bytes.

    `number` counts the keys of one id as they came, from 1; 0 before the key is stored.
    """

    key_id: bytes
    recipient: bytes
    wrapped: bytes = field(repr=False)
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRecord:
    """A record as it came, and what the city makes of it; `text` says why it was not taken.

    `tried` counts for an unreadable one: the keys of its id up to that number do not open it.
    """

    message_id: bytes
    digest: bytes
    key_id: bytes
    state: RecordState
    text: str
    body: bytes = field(repr=False)
    tried: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Which record stands at a place of a node's chain, by id and SM3 of its body."""

    seq: int
    message_id: bytes
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How far an epoch is here without a hole, and h(acked) over our own rows."""

    acked: int
    head: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A place whose bytes the city keeps but does not take."""

    seq: int
    state: RecordState
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BootState:
    """What the hellos of a node have said so far of its boots."""

    boot: bytes | None
    boottime_ms: int | None
    returns: int
    cloned_at_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedRecord:
    """A record with its place, for the operator; a record without a place has epoch and seq None."""

    epoch: int | None
    seq: int | None
    record: StoredRecord


class Transaction(Protocol):
    """What one frame reads and writes of its node."""

    def mark(self, epoch: int) -> Mark | None:
        """How far `epoch` is here; None for one never heard of."""

    def set_mark(self, epoch: int, *, mark: Mark) -> None:
        """Move the mark."""

    def top_epoch(self) -> int:
        """Highest epoch with a mark, 0 if there is none."""

    def positions(self, epoch: int, *, first: int, last: int) -> dict[int, Position]:
        """Those of first..last that are here, by seq."""

    def positions_from(self, epoch: int, *, seq: int) -> Iterator[Position]:
        """Ascending from `seq`, holes left out."""

    def records(self, message_ids: Sequence[bytes]) -> dict[bytes, bytes]:
        """Digest by id of those that are here."""

    def add_records(self, records: Sequence[StoredRecord], *, received_at_ms: int) -> None:
        """Write records that are not here yet."""

    def add_positions(self, epoch: int, *, positions: Iterable[Position]) -> None:
        """Write places that are free."""

    def add_quarantine(self, epoch: int, *, position: Position, body: bytes, why: str) -> None:
        """Set bytes aside that contradict what is here; `why` is ``record`` or ``position``."""

    def add_claim(self, epoch: int, *, seq: int, head: bytes) -> None:
        """Keep a head that the node signed."""

    def add_keys(self, keys: Iterable[StoredKey]) -> set[bytes]:
        """Keep wrapped keys, numbered as they come; returns the ids under which something new came."""

    def keys(self, key_id: bytes, *, after: int, limit: int) -> list[StoredKey]:
        """Wrapped keys with that id whose number is above `after`, ascending by number."""

    def add_retry(self, key_id: bytes) -> None:
        """Note that a key of that id may not have been tried on every record."""

    def retries(self, *, limit: int) -> list[bytes]:
        """Ids that are noted so."""

    def end_retry(self, key_id: bytes) -> None:
        """Every key of that id was tried on every record."""

    def untried(self, key_id: bytes, *, limit: int) -> list[StoredRecord]:
        """Unreadable records under that id for which a key is left to try, those with the fewest tried first."""

    def judge_anew(self, old: StoredRecord, *, new: StoredRecord) -> None:
        """Replace what is made of an unreadable record: its state, text and `tried`; the bytes stay."""

    def rejections(self, epoch: int, *, first: int, last: int, limit: int) -> list[Rejection]:
        """Places in first..last whose bytes were not taken, ascending."""

    def boots(self, boot: bytes) -> BootState:
        """What is known of the node's boots; `boottime_ms` is the highest heard of `boot`."""

    def set_boot(self, boot: bytes, *, boottime_ms: int, returns: int, cloned_at_ms: int | None) -> None:
        """Note a hello that counted."""

    def set_hello(self, store: bytes, *, at_ms: int) -> None:
        """Note any hello that was answered."""


class IngestStore(Protocol):
    """Where received records live."""

    @property
    def inc(self) -> int:
        """Unix ms at which this store was made or restored."""

    def transaction(self, node: str) -> AbstractContextManager[Transaction]:
        """One frame of one node: the node's row locked on entry, committed and synced when the block ends well."""
