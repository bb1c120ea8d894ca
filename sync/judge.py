"""What an answer of the city may do (contracts 5.4), pure: it settles, opens an epoch, or is odd and causes a hello.

Both functions are told what the node itself knows: the ledger now, its own head at the seq the answer names, and
whether the record behind it can still be sent. Nothing here trusts an answer further than the rule for its kind.
"""

import enum
from dataclasses import dataclass

from sync.chain import EPOCH_MAX
from sync.ledger import EpochReason, Settlement, Snapshot
from sync.message import Receipt


class Odd(enum.StrEnum):
    """What was odd: the session says hello and does nothing more."""

    EPOCH = "epoch"
    INC = "inc"
    INC_WENT_DOWN = "inc_went_down"
    HEAD = "head"
    AHEAD = "ahead"
    STEPPED_BACK = "stepped_back"
    HOLE = "hole"
    ERROR = "error"
    EPOCH_TOO_SOON = "epoch_too_soon"
    UNSENDABLE = "unsendable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The hello or batch that was answered.

    Attributes:
        epoch: The epoch it was of.
        acked: The mark when it was first sent, which a hello also states.
        first: First seq of a batch; 0 for a hello.
        last: Last seq of a batch; 0 for a hello.
    """

    epoch: int
    acked: int
    first: int = 0
    last: int = 0

    @property
    def is_hello(self) -> bool:
        """Whether it was a hello."""
        return self.first == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What the node knows itself of the point an answer names.

    Attributes:
        head: h(acked of the answer); None if it cannot be computed.
        is_next_sendable: Whether the record behind `resume_at` is there and undamaged, or not stored yet.
    """

    head: bytes | None
    is_next_sendable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenEpoch:
    """The answer to a hello calls for a new epoch.

    Attributes:
        reason: Why.
        epoch: Its number.
        inc: The city's inc.
        with_settled: `inc` changed: every settled record still held goes again.
        city_acked: What the city has of the former epoch.
    """

    reason: EpochReason
    epoch: int
    inc: int
    with_settled: bool
    city_acked: int


Decision = Settlement | OpenEpoch | Odd


def resume_at(asked: Asked, receipt: Receipt, *, ledger: Snapshot) -> int:
    """The mark after the answer to a hello, if it is taken: a late answer does not undo what batches settled since."""
    is_late = asked.acked <= receipt.acked <= ledger.acked
    return ledger.acked if is_late else receipt.acked


def judge_hello(asked: Asked, receipt: Receipt, *, ledger: Snapshot, own: Own) -> Decision:
    """Only this answer may step the mark back, change `inc` or open an epoch."""
    if receipt.epoch != ledger.epoch or asked.epoch != ledger.epoch:
        return Odd.EPOCH
    if ledger.inc is not None and receipt.inc < ledger.inc:
        return Odd.INC_WENT_DOWN
    acked = resume_at(asked, receipt, ledger=ledger)
    reason = _needs_epoch(receipt, ledger=ledger, own=own, is_late=acked != receipt.acked)
    if reason is not None:
        epoch = max(ledger.epoch, ledger.highest_epoch, receipt.top or 0) + 1
        if epoch > EPOCH_MAX:
            return Odd.EPOCH
        return OpenEpoch(
            reason=reason,
            epoch=epoch,
            inc=receipt.inc,
            with_settled=ledger.inc is not None and receipt.inc != ledger.inc,
            city_acked=receipt.acked,
        )
    return Settlement(
        epoch=ledger.epoch,
        acked=acked,
        head=receipt.head if acked == receipt.acked else ledger.head,
        inc=receipt.inc,
        rejected=receipt.rejected,
        # A city that cannot list all at once lists the first ones: the next hello asks for those behind them.
        rejected_seen=max((each.seq for each in receipt.rejected), default=receipt.acked),
    )


def judge_batch(asked: Asked, receipt: Receipt, *, ledger: Snapshot, own: Own) -> Settlement | Odd:
    """This answer settles forward only: same epoch, same `inc`, my head. An `error` is the session's to handle."""
    if receipt.epoch != ledger.epoch or asked.epoch != ledger.epoch:
        return Odd.EPOCH
    if receipt.inc != ledger.inc:
        return Odd.INC
    if receipt.acked >= ledger.next_seq:
        return Odd.AHEAD
    if receipt.acked < asked.acked:
        return Odd.STEPPED_BACK
    # An answer overtaken by a later one names a point already settled: no news. Its head is compared all the same,
    # unless it was pruned meanwhile: then the answer proves nothing.
    is_late = receipt.acked < ledger.acked
    is_proven = own.head == receipt.head
    if not is_proven and not (is_late and own.head is None):
        return Odd.HEAD
    is_next_heard = is_proven and asked.first <= ledger.rejected_seen + 1
    return Settlement(
        epoch=ledger.epoch,
        acked=ledger.acked if is_late else receipt.acked,
        head=ledger.head if is_late else receipt.head,
        inc=receipt.inc,
        rejected=receipt.rejected if is_proven else (),
        rejected_seen=asked.last if is_next_heard and receipt.error is None else 0,
    )


def _needs_epoch(receipt: Receipt, *, ledger: Snapshot, own: Own, is_late: bool) -> EpochReason | None:
    base = ledger.oldest - 1 if ledger.oldest is not None else 0
    if receipt.acked >= ledger.next_seq:
        return EpochReason.CITY_AHEAD
    if own.head is not None and own.head != receipt.head:
        return EpochReason.HEADS_DISAGREE
    if own.head is None and not is_late:
        return EpochReason.PRUNED if receipt.acked < base else EpochReason.DAMAGED
    return None if own.is_next_sendable else EpochReason.DAMAGED
