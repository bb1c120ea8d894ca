"""What the outbox knows of its ledger, as values: the mark, what goes into a batch, what a new epoch means.

`State` is what the writer thread puts back when a transaction fails; `Snapshot` is what everybody else may look at
without asking the thread.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from sync.message import Rejection, WrappedKey
from sync.runs import Runs


class EpochReason(enum.StrEnum):
    """Why an epoch was opened (contracts 5.4)."""

    NEW_STORE = "new_store"
    CITY_AHEAD = "city_ahead"
    HEADS_DISAGREE = "heads_disagree"
    PRUNED = "pruned"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochChange:
    """What the audit record at the head of a new epoch has to say.

    Attributes:
        former: The epoch that ended.
        epoch: The one that begins.
        last_seq: Highest seq of the former one; 0 if it is not known.
        acked: Its mark.
        head: h(acked) of the former one; empty if it is not known.
        missing: Seqs of the former epoch that cannot be sent any more, as (first, last).
        reason: Why.
    """

    former: int
    epoch: int
    last_seq: int
    acked: int
    head: bytes
    missing: tuple[tuple[int, int], ...]
    reason: EpochReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The one row of the table of that name."""

    store: bytes
    epoch: int
    acked: int
    head: bytes
    base: int
    base_head: bytes
    inc: int | None
    rejected_seen: int
    held_n: int
    noted_n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxCounts:
    """Numbers for the status page.

    Attributes:
        epoch: Of the ledger.
        next_seq: The seq the next record will get.
        acked: The mark.
        waiting: Records the city has not confirmed.
        settled: Records it has, still held here.
        quarantined: Records it rejected, and damaged ones.
        lost: Records that could not be read out of a damaged file any more, at least so many.
        oldest_waiting_id: Message id of the oldest waiting record; whoever made it can read its time.
    """

    epoch: int
    next_seq: int
    acked: int
    waiting: int
    settled: int
    quarantined: int
    oldest_waiting_id: bytes | None
    lost: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The ledger at one moment, for the session and the hello.

    Attributes:
        store: 16 bytes made with the database file.
        epoch: Of the ledger.
        highest_epoch: The highest number ever used here.
        next_seq: The seq the next record will get.
        acked: The mark.
        head: h(acked).
        oldest: Lowest seq held, None if nothing was pruned.
        inc: The city's inc as last heard.
        rejected_seen: Every rejection up to this seq was heard.
    """

    store: bytes
    epoch: int
    highest_epoch: int
    next_seq: int
    acked: int
    head: bytes
    oldest: int | None
    inc: int | None
    rejected_seen: int


@dataclass(slots=True, kw_only=True)  # not frozen: made for every scan, and a frozen one costs three times as much
class State:
    """Everything the writer remembers between two transactions; never changed, only replaced."""

    mark: Mark
    highest_epoch: int
    runs: Runs
    next_n: int
    keys: Mapping[int, WrappedKey]
    damaged: frozenset[int]
    quarantined: int
    oldest_id: bytes | None
    returned: frozenset[bytes] = frozenset()
    lost: int = 0

    @property
    def is_new(self) -> bool:
        """Whether no record was stored in this file yet, those apart that were saved out of a damaged one."""
        return len(self.runs.runs) == 1 and self.next_n == self.runs.runs[0].first_n

    @property
    def saved(self) -> int:
        """Records out of a damaged file that have no seq yet: they follow the first one, the audit (contracts 5.4)."""
        return self.next_n - self.mark.held_n if self.is_new else 0

    @property
    def next_seq(self) -> int:
        """The seq the next record will get."""
        return self.runs.next_seq(next_n=self.next_n)

    @property
    def waiting(self) -> int:
        """Records not settled."""
        return self.next_seq - 1 - self.mark.acked + self.saved

    def snapshot(self) -> Snapshot:
        """The ledger, for the session and the hello."""
        mark = self.mark
        return Snapshot(
            store=mark.store,
            epoch=mark.epoch,
            highest_epoch=self.highest_epoch,
            next_seq=self.next_seq,
            acked=mark.acked,
            head=mark.head,
            oldest=mark.base + 1 if mark.base else None,
            inc=mark.inc,
            rejected_seen=mark.rejected_seen,
        )

    def counts(self) -> OutboxCounts:
        """Numbers for the status page."""
        held = self.next_n - self.mark.held_n - sum(n >= self.mark.held_n for n in self.damaged)
        return OutboxCounts(
            epoch=self.mark.epoch,
            next_seq=self.next_seq,
            acked=self.mark.acked,
            waiting=self.waiting,
            settled=max(0, held - self.waiting),
            quarantined=self.quarantined,
            oldest_waiting_id=self.oldest_id,
            lost=self.lost,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A stored record as it is chained."""

    seq: int
    message_id: bytes
    digest: bytes
    body: bytes = field(repr=False)
    key: WrappedKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Records in a row, ready to be sent, checked against their digests.

    Attributes:
        epoch: Of the ledger.
        first: Seq of the first item.
        prev: h(first - 1).
        head: h(last).
        deks: Every sealing key the items use: by id, keyid of the city key and wrapped key.
        items: (id, body) of each; empty if the first one cannot be sent.
        is_cut_short: The record behind the last item is damaged or gone.
    """

    epoch: int
    first: int
    prev: bytes
    head: bytes
    deks: Mapping[bytes, tuple[bytes, bytes]] = field(repr=False)
    items: tuple[tuple[bytes, bytes], ...] = field(repr=False)
    is_cut_short: bool

    @property
    def last(self) -> int:
        """Seq of the last item; first - 1 if there is none."""
        return self.first + len(self.items) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What an answer of the city does to the mark.

    Attributes:
        epoch: The epoch it speaks of; nothing happens in another.
        acked: The new mark.
        head: h(acked), ours.
        inc: The city's inc.
        rejected: To be put in quarantine.
        rejected_seen: Every rejection up to this seq has now been heard.
    """

    epoch: int
    acked: int
    head: bytes
    inc: int
    rejected: tuple[Rejection, ...] = ()
    rejected_seen: int = 0

    def changes(self, ledger: Snapshot) -> bool:
        """Whether it says anything new: a write that changes nothing only wears the flash."""
        return (
            bool(self.rejected)
            or (self.acked, self.inc) != (ledger.acked, ledger.inc)
            or self.rejected_seen > ledger.rejected_seen
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEpoch:
    """An epoch to be opened.

    Attributes:
        change: What its audit record says.
        inc: The city's inc, if an answer of the city is the cause.
        with_settled: Whether every settled record still held goes again.
        damaged: Records found damaged (their n): they are set aside.
    """

    change: EpochChange
    inc: int
    with_settled: bool
    damaged: frozenset[int]
