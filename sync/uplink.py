"""Delivering for ever: connect, say hello, send batches, hear receipts, connect again.

The loop pulls: nobody calls it when a record is stored or a message comes, they only set one event. Everything that is
decided is decided in `sync.session`; here frames are made and signed, and what a decision says is done to the outbox.
What is asked of the city besides, and all that comes down but receipts, is `sync.downlink`'s: it has the link whenever
the session has nothing to send, and nothing that goes wrong with it keeps a receipt from being heard.
A disk that cannot be written now pauses the uplink and does not end it: cards are still verified, and it recovers.
"""

import asyncio
import dataclasses
import logging
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from sync import topics
from sync.backoff import Backoff
from sync.downlink import Downlink
from sync.errors import LinkLostError, MessageRefusedError, StoreError, WireError
from sync.greeting import HelloFacts, make_batch, make_hello
from sync.judge import Asked, Odd, OpenEpoch, Own, resume_at
from sync.ledger import EpochChange, EpochReason, NewEpoch, Settlement
from sync.link import Acknowledgement, Delivery, Link, in_time
from sync.message import OutboxMessage, Receipt
from sync.outbox import Outbox
from sync.session import Drop, Resend, SendBatch, SendHello, Session, Wait
from sync.wire import FRAME_BYTES_MAX, NONCE_BYTES, FrameType, Hello, decode_frame, encode_frame, parse_receipt

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkState:
    """The uplink, for the status page.

    Attributes:
        is_connected: Whether there is a connection now.
        since_s: When that began, monotonic seconds.
        cause: Why the last connection ended or did not come about: a cause of `LinkLostError`, ``refused_0xNN`` (the
            broker refused a publish), ``silent`` (no receipt), ``store`` (the disk failed).
        next_try_s: When it is tried again, monotonic seconds; None while connected or trying.
        waiting: Records the city has not confirmed.
        last_receipt_ms: The city's time in the last receipt heard.
        last_receipt_s: When that was, monotonic seconds.
        trouble: What the session finds odd or alarming; None if nothing.
        ignored: Frames dropped since the start, by reason: ``wire``, ``signature``, ``node``, ``nonce``, and those of
            `Downlink.ignored`.
    """

    is_connected: bool = False
    since_s: float = 0.0
    cause: str | None = None
    next_try_s: float | None = None
    waiting: int = 0
    last_receipt_ms: int | None = None
    last_receipt_s: float | None = None
    trouble: str | None = None
    ignored: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class _Sent:
    """What went out under a nonce, kept until it is answered."""

    first_sent_b: int
    frame: bytes = b""
    hello: Hello | None = None


class Uplink:
    """The way to the city.

    Args:
        outbox: What is delivered.
        connect: Makes a link; called again for every connection.
        node: Name of this node.
        sign: From the bytes to sign to 64 bytes.
        keyid: 8 bytes, of the key behind `sign`.
        verify_receipt: Whether a receipt key with that keyid made that signature over those bytes.
        facts: What a hello says of clock and trust; asked for each hello.
        make_audit: Makes the first record of a new epoch, sealed, its key stored.
        random_bytes: Makes nonces.
        random: Uniform in [0, 1), for the backoff.
        now_b: The clock of the interval, in its own unit; None counts monotonic nanoseconds.
        on_receipt: Told (the city's time in ms, now_b at the first sending of that nonce, now_b when it was heard).
        session: The state machine; a fresh one by default.
        downlink: What is asked of the city and what comes down; None: receipts alone are heard.
        monotonic: Seconds, for every wait.
    """

    def __init__(
        self,
        *,
        outbox: Outbox,
        connect: Callable[[], AbstractAsyncContextManager[Link]],
        node: str,
        sign: Callable[[bytes], bytes],
        keyid: bytes,
        verify_receipt: Callable[[bytes, bytes, bytes], bool],
        facts: Callable[[], HelloFacts],
        make_audit: Callable[[EpochChange], Awaitable[OutboxMessage]],
        random_bytes: Callable[[int], bytes],
        random: Callable[[], float],
        now_b: Callable[[], int] = time.monotonic_ns,
        on_receipt: Callable[[int, int, int], None] = lambda _time_ms, _sent_b, _heard_b: None,
        session: Session | None = None,
        downlink: Downlink | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._outbox = outbox
        self._connect = connect
        self._node = node
        self._sign = sign
        self._keyid = keyid
        self._verify_receipt = verify_receipt
        self._facts = facts
        self._make_audit = make_audit
        self._random_bytes = random_bytes
        self._now_b = now_b
        self._on_receipt = on_receipt
        self._monotonic = monotonic
        self._session = session or Session()
        self._downlink = downlink
        self._backoff = Backoff(random=random)
        self._activity = asyncio.Event()
        self._sent: dict[bytes, _Sent] = {}
        self._refusal: MessageRefusedError | None = None
        self._is_hello_due = False
        self._forbidden: set[str] = set()
        self._ignored: Counter[str] = Counter()
        self._state = LinkState(since_s=monotonic())

    @property
    def state(self) -> LinkState:
        """The uplink now."""
        trouble = self._session.alarm or self._session.odd
        return dataclasses.replace(
            self._state,
            waiting=self._outbox.counts().waiting,
            trouble=trouble.value if trouble is not None else None,
            ignored=dict(self._ignored + Counter({} if self._downlink is None else self._downlink.ignored)),
        )

    def say_hello(self) -> None:
        """Say hello soon, whether it is due or not."""
        self._is_hello_due = True
        self._activity.set()

    async def run(self) -> None:
        """Deliver until cancelled; every failure is a reason to try again."""
        self._outbox.watch(self._activity.set)
        if self._downlink is not None:
            self._downlink.watch(self._activity.set)
        while True:
            cause = await self._connection()
            wait_s = self._backoff.next_s()
            level = logging.DEBUG if cause == self._state.cause else logging.WARNING
            _LOG.log(level, "no link to the city (%s), next try in %.0f s", cause, wait_s)
            now_s = self._monotonic()
            since_s = now_s if self._state.is_connected else self._state.since_s
            self._note(is_connected=False, since_s=since_s, cause=cause, next_try_s=now_s + wait_s)
            await asyncio.sleep(wait_s)
            self._note(next_try_s=None)

    async def _connection(self) -> str:
        """One connection from beginning to end; why it ended."""
        try:
            async with self._connect() as link:
                link.watch(self._activity.set)
                await in_time(link.subscribe(topics.down(self._node, leaf="receipt")))
                self._session.connected(self._monotonic())
                self._sent.clear()
                self._refusal = None
                if self._downlink is not None:
                    await asyncio.gather(*(self._subscribe(link, topic) for topic in self._downlink.subscriptions))
                    self._downlink.connected(self._monotonic())
                self._note(is_connected=True, since_s=self._monotonic())
                return await self._converse(link)
        except LinkLostError as exc:
            return exc.cause
        except MessageRefusedError as exc:
            self._session.refused(self._monotonic())
            return f"refused_0x{exc.reason_code:02x}"
        except StoreError:
            return "store"

    async def _subscribe(self, link: Link, topic: str) -> None:
        """Ask for what receipts do not need: an access list that forbids it must not keep them away."""
        try:
            await in_time(link.subscribe(topic))
        except MessageRefusedError as exc:
            self._forbid(topic, reason_code=exc.reason_code)

    async def _converse(self, link: Link) -> str:
        """Do what the session says until nobody answers."""
        while True:
            self._activity.clear()
            if self._refusal is not None:
                raise self._refusal
            delivery = link.take()
            if delivery is not None:
                await self._take(delivery)
                continue
            now_s = self._monotonic()
            match self._session.next_action(now_s, ledger=self._outbox.snapshot()):
                case SendHello():
                    self._send_hello(link, now_s=now_s)
                case SendBatch() as order:
                    await self._send_batch(link, order=order)
                case Resend(nonce=nonce):
                    self._resend(link, nonce=nonce)
                case Drop():
                    return "silent"
                case Wait(until_s=until_s):
                    if not self._send_more(link, now_s=now_s):
                        wake_s = math.inf if self._downlink is None else self._downlink.wake_s()
                        await self._pause(min(until_s, wake_s) - now_s)

    async def _pause(self, wait_s: float) -> None:
        """Until something happens, or that long."""
        timer = asyncio.get_running_loop().call_later(wait_s, self._activity.set)
        try:
            await self._activity.wait()
        finally:
            timer.cancel()

    # -- sending ---------------------------------------------------------------------------------------------------

    def _send_more(self, link: Link, *, now_s: float) -> bool:
        """What can wait until records and hellos are on their way; whether there was anything."""
        if self._is_hello_due and not any(sent.hello for sent in self._sent.values()):
            self._send_hello(link, now_s=now_s)
            return True
        order = None if self._downlink is None else self._downlink.next_frame(now_s)
        if order is None:
            return False
        leaf, kind, payload = order
        topic = topics.up(self._node, leaf=leaf)
        link.send(topic, self._sign_frame(kind, payload)).add_done_callback(partial(self._answered, topic))
        return True

    def _send_hello(self, link: Link, *, now_s: float) -> None:
        self._is_hello_due = False
        ledger = self._outbox.snapshot()
        hello = make_hello(self._node, nonce=self._random_bytes(NONCE_BYTES), ledger=ledger, facts=self._facts())
        self._session.hello_sent(hello.nonce, now_s=now_s, ledger=ledger)
        self._sent[hello.nonce] = _Sent(first_sent_b=self._now_b(), hello=hello)
        self._send(link, leaf="hello", frame=self._sign_frame(FrameType.HELLO, hello.to_payload()))

    async def _send_batch(self, link: Link, *, order: SendBatch) -> None:
        stretch = await self._outbox.stretch(order.after_seq, count_max=order.count_max, bytes_max=FRAME_BYTES_MAX)
        if stretch is None or not stretch.items:
            self._session.cannot_send()
            return
        batch = make_batch(self._node, nonce=self._random_bytes(NONCE_BYTES), stretch=stretch)
        frame = self._sign_frame(FrameType.BATCH, batch.to_payload())
        ledger = self._outbox.snapshot()
        self._session.batch_sent(batch.nonce, now_s=self._monotonic(), ledger=ledger, last=batch.last)
        self._sent[batch.nonce] = _Sent(first_sent_b=self._now_b(), frame=frame)
        self._send(link, leaf="batch", frame=frame)

    def _resend(self, link: Link, *, nonce: bytes) -> None:
        """The same nonce again. A hello tells the time anew: the city counts only one that is later than the last."""
        sent = self._sent[nonce]
        if sent.hello is None:
            self._send(link, leaf="batch", frame=sent.frame)
            return
        facts = self._facts()
        hello = dataclasses.replace(sent.hello, boottime_ms=facts.boottime_ms, lo_ms=facts.lo_ms, hi_ms=facts.hi_ms)
        self._send(link, leaf="hello", frame=self._sign_frame(FrameType.HELLO, hello.to_payload()))

    def _sign_frame(self, kind: FrameType, payload: bytes) -> bytes:
        return encode_frame(kind, payload, sign=self._sign, keyid=self._keyid)

    def _send(self, link: Link, *, leaf: str, frame: bytes) -> None:
        link.send(topics.up(self._node, leaf=leaf), frame).add_done_callback(self._acknowledged)

    def _acknowledged(self, acknowledgement: Acknowledgement) -> None:
        """The broker's answer means nothing, unless it is a refusal."""
        error = acknowledgement.exception()
        if isinstance(error, MessageRefusedError):
            self._refusal = error
            self._activity.set()

    def _answered(self, topic: str, acknowledgement: Acknowledgement) -> None:
        """The broker's answer to what receipts do not need."""
        error = acknowledgement.exception()
        if isinstance(error, MessageRefusedError):
            self._forbid(topic, reason_code=error.reason_code)

    def _forbid(self, topic: str, *, reason_code: int) -> None:
        """Say once that the broker's access list is too narrow; going on is all that can be done."""
        level = logging.DEBUG if topic in self._forbidden else logging.WARNING
        place = "/".join(topic.split("/")[3:])
        _LOG.log(level, "the broker forbids %s (0x%02x): check its access list", place, reason_code)
        self._forbidden.add(topic)

    # -- hearing ---------------------------------------------------------------------------------------------------

    async def _take(self, delivery: Delivery) -> None:
        if delivery.topic != topics.down(self._node, leaf="receipt"):
            if self._downlink is not None:
                self._downlink.take(delivery.topic, delivery.payload, now_s=self._monotonic())
            return
        try:
            frame = decode_frame(delivery.payload)
            if frame.type is not FrameType.RECEIPT:
                raise WireError("not a receipt")
            if not self._verify_receipt(frame.keyid, frame.signed, frame.signature):
                self._ignore("signature")
                return
            receipt = parse_receipt(frame.payload)
        except WireError:
            self._ignore("wire")
            return
        if receipt.node != self._node:
            self._ignore("node")
            return
        asked = self._session.hear(receipt.nonce, now_s=self._monotonic())
        if asked is None:
            self._ignore("nonce")
            return
        await self._heard(receipt, asked=asked)

    async def _heard(self, receipt: Receipt, *, asked: Asked) -> None:
        """A receipt that counts (contracts 5.4): it moves the clock, then it does what the session lets it do."""
        self._on_receipt(receipt.time_ms, self._sent.pop(receipt.nonce).first_sent_b, self._now_b())
        self._backoff.reset()
        self._note(cause=None, last_receipt_ms=receipt.time_ms, last_receipt_s=self._monotonic())
        ledger = self._outbox.snapshot()
        own = Own(head=await self._outbox.head(receipt.acked))
        if asked.is_hello:
            resume = resume_at(asked, receipt, ledger=ledger)
            own = dataclasses.replace(own, is_next_sendable=await self._outbox.is_sendable(resume + 1))
        now_s, former = self._monotonic(), self._session.odd
        match self._session.judge(asked, receipt, ledger=self._outbox.snapshot(), own=own, now_s=now_s):
            case Settlement() as settlement:
                if settlement.changes(ledger):
                    await self._outbox.settle(settlement)
            case OpenEpoch() as order:
                await self._open_epoch(order)
            case Odd() as odd:
                level = logging.DEBUG if odd is former else logging.WARNING
                _LOG.log(level, "an answer of the city is odd: %s", odd.value)
        self._sent = {nonce: sent for nonce, sent in self._sent.items() if self._session.waits_for(nonce)}

    async def _open_epoch(self, order: OpenEpoch) -> None:
        ledger = self._outbox.snapshot()
        damaged = await self._outbox.damaged(with_settled=order.with_settled)
        missing = list(self._outbox.seqs_of(damaged))
        if order.reason is EpochReason.CITY_AHEAD:
            missing.append((ledger.next_seq, order.city_acked))
        elif order.reason is EpochReason.PRUNED and ledger.oldest is not None:
            missing.insert(0, (order.city_acked + 1, ledger.oldest - 1))
        change = EpochChange(
            former=ledger.epoch,
            epoch=order.epoch,
            last_seq=ledger.next_seq - 1,
            acked=ledger.acked,
            head=ledger.head,
            missing=tuple(missing),
            reason=order.reason,
        )
        audit = await self._make_audit(change)
        new = NewEpoch(change=change, inc=order.inc, with_settled=order.with_settled, damaged=damaged)
        await self._outbox.open_epoch(new, audit=audit)
        self._session.epoch_opened(self._monotonic())
        _LOG.warning("epoch %d opened after %d: %s", order.epoch, change.former, order.reason.value)

    def _ignore(self, reason: str) -> None:
        """Count a frame that changes nothing."""
        self._ignored[reason] += 1

    def _note(self, **changes: Any) -> None:
        self._state = dataclasses.replace(self._state, **changes)
