"""What comes down from the city and what is asked of it (contracts 5.3): a state machine that is told the time.

It believes nothing but orders: documents go to the node's other half as bytes, with the moment they came; blobs as
files whose SM3 is right. What is wanted is looked up again each time (`wants`), so an answer that was lost, refused or
dropped for want of room is asked for again, ever more seldom. Every question asks for the time as well: the signed
answer shows that the city took it, and says which versions there are. The other half takes with `next_arrival`, when
it can; a document that all nodes get waits in its own place, where only a later one of the same role takes over.
"""

import math
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from sync import topics
from sync.asking import PIECE_FRAME_BYTES_MAX, Ask, BlobPiece, Order
from sync.blobs import BlobFetcher, FinishedBlob
from sync.errors import WireError
from sync.orders import Orders
from sync.wire import FRAME_BYTES_MAX, NONCE_BYTES, Frame, FrameType, decode_frame

ASK_EVERY_S: Final = 900.0
ASK_FIRST_S: Final = 10.0
"""An answer may take so long; then the question is put again, doubling up to `ASK_EVERY_S`."""
ASK_GAP_S: Final = 2.0
"""Between any two questions, whatever happens."""
EARLY_EVERY_S: Final = 600.0
"""Contracts 4: early fetch for an unknown issuer, once in 10 minutes."""
NONCES_MAX: Final = 8
"""Questions whose answer would still be heard; an older one says too little about the time."""
DOCUMENTS_MAX: Final = 16
DOCUMENT_BYTES_MAX: Final = 1_048_576
"""Contracts 3."""
QUEUE_BYTES_MAX: Final = 4 * DOCUMENT_BYTES_MAX

_DOUBLINGS_MAX: Final = 7  # from ASK_FIRST_S beyond ASK_EVERY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A DSSE document as it came; nothing in it was checked.

    Attributes:
        data: At most 1 MiB.
        heard_b: now_b when it came, for the anchor of a `time` document.
        role: Of its topic, None if it came for this node alone.
    """

    data: bytes = field(repr=False)
    heard_b: int
    role: str | None = None


Arrival = Document | FinishedBlob | Order
"""An `Order` was checked and is to be run; `Downlink.finish_order` says how that went."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """What was asked under a nonce."""

    sent_b: int
    sent_s: float
    docs: Mapping[str, int]


@dataclass(slots=True, kw_only=True)
class _Wanted:
    """A document that is wanted."""

    version: int
    tries: int = 0
    due_s: float = -math.inf


class Downlink:
    """What is asked, awaited and handed on.

    Args:
        node: Name of this node.
        blobs: Fetches blobs; its `want` is called through `want_blobs` only.
        orders: Judges orders.
        wants: The documents that would be taken now: the lowest version that helps, by role. Cheap, for it is asked
            often; a role that stays in it is asked for at once and then up to every 15 minutes.
        random_bytes: Makes nonces.
        now_b: The clock of the interval, in its own unit.
        monotonic: Seconds, the clock of all `now_s`; read only for early fetches.
    """

    def __init__(
        self,
        *,
        node: str,
        blobs: BlobFetcher,
        orders: Orders,
        wants: Callable[[], Mapping[str, int]],
        random_bytes: Callable[[int], bytes],
        now_b: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> None:
        self._node = node
        self._blobs = blobs
        self._orders = orders
        self._wants = wants
        self._random_bytes = random_bytes
        self._now_b = now_b
        self._monotonic = monotonic
        self._takers: dict[str, Callable[[bytes, float], None]] = {
            **{topics.document(role): partial(self._take_retained, role) for role in topics.ROLES_FOR_ALL},
            topics.down(node, leaf="doc"): self._take_document,
            topics.down(node, leaf="blob"): self._take_piece,
            topics.down(node, leaf="order"): self._take_order,
        }
        self._retained: dict[str, Document] = {}
        self._documents: deque[Document] = deque()
        self._questions: dict[bytes, _Question] = {}
        self._once: dict[str, int] = {}
        self._wanted: dict[str, _Wanted] = {}
        self._due_s = -math.inf
        self._tries = 0
        self._asked_s = -math.inf
        self._early_s = -math.inf
        self._ignored: Counter[str] = Counter()
        self._on_wish: Callable[[], None] = lambda: None
        self._on_arrival: Callable[[], None] = lambda: None

    # -- for the uplink --------------------------------------------------------------------------------------------

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """The topics to subscribe to."""
        return tuple(self._takers)

    @property
    def ignored(self) -> Mapping[str, int]:
        """What came and changed nothing, by reason: ``topic wire signature node unwanted full``."""
        return dict(self._ignored)

    def watch(self, callback: Callable[[], None]) -> None:
        """Call back whenever `next_frame` may have something that it had not."""
        self._on_wish = callback

    def connected(self, now_s: float) -> None:
        """A new connection: everything that is open is asked again, under new nonces; blobs go on where they are."""
        self._due_s = now_s
        self._tries = 0
        self._wanted.clear()
        self._blobs.connected()

    def take(self, topic: str, payload: bytes, *, now_s: float) -> None:
        """Take what the broker delivered; what is not as it should be changes nothing and is counted."""
        taker = self._takers.get(topic)
        try:
            if taker is None:
                self._ignore("topic")
            else:
                taker(payload, now_s)
        except WireError:
            self._ignore("wire")

    def next_frame(self, now_s: float) -> tuple[str, FrameType, bytes] | None:
        """Leaf, type and payload of the next frame to sign and send; None if there is none now."""
        result = self._orders.next_result()
        if result is not None:
            return "result", FrameType.RESULT, result.to_payload()
        ask = self._question(now_s)
        if ask is None:
            fetch = self._blobs.next_piece(now_s)
            if fetch is None:
                return None
            ask = Ask(node=self._node, nonce=self._random_bytes(NONCE_BYTES), fetch=fetch)
        return "ask", FrameType.ASK, ask.to_payload()

    def wake_s(self) -> float:
        """When to call `next_frame` again, if nothing happens before."""
        if self._orders.has_result:
            return -math.inf
        due_s = min([self._due_s, *(self._known(role, version).due_s for role, version in self._wants().items())])
        return min(max(due_s, self._asked_s + ASK_GAP_S), self._blobs.wake_s())

    # -- for the node's other half ---------------------------------------------------------------------------------

    def watch_arrivals(self, callback: Callable[[], None]) -> None:
        """Call back whenever `next_arrival` may have something."""
        self._on_arrival = callback

    def next_arrival(self) -> Arrival | None:
        """The next thing that came; None if there is none now.

        A file of a blob stays until `want_blobs` names it no more: store it first.
        """
        order = self._orders.next_order()
        if order is not None:
            return order
        for role in topics.ROLES_FOR_ALL:
            if role in self._retained:
                return self._retained.pop(role)
        return self._documents.popleft() if self._documents else self._blobs.next_finished()

    def finish_order(self, order: Order, *, error: str | None = None) -> None:
        """Answer an order that was run.

        Args:
            order: As `next_arrival` gave it.
            error: A word free of personal data; None: it was done.
        """
        self._orders.finish(order, error=error)
        self._on_wish()

    def look_again(self) -> None:
        """`wants` may say something else now."""
        self._on_wish()

    def ask_time(self) -> None:
        """Ask for the time soon."""
        self._due_s = -math.inf
        self._on_wish()

    def ask_docs(self, docs: Mapping[str, int]) -> None:
        """Ask for documents soon, until the city took the question, whether there are newer ones or not.

        Args:
            docs: The lowest version that helps, by role.
        """
        self._once.update(docs)
        self.ask_time()

    def ask_docs_now(self, docs: Mapping[str, int]) -> bool:
        """Ask because a code's issuer is unknown: at most once in ten minutes (contracts 4); whether it was asked."""
        now_s = self._monotonic()
        if now_s < self._early_s + EARLY_EVERY_S:
            return False
        self._early_s = now_s
        self.ask_docs(docs)
        return True

    def want_blobs(self, wanted: Mapping[bytes, int]) -> frozenset[bytes]:
        """Say which blobs are wanted from now on; see `BlobFetcher.want`.

        Each is handed out once when it is whole. What a former run left is kept until there is no room for it.

        Args:
            wanted: Length by SM3, the most urgent first.

        Returns:
            What there is no room for now.
        """
        refused = self._blobs.want(wanted)
        self._on_wish()
        self._on_arrival()
        return refused

    def time_nonces(self) -> dict[bytes, int]:
        """The nonces whose answer would be heard, and now_b when each was sent."""
        return {nonce: question.sent_b for nonce, question in self._questions.items()}

    def answered(self, nonce: bytes) -> int | None:
        """Take the answer to a nonce: call it when the signature of a `time` document holds; one nonce, one answer.

        Returns:
            now_b when it was sent; None: it is not of ours or was answered, and the document changes nothing.
        """
        question = self._questions.pop(nonce, None)
        if question is None:
            return None
        self._once = {role: version for role, version in self._once.items() if question.docs.get(role) != version}
        self._tries = 0
        if self._due_s > question.sent_s:  # else somebody told us to ask again since
            self._due_s = question.sent_s + ASK_EVERY_S
        return question.sent_b

    # -- asking ----------------------------------------------------------------------------------------------------

    def _question(self, now_s: float) -> Ask | None:
        if now_s < self._asked_s + ASK_GAP_S:
            return None
        wants = self._wants()
        due = {role: version for role, version in wants.items() if now_s >= self._known(role, version).due_s}
        if now_s < self._due_s and not due:
            return None
        docs = self._once | due
        nonce = self._random_bytes(NONCE_BYTES)
        while len(self._questions) >= NONCES_MAX:
            del self._questions[next(iter(self._questions))]
        self._questions[nonce] = _Question(sent_b=self._now_b(), sent_s=now_s, docs=docs)
        self._asked_s = now_s
        self._tries += 1
        self._due_s = now_s + _wait_s(self._tries)
        for role in due:
            self._wanted[role].tries += 1
            self._wanted[role].due_s = now_s + _wait_s(self._wanted[role].tries)
        return Ask(node=self._node, nonce=nonce, time=True, docs=docs)

    def _known(self, role: str, version: int) -> _Wanted:
        """How often that version was asked for; it stays known while it is not wanted, so none is asked for anew."""
        known = self._wanted.get(role)
        if known is None or known.version != version:
            known = self._wanted[role] = _Wanted(version=version)
        return known

    # -- hearing ---------------------------------------------------------------------------------------------------

    def _take_retained(self, role: str, payload: bytes, _now_s: float) -> None:
        self._retained[role] = self._document(payload, role=role)
        self._on_arrival()

    def _take_document(self, payload: bytes, _now_s: float) -> None:
        document = self._document(payload)
        waiting = sum(len(each.data) for each in self._documents)
        if len(self._documents) >= DOCUMENTS_MAX or waiting + len(payload) > QUEUE_BYTES_MAX:
            self._ignore("full")  # `wants` or the unanswered nonce asks for it again
            return
        self._documents.append(document)
        self._on_arrival()

    def _document(self, payload: bytes, *, role: str | None = None) -> Document:
        if len(payload) > DOCUMENT_BYTES_MAX or payload[:1] != b"{":
            raise WireError("not a document")
        return Document(data=payload, heard_b=self._now_b(), role=role)

    def _take_piece(self, payload: bytes, now_s: float) -> None:
        if not self._blobs.is_fetching:  # nobody signed it: it is not worth reading
            self._ignore("unwanted")
            return
        frame = _frame(payload, type=FrameType.BLOB, bytes_max=PIECE_FRAME_BYTES_MAX)
        piece = BlobPiece.from_payload(frame.payload)
        if piece.node != self._node:
            self._ignore("node")
        elif not self._blobs.fits(piece):
            self._ignore("unwanted")
        else:
            self._blobs.take(piece, now_s=now_s)
            self._on_arrival()

    def _take_order(self, payload: bytes, _now_s: float) -> None:
        reason = self._orders.take(_frame(payload, type=FrameType.ORDER))
        if reason is not None:
            self._ignore(reason)
        self._on_arrival()

    def _ignore(self, reason: str) -> None:
        self._ignored[reason] += 1


def _frame(payload: bytes, *, type: FrameType, bytes_max: int = FRAME_BYTES_MAX) -> Frame:  # noqa: A002
    """Take a frame apart.

    Raises:
        WireError: It is none, longer than `bytes_max`, or of another type than its topic's.
    """
    frame = decode_frame(payload, bytes_max=bytes_max)
    if frame.type is not type:
        raise WireError("another type")
    return frame


def _wait_s(tries: int) -> float:
    """How long to wait for an answer to the n-th question."""
    return float(min(ASK_EVERY_S, ASK_FIRST_S * 2 ** min(tries - 1, _DOUBLINGS_MAX)))
