"""Records about the node itself: what became of the ledger when a new epoch began (contracts 5.4). Pure."""

from edge.transaction import Kind, Moment, Terminal, Transaction
from sync.ledger import EpochChange

MISSING_MAX = 100  # stretches of records named one by one; a disk that lost more has lost them all


def epoch_audit(change: EpochChange, *, message_id: bytes, at: Moment, node: str) -> Transaction:
    """Return the first record of a new epoch: old epoch, its last seq and head, what is missing, why.

    Args:
        change: What happened.
        message_id: 16 bytes, a UUIDv7.
        at: Now.
        node: Name of the node.
    """
    data = {
        "event": "new_epoch",
        "former_epoch": change.former,
        "last_seq": change.last_seq,
        "acked": change.acked,
        "head": change.head,
        "missing": [list(stretch) for stretch in change.missing[:MISSING_MAX]],
        "missing_more": len(change.missing) > MISSING_MAX,
        "reason": change.reason.value,
    }
    return Transaction(id=message_id, kind=Kind.AUDIT, step=None, at=at, terminal=Terminal(node=node), data=data)
