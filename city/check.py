"""Is what we hold of a node whole? The chain computed anew from our rows, held against our mark and the node's word.

Four things must agree for every place: the body and its digest, the places among each other (no hole up to the mark),
the mark's head, and every head the node signed in a batch.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from city.received import Mark, Position
from edge.gm import sm3
from sync import chain


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochReport:
    """What was found in one epoch.

    Attributes:
        epoch: Which.
        acked: How far it is here without a hole.
        head: h(acked), computed now.
        waiting: Places beyond a hole; the node will fill it.
        broken_at: First seq where something does not agree, None if the chain is unbroken.
        broken_why: ``body``, ``missing``, ``claim`` or ``mark``; None if it is unbroken.
    """

    epoch: int
    acked: int
    head: bytes
    waiting: int
    broken_at: int | None = None
    broken_why: str | None = None


def check_epoch(
    epoch: int,
    *,
    node: str,
    mark: Mark,
    places: Iterable[tuple[Position, bytes | None]],
    claims: Mapping[int, set[bytes]],
) -> EpochReport:
    """Recompute one epoch.

    Args:
        epoch: Which.
        node: Whose.
        mark: Where our mark stands.
        places: Ascending by seq, each with the body that belongs to its digest (None if there is none).
        claims: Heads the node signed, by seq.
    """
    head = chain.start(node, epoch, hash=sm3)
    acked = waiting = 0
    broken: tuple[int, str] | None = None
    for place, body in places:
        if body is None or sm3(body) != place.digest:
            broken = broken or (place.seq, "body")
        if place.seq != acked + 1:
            waiting += 1
            continue
        acked = place.seq
        head = chain.link(head, seq=acked, message_id=place.message_id, digest=place.digest, hash=sm3)
        if claims.get(acked, {head}) != {head}:
            broken = broken or (acked, "claim")
        if acked == mark.acked and head != mark.head:
            broken = broken or (acked, "mark")
    if acked < mark.acked:
        broken = broken or (acked + 1, "missing")
    at, why = broken or (None, None)
    return EpochReport(epoch=epoch, acked=acked, head=head, waiting=waiting, broken_at=at, broken_why=why)
