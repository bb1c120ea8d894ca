"""What a node asks its city for, what comes down for it, and what it is told to do (contracts 5.3), sans-IO.

These are payloads; the frames round them are those of `sync.wire`. A piece of a blob has no signature: it is judged by
the SM3 of the whole. Whether an order may run is `sync.downlink`'s to judge; here it only has the right form.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from sync.errors import WireError
from sync.fields import ID_BYTES, Fields, encode_members
from sync.wire import NONCE_BYTES, split_octets

PIECE_BYTES_MAX: Final = 32 * 1024
PIECE_REST_BYTES_MAX: Final = 256
"""What stands round the bytes of a piece; a newer city may say a little more."""
PIECE_FRAME_BYTES_MAX: Final = PIECE_BYTES_MAX + PIECE_REST_BYTES_MAX
SM3_BYTES: Final = 32


class OrderKind(enum.StrEnum):
    """What a node lets itself be told, and nothing else."""

    FETCH = "fetch"
    HELLO = "hello"
    FORGET_ROSTER = "forget_roster"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """Which stretch of a blob is wanted.

    Attributes:
        sm3: Of the whole blob, 32 bytes.
        offset: Of the first byte.
        length: How many bytes, >= 1; the city sends pieces of at most `PIECE_BYTES_MAX`, the first of them at `offset`.
    """

    sm3: bytes
    offset: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a node wants to have; any of the three, or several.

    Attributes:
        node: Whose.
        nonce: 16 bytes; a signed `time` document has to name it.
        time: Whether the time is asked for.
        docs: The lowest version that helps, by role: the one behind the version held.
        fetch: Part of a blob.
    """

    node: str
    nonce: bytes
    time: bool = False
    docs: Mapping[str, int] = field(default_factory=dict)
    fetch: Fetch | None = None

    def to_payload(self) -> bytes:
        """The payload of an `ehc.ask` frame."""
        fetch = self.fetch
        return encode_members(
            node=self.node,
            nonce=self.nonce,
            time=self.time or None,
            docs=dict(self.docs) or None,
            fetch=None if fetch is None else {"sm3": fetch.sm3, "offset": fetch.offset, "length": fetch.length},
        )

    @classmethod
    def from_payload(cls, payload: bytes) -> Self:
        """Read one.

        Raises:
            WireError: It is no ask.
        """
        fields = Fields(payload)
        fetch = fields.optional_inner("fetch")
        return cls(
            node=fields.node(),
            nonce=fields.octets("nonce", size=NONCE_BYTES),
            time=fields.optional_true("time"),
            docs=fields.optional_versions("docs"),
            fetch=None if fetch is None else _fetch(fetch),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobPiece:
    """A stretch of a blob, not to be believed before the SM3 of the whole was found right.

    Attributes:
        node: Whom it is for.
        sm3: Of the whole blob, 32 bytes.
        offset: Of the first byte of `data`.
        total: Bytes of the whole blob; `data` lies within it.
        data: 1..32768 bytes.
    """

    node: str
    sm3: bytes
    offset: int
    total: int
    data: bytes = field(repr=False)

    def to_payload(self) -> bytes:
        """The payload of an `ehc.blob` frame, which is not signed."""
        return encode_members(node=self.node, sm3=self.sm3, offset=self.offset, total=self.total, bytes=self.data)

    @classmethod
    def from_payload(cls, payload: bytes) -> Self:
        """Read one. Nobody signed it, so reading costs little whatever it is: the bytes are taken out beforehand.

        Raises:
            WireError: It is none, reaches beyond the blob, or there is too much else in it.
        """
        data, rest = split_octets(payload, name="bytes", rest_max=PIECE_REST_BYTES_MAX)
        fields = Fields(rest)
        piece = cls(
            node=fields.node(),
            sm3=fields.octets("sm3", size=SM3_BYTES),
            offset=fields.uint("offset"),
            total=fields.uint("total"),
            data=data,
        )
        if not 1 <= len(data) <= PIECE_BYTES_MAX:
            raise WireError("bytes")
        if piece.offset + len(data) > piece.total:
            raise WireError("total")
        return piece


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the city tells one node to do, once.

    Attributes:
        node: Which.
        id: 16 bytes; an id runs once.
        kind: What to do.
        expires_ms: Unix milliseconds; it runs only while that provably lies ahead.
    """

    node: str
    id: bytes
    kind: OrderKind
    expires_ms: int

    def to_payload(self) -> bytes:
        """The payload of an `ehc.order` frame."""
        return encode_members(node=self.node, id=self.id, kind=self.kind.value, expires=self.expires_ms)

    @classmethod
    def from_payload(cls, payload: bytes) -> Self:
        """Read one.

        Raises:
            WireError: It is none, or of a kind that does not exist.
        """
        fields = Fields(payload)
        return cls(
            node=fields.node(),
            id=fields.octets("id", size=ID_BYTES),
            kind=fields.choice("kind", kinds=OrderKind),
            expires_ms=fields.uint("expires"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of an order.

    Attributes:
        node: Who was told.
        id: Of the order, 16 bytes.
        ok: Whether it was done.
        error: Why not, a word free of personal data; None if it was done.
    """

    node: str
    id: bytes
    ok: bool
    error: str | None = None

    def to_payload(self) -> bytes:
        """The payload of an `ehc.result` frame."""
        return encode_members(node=self.node, id=self.id, ok=self.ok, error=self.error)

    @classmethod
    def from_payload(cls, payload: bytes) -> Self:
        """Read one.

        Raises:
            WireError: It is none.
        """
        fields = Fields(payload)
        return cls(
            node=fields.node(),
            id=fields.octets("id", size=ID_BYTES),
            ok=fields.boolean("ok"),
            error=fields.optional_text("error"),
        )


def _fetch(fields: Fields) -> Fetch:
    fetch = Fetch(sm3=fields.octets("sm3", size=SM3_BYTES), offset=fields.uint("offset"), length=fields.uint("length"))
    if fetch.length == 0:
        raise WireError("length")
    return fetch
