"""The rules of the receiving end (contracts 5.4): a frame comes in, is judged, committed, and answered.

A frame whose signer is unknown, whose signature fails or that stands on the wrong topic is dropped without an answer
and counted; from then on every frame is answered. A record is written once, its place always; what contradicts what is
here goes aside and never replaces it. The receipt is made only after the commit, and only from the city's own rows.
Time, keys and the store are handed in; one instance is used by one task at a time.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from city.frames import DroppedError, NodeKeys, check_node, open_frame
from city.opening import KeyRing, judge, key_id_of
from city.received import BootState, IngestStore, Mark, Position, RecordState, StoredKey, StoredRecord, Transaction
from edge.gm import PrivateKey, sm3
from sync import chain, topics, wire
from sync.errors import WireError
from sync.message import Receipt, Rejection

REJECTIONS_MAX: Final = 500
"""Listed in one receipt, some 25 KiB; the next hello's answer goes on where the node says it has heard them."""
TRIES_PER_FRAME: Final = 200
"""Keys tried in one frame beyond the first of each of its records: at most some 0.15 s, for all nodes wait meanwhile.
What is left is tried with the node's next frames."""
KEYS_AT_A_TIME: Final = 8
"""Keys of one id read at a time; an id has one unless a disk was damaged or a box copied."""
BOOTS_HEARD_AGAIN_MAX: Final = 1
"""Once may be a hello that came late; twice is two living boxes (contracts 5.4)."""

_ITEMS_MAX: Final = 500  # contracts 5.3
_TYPE_OF_LEAF: Final = {"hello": wire.FrameType.HELLO, "batch": wire.FrameType.BATCH}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back to a node.

    Attributes:
        topic: Where to publish it.
        frame: The signed receipt.
        node: Whom it is for.
        alarms: What an operator should hear of, such as ``clone``; free of content.
        hello: The hello it answers, None for a batch: what the node holds may be older than what is published.
    """

    topic: str
    frame: bytes = field(repr=False)
    node: str
    alarms: tuple[str, ...] = ()
    hello: wire.Hello | None = None


class Ingest:
    """Judges frames, commits them, answers.

    Args:
        store: Where records live.
        node_keys: The signing keys of a node by name; none for one that was never made.
        receipt_key: Signs the answers.
        key_ring: Opens records.
    """

    def __init__(
        self,
        *,
        store: IngestStore,
        node_keys: NodeKeys,
        receipt_key: PrivateKey,
        key_ring: KeyRing,
    ) -> None:
        self._store = store
        self._node_keys = node_keys
        self._receipt_key = receipt_key
        self._key_ring = key_ring
        self._dropped: Counter[str] = Counter()

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many frames were dropped without an answer, by rule."""
        return dict(self._dropped)

    def handle(self, data: bytes, *, topic: str, now_ms: int) -> Answer | None:
        """Take one message of the broker; the answer to publish once this returns, None if it was dropped.

        Args:
            data: The frame as it came.
            topic: Where it came.
            now_ms: The city's clock, Unix milliseconds.

        Raises:
            CityStoreError: It could not be committed; nothing of it was stored, and nothing may be answered.
        """
        try:
            frame, node = open_frame(data, topic=topic, types=_TYPE_OF_LEAF, node_keys=self._node_keys)
            hello: wire.Hello | None = None
            match frame.type:
                case wire.FrameType.HELLO:
                    hello = wire.Hello.from_payload(frame.payload)
                    check_node(hello.node, node=node)
                    receipt, alarms = self._take_hello(hello, now_ms=now_ms)
                case _:
                    batch = wire.Batch.from_payload(frame.payload)
                    check_node(batch.node, node=node)
                    receipt, alarms = self._take_batch(batch, now_ms=now_ms)
        except DroppedError as drop:
            self._dropped[drop.rule] += 1
            return None
        except WireError:
            self._dropped["form"] += 1
            return None
        payload = wire.receipt_payload(receipt)
        keyid = self._receipt_key.public.keyid
        answer = wire.encode_frame(wire.FrameType.RECEIPT, payload, sign=self._receipt_key.sign, keyid=keyid)
        place = topics.down(node, leaf="receipt")
        return Answer(topic=place, frame=answer, node=node, alarms=alarms, hello=hello)

    def _take_hello(self, hello: wire.Hello, *, now_ms: int) -> tuple[Receipt, tuple[str, ...]]:
        with self._store.transaction(hello.node) as transaction:
            boots = transaction.boots(hello.boot)
            after = hear_boot(boots, boot=hello.boot, boottime_ms=hello.boottime_ms, now_ms=now_ms)
            if after is not None:
                transaction.set_boot(
                    hello.boot,
                    boottime_ms=hello.boottime_ms,
                    returns=after.returns,
                    cloned_at_ms=after.cloned_at_ms,
                )
            transaction.set_hello(hello.store, at_ms=now_ms)
            _Judging(key_ring=self._key_ring, transaction=transaction, node=hello.node).retry()
            mark = _mark(transaction, node=hello.node, epoch=hello.epoch)
            seen = min(hello.rejected_seen or 0, mark.acked)
            receipt = Receipt(
                node=hello.node,
                nonce=hello.nonce,
                epoch=hello.epoch,
                acked=mark.acked,
                head=mark.head,
                inc=self._store.inc,
                time_ms=now_ms,
                rejected=_rejected(transaction, epoch=hello.epoch, first=seen + 1, last=mark.acked),
                # Only epochs with a record are remembered: a clone's hello alone drives nobody up.
                top=max(transaction.top_epoch(), hello.epoch),
            )
        is_new_clone = after is not None and after.cloned_at_ms is not None and boots.cloned_at_ms is None
        return receipt, ("clone",) if is_new_clone else ()

    def _take_batch(self, batch: wire.Batch, *, now_ms: int) -> tuple[Receipt, tuple[str, ...]]:
        digests = [sm3(body) for _, body in batch.items]
        error = batch_error(batch, digests=digests)
        alarms: tuple[str, ...] = ()
        with self._store.transaction(batch.node) as transaction:
            rejected: tuple[Rejection, ...] = ()
            if error is None:
                alarms = self._commit(transaction, batch=batch, digests=digests, now_ms=now_ms)
                rejected = _rejected(transaction, epoch=batch.epoch, first=batch.first, last=batch.last)
            mark = _mark(transaction, node=batch.node, epoch=batch.epoch)
            receipt = Receipt(
                node=batch.node,
                nonce=batch.nonce,
                epoch=batch.epoch,
                acked=mark.acked,
                head=mark.head,
                inc=self._store.inc,
                time_ms=now_ms,
                rejected=rejected,
                error=error,
            )
        return receipt, alarms if error is None else (error,)

    def _commit(
        self, transaction: Transaction, *, batch: wire.Batch, digests: Sequence[bytes], now_ms: int
    ) -> tuple[str, ...]:
        """Write what is new, set aside what contradicts, move the mark; returns what an operator should hear of."""
        fresh = transaction.add_keys(
            StoredKey(key_id=key_id, recipient=recipient, wrapped=wrapped)
            for key_id, (recipient, wrapped) in batch.deks.items()
        )
        for key_id in fresh:
            transaction.add_retry(key_id)
        known = transaction.records([message_id for message_id, _ in batch.items])
        held = transaction.positions(batch.epoch, first=batch.first, last=batch.last)
        judging = _Judging(key_ring=self._key_ring, transaction=transaction, node=batch.node)
        judging.retry()
        records: list[StoredRecord] = []
        places: list[Position] = []
        alarms: set[str] = set()
        for seq, ((message_id, body), digest) in enumerate(zip(batch.items, digests, strict=True), start=batch.first):
            place = Position(seq=seq, message_id=message_id, digest=digest)
            if message_id not in known:
                known[message_id] = digest
                records.append(judging.record(body, message_id=message_id, digest=digest))
            elif known[message_id] != digest:
                transaction.add_quarantine(batch.epoch, position=place, body=body, why="record")
                alarms.add("record")
            if seq not in held:
                places.append(place)
            elif held[seq] != place:
                transaction.add_quarantine(batch.epoch, position=place, body=body, why="position")
                alarms.add("position")
        transaction.add_records(records, received_at_ms=now_ms)
        transaction.add_positions(batch.epoch, positions=places)
        transaction.add_claim(batch.epoch, seq=batch.last, head=batch.head)
        _advance(transaction, node=batch.node, epoch=batch.epoch)
        return tuple(sorted(alarms))


def batch_error(batch: wire.Batch, *, digests: Sequence[bytes]) -> str | None:
    """``count`` or ``chain`` if a batch does not fit in itself (contracts 5.4), None if it does.

    Its `prev` is not held against our own rows: batches may overtake each other, and where the two chains differ the
    head in the answer says so without refusing a single record.

    Args:
        batch: As it came.
        digests: SM3 of each body.
    """
    fits = 1 <= len(batch.items) <= _ITEMS_MAX and batch.last - batch.first + 1 == len(batch.items)
    if not fits or batch.first < 1:
        return "count"
    head = batch.prev
    for seq, ((message_id, _), digest) in enumerate(zip(batch.items, digests, strict=True), start=batch.first):
        head = chain.link(head, seq=seq, message_id=message_id, digest=digest, hash=sm3)
    begins_right = batch.first > 1 or batch.prev == chain.start(batch.node, batch.epoch, hash=sm3)
    return None if head == batch.head and begins_right else "chain"


def hear_boot(boots: BootState, *, boot: bytes, boottime_ms: int, now_ms: int) -> BootState | None:
    """What a hello makes of a node's boots; None if it does not count, because it is older than one heard before.

    Args:
        boots: What is known, `boottime_ms` being the highest heard of `boot`.
        boot: The hello's.
        boottime_ms: The hello's.
        now_ms: When a clone would be proven.
    """
    if boots.boottime_ms is not None and boottime_ms <= boots.boottime_ms:
        return None
    is_heard_again = boots.boottime_ms is not None and boots.boot != boot
    returns = boots.returns + is_heard_again
    cloned_at_ms = boots.cloned_at_ms
    if cloned_at_ms is None and returns > BOOTS_HEARD_AGAIN_MAX:
        cloned_at_ms = now_ms
    return BootState(boot=boot, boottime_ms=boottime_ms, returns=returns, cloned_at_ms=cloned_at_ms)


class _Judging:
    """Opens and judges records within one transaction, with a bound on how many keys are tried."""

    def __init__(self, *, key_ring: KeyRing, transaction: Transaction, node: str) -> None:
        self._key_ring = key_ring
        self._transaction = transaction
        self._node = node
        self._keys: dict[tuple[bytes, int], list[StoredKey]] = {}
        self._tries_left = TRIES_PER_FRAME

    def record(self, body: bytes, *, message_id: bytes, digest: bytes) -> StoredRecord:
        """Judge a record that is new: its first key is tried whatever the bound, the others as far as that allows."""
        key_id = key_id_of(body)
        state = RecordState.UNREADABLE
        new = StoredRecord(message_id=message_id, digest=digest, key_id=key_id, state=state, text="", body=body)
        judged, is_through = self._judge(new, free=1)
        if not is_through:
            self._transaction.add_retry(key_id)
        return judged

    def retry(self) -> None:
        """Try keys on what could not be opened, those that were not tried on it yet, as far as the bound allows."""
        for key_id in self._transaction.retries(limit=TRIES_PER_FRAME):
            while self._tries_left:
                page = self._transaction.untried(key_id, limit=self._tries_left)
                if not page:
                    self._transaction.end_retry(key_id)
                    break
                for old in page:
                    new, _ = self._judge(old, free=0)
                    self._transaction.judge_anew(old, new=new)

    def _judge(self, record: StoredRecord, *, free: int) -> tuple[StoredRecord, bool]:
        """What becomes of an unreadable record, and False if keys are left that the bound did not allow.

        Args:
            record: Keys above its `tried` are tried, in the order they came.
            free: So many tries do not count.
        """
        plain, tried, is_through = None, record.tried, True
        while plain is None and is_through and (keys := self._some_keys(record.key_id, after=tried)):
            for key in keys:
                if not free and not self._tries_left:
                    is_through = False
                    break
                free, self._tries_left = (free - 1, self._tries_left) if free else (0, self._tries_left - 1)
                tried = key.number
                plain = self._key_ring.open(record.body, node=self._node, message_id=record.message_id, wrapped=[key])
                if plain is not None:
                    break
        judgement = judge(plain, message_id=record.message_id)
        return replace(record, state=judgement.state, text=judgement.text, tried=tried), is_through

    def _some_keys(self, key_id: bytes, *, after: int) -> list[StoredKey]:
        """The next keys of an id; each stretch is read once."""
        if (key_id, after) not in self._keys:
            self._keys[key_id, after] = self._transaction.keys(key_id, after=after, limit=KEYS_AT_A_TIME)
        return self._keys[key_id, after]


def _mark(transaction: Transaction, *, node: str, epoch: int) -> Mark:
    return transaction.mark(epoch) or Mark(acked=0, head=chain.start(node, epoch, hash=sm3))


def _advance(transaction: Transaction, *, node: str, epoch: int) -> None:
    """Move the mark over every place that is now contiguous, chaining our own rows."""
    mark = _mark(transaction, node=node, epoch=epoch)
    acked, head = mark.acked, mark.head
    for place in transaction.positions_from(epoch, seq=acked + 1):
        if place.seq != acked + 1:
            break
        head = chain.link(head, seq=place.seq, message_id=place.message_id, digest=place.digest, hash=sm3)
        acked = place.seq
    transaction.set_mark(epoch, mark=Mark(acked=acked, head=head))


def _rejected(transaction: Transaction, *, epoch: int, first: int, last: int) -> tuple[Rejection, ...]:
    """What is kept but not taken, as receipts list it: a known id with other bytes counts as refused."""
    rows = transaction.rejections(epoch, first=first, last=last, limit=REJECTIONS_MAX)
    return tuple(Rejection(seq=row.seq, code=row.state.value, text=row.text) for row in rows)
