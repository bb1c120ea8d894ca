"""What goes up, made from the ledger and what the rest of the node knows, sans-IO."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sync.ledger import Snapshot, Stretch
from sync.wire import Batch, Hello


@dataclass(frozen=True, slots=True, kw_only=True)
class HelloFacts:
    """What a hello says that only the node's other half knows; see `sync.wire.Hello`."""

    boot: bytes
    boottime_ms: int
    lo_ms: int
    hi_ms: int | None = None
    have: Mapping[str, int] = field(default_factory=dict)
    lists: Mapping[str, int] = field(default_factory=dict)


def make_hello(node: str, *, nonce: bytes, ledger: Snapshot, facts: HelloFacts) -> Hello:
    """The hello of a node."""
    return Hello(
        node=node,
        nonce=nonce,
        store=ledger.store,
        epoch=ledger.epoch,
        next=ledger.next_seq,
        acked=ledger.acked,
        head=ledger.head,
        boot=facts.boot,
        boottime_ms=facts.boottime_ms,
        lo_ms=facts.lo_ms,
        hi_ms=facts.hi_ms,
        have=facts.have,
        lists=facts.lists,
        oldest=ledger.oldest,
        inc=ledger.inc,
        rejected_seen=ledger.rejected_seen or None,
    )


def make_batch(node: str, *, nonce: bytes, stretch: Stretch) -> Batch:
    """The batch of a stretch of records."""
    return Batch(
        node=node,
        epoch=stretch.epoch,
        first=stretch.first,
        last=stretch.last,
        prev=stretch.prev,
        head=stretch.head,
        deks=stretch.deks,
        items=stretch.items,
        nonce=nonce,
    )
