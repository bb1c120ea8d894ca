"""Frames and their payloads (contracts 5.3), sans-IO: bytes in, values out.

A frame is deterministic CBOR `[type, payload, keyid, sig]`, signed over the pre-authentication encoding of its type and
payload. Nothing here checks a signature: whoever takes a frame checks it over `Frame.signed` before reading the
payload. Unknown members of a payload are ignored, so that a newer city can say more; wrong ones refuse the whole.
"""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from sync import cbor, chain
from sync.errors import WireError
from sync.fields import KEYID_BYTES, PAYLOAD_BYTES_MAX, Fields, encode_members
from sync.message import Receipt

FRAME_BYTES_MAX: Final = PAYLOAD_BYTES_MAX
NONCE_BYTES: Final = 16
SIGNATURE_BYTES: Final = 64
HEAD_BYTES: Final = 32

_FRAME_HEAD: Final = b"\x84"  # an array of four
_OCTETS: Final = 2
_TEXT: Final = 3
_MAP: Final = 5
_LENGTH_BYTES: Final = {24: 1, 25: 2, 26: 4, 27: 8}
_LEAST: Final = {1: 24, 2: 2**8, 4: 2**16, 8: 2**32}
"""The lowest argument that needs a head with so many bytes more."""


class FrameType(enum.StrEnum):
    """What a frame is; a topic accepts only its own type."""

    HELLO = "ehc.hello"
    BATCH = "ehc.batch"
    RECEIPT = "ehc.receipt"
    ASK = "ehc.ask"
    BLOB = "ehc.blob"
    ORDER = "ehc.order"
    RESULT = "ehc.result"
    ENROL = "ehc.enrol"
    HEALTH = "ehc.health"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A frame as it came; its signature is not checked yet.

    Attributes:
        type: Its type.
        payload: Exact bytes, as signed.
        keyid: 8 bytes, empty in a blob.
        signature: 64 bytes, empty in a blob.
    """

    type: FrameType
    payload: bytes = field(repr=False)
    keyid: bytes
    signature: bytes = field(repr=False)

    @property
    def signed(self) -> bytes:
        """The bytes the signature is over."""
        return pae(self.type, self.payload)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """What the node says of itself and its ledger.

    Attributes:
        node: Its name.
        nonce: 16 bytes, answered once.
        store: 16 bytes made with the database file.
        epoch: Of the ledger.
        next: The seq the next record will get.
        acked: The mark: all of 1..acked is settled.
        head: h(acked).
        boot: Boot id, 16 bytes.
        boottime_ms: Milliseconds since that boot.
        lo_ms: Lower end of the time interval, Unix milliseconds.
        hi_ms: Upper end, None while unknown.
        have: Versions of the documents held, by role.
        lists: Versions of the lists held, by id, hashed ones too.
        oldest: Lowest seq still held, None if that is 1 or nothing is held.
        inc: The city's `inc` as last heard.
        rejected_seen: Every rejection up to this seq has been heard.
    """

    node: str
    nonce: bytes
    store: bytes
    epoch: int
    next: int
    acked: int
    head: bytes
    boot: bytes
    boottime_ms: int
    lo_ms: int
    hi_ms: int | None = None
    have: Mapping[str, int] = field(default_factory=dict)
    lists: Mapping[str, int] = field(default_factory=dict)
    oldest: int | None = None
    inc: int | None = None
    rejected_seen: int | None = None

    def to_payload(self) -> bytes:
        """The payload of an `ehc.hello` frame."""
        return encode_members(
            node=self.node,
            nonce=self.nonce,
            store=self.store,
            epoch=self.epoch,
            next=self.next,
            acked=self.acked,
            head=self.head,
            boot=self.boot,
            boottime_ms=self.boottime_ms,
            lo=self.lo_ms,
            hi=self.hi_ms,
            have=dict(self.have),
            lists=dict(self.lists),
            oldest=self.oldest,
            inc=self.inc,
            rejected_seen=self.rejected_seen,
        )

    @classmethod
    def from_payload(cls, payload: bytes) -> Self:
        """Read one.

        Raises:
            WireError: It is no hello.
        """
        fields = Fields(payload)
        return cls(
            node=fields.node(),
            nonce=fields.octets("nonce", size=NONCE_BYTES),
            store=fields.octets("store", size=16),
            epoch=fields.uint("epoch", most=chain.EPOCH_MAX),
            next=fields.uint("next"),
            acked=fields.uint("acked"),
            head=fields.octets("head", size=HEAD_BYTES),
            boot=fields.octets("boot", size=16),
            boottime_ms=fields.uint("boottime_ms"),
            lo_ms=fields.uint("lo"),
            hi_ms=fields.optional_uint("hi"),
            have=fields.versions("have"),
            lists=fields.versions("lists"),
            oldest=fields.optional_uint("oldest"),
            inc=fields.optional_uint("inc"),
            rejected_seen=fields.optional_uint("rejected_seen"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Records in a row. Whether count and chain fit is the city's to judge: a wrong one gets an answer (contracts 5.4).

    Attributes:
        node: Whose.
        epoch: Of the ledger.
        first: Seq of the first item.
        last: Seq of the last item.
        prev: h(first - 1).
        head: h(last).
        deks: Wrapped sealing keys by id: keyid of the city key, wrapped key.
        items: (id, sealed body) of each.
        nonce: 16 bytes, answered once.
    """

    node: str
    epoch: int
    first: int
    last: int
    prev: bytes
    head: bytes
    deks: Mapping[bytes, tuple[bytes, bytes]] = field(repr=False)
    items: tuple[tuple[bytes, bytes], ...] = field(repr=False)
    nonce: bytes

    def to_payload(self) -> bytes:
        """The payload of an `ehc.batch` frame."""
        return encode_members(
            node=self.node,
            epoch=self.epoch,
            first=self.first,
            last=self.last,
            prev=self.prev,
            head=self.head,
            deks=dict(self.deks),
            items=self.items,
            nonce=self.nonce,
        )

    @classmethod
    def from_payload(cls, payload: bytes) -> Self:
        """Read one.

        Raises:
            WireError: It is no batch.
        """
        fields = Fields(payload)
        return cls(
            node=fields.node(),
            epoch=fields.uint("epoch", most=chain.EPOCH_MAX),
            first=fields.uint("first"),
            last=fields.uint("last"),
            prev=fields.octets("prev", size=HEAD_BYTES),
            head=fields.octets("head", size=HEAD_BYTES),
            deks=fields.keys(),
            items=fields.items(),
            nonce=fields.octets("nonce", size=NONCE_BYTES),
        )


def receipt_payload(receipt: Receipt) -> bytes:
    """The payload of an `ehc.receipt` frame."""
    return encode_members(
        node=receipt.node,
        nonce=receipt.nonce,
        epoch=receipt.epoch,
        acked=receipt.acked,
        head=receipt.head,
        inc=receipt.inc,
        time=receipt.time_ms,
        rejected=[[each.seq, each.code, each.text] for each in receipt.rejected],
        top=receipt.top,
        error=receipt.error,
        credit=receipt.credit,
        retry_after=receipt.retry_after_s,
    )


def parse_receipt(payload: bytes) -> Receipt:
    """Read a receipt whose signature was checked.

    Raises:
        WireError: It is none.
    """
    fields = Fields(payload)
    return Receipt(
        node=fields.node(),
        nonce=fields.octets("nonce", size=NONCE_BYTES),
        epoch=fields.uint("epoch", most=chain.EPOCH_MAX),
        acked=fields.uint("acked"),
        head=fields.octets("head", size=HEAD_BYTES),
        inc=fields.uint("inc"),
        time_ms=fields.uint("time"),
        rejected=fields.rejected(),
        top=fields.optional_uint("top", most=chain.EPOCH_MAX),
        error=fields.optional_text("error"),
        credit=fields.optional_uint("credit"),
        retry_after_s=fields.optional_uint("retry_after"),
    )


def pae(payload_type: str, body: bytes) -> bytes:
    """Pre-authentication encoding (contracts 3, DSSE v1): what every signature is over."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(body), body)


def encode_frame(type: FrameType, payload: bytes, *, sign: Callable[[bytes], bytes], keyid: bytes) -> bytes:  # noqa: A002
    """A signed frame.

    Args:
        type: Its type.
        payload: Deterministic CBOR.
        sign: From the bytes to sign to 64 bytes.
        keyid: 8 bytes, of the key behind `sign`.
    """
    return cbor.encode([type.value, payload, keyid, sign(pae(type, payload))])


def encode_unsigned_frame(type: FrameType, payload: bytes) -> bytes:  # noqa: A002
    """A frame that is judged by what it carries: `ehc.blob` only."""
    return cbor.encode([type.value, payload, b"", b""])


def decode_frame(data: bytes, *, bytes_max: int = FRAME_BYTES_MAX) -> Frame:
    """Take a frame apart; nothing in it is believed yet.

    Raises:
        WireError: It is none, or longer than `bytes_max`.
    """
    if len(data) > bytes_max:
        raise WireError("too long")
    if data[:1] != _FRAME_HEAD:
        raise WireError("not a frame")
    # Not `cbor.decode`: a stranger's 128 KiB would cost a tenth of a second, and there are four heads to read.
    name, at = _string(data, at=1, major=_TEXT)
    payload, at = _string(data, at=at, major=_OCTETS)
    keyid, at = _string(data, at=at, major=_OCTETS)
    signature, at = _string(data, at=at, major=_OCTETS)
    if at != len(data):
        raise WireError("bytes behind the frame")
    kind = _frame_type(name)
    sizes = (0, 0) if kind is FrameType.BLOB else (KEYID_BYTES, SIGNATURE_BYTES)
    if (len(keyid), len(signature)) != sizes:
        raise WireError("keyid or signature of a wrong length")
    return Frame(type=kind, payload=payload, keyid=keyid, signature=signature)


def split_octets(payload: bytes, *, name: str, rest_max: int) -> tuple[bytes, bytes]:
    """Take a long byte string out of a map without reading what else is in it, for what anybody may send.

    Args:
        payload: A map, perhaps.
        name: Of the member.
        rest_max: The payload without the string is at most so many bytes, and no more heads than that are read.

    Returns:
        The string, and the payload with an empty one in its place: that is deterministic CBOR if the payload was.

    Raises:
        WireError: It is no map, has no such member, or is longer.
    """
    major, members, at = _head(payload, at=0)
    if major != _MAP:
        raise WireError("not a map")
    for _ in range(members):
        key, begin = _string(payload, at=at, major=_TEXT)
        if key == name.encode():
            octets, end = _string(payload, at=begin, major=_OCTETS)
            rest = payload[:begin] + b"\x40" + payload[end:]
            if len(rest) > rest_max:
                break
            return octets, rest
        at = _behind(payload, at=begin, most=rest_max)
    raise WireError(name)


def _behind(data: bytes, *, at: int, most: int) -> int:
    """Where the item that begins there ends; what it is, is not looked at."""
    waiting = 1
    while waiting:
        if at > most:
            raise WireError("too long")
        major, argument, at = _head(data, at=at)
        waiting -= 1
        if major in (_OCTETS, _TEXT):
            at += argument
        elif major in (_MAP - 1, _MAP):
            waiting += argument * (major - 3)
    return at


def _string(data: bytes, *, at: int, major: int) -> tuple[bytes, int]:
    """A text or byte string and where it ends."""
    found, size, begin = _head(data, at=at)
    if found != major or begin + size > len(data):
        raise WireError("not a string")
    return data[begin : begin + size], begin + size


def _head(data: bytes, *, at: int) -> tuple[int, int, int]:
    """Major type, argument in its shortest form (RFC 8949 4.2.1), and where the head ends."""
    if at >= len(data):
        raise WireError("cut short")
    info = data[at] & 0x1F
    width = _LENGTH_BYTES.get(info, 0)
    end = at + 1 + width
    argument = int.from_bytes(data[at + 1 : end], "big") if width else info
    if info > max(_LENGTH_BYTES) or argument < _LEAST.get(width, 0):
        raise WireError("no head")
    return data[at] >> 5, argument, end


def _frame_type(name: bytes) -> FrameType:
    try:
        return FrameType(name.decode())
    except ValueError as exc:
        raise WireError("unknown frame type") from exc
