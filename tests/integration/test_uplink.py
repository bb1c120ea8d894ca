"""The uplink between an outbox and a city: what answers do to the ledger, over a broker in memory."""

import asyncio
import dataclasses
import sqlite3
from pathlib import Path

import pytest

from sync import chain, wire
from sync.errors import LinkLostError, StoreError
from sync.ledger import EpochReason
from sync.link import Delivery, in_time
from sync.message import Receipt
from sync.outbox import Outbox
from sync.pruning import Keep
from sync.rows import Rows
from sync.session import Session
from sync.topics import down, up
from tests.support.fake_link import FakeBroker
from tests.support.outbox_box import fill, message, opened
from tests.support.small_city import CITY_KEYID, NODE, SmallCity, city_sign, sm3
from tests.support.uplink_box import FIRST_AUDIT, Heard, make_uplink, running, serve
from tests.support.waiting import until

RECEIPT = down(NODE, leaf="receipt")


def numbers(city: SmallCity, epoch: int) -> list[int]:
    """The messages of an epoch as the city has them, in order of seq."""
    rows = city.positions.get(epoch, {})
    return [int.from_bytes(rows[seq][0], "big") for seq in sorted(rows)]


def settled(outbox: Outbox) -> bool:
    return outbox.counts().waiting == 0


async def test_rejected_records_go_into_quarantine_and_the_rest_flows(tmp_path: Path) -> None:
    """What the city cannot open is listed once; it counts as acked like everything else."""
    broker, city = FakeBroker(), SmallCity()
    city.rejects = {3, 150}
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=200)
        uplink = make_uplink(outbox, connect=broker.connect, heard=Heard())
        async with running(serve(city, connect=broker.connect), uplink.run()):
            await until(lambda: settled(outbox))

        assert outbox.counts().quarantined == 2
        assert outbox.snapshot().rejected_seen == 200


async def test_a_lost_receipt_is_made_up_for(tmp_path: Path) -> None:
    """If the answers to the batches are lost, the next connection's hello settles them without sending again."""
    broker, city = FakeBroker(), SmallCity()
    lost = [0]

    def drops(topic: str) -> bool:
        if topic == RECEIPT and city.batches:
            lost[0] += 1
            return lost[0] <= 1
        return False

    broker.drops = drops
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=50)
        uplink = make_uplink(outbox, connect=broker.connect, heard=Heard())
        async with running(serve(city, connect=broker.connect), uplink.run()):
            await until(lambda: lost[0] == 1)
            broker.links[1].lose("closed")
            await until(lambda: settled(outbox))

        assert len(city.batches) == 1
        assert len(city.bodies) == 50


async def test_a_restored_city_gets_again_what_is_held(tmp_path: Path) -> None:
    """The city went back to an older backup and says so with a higher `inc`: the mark steps back, the epoch stays."""
    broker, city, heard = FakeBroker(), SmallCity(), Heard()
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=30)
        uplink = make_uplink(outbox, connect=broker.connect, heard=heard)
        async with running(serve(city, connect=broker.connect), uplink.run()):
            await until(lambda: settled(outbox))
            for seq in range(11, 31):
                message_id, _ = city.positions[1].pop(seq)
                city.bodies.pop(message_id)
            city.inc += 1
            broker.links[1].lose("closed")
            await until(lambda: len(city.bodies) == 30)

        assert outbox.snapshot().epoch == 1
        assert outbox.snapshot().inc == city.inc
        assert heard.changes == []


async def test_an_old_database_put_back_opens_an_epoch(tmp_path: Path) -> None:
    """The city is ahead of the ledger: everything unsettled goes again behind an audit that says what is missing."""
    broker, city, heard = FakeBroker(), SmallCity(), Heard()
    (tmp_path / "box").mkdir()
    (tmp_path / "copy").mkdir()
    async with opened(tmp_path / "box") as outbox:
        await fill(outbox, count=5)
    (tmp_path / "copy" / "outbox.db").write_bytes((tmp_path / "box" / "outbox.db").read_bytes())
    async with opened(tmp_path / "box") as outbox:
        await fill(outbox, first=6, count=5)
        uplink = make_uplink(outbox, connect=broker.connect, heard=heard)
        async with running(serve(city, connect=broker.connect), uplink.run()):
            await until(lambda: settled(outbox))

    async with opened(tmp_path / "copy") as outbox:
        await fill(outbox, first=101, count=2)
        uplink = make_uplink(outbox, connect=broker.connect, heard=heard)
        async with running(serve(city, connect=broker.connect), uplink.run()):
            await until(lambda: settled(outbox))

        assert outbox.snapshot().epoch == 2
    (change,) = heard.changes
    assert (change.former, change.epoch, change.last_seq, change.reason) == (1, 2, 7, EpochReason.CITY_AHEAD)
    assert change.missing == ((8, 10),)
    assert numbers(city, 2) == [FIRST_AUDIT + 1, 1, 2, 3, 4, 5, 101, 102]
    assert len(city.bodies) == 13


async def test_a_city_with_another_history_gets_everything_again(tmp_path: Path) -> None:
    """Heads disagree and `inc` changed: the settled records still held go again before the unsettled."""
    broker, city, heard = FakeBroker(), SmallCity(), Heard()
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=5)
        uplink = make_uplink(outbox, connect=broker.connect, heard=heard)
        async with running(serve(city, connect=broker.connect), uplink.run()):
            await until(lambda: settled(outbox))
        await fill(outbox, first=6, count=2)
        other = SmallCity(inc=2_000)
        other.positions = {1: {1: (b"x" * 16, b"y" * 32)}, 7: {}}
        async with running(serve(other, connect=broker.connect), uplink.run()):
            await until(lambda: settled(outbox))

    assert [change.reason for change in heard.changes] == [EpochReason.HEADS_DISAGREE]
    assert numbers(other, 8) == [FIRST_AUDIT + 1, 1, 2, 3, 4, 5, 6, 7]


async def test_a_damaged_record_is_set_aside_and_the_rest_delivered(tmp_path: Path) -> None:
    """What lies before it is settled, then an epoch begins without it; it is never sent."""
    broker, city, heard = FakeBroker(), SmallCity(), Heard()
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=10)
    with sqlite3.connect(tmp_path / "outbox.db") as connection:
        connection.execute("UPDATE entry SET body = zeroblob(200) WHERE k = ?", (16 * 4,))
    connection.close()

    async with opened(tmp_path) as outbox:
        uplink = make_uplink(outbox, connect=broker.connect, heard=heard)
        async with running(serve(city, connect=broker.connect), uplink.run()):
            await until(lambda: outbox.snapshot().epoch == 2 and settled(outbox))

        assert outbox.counts().quarantined == 1
    assert numbers(city, 1) == [1, 2, 3]
    assert numbers(city, 2) == [FIRST_AUDIT + 1, 5, 6, 7, 8, 9, 10]
    assert heard.changes[0].missing == ((4, 4),)
    assert heard.changes[0].reason is EpochReason.DAMAGED


async def test_a_broker_that_answers_nothing_is_given_up() -> None:
    """A subscribe or publish without an answer ends as a lost link."""
    with pytest.raises(LinkLostError, match="timeout"):
        await in_time(asyncio.Event().wait(), timeout_s=0.001)


async def test_a_city_that_wants_what_was_pruned_gets_an_epoch(tmp_path: Path) -> None:
    """What is not held any more is named in the audit; what is held follows."""
    broker, city, heard = FakeBroker(), SmallCity(), Heard()
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=6)
        uplink = make_uplink(outbox, connect=broker.connect, heard=heard)
        async with running(serve(city, connect=broker.connect), uplink.run()):
            await until(lambda: settled(outbox))
        await outbox.prune(Keep(lo_ms=10**9, hi_ms=10**9, keep_ms=10**9 - 1, bytes_max=10**9))
        await fill(outbox, first=7, count=2)
        await outbox.prune(Keep(lo_ms=2 * 10**9, hi_ms=2 * 10**9, keep_ms=1, bytes_max=10**9))
        city.positions = {1: {seq: row for seq, row in city.positions[1].items() if seq <= 2}}
        city.inc += 1
        async with running(serve(city, connect=broker.connect), uplink.run()):
            await until(lambda: outbox.snapshot().epoch == 2 and settled(outbox))

    assert heard.changes[0].reason is EpochReason.PRUNED
    assert heard.changes[0].missing == ((3, 6),)
    assert numbers(city, 2) == [FIRST_AUDIT + 1, 7, 8]


def receipt(uplink_nonce: bytes, **changes: object) -> Receipt:
    """An answer that would settle everything."""
    good = Receipt(
        node=NODE,
        nonce=uplink_nonce,
        epoch=1,
        acked=0,
        head=chain.start(NODE, 1, hash=sm3),
        inc=1_000,
        time_ms=1,
    )
    return dataclasses.replace(good, **changes)  # type: ignore[arg-type]


def frame(answer: Receipt, *, keyid: bytes = CITY_KEYID) -> bytes:
    return wire.encode_frame(wire.FrameType.RECEIPT, wire.receipt_payload(answer), sign=city_sign, keyid=keyid)


async def test_what_is_not_heard_changes_nothing(tmp_path: Path) -> None:
    """Rubbish, a stranger's signature, another node's receipt and an unknown nonce are counted and dropped."""
    broker, heard = FakeBroker(), Heard()
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=3)
        uplink = make_uplink(outbox, connect=broker.connect, heard=heard)
        async with running(uplink.run()):
            await until(lambda: bool(broker.published))
            nonce = wire.Hello.from_payload(wire.decode_frame(broker.published[0].payload).payload).nonce
            hello = broker.published[0].payload
            for payload in (
                b"rubbish",
                hello,  # a frame, but no receipt
                wire.encode_frame(wire.FrameType.RECEIPT, b"\x00", sign=city_sign, keyid=CITY_KEYID),
                frame(receipt(nonce), keyid=b"\x09" * 8),
                frame(receipt(nonce, node="another")),
                frame(receipt(b"u" * 16)),
            ):
                broker.route(Delivery(topic=RECEIPT, payload=payload))
            broker.links[0].deliver(Delivery(topic=down(NODE, leaf="doc"), payload=b"{}"))
            await until(lambda: sum(uplink.state.ignored.values()) == 6)

            assert uplink.state.ignored == {"wire": 3, "signature": 1, "node": 1, "nonce": 1}
            assert heard.receipts == []

            broker.route(Delivery(topic=RECEIPT, payload=frame(receipt(nonce))))
            await until(lambda: bool(heard.receipts))
            await until(lambda: any(each.topic == up(NODE, leaf="batch") for each in broker.published))


async def test_an_odd_answer_is_shown(tmp_path: Path) -> None:
    """A city that forgets what it was sent and answers with other heads settles nothing, and the page says so."""
    broker, city = FakeBroker(), SmallCity()
    start = chain.start(NODE, 1, hash=sm3)

    def forget(answer: Receipt) -> Receipt:
        is_to_hello = answer.top is not None
        return dataclasses.replace(answer, acked=0, head=start) if is_to_hello else dataclasses.replace(answer, inc=5)

    city.change = forget
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=3)
        uplink = make_uplink(outbox, connect=broker.connect, heard=Heard())
        async with running(serve(city, connect=broker.connect), uplink.run()):
            await until(lambda: len(city.batches) > 1)
            await until(lambda: uplink.state.trouble is not None)

            assert uplink.state.trouble == "inc"
            assert uplink.state.waiting == 3


async def test_a_silent_city_is_asked_again_and_then_the_link_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hello and batch are sent twice with the same nonce; then a new connection, and the cause is `silent`."""
    monkeypatch.setattr("sync.session.TIMEOUT_S", 0.05)
    broker, city = FakeBroker(), SmallCity()
    async with opened(tmp_path) as outbox:
        uplink = make_uplink(outbox, connect=broker.connect, heard=Heard())
        async with running(uplink.run()):
            await until(lambda: uplink.state.cause == "silent")
        hellos = [
            wire.Hello.from_payload(wire.decode_frame(each.payload).payload)
            for each in broker.published[:2]
            if each.topic == up(NODE, leaf="hello")
        ]
        assert hellos[0].nonce == hellos[1].nonce
        assert hellos[0].boottime_ms < hellos[1].boottime_ms

        await fill(outbox, count=3)
        broker.published.clear()
        city.change = lambda answer: None if answer.top is None else answer
        async with running(serve(city, connect=broker.connect), uplink.run()):
            await until(lambda: len(city.batches) >= 2)

        assert city.batches[0].nonce == city.batches[1].nonce


async def test_a_disk_that_fails_pauses_the_uplink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot settle now; it says so, tries again later, and the node lives on."""
    broker, city = FakeBroker(), SmallCity()
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=3)
        uplink = make_uplink(outbox, connect=broker.connect, heard=Heard())

        def fails(_self: Rows, _settlement: object) -> None:
            raise StoreError("SQLITE_FULL")

        async with running(serve(city, connect=broker.connect), uplink.run()):
            with monkeypatch.context() as broken:
                broken.setattr(Rows, "settle", fails)
                await until(lambda: uplink.state.cause == "store")
            await until(lambda: settled(outbox))


async def test_a_refused_subscription_or_connection_is_a_cause(tmp_path: Path) -> None:
    """No link, no crash: the page tells why and when it is tried again."""
    broker = FakeBroker()
    broker.is_up = False
    async with opened(tmp_path) as outbox:
        uplink = make_uplink(outbox, connect=broker.connect, heard=Heard())
        async with running(uplink.run()):
            await until(lambda: uplink.state.cause == "refused")
            assert uplink.state.next_try_s is not None
            assert not uplink.state.is_connected

            broker.is_up = True
            broker.forbidden.add(up(NODE, leaf="hello"))
            await until(lambda: uplink.state.cause == "refused_0x87")


async def test_a_running_uplink_is_not_busy(tmp_path: Path) -> None:
    """With nothing to do it asks the session a handful of times, not thousands."""
    broker, city = FakeBroker(), SmallCity()
    asked = [0]

    class Counted(Session):
        def next_action(self, now_s: float, *, ledger: object) -> object:
            asked[0] += 1
            return super().next_action(now_s, ledger=ledger)

    async with opened(tmp_path) as outbox:
        uplink = make_uplink(outbox, connect=broker.connect, heard=Heard(), session=Counted())
        async with running(serve(city, connect=broker.connect), uplink.run()):
            await until(lambda: uplink.state.last_receipt_ms is not None)
            for number in range(1, 4):
                await outbox.append(message(number))
            await until(lambda: settled(outbox))

    assert asked[0] < 40


def test_a_lost_link_names_its_cause() -> None:
    """The page shows the word."""
    assert LinkLostError("tls").cause == "tls"
