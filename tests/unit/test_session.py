"""The rules of delivery (contracts 5.4), each on an injected clock."""

import dataclasses
from typing import Any

import pytest

from sync.judge import Asked, Decision, Odd, OpenEpoch, Own
from sync.ledger import EpochReason, Settlement, Snapshot
from sync.message import Receipt, Rejection
from sync.session import (
    BATCH_COUNT_FIRST,
    EPOCH_EVERY_S,
    HELLO_EVERY_S,
    LINGER_S,
    ODD_FIRST_S,
    TIMEOUT_S,
    WINDOW,
    Alarm,
    Drop,
    Resend,
    SendBatch,
    SendHello,
    Session,
    Wait,
)

INC = 1_000


def head(seq: int) -> bytes:
    """A stand-in for h(seq)."""
    return seq.to_bytes(32, "big")


class Box:
    """A session, a ledger and a clock; answers are those of a city that agrees unless told otherwise."""

    def __init__(self, *, records: int = 0, acked: int = 0, inc: int | None = INC) -> None:
        self.session = Session()
        self.now_s = 100.0
        self.ledger = Snapshot(
            store=b"s" * 16,
            epoch=1,
            highest_epoch=1,
            next_seq=records + 1,
            acked=acked,
            head=head(acked),
            oldest=None,
            inc=inc,
            rejected_seen=acked,
        )
        self.nonces = 0
        self.session.connected(self.now_s)

    def store(self, count: int) -> None:
        """Append so many records."""
        self.ledger = dataclasses.replace(self.ledger, next_seq=self.ledger.next_seq + count)

    def next(self) -> Any:
        """What the session wants now."""
        return self.session.next_action(self.now_s, ledger=self.ledger)

    def send(self) -> bytes:
        """Do what it wants, a hello or a batch; its nonce."""
        self.nonces += 1
        nonce = self.nonces.to_bytes(16, "big")
        match self.next():
            case SendHello():
                self.session.hello_sent(nonce, now_s=self.now_s, ledger=self.ledger)
            case SendBatch(after_seq=after_seq, count_max=count_max):
                last = min(after_seq + count_max, self.ledger.next_seq - 1)
                self.session.batch_sent(nonce, now_s=self.now_s, ledger=self.ledger, last=last)
            case other:
                pytest.fail(f"wants {other}")
        return nonce

    def answer(self, nonce: bytes, *, own: Own | None = None, **changes: Any) -> Decision | None:
        """The city's answer, judged, and done to the ledger; None if it is not heard."""
        asked = self.session.hear(nonce, now_s=self.now_s)
        if asked is None:
            return None
        receipt = dataclasses.replace(self.receipt(nonce, asked=asked), **changes)
        own = own or Own(head=head(receipt.acked))
        decision = self.session.judge(asked, receipt, ledger=self.ledger, own=own, now_s=self.now_s)
        if isinstance(decision, Settlement):
            self.ledger = dataclasses.replace(
                self.ledger,
                acked=decision.acked,
                head=decision.head,
                inc=decision.inc,
                rejected_seen=max(self.ledger.rejected_seen, decision.rejected_seen),
            )
        return decision

    def receipt(self, nonce: bytes, *, asked: Asked) -> Receipt:
        acked = self.ledger.acked if asked.is_hello else asked.last
        return Receipt(
            node="n", nonce=nonce, epoch=self.ledger.epoch, acked=acked, head=head(acked), inc=INC, time_ms=1
        )

    def greet(self) -> None:
        """Hello and its answer."""
        self.answer(self.send())

    def pass_time(self, seconds: float) -> None:
        self.now_s += seconds


def test_a_connection_begins_with_a_hello() -> None:
    """Nothing is sent before the hello was answered."""
    box = Box(records=500)
    assert box.next() == SendHello()

    nonce = box.send()

    assert box.next() == Wait(until_s=box.now_s + TIMEOUT_S)
    box.answer(nonce)
    assert isinstance(box.next(), SendBatch)


def test_a_hello_is_said_every_quarter_of_an_hour() -> None:
    """With nothing to send the next thing is the next hello."""
    box = Box()
    box.greet()
    assert box.next() == Wait(until_s=100.0 + HELLO_EVERY_S)

    box.pass_time(HELLO_EVERY_S)

    assert box.next() == SendHello()


def test_a_short_batch_lingers() -> None:
    """A lone record waits a moment for others; a full batch does not."""
    box = Box()
    box.greet()
    box.store(1)
    assert box.next() == Wait(until_s=box.now_s + LINGER_S)
    box.pass_time(LINGER_S)
    assert box.next() == SendBatch(after_seq=0, count_max=BATCH_COUNT_FIRST)

    box.send()
    box.store(BATCH_COUNT_FIRST)

    assert box.next() == SendBatch(after_seq=1, count_max=BATCH_COUNT_FIRST)


def test_four_batches_are_on_their_way_at_most() -> None:
    """The fifth waits for a receipt."""
    box = Box(records=10_000)
    box.greet()
    nonces = [box.send() for _ in range(WINDOW)]
    assert isinstance(box.next(), Wait)

    box.answer(nonces[0])

    assert box.next() == SendBatch(after_seq=WINDOW * BATCH_COUNT_FIRST, count_max=BATCH_COUNT_FIRST)


def test_one_nonce_has_one_answer() -> None:
    """An unknown nonce, or one that was answered, is not heard and changes nothing."""
    box = Box(records=100)
    box.greet()
    nonce = box.send()

    assert box.session.waits_for(nonce)
    assert box.answer(b"x" * 16) is None
    assert isinstance(box.answer(nonce), Settlement)
    assert box.answer(nonce) is None
    assert box.ledger.acked == 100


def test_an_answer_of_a_former_connection_is_not_heard() -> None:
    """A new connection forgets what was on its way."""
    box = Box(records=100)
    box.greet()
    nonce = box.send()

    box.session.connected(box.now_s)

    assert box.answer(nonce) is None
    assert box.next() == SendHello()


def test_without_an_answer_it_is_sent_again_then_the_connection_is_dropped() -> None:
    """The first time-out sends the same nonce again, the second gives up."""
    box = Box(records=100)
    box.greet()
    nonce = box.send()
    box.pass_time(TIMEOUT_S)

    assert box.next() == Resend(nonce=nonce)
    assert box.next() == Wait(until_s=box.now_s + TIMEOUT_S)
    box.pass_time(TIMEOUT_S)
    assert box.next() == Drop()


def test_a_slow_link_gets_more_time() -> None:
    """The time-out is four smoothed round trips if that is more than ten seconds."""
    box = Box(records=100)
    nonce = box.send()
    box.pass_time(8.0)
    box.answer(nonce)
    assert box.session.timeout_s == 32.0

    nonce = box.send()
    box.pass_time(16.0)
    box.answer(nonce)

    assert box.session.timeout_s == 36.0


def test_a_resent_message_tells_nothing_of_the_round_trip() -> None:
    """Nobody knows which sending was answered."""
    box = Box()
    nonce = box.send()
    box.pass_time(TIMEOUT_S)
    box.next()
    box.pass_time(9.0)

    box.answer(nonce)

    assert box.session.timeout_s == TIMEOUT_S


def test_the_batch_halves_on_time_out_and_doubles_after_ten_clean_receipts() -> None:
    """A window that is late counts once; ten good answers bring it back."""
    box = Box(records=100_000)
    box.greet()
    nonces = [box.send() for _ in range(WINDOW)]
    box.pass_time(TIMEOUT_S)
    for _ in range(WINDOW):
        assert isinstance(box.next(), Resend)
    assert box.session.batch_count == BATCH_COUNT_FIRST // 2

    for nonce in nonces:
        box.answer(nonce)
    for _ in range(6):
        assert box.session.batch_count == BATCH_COUNT_FIRST // 2
        box.answer(box.send())

    assert box.session.batch_count == BATCH_COUNT_FIRST
    for _ in range(40):
        box.answer(box.send())
    assert box.session.batch_count == 500


def test_a_refused_publish_halves_the_batch() -> None:
    """Down to a single record, never to none."""
    box = Box()
    for _ in range(20):
        box.session.refused(box.now_s)

    assert box.session.batch_count == 1


def test_a_batch_answer_settles_forward() -> None:
    """All up to `acked` is settled, also by an answer to a later batch."""
    box = Box(records=200)
    box.greet()
    first, second = box.send(), box.send()

    assert isinstance(box.answer(second), Settlement)
    assert box.ledger.acked == 200
    assert isinstance(box.answer(first), Settlement)
    assert box.ledger.acked == 200
    assert box.session.odd is None


def test_an_answer_with_a_hole_settles_up_to_the_hole() -> None:
    """The city counts without gaps; the missing batch closes it."""
    box = Box(records=200)
    box.greet()
    first, second = box.send(), box.send()

    box.answer(second, acked=0, head=head(0))
    assert box.ledger.acked == 0
    box.answer(first, acked=200, head=head(200))

    assert box.ledger.acked == 200


@pytest.mark.parametrize(
    ("changes", "odd"),
    [
        ({"epoch": 2}, Odd.EPOCH),
        ({"inc": INC + 1}, Odd.INC),
        ({"head": head(99)}, Odd.HEAD),
        ({"acked": 201, "head": head(201)}, Odd.AHEAD),
    ],
)
def test_anything_else_in_a_batch_answer_causes_a_hello_and_nothing_more(changes: dict[str, Any], odd: Odd) -> None:
    """Another epoch, another `inc`, another head or too high a mark settle nothing."""
    box = Box(records=200)
    box.greet()
    nonce = box.send()
    other = box.send()

    assert box.answer(nonce, **changes) is odd
    assert box.ledger.acked == 0
    assert box.session.odd is odd
    assert box.next() == SendHello()
    assert box.answer(other) is None

    box.greet()
    assert box.next() == SendBatch(after_seq=0, count_max=BATCH_COUNT_FIRST)


def test_a_batch_answer_below_the_mark_it_was_sent_at_is_odd() -> None:
    """A city that went back is heard of again in the answer to a hello, not here."""
    box = Box(records=200)
    box.greet()
    box.answer(box.send())

    assert box.answer(box.send(), acked=50, head=head(50)) is Odd.STEPPED_BACK
    assert box.ledger.acked == 100


def test_what_stays_odd_is_asked_ever_more_seldom() -> None:
    """No city is asked in a busy loop: at once, after ten seconds, twenty, up to a quarter of an hour."""
    box = Box(records=200)
    waits = []
    for _ in range(10):
        box.greet()
        assert box.answer(box.send(), head=head(99)) is Odd.HEAD
        action = box.next()
        waits.append(0.0 if isinstance(action, SendHello) else action.until_s - box.now_s)
        box.pass_time(waits[-1])

    assert waits == [0, 10, 20, 40, 80, 160, 320, 640, 900, 900]
    assert waits[1] == ODD_FIRST_S


def test_a_clean_receipt_ends_what_was_odd() -> None:
    """The next trouble is asked about at once again."""
    box = Box(records=400)
    box.greet()
    box.answer(box.send(), head=head(99))
    box.greet()

    box.answer(box.send())

    assert box.session.odd is None
    assert box.answer(box.send(), head=head(99)) is Odd.HEAD
    assert box.next() == SendHello()


def test_all_answered_yet_not_all_settled_is_odd() -> None:
    """If every batch was answered and a hole is left, a hello finds out and the sending begins at the mark."""
    box = Box(records=100)
    box.greet()
    box.answer(box.send(), acked=40, head=head(40))

    assert box.next() == SendHello()
    assert box.session.odd is Odd.HOLE
    box.greet()
    assert isinstance(box.next(), Wait)
    box.pass_time(LINGER_S)
    assert box.next() == SendBatch(after_seq=40, count_max=BATCH_COUNT_FIRST)


def test_a_hello_answer_settles_forward() -> None:
    """What the city has from before is not sent again."""
    box = Box(records=300)
    box.answer(box.send(), acked=120, head=head(120))

    assert box.ledger.acked == 120
    assert box.next() == SendBatch(after_seq=120, count_max=BATCH_COUNT_FIRST)


def test_a_hello_answer_may_step_the_mark_back() -> None:
    """A restored city gets again what is still held."""
    box = Box(records=300, acked=300)
    box.answer(box.send(), acked=100, head=head(100), inc=INC + 5)

    assert box.ledger.acked == 100
    assert box.ledger.inc == INC + 5
    assert box.next() == SendBatch(after_seq=100, count_max=BATCH_COUNT_FIRST)


def test_a_late_hello_answer_does_not_undo_what_batches_settled() -> None:
    """Between what the hello stated and the mark now it is no step back."""
    box = Box(records=200)
    box.greet()
    box.pass_time(HELLO_EVERY_S)
    hello = box.send()
    batch = box.send()
    box.answer(batch)
    assert box.ledger.acked == 100

    decision = box.answer(hello, acked=50, head=head(50))

    assert isinstance(decision, Settlement)
    assert box.ledger.acked == 100
    assert box.next() == SendBatch(after_seq=100, count_max=BATCH_COUNT_FIRST)


def test_a_periodic_hello_answer_may_step_back_while_batches_fly() -> None:
    """Sending begins again at the new mark; the batches on their way are forgotten."""
    box = Box(records=300)
    box.greet()
    box.answer(box.send())
    box.pass_time(HELLO_EVERY_S)
    hello, batch = box.send(), box.send()

    box.answer(hello, acked=20, head=head(20))

    assert box.ledger.acked == 20
    assert box.answer(batch) is None
    assert box.next() == SendBatch(after_seq=20, count_max=BATCH_COUNT_FIRST)


@pytest.mark.parametrize(
    ("changes", "own", "reason"),
    [
        ({"acked": 11, "head": head(11)}, Own(head=None), EpochReason.CITY_AHEAD),
        ({"acked": 50, "head": head(50)}, Own(head=None), EpochReason.CITY_AHEAD),
        ({"acked": 5, "head": head(99)}, Own(head=head(5)), EpochReason.HEADS_DISAGREE),
        ({"acked": 5, "head": head(5)}, Own(head=head(5), is_next_sendable=False), EpochReason.DAMAGED),
        ({"acked": 5, "head": head(5)}, Own(head=None), EpochReason.DAMAGED),
        ({"acked": 1, "head": head(1)}, Own(head=None), EpochReason.PRUNED),
    ],
)
def test_a_hello_answer_may_open_an_epoch(changes: dict[str, Any], own: Own, reason: EpochReason) -> None:
    """The city is ahead, heads disagree, or what comes next cannot be sent as it was chained."""
    box = Box(records=10, acked=7)
    box.ledger = dataclasses.replace(box.ledger, oldest=3, highest_epoch=4)

    decision = box.answer(box.send(), own=own, top=6, **changes)

    assert isinstance(decision, OpenEpoch)
    assert (decision.reason, decision.epoch, decision.with_settled) == (reason, 7, False)
    assert decision.city_acked == changes["acked"]


@pytest.mark.parametrize(("own", "top", "epoch"), [(4, None, 5), (4, 2, 5), (1, 9, 10)])
def test_a_new_epoch_is_above_all_that_were_used(own: int, top: int | None, epoch: int) -> None:
    """max(own, top) + 1, also counting numbers that only the file outside knows."""
    box = Box(records=1)
    box.ledger = dataclasses.replace(box.ledger, highest_epoch=own)

    decision = box.answer(box.send(), acked=9, head=head(9), top=top, own=Own(head=None))

    assert isinstance(decision, OpenEpoch)
    assert decision.epoch == epoch


def test_a_new_epoch_for_a_new_city_takes_the_settled_along() -> None:
    """Only if `inc` changed; a first `inc` is no change."""
    known, unknown = Box(records=5), Box(records=5, inc=None)

    decisions = [
        box.answer(box.send(), acked=9, head=head(9), inc=INC + 1, own=Own(head=None)) for box in (known, unknown)
    ]

    assert [isinstance(each, OpenEpoch) and each.with_settled for each in decisions] == [True, False]


def test_one_epoch_an_hour_at_most() -> None:
    """A second one within the hour is an alarm, and the hello is repeated until it is time."""
    box = Box(records=5)
    assert isinstance(box.answer(box.send(), acked=9, head=head(9), own=Own(head=None)), OpenEpoch)
    box.session.epoch_opened(box.now_s)
    box.ledger = dataclasses.replace(box.ledger, epoch=2, highest_epoch=2)
    assert box.next() == SendHello()

    assert box.answer(box.send(), acked=9, head=head(9), own=Own(head=None)) is Odd.EPOCH_TOO_SOON
    assert box.session.alarm is Alarm.EPOCH_TOO_SOON

    box.pass_time(EPOCH_EVERY_S)
    assert isinstance(box.answer(box.send(), acked=9, head=head(9), own=Own(head=None)), OpenEpoch)


def test_inc_never_goes_down() -> None:
    """Such an answer changes nothing and is an alarm."""
    box = Box(records=5, acked=3)

    assert box.answer(box.send(), inc=INC - 1) is Odd.INC_WENT_DOWN
    assert box.session.alarm is Alarm.CITY_INC_WENT_DOWN
    assert box.ledger.inc == INC


def test_a_hello_answer_about_another_epoch_is_odd() -> None:
    """It speaks of nothing we asked."""
    box = Box(records=5)

    assert box.answer(box.send(), epoch=2) is Odd.EPOCH


@pytest.mark.parametrize("error", ["count", "chain"])
def test_a_batch_the_city_cannot_take_is_sent_once_more_then_alarms(error: str) -> None:
    """The second time it is the city's or the disk's fault, and a person has to look."""
    box = Box(records=300)
    box.greet()
    refused = {"acked": 0, "head": head(0), "error": error}

    box.answer(box.send(), **refused)
    assert box.session.alarm is None
    assert box.next() == SendBatch(after_seq=0, count_max=BATCH_COUNT_FIRST // 2)

    box.answer(box.send(), **refused)
    assert box.session.alarm is Alarm.BATCH_REFUSED
    assert box.next() == SendHello()
    assert box.ledger.acked == 0


def test_credit_paces_the_batches() -> None:
    """Ten records a second: a batch of a hundred, then ten seconds nothing."""
    box = Box(records=1000)
    box.answer(box.send(), credit=10)
    box.send()

    assert box.next() == Wait(until_s=box.now_s + 10)
    box.pass_time(9.9)
    assert isinstance(box.next(), Wait)
    box.pass_time(0.1)
    assert isinstance(box.next(), SendBatch | Resend)


def test_a_credit_of_nothing_counts_as_one() -> None:
    """No city can stop a node for ever by a slip."""
    box = Box(records=100)
    box.answer(box.send(), credit=0)
    box.send()
    box.store(1000)

    assert box.session.next_action(box.now_s + 5, ledger=box.ledger) == Wait(until_s=box.now_s + TIMEOUT_S)


@pytest.mark.parametrize(("asked_s", "waits_s"), [(60, 60), (100_000, 3600)])
def test_retry_after_holds_the_next_batch(asked_s: int, waits_s: int) -> None:
    """As long as the city asks, an hour at most; hellos go on."""
    box = Box(records=1000)
    box.answer(box.send(), retry_after_s=asked_s)

    assert box.next() == Wait(until_s=min(box.now_s + waits_s, 100.0 + HELLO_EVERY_S))
    box.pass_time(waits_s)
    actions = [box.next()]
    if actions == [SendHello()]:
        box.greet()
        actions.append(box.next())
    assert isinstance(actions[-1], SendBatch)


def test_an_unsendable_record_calls_for_an_epoch_once_all_before_it_is_settled() -> None:
    """The batches before it are waited for, then a hello is said."""
    box = Box(records=150)
    box.greet()
    nonce = box.send()
    box.pass_time(LINGER_S)
    box.next()
    box.pass_time(LINGER_S)
    assert box.next() == SendBatch(after_seq=100, count_max=BATCH_COUNT_FIRST)
    box.session.cannot_send()
    assert isinstance(box.next(), Wait)

    box.answer(nonce)

    assert box.next() == SendHello()
    assert box.session.odd is Odd.UNSENDABLE
    decision = box.answer(box.send(), own=Own(head=head(100), is_next_sendable=False))
    assert isinstance(decision, OpenEpoch)


def test_rejections_come_with_what_they_are_of() -> None:
    """A batch answer says which seqs it has spoken of, so that the next hello asks for none of them again."""
    box = Box(records=200)
    box.greet()
    rejected = (Rejection(seq=3, code="unreadable", text=""),)

    decision = box.answer(box.send(), rejected=rejected)

    assert isinstance(decision, Settlement)
    assert decision.rejected == rejected
    assert box.ledger.rejected_seen == 100


def test_a_lost_rejection_is_asked_for_by_the_next_hello() -> None:
    """If the answer to an earlier batch never came, its rejections are not counted as heard."""
    box = Box(records=200)
    box.greet()
    box.send()
    second = box.send()

    box.answer(second)

    assert box.ledger.acked == 200
    assert box.ledger.rejected_seen == 0


def test_a_hello_answer_with_rejections_was_perhaps_cut() -> None:
    """What the city listed is known; what lies behind the last one is asked for again."""
    box = Box(records=500, acked=400)
    box.ledger = dataclasses.replace(box.ledger, rejected_seen=0)
    rejected = tuple(Rejection(seq=seq, code="refused", text="") for seq in (10, 20))

    box.answer(box.send(), rejected=rejected)

    assert box.ledger.rejected_seen == 20


def test_a_settlement_that_says_nothing_new_is_not_written() -> None:
    """An idle node's hellos write nothing to the flash."""
    box = Box(records=5, acked=5)
    former = box.ledger

    decision = box.answer(box.send())

    assert isinstance(decision, Settlement)
    assert not decision.changes(former)


def test_a_late_batch_answer_is_held_against_our_head() -> None:
    """One that names a settled point by another head is odd: it raises nothing and settles nothing."""
    box = Box(records=300)
    box.greet()
    first, second = box.send(), box.send()
    box.answer(second)
    heard = box.ledger.rejected_seen

    assert box.answer(first, head=b"x" * 32) is Odd.HEAD
    assert (box.ledger.acked, box.ledger.rejected_seen) == (200, heard)
    assert box.session.odd is Odd.HEAD


def test_a_late_batch_answer_that_cannot_be_checked_proves_nothing() -> None:
    """Where the point was pruned meanwhile the answer changes nothing and ends no alarm."""
    box = Box(records=300)
    box.greet()
    first, second = box.send(), box.send()
    box.answer(second)
    box.session.alarm = Alarm.BATCH_REFUSED
    before = box.ledger

    decision = box.answer(first, own=Own(head=None), rejected=(Rejection(seq=1, code="refused", text=""),))

    assert isinstance(decision, Settlement)
    assert not decision.changes(before)
    assert box.ledger == before
    assert box.session.alarm is Alarm.BATCH_REFUSED


def test_no_epoch_is_opened_above_the_highest() -> None:
    """A city that names the highest epoch there is gets a hello again, and no epoch that does not fit."""
    box = Box(records=5)

    decision = box.answer(box.send(), own=Own(head=b"x" * 32), top=2**32 - 2)

    assert decision is Odd.EPOCH
