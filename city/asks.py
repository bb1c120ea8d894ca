"""Answers to what a node asks for: the time by its nonce, documents by version, pieces of blobs (contracts 5.3).

A frame that breaks a rule is dropped; what does not exist, or not for this node, is answered with silence, for the node
asks again when it hears of something newer. All that goes down counts against the node's allowance, save the time: a
box that may fetch no more still learns how late it is.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from city.allowance import Allowance
from city.authority.documents import time_payload
from city.frames import NodeKeys, check_node, open_frame
from city.notices import Notice
from city.shelf import Shelf
from edge import dsse
from edge.gm import PrivateKey
from sync import topics, wire
from sync.asking import PIECE_BYTES_MAX, Ask, BlobPiece

PIECES_MAX: Final = 8
"""Sent for one ask, a quarter of a MiB: another node waits no longer for its turn. The rest is asked for again."""
ROOTS_MAX: Final = 16
"""Sent for one ask; a city changes its root once in a few years."""

_TYPE_OF_LEAF: Final = {"ask": wire.FrameType.ASK}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What goes back for one ask; `is_limited` if the node has had its bytes and gets less than it asked for."""

    notices: tuple[Notice, ...]
    is_limited: bool = False


class AskDesk:
    """Answers asks; one instance is used by one task at a time.

    Args:
        shelf: What is published.
        node_keys: The signing keys of a node by name.
        time_key: Signs the time.
        allowance: What each node may have.
    """

    def __init__(self, *, shelf: Shelf, node_keys: NodeKeys, time_key: PrivateKey, allowance: Allowance) -> None:
        self._shelf = shelf
        self._node_keys = node_keys
        self._time_key = time_key
        self._allowance = allowance

    def handle(
        self, data: bytes, *, topic: str, now_ms: Callable[[], int], now_s: float, is_cloned: bool = False
    ) -> Answers:
        """What to publish in answer to one message of the broker.

        Args:
            data: The frame as it came.
            topic: Where it came.
            now_ms: The city's clock, Unix milliseconds, asked when the time is signed.
            now_s: Monotonic seconds.
            is_cloned: Whether the node is suspected to live in two boxes: then it gets no roster.

        Raises:
            DroppedError: The rule the frame broke.
            WireError: It is no ask.
        """
        frame, node = open_frame(data, topic=topic, types=_TYPE_OF_LEAF, node_keys=self._node_keys)
        ask = Ask.from_payload(frame.payload)
        check_node(ask.node, node=node)
        roster_of = None if is_cloned else node
        time = (self._time(ask, now_ms=now_ms(), roster_of=roster_of),) if ask.time else ()
        wanted = (*self._documents(ask, roster_of=roster_of), *self._pieces(ask, roster_of=roster_of))
        if not self._allowance.take(node, sum(len(notice.document) for notice in wanted), now_s=now_s):
            return Answers(notices=time, is_limited=True)
        return Answers(notices=(*time, *wanted))

    def _time(self, ask: Ask, *, now_ms: int, roster_of: str | None) -> Notice:
        """The time, with the versions that are published (contracts 3.4)."""
        found = {
            "status": self._shelf.document("status"),
            "issuers": self._shelf.document("issuers"),
            "roster": self._shelf.document("roster", node=roster_of),
        }
        versions = {role: document.version for role, document in found.items() if document is not None}
        payload = time_payload(node=ask.node, nonce=ask.nonce, now_ms=now_ms, versions=versions)
        return _document(ask.node, dsse.sign(payload, role="time", keys=[self._time_key]))

    def _documents(self, ask: Ask, *, roster_of: str | None) -> Iterator[Notice]:
        """Every document of the roles asked for from the version asked for on; roots first and in their order."""
        if "root" in ask.docs:
            first = max(1, ask.docs["root"])
            for version in range(first, min(self._shelf.root_version(), first + ROOTS_MAX - 1) + 1):
                root = self._shelf.root(version)
                if root is not None:
                    yield _document(ask.node, root.data)
        for role in ("issuers", "status", "roster"):
            document = self._shelf.document(role, node=roster_of) if role in ask.docs else None
            if document is not None and document.version >= ask.docs[role]:
                yield _document(ask.node, document.data)

    def _pieces(self, ask: Ask, *, roster_of: str | None) -> Iterator[Notice]:
        """Pieces of a blob from the offset asked for on; none of a blob that is not there for this node."""
        if ask.fetch is None:
            return
        offset, end = ask.fetch.offset, ask.fetch.offset + min(ask.fetch.length, PIECES_MAX * PIECE_BYTES_MAX)
        while offset < end:
            length = min(PIECE_BYTES_MAX, end - offset)
            found = self._shelf.piece(ask.fetch.sm3, node=roster_of, offset=offset, length=length)
            if found is None or not found[1]:
                return
            total, data = found
            piece = BlobPiece(node=ask.node, sm3=ask.fetch.sm3, offset=offset, total=total, data=data)
            frame = wire.encode_unsigned_frame(wire.FrameType.BLOB, piece.to_payload())
            yield Notice(topic=topics.down(ask.node, leaf="blob"), document=frame)
            offset += len(data)


def _document(node: str, data: bytes) -> Notice:
    return Notice(topic=topics.down(node, leaf="doc"), document=data)
