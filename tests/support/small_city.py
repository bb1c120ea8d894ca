"""A city in a few lines for tests of the uplink: positions in a dict, receipts signed by a hash.

It answers asks too: documents are small JSON texts without signatures, blobs are what it was given.
"""

import hashlib
import json
from collections.abc import Callable, Sequence

from sync import chain, topics, wire
from sync.asking import PIECE_BYTES_MAX, Ask, BlobPiece, Order, OrderKind, Result
from sync.errors import WireError
from sync.message import Receipt, Rejection

NODE = "370881-0042"
NODE_KEYID = b"\x01" * 8
CITY_KEYID = b"\x02" * 8
CONFIG_KEYID = b"\x03" * 8


def sm3(data: bytes) -> bytes:
    """SM3 without our own door."""
    return hashlib.new("sm3", data).digest()


def node_sign(data: bytes) -> bytes:
    """No signature, only as long as one: this package never looks inside."""
    return hashlib.sha512(b"node" + data).digest()


def city_sign(data: bytes) -> bytes:
    return hashlib.sha512(b"city" + data).digest()


def verify_receipt(keyid: bytes, signed: bytes, signature: bytes) -> bool:
    return keyid == CITY_KEYID and signature == city_sign(signed)


def verify_order(keyid: bytes, signed: bytes, signature: bytes) -> bool:
    return keyid == CONFIG_KEYID and signature == city_sign(signed)


def order_frame(
    order_id: int,
    kind: OrderKind = OrderKind.HELLO,
    *,
    node: str = NODE,
    expires_ms: int = 2_000,
    keyid: bytes = CONFIG_KEYID,
) -> bytes:
    """An order as the city sends it."""
    order = Order(node=node, id=order_id.to_bytes(16, "big"), kind=kind, expires_ms=expires_ms)
    return wire.encode_frame(wire.FrameType.ORDER, order.to_payload(), sign=city_sign, keyid=keyid)


def document(role: str, **members: int | str) -> bytes:
    """Bytes that begin as a document does."""
    return json.dumps({"role": role, **members}).encode()


def piece_frame(blob: bytes, *, offset: int, length: int = PIECE_BYTES_MAX, node: str = NODE) -> bytes:
    """A stretch of a blob as the city sends it."""
    data = blob[offset : offset + min(length, PIECE_BYTES_MAX)]
    piece = BlobPiece(node=node, sm3=sm3(blob), offset=offset, total=len(blob), data=data)
    return wire.encode_unsigned_frame(wire.FrameType.BLOB, piece.to_payload())


class SmallCity:
    """Keeps (epoch, seq) -> (id, digest) and bodies by id.

    Attributes:
        positions: By epoch, then seq.
        bodies: By message id; the first one stays.
        inc: When this store was made.
        time_ms: Its clock.
        change: Changes a receipt before it is signed; None drops it.
        rejects: Seqs it keeps but does not take.
        hellos, batches, asks, results: What was heard.
        versions: The newest document by role.
        blobs: What it can send, by SM3.
    """

    def __init__(self, *, inc: int = 1_000) -> None:
        self.positions: dict[int, dict[int, tuple[bytes, bytes]]] = {}
        self.bodies: dict[bytes, bytes] = {}
        self.inc = inc
        self.time_ms = 1_800_000_000_000
        self.change: Callable[[Receipt], Receipt | None] = lambda receipt: receipt
        self.rejects: set[int] = set()
        self.hellos: list[wire.Hello] = []
        self.batches: list[wire.Batch] = []
        self.asks: list[Ask] = []
        self.results: list[Result] = []
        self.versions: dict[str, int] = {}
        self.blobs: dict[bytes, bytes] = {}

    def answers(self, topic: str, data: bytes) -> list[tuple[str, bytes]]:
        """Everything that a message is answered with: topic and frame of each."""
        answer = self.handle(topic, data)
        if answer is not None:
            return [answer]
        try:
            frame = wire.decode_frame(data)
        except WireError:
            return []
        if topic == topics.up(NODE, leaf="ask"):
            return self._ask(Ask.from_payload(frame.payload))
        if topic == topics.up(NODE, leaf="result"):
            self.results.append(Result.from_payload(frame.payload))
        return []

    def handle(self, topic: str, data: bytes) -> tuple[str, bytes] | None:
        """The answer to a message: topic and frame."""
        try:
            frame = wire.decode_frame(data)
        except WireError:
            return None
        if frame.keyid != NODE_KEYID or frame.signature != node_sign(frame.signed):
            return None
        if topic == topics.up(NODE, leaf="hello"):
            receipt = self._hello(wire.Hello.from_payload(frame.payload))
        elif topic == topics.up(NODE, leaf="batch"):
            receipt = self._batch(wire.Batch.from_payload(frame.payload))
        else:
            return None
        changed = self.change(receipt)
        if changed is None:
            return None
        answer = wire.encode_frame(
            wire.FrameType.RECEIPT, wire.receipt_payload(changed), sign=city_sign, keyid=CITY_KEYID
        )
        return topics.down(NODE, leaf="receipt"), answer

    def _ask(self, ask: Ask) -> list[tuple[str, bytes]]:
        self.asks.append(ask)
        documents = [
            document(role, version=self.versions[role])
            for role, version in ask.docs.items()
            if self.versions.get(role, 0) >= version
        ]
        if ask.time:
            documents.append(document("time", nonce=ask.nonce.hex(), time=self.time_ms))
        answers = [(topics.down(NODE, leaf="doc"), each) for each in documents]
        if ask.fetch is not None and ask.fetch.sm3 in self.blobs:
            frame = piece_frame(self.blobs[ask.fetch.sm3], offset=ask.fetch.offset, length=ask.fetch.length)
            answers.append((topics.down(NODE, leaf="blob"), frame))
        return answers

    def mark(self, epoch: int) -> tuple[int, bytes]:
        """How far an epoch goes without a hole, and its head there."""
        head, seq = chain.start(NODE, epoch, hash=sm3), 0
        rows = self.positions.get(epoch, {})
        while seq + 1 in rows:
            seq += 1
            head = chain.link(head, seq=seq, message_id=rows[seq][0], digest=rows[seq][1], hash=sm3)
        return seq, head

    def _hello(self, hello: wire.Hello) -> Receipt:
        self.hellos.append(hello)
        rejected = sorted(seq for seq in self.rejects if seq > (hello.rejected_seen or 0))
        return self._receipt(hello.nonce, epoch=hello.epoch, rejected=rejected, top=max(self.positions, default=0))

    def _batch(self, batch: wire.Batch) -> Receipt:
        self.batches.append(batch)
        head, rows = batch.prev, {}
        for seq, (message_id, body) in enumerate(batch.items, start=batch.first):
            digest = sm3(body)
            rows[seq] = (message_id, digest)
            head = chain.link(head, seq=seq, message_id=message_id, digest=digest, hash=sm3)
        if len(rows) != batch.last - batch.first + 1:
            return self._receipt(batch.nonce, epoch=batch.epoch, error="count")
        if head != batch.head:
            return self._receipt(batch.nonce, epoch=batch.epoch, error="chain")
        for seq, row in rows.items():
            self.positions.setdefault(batch.epoch, {}).setdefault(seq, row)
        for message_id, body in batch.items:
            self.bodies.setdefault(message_id, body)
        rejected = sorted(seq for seq in self.rejects if batch.first <= seq <= batch.last)
        return self._receipt(batch.nonce, epoch=batch.epoch, rejected=rejected)

    def _receipt(
        self,
        nonce: bytes,
        *,
        epoch: int,
        rejected: Sequence[int] = (),
        top: int | None = None,
        error: str | None = None,
    ) -> Receipt:
        acked, head = self.mark(epoch)
        return Receipt(
            node=NODE,
            nonce=nonce,
            epoch=epoch,
            acked=acked,
            head=head,
            inc=self.inc,
            time_ms=self.time_ms,
            rejected=tuple(Rejection(seq=seq, code="unreadable", text="cannot open") for seq in rejected),
            top=top,
            error=error,
        )
