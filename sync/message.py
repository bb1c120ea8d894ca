"""What goes down into the outbox and what comes back: the values that cross this border."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxMessage:
    """One sealed record, opaque here.

    Attributes:
        message_id: 16 bytes, unique for ever; whatever is sent twice counts once by it.
        body: The sealed bytes, 1..16384.
        key_id: 8 bytes: under which wrapped key (`WrappedKey.key_id`) the body was sealed.
    """

    message_id: bytes
    body: bytes = field(repr=False)
    key_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappedKey:
    """A sealing key, wrapped for the city; stored before the first message under it.

    Attributes:
        key_id: 8 bytes.
        recipient: keyid (8 bytes) of the city key it is wrapped to.
        wrapped: The wrapped key, opaque here.
    """

    key_id: bytes
    recipient: bytes
    wrapped: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A small opaque row committed together with a message: replay keys, the day view.

    Attributes:
        key: 1..64 bytes; a note with the same key replaces the former.
        expires_at_ms: Unix milliseconds after which `Outbox.prune` may drop it.
        body: Sealed bytes, 0..4096.
    """

    key: bytes
    expires_at_ms: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A record the city keeps but does not take.

    Attributes:
        seq: Its place in the epoch.
        code: ``unreadable`` or ``refused``.
        text: The city's words, at most 200 characters, free of personal data.
    """

    seq: int
    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The city's signed answer to a hello or a batch, its signature already checked (contracts 5.3).

    Attributes:
        node: Whom it is for.
        nonce: The 16 bytes of the hello or batch it answers.
        epoch: The epoch it speaks of.
        acked: All of 1..acked is committed in the city.
        head: h(acked), computed from the city's own rows.
        inc: Unix ms at which the city's store was made or restored.
        time_ms: The city's time when it signed.
        rejected: What it keeps but does not take.
        top: Highest epoch the city knows, in answers to a hello.
        error: ``count`` or ``chain`` for a batch that did not fit.
        credit: Records a second the node may send, >= 1.
        retry_after_s: Wait so long before the next batch, <= 3600.
    """

    node: str
    nonce: bytes
    epoch: int
    acked: int
    head: bytes
    inc: int
    time_ms: int
    rejected: tuple[Rejection, ...] = ()
    top: int | None = None
    error: str | None = None
    credit: int | None = None
    retry_after_s: int | None = None
