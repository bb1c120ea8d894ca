"""A node as the city sees it: makes signed hellos and batches of sealed records, with any fault a test asks for."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge.gm import PrivateKey, PublicKey, sm3
from edge.seal import DataKey, seal_body
from sync import cbor, chain, wire

BOOT = bytes(15) + b"\x01"
STORE = bytes(15) + b"\x02"
LO_MS = 1795399200000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A record ready for a batch."""

    message_id: bytes
    body: bytes

    @property
    def digest(self) -> bytes:
        return sm3(self.body)


def data_key(key_id: bytes, *, secret: bytes) -> DataKey:
    """A sealing key of the test's choice."""
    return DataKey(key_id=key_id, secret=secret, recipient=bytes(8), made_at_b_ns=0)


@dataclass(slots=True, kw_only=True)
class Box:
    """Makes what one node would send; nothing here is random, so a failure can be had again."""

    node: str
    key: PrivateKey
    city: PublicKey
    epoch: int = 1
    dek: DataKey = field(default_factory=lambda: data_key(b"dek-0001", secret=b"0123456789abcdef"))
    rows: list[Sealed] = field(default_factory=list)
    counter: int = 0

    def record(self, *, kind: str = "use", dek: DataKey | None = None, inner_id: bytes | None = None) -> Sealed:
        """A sealed record of its own id; `inner_id` seals another id than it is sent under."""
        self.counter += 1
        message_id = self.counter.to_bytes(16, "big")
        plain = cbor.encode({"id": inner_id or message_id, "kind": kind, "data": {}})
        return self.seal(plain, message_id=message_id, dek=dek)

    def seal(self, plain: bytes, *, message_id: bytes, dek: DataKey | None = None) -> Sealed:
        """Any bytes as a sealed record."""
        self.counter += 1
        body = seal_body(
            plain,
            key=dek or self.dek,
            nonce=self.counter.to_bytes(12, "big"),
            node=self.node,
            message_id=message_id,
        )
        return Sealed(message_id=message_id, body=body)

    def append(self, *records: Sealed) -> None:
        """Put records at the end of the chain."""
        self.rows.extend(records)

    def fill(self, count: int) -> None:
        """Append so many ordinary records."""
        self.append(*(self.record() for _ in range(count)))

    def head(self, seq: int) -> bytes:
        """h(seq) of the box's own chain."""
        head = chain.start(self.node, self.epoch, hash=sm3)
        for number, row in enumerate(self.rows[:seq], start=1):
            head = chain.link(head, seq=number, message_id=row.message_id, digest=row.digest, hash=sm3)
        return head

    def wrapped(self, dek: DataKey) -> tuple[bytes, bytes]:
        return self.city.keyid, self.city.encrypt(dek.secret)

    def batch(self, first: int, last: int, *, deks: Sequence[DataKey] | None = None, nonce: int = 1) -> wire.Batch:
        """The batch of first..last."""
        return wire.Batch(
            node=self.node,
            epoch=self.epoch,
            first=first,
            last=last,
            prev=self.head(first - 1),
            head=self.head(last),
            deks={dek.key_id: self.wrapped(dek) for dek in ([self.dek] if deks is None else deks)},
            items=tuple((row.message_id, row.body) for row in self.rows[first - 1 : last]),
            nonce=nonce.to_bytes(16, "big"),
        )

    def batch_frame(
        self,
        first: int,
        last: int,
        *,
        deks: Sequence[DataKey] | None = None,
        changes: Mapping[str, Any] | None = None,
    ) -> bytes:
        """A signed batch; `changes` replace members after the chain was made."""
        batch = dataclasses.replace(self.batch(first, last, deks=deks), **(changes or {}))
        return self.frame(wire.FrameType.BATCH, batch.to_payload())

    def hello_frame(self, *, acked: int = 0, boot: bytes = BOOT, boottime_ms: int = 1000, **changes: Any) -> bytes:
        """A signed hello."""
        hello = wire.Hello(
            node=self.node,
            nonce=(7).to_bytes(16, "big"),
            store=STORE,
            epoch=self.epoch,
            next=len(self.rows) + 1,
            acked=acked,
            head=self.head(acked),
            boot=boot,
            boottime_ms=boottime_ms,
            lo_ms=LO_MS,
        )
        changed = dataclasses.replace(hello, **changes)
        return self.frame(wire.FrameType.HELLO, changed.to_payload())

    def frame(self, kind: wire.FrameType, payload: bytes) -> bytes:
        """Any payload, signed by the node."""
        return wire.encode_frame(kind, payload, sign=self.key.sign, keyid=self.key.public.keyid)
