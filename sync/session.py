"""One conversation with the city: what to send, what is on its way, when to ask again. Sans-IO, told the time.

`next_action` says what to do; whoever does it reports with `hello_sent` or `batch_sent`. An answer goes through `hear`,
which takes its nonce out of those on their way (one nonce, one answer), then `judge`, which says what it may change.
A batch leaves only after the hello of this connection was answered, for until then `inc` is not known.
"""

import enum
from dataclasses import dataclass, field
from typing import Final

from sync.judge import Asked, Decision, Odd, OpenEpoch, Own, judge_batch, judge_hello
from sync.ledger import Settlement, Snapshot
from sync.message import Receipt

# Contracts 5.4, where no other reason is given.
TIMEOUT_S: Final = 10.0
RTT_FACTOR: Final = 4
WINDOW: Final = 4
CLEAN_RECEIPTS: Final = 10
HELLO_EVERY_S: Final = 900.0
EPOCH_EVERY_S: Final = 3600.0
RETRY_AFTER_S_MAX: Final = 3600
BATCH_COUNT_MAX: Final = 500
BATCH_COUNT_FIRST: Final = 100
LINGER_S: Final = 0.3
ODD_FIRST_S: Final = 10.0
"""Between hellos about something that stays odd; doubles up to the usual hello: no city is asked in a busy loop."""
_RTT_SMOOTHING: Final = 1 / 8
"""RFC 6298 2.3."""


class Alarm(enum.StrEnum):
    """What somebody has to look at; `Odd` names the rest."""

    BATCH_REFUSED = "batch_refused"
    EPOCH_TOO_SOON = "epoch_too_soon"
    CITY_INC_WENT_DOWN = "city_inc_went_down"


_ALARMS: Final = {Odd.EPOCH_TOO_SOON: Alarm.EPOCH_TOO_SOON, Odd.INC_WENT_DOWN: Alarm.CITY_INC_WENT_DOWN}


@dataclass(frozen=True, slots=True, kw_only=True)
class SendHello:
    """Say hello now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendBatch:
    """Send the records behind a seq.

    Attributes:
        after_seq: The last seq already sent.
        count_max: At most so many.
    """

    after_seq: int
    count_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resend:
    """Send the same again, with the same nonce."""

    nonce: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """Give the connection up: nobody answers on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing to do before that time, unless a record or an answer comes."""

    until_s: float


Action = SendHello | SendBatch | Resend | Drop | Wait


@dataclass(slots=True, kw_only=True)
class _Flight:
    """Something on its way."""

    asked: Asked
    sent_s: float
    is_resent: bool = False


@dataclass(slots=True, kw_only=True)
class Session:
    """The state machine; one for the life of the uplink, `connected` begins a connection.

    Attributes:
        linger_s: How long a short batch waits for more records.
        alarm: The last thing that went wrong and stays wrong; None once the city answers well.
        odd: What was odd last; None once the city answers well.
    """

    linger_s: float = LINGER_S
    alarm: Alarm | None = None
    odd: Odd | None = None
    _flights: dict[bytes, _Flight] = field(default_factory=dict)
    _is_greeted: bool = False
    _hello_due_s: float = 0.0
    _odd_step_s: float = ODD_FIRST_S
    _sent_to: int = 0
    _blocked_at: int | None = None
    _unsent_since_s: float | None = None
    _not_before_s: float = 0.0
    _credit: int | None = None
    _batch_count: int = BATCH_COUNT_FIRST
    _clean_receipts: int = 0
    _halved_s: float = 0.0
    _smoothed_rtt_s: float | None = None
    _failed_first: int = 0
    _epoch_opened_s: float | None = None

    def connected(self, now_s: float) -> None:
        """A new connection: what was on its way on the former one will not be heard."""
        self._flights.clear()
        self._is_greeted = False
        self._hello_due_s = now_s
        self._unsent_since_s = None
        self._blocked_at = None

    @property
    def timeout_s(self) -> float:
        """How long an answer may take."""
        return max(TIMEOUT_S, RTT_FACTOR * (self._smoothed_rtt_s or 0.0))

    @property
    def batch_count(self) -> int:
        """How many records a batch may hold now."""
        return self._batch_count

    def next_action(self, now_s: float, *, ledger: Snapshot) -> Action:
        """What to do now."""
        overdue = self._overdue(now_s)
        if overdue is not None:
            return overdue
        batch_at_s = self._batch_at(now_s, ledger=ledger)
        waits = [flight.sent_s + self.timeout_s for flight in self._flights.values()]
        if not any(flight.asked.is_hello for flight in self._flights.values()):
            waits.append(self._hello_due_s)
            if now_s >= self._hello_due_s:
                return SendHello()
        if batch_at_s is not None:
            waits.append(batch_at_s)
            if now_s >= batch_at_s:
                return SendBatch(after_seq=self._sent_to, count_max=self._batch_count)
        return Wait(until_s=min(waits))

    def hello_sent(self, nonce: bytes, *, now_s: float, ledger: Snapshot) -> None:
        """A hello is on its way; the next one is due in a quarter of an hour."""
        self._flights[nonce] = _Flight(asked=Asked(epoch=ledger.epoch, acked=ledger.acked), sent_s=now_s)
        self._hello_due_s = now_s + HELLO_EVERY_S

    def batch_sent(self, nonce: bytes, *, now_s: float, ledger: Snapshot, last: int) -> None:
        """The records up to `last` are on their way."""
        first = self._sent_to + 1
        asked = Asked(epoch=ledger.epoch, acked=ledger.acked, first=first, last=last)
        self._flights[nonce] = _Flight(asked=asked, sent_s=now_s)
        self._sent_to = last
        self._unsent_since_s = None
        if self._credit is not None:
            self._not_before_s = max(now_s, self._not_before_s) + (last - first + 1) / self._credit

    def cannot_send(self) -> None:
        """The next record is damaged or gone: once all before it is settled, a hello calls for a new epoch."""
        self._blocked_at = self._sent_to

    def refused(self, now_s: float) -> None:
        """The broker refused a publish: smaller batches from now on."""
        self._halve(now_s)

    def waits_for(self, nonce: bytes) -> bool:
        """Whether an answer to that nonce would be heard."""
        return nonce in self._flights

    def hear(self, nonce: bytes, *, now_s: float) -> Asked | None:
        """Take the answer to a nonce: None if nothing of ours waits for it, then it changes nothing."""
        flight = self._flights.pop(nonce, None)
        if flight is None:
            return None
        if not flight.is_resent:  # Karn: of something sent twice nobody knows which was answered
            rtt_s = now_s - flight.sent_s
            former = self._smoothed_rtt_s
            self._smoothed_rtt_s = rtt_s if former is None else former + _RTT_SMOOTHING * (rtt_s - former)
        return flight.asked

    def judge(self, asked: Asked, receipt: Receipt, *, ledger: Snapshot, own: Own, now_s: float) -> Decision:
        """What a heard answer changes. An `OpenEpoch` is to be done and reported with `epoch_opened`."""
        self._credit = max(1, receipt.credit) if receipt.credit is not None else None
        if receipt.retry_after_s:
            self._not_before_s = max(self._not_before_s, now_s + min(RETRY_AFTER_S_MAX, receipt.retry_after_s))
        decision = (judge_hello if asked.is_hello else judge_batch)(asked, receipt, ledger=ledger, own=own)
        if isinstance(decision, Settlement):
            is_proven = own.head == receipt.head
            self._settled(asked, receipt, settlement=decision, ledger=ledger, is_proven=is_proven, now_s=now_s)
            return decision
        if isinstance(decision, OpenEpoch):
            if self._epoch_opened_s is None or now_s >= self._epoch_opened_s + EPOCH_EVERY_S:
                return decision
            decision = Odd.EPOCH_TOO_SOON
        self.alarm = _ALARMS.get(decision, self.alarm)
        self._be_odd(decision, now_s=now_s)
        return decision

    def epoch_opened(self, now_s: float) -> None:
        """A new epoch began: say hello in it, then send from its start."""
        self._epoch_opened_s = now_s
        self.connected(now_s)

    def _overdue(self, now_s: float) -> Resend | Drop | None:
        for nonce, flight in self._flights.items():
            if now_s >= flight.sent_s + self.timeout_s:
                if flight.sent_s >= self._halved_s:  # a whole window that is late counts once
                    self._halve(now_s)
                if flight.is_resent:
                    return Drop()
                flight.is_resent = True
                flight.sent_s = now_s
                return Resend(nonce=nonce)
        return None

    def _batch_at(self, now_s: float, *, ledger: Snapshot) -> float | None:
        """When the next batch may leave; None if that depends on an answer or a new record."""
        unsent = ledger.next_seq - 1 - self._sent_to
        batches = sum(not flight.asked.is_hello for flight in self._flights.values())
        if not self._is_greeted:
            return None
        if not batches and (self._sent_to > ledger.acked or self._blocked_at == self._sent_to):
            # All is answered, yet not all settled; or all is settled and the next record is damaged.
            self._be_odd(Odd.HOLE if self._sent_to > ledger.acked else Odd.UNSENDABLE, now_s=now_s)
            return None
        if unsent <= 0 or batches >= WINDOW or self._blocked_at == self._sent_to:
            return None
        if self._unsent_since_s is None:
            self._unsent_since_s = now_s
        is_full = unsent >= self._batch_count
        return max(self._not_before_s, now_s if is_full else self._unsent_since_s + self.linger_s)

    def _settled(
        self,
        asked: Asked,
        receipt: Receipt,
        *,
        settlement: Settlement,
        ledger: Snapshot,
        is_proven: bool,
        now_s: float,
    ) -> None:
        is_step_back = settlement.acked < ledger.acked
        if asked.is_hello and (is_step_back or not self._is_greeted):
            self._is_greeted = True
            self._forget_batches()
            self._sent_to = settlement.acked
        self._sent_to = max(self._sent_to, settlement.acked)
        if receipt.error is not None:
            self._batch_failed(asked, settlement=settlement, now_s=now_s)
        elif not asked.is_hello:
            if is_proven:
                self._be_well()
            self._clean_receipts += 1
            if self._clean_receipts >= CLEAN_RECEIPTS:
                self._clean_receipts = 0
                self._batch_count = min(BATCH_COUNT_MAX, self._batch_count * 2)
        elif settlement.acked == ledger.next_seq - 1:
            self._be_well()

    def _be_well(self) -> None:
        """The city has all, or took a batch: a good hello alone proves nothing, the next batch may be odd again."""
        self.odd = None
        self.alarm = None
        self._odd_step_s = ODD_FIRST_S

    def _batch_failed(self, asked: Asked, *, settlement: Settlement, now_s: float) -> None:
        """The city could not take a batch (`count`, `chain`): once more, read afresh; then alarm."""
        self._halve(now_s)
        if self._failed_first == asked.first:
            self.alarm = Alarm.BATCH_REFUSED
            self._be_odd(Odd.ERROR, now_s=now_s)
            return
        self._failed_first = asked.first
        self._forget_batches()
        self._sent_to = settlement.acked

    def _be_odd(self, odd: Odd, *, now_s: float) -> None:
        """Say hello, first at once, then ever more seldom, and send nothing before it is answered."""
        is_first = self.odd is None
        self.odd = odd
        self._forget_batches()
        self._is_greeted = False
        self._hello_due_s = now_s if is_first else now_s + self._odd_step_s
        if not is_first:
            self._odd_step_s = min(HELLO_EVERY_S, self._odd_step_s * 2)

    def _forget_batches(self) -> None:
        self._blocked_at = None
        self._flights = {nonce: flight for nonce, flight in self._flights.items() if flight.asked.is_hello}

    def _halve(self, now_s: float) -> None:
        self._halved_s = now_s
        self._batch_count = max(1, self._batch_count // 2)
        self._clean_receipts = 0
