"""The downlink on the uplink's connection: asks go up, documents and blobs come down, and no receipt waits."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from sync.asking import Order, OrderKind, Result
from sync.blobs import BlobFetcher, FinishedBlob
from sync.downlink import ASK_FIRST_S, Document, Downlink
from sync.errors import MessageRefusedError
from sync.link import Delivery
from sync.mqtt import Broker, connect
from sync.order_book import OrderBook
from sync.orders import Orders
from sync.outbox import Outbox
from sync.topics import document as document_topic
from sync.topics import down
from sync.uplink import Uplink
from tests.support.broker import ACL, make_certificates, running_broker
from tests.support.fake_link import FakeBroker, FakeLink
from tests.support.outbox_box import fill, opened
from tests.support.small_city import NODE, SmallCity, document, order_frame, sm3, verify_order
from tests.support.uplink_box import Heard, make_uplink, running, serve
from tests.support.waiting import until

BLOB = bytes(range(256)) * 1000


class OtherHalf:
    """Takes what comes down, slowly or not at all, and runs orders."""

    def __init__(self, folder: Path) -> None:
        self.documents: list[bytes] = []
        self.blobs: list[bytes] = []
        self.orders: list[OrderKind] = []
        self.uplink: Uplink | None = None
        self.downlink = Downlink(
            node=NODE,
            blobs=BlobFetcher(folder / "parts", hash=sm3, bytes_max=1 << 20),
            orders=Orders(
                node=NODE, used=OrderBook(folder / "orders"), verify=verify_order, interval=lambda: (1_000, 1_500)
            ),
            wants=lambda: {"roster": 1},
            random_bytes=secrets.token_bytes,
            now_b=time.monotonic_ns,
            monotonic=time.monotonic,
        )

    async def run(self) -> AsyncIterator[None]:
        arrived = asyncio.Event()
        self.downlink.watch_arrivals(arrived.set)
        while True:
            arrived.clear()
            match self.downlink.next_arrival():
                case Document(data=data):
                    self.documents.append(data)
                case FinishedBlob(path=path):
                    self.blobs.append(path.read_bytes())
                case Order() as order:
                    self.orders.append(order.kind)
                    if order.kind is OrderKind.HELLO and self.uplink is not None:
                        self.uplink.say_hello()
                    self.downlink.finish_order(order)
                case None:
                    await arrived.wait()


def put_together(folder: Path, outbox: Outbox, *, connecting: Callable[[], object]) -> tuple[OtherHalf, Uplink]:
    half = OtherHalf(folder)
    half.uplink = make_uplink(
        outbox,
        connect=connecting,  # type: ignore[arg-type]
        heard=Heard(),
        downlink=half.downlink,
    )
    return half, half.uplink


def well_stocked() -> SmallCity:
    city = SmallCity()
    city.versions = {"roster": 4}
    city.blobs = {sm3(BLOB): BLOB}
    return city


async def test_documents_blobs_and_orders_come_down_beside_the_records(tmp_path: Path) -> None:
    """One connection carries everything, and an order's answer goes up."""
    broker, city = FakeBroker(), well_stocked()
    async with opened(tmp_path) as outbox:
        await fill(outbox, count=300)
        half, uplink = put_together(tmp_path, outbox, connecting=broker.connect)
        half.downlink.want_blobs({sm3(BLOB): len(BLOB)})
        async with running(serve(city, connect=broker.connect), uplink.run(), half.run()):
            await until(lambda: bool(half.blobs) and outbox.counts().waiting == 0)
            broker.route(Delivery(topic=document_topic("root"), payload=document("root", version=1)))
            hellos = len(city.hellos)
            broker.route(Delivery(topic=down(NODE, leaf="order"), payload=order_frame(1, OrderKind.HELLO)))
            broker.route(Delivery(topic=down(NODE, leaf="order"), payload=b"rubbish"))
            await until(lambda: len(city.hellos) > hellos and bool(city.results))

            assert uplink.state.ignored == {"wire": 1}
    assert half.blobs == [BLOB]
    assert document("roster", version=4) in half.documents
    assert document("root", version=1) in half.documents
    assert half.orders == [OrderKind.HELLO]
    assert city.results == [Result(node=NODE, id=(1).to_bytes(16, "big"), ok=True)]
    assert {ask.nonce for ask in city.asks if ask.time} == set(half.downlink.time_nonces())


async def test_with_nothing_to_ask_the_link_is_not_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks for something to send a handful of times, not thousands."""
    broker, looked = FakeBroker(), [0]
    next_frame = Downlink.next_frame

    def counted(each: Downlink, now_s: float) -> object:
        looked[0] += 1
        return next_frame(each, now_s)

    monkeypatch.setattr(Downlink, "next_frame", counted)
    async with opened(tmp_path) as outbox:
        half, uplink = put_together(tmp_path, outbox, connecting=broker.connect)
        city = well_stocked()
        half.downlink.want_blobs({b"?" * 32: 100})
        async with running(serve(city, connect=broker.connect), uplink.run(), half.run()):
            await until(lambda: len(half.documents) == 2)
            await fill(outbox, count=20)
            await until(lambda: outbox.counts().waiting == 0)

    assert looked[0] < 40


async def test_an_order_to_say_hello_waits_for_the_one_on_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hellos are never on their way at once; what else is to be asked is asked meanwhile."""
    monkeypatch.setattr("sync.downlink.ASK_GAP_S", 0.0)
    monkeypatch.setattr("sync.downlink.ASK_FIRST_S", 0.05)
    broker, city = FakeBroker(), well_stocked()
    city.change = lambda answer: None
    async with opened(tmp_path) as outbox:
        half, uplink = put_together(tmp_path, outbox, connecting=broker.connect)
        async with running(serve(city, connect=broker.connect), uplink.run(), half.run()):
            await until(lambda: bool(city.hellos))
            uplink.say_hello()
            former = len(city.asks)
            await until(lambda: len(city.asks) >= former + 2)  # 50 ms, then 100 ms, woken for each

            assert len(city.hellos) == 1


async def test_a_lost_connection_goes_on_with_the_blob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is on disk is not asked for again, and the time is asked for under a new nonce."""
    monkeypatch.setattr("sync.downlink.ASK_GAP_S", 0.0)
    broker, city = FakeBroker(), well_stocked()
    async with opened(tmp_path) as outbox:
        half, uplink = put_together(tmp_path, outbox, connecting=broker.connect)
        half.downlink.want_blobs({sm3(BLOB): len(BLOB)})
        broker.drops = lambda topic: topic.endswith("/blob") and sum(ask.fetch is not None for ask in city.asks) > 3
        async with running(serve(city, connect=broker.connect), uplink.run(), half.run()):
            await until(lambda: sum(ask.fetch is not None for ask in city.asks) > 4)
            received = (tmp_path / "parts" / f"{sm3(BLOB).hex()}.part").stat().st_size
            broker.drops = lambda topic: False
            former = len(city.asks)
            broker.links[1].lose("closed")
            await until(lambda: bool(half.blobs), limit_s=ASK_FIRST_S - 1.0)  # not only when patience ends

    fetches = [ask.fetch.offset for ask in city.asks[former:] if ask.fetch is not None]
    assert 0 < received <= min(fetches)
    assert len({ask.nonce for ask in city.asks if ask.time}) == 2
    assert half.blobs == [BLOB]


async def test_a_broker_that_forbids_subscriptions_is_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Receipts are heard all the same, on this connection and the next."""
    broker, city = FakeBroker(), well_stocked()

    @contextlib.asynccontextmanager
    async def narrow() -> AsyncIterator[FakeLink]:
        async with broker.connect() as link:
            subscribe = link.subscribe

            async def refusing(topic: str) -> None:
                if not topic.endswith("/receipt"):
                    raise MessageRefusedError(0x87)
                await subscribe(topic)

            link.subscribe = refusing  # type: ignore[method-assign]
            yield link

    async with opened(tmp_path) as outbox:
        half, uplink = put_together(tmp_path, outbox, connecting=narrow)
        async with running(serve(city, connect=broker.connect), uplink.run(), half.run()):
            for number in (1, 2):
                await fill(outbox, first=number, count=1)
                await until(lambda: outbox.counts().waiting == 0)
                broker.links[1].lose("closed")
                await until(lambda: not uplink.state.is_connected)

    assert caplog.text.count("forbids doc/root") == caplog.text.count("forbids down/blob") == 1
    assert half.documents == []


async def test_an_access_list_of_before_does_not_keep_receipts_away(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A broker that forbids asking and documents is told of once; records are delivered as ever."""
    certificates = make_certificates(tmp_path / "tls")
    server = certificates.issue("broker", server_names=("127.0.0.1",))
    acl = (
        f"user {NODE}\ntopic write ehc/1/{NODE}/up/hello\ntopic write ehc/1/{NODE}/up/batch\n"
        f"topic read ehc/1/{NODE}/down/receipt\nuser city\ntopic readwrite ehc/1/#\n"
    )
    async with running_broker(tmp_path / "broker", tls=server, acl=acl) as broker, opened(tmp_path) as outbox:

        def link(name: str) -> Broker:
            return Broker(host=broker.host, port=broker.port, client_id=name, tls=certificates.issue(name))

        node, ingest = link(NODE), link("city")
        half, uplink = put_together(tmp_path, outbox, connecting=lambda: connect(node))
        city = well_stocked()
        await fill(outbox, count=10)
        async with running(serve(city, connect=lambda: connect(ingest)), uplink.run(), half.run()):
            await until(lambda: outbox.counts().waiting == 0)
            await until(lambda: "forbids up/ask" in caplog.text)
            half.downlink.ask_time()
            await fill(outbox, first=11, count=10)
            await until(lambda: outbox.counts().waiting == 0)

            assert uplink.state.is_connected
    assert caplog.text.count("forbids up/ask") == 1
    assert NODE not in caplog.text
    assert city.asks == []


async def test_everything_comes_down_through_a_real_broker(tmp_path: Path) -> None:
    """With the access list of the contract: retained documents, a blob, the time."""
    certificates = make_certificates(tmp_path / "tls")
    server = certificates.issue("broker", server_names=("127.0.0.1",))
    async with running_broker(tmp_path / "broker", tls=server, acl=ACL) as broker, opened(tmp_path) as outbox:

        def link(name: str) -> Broker:
            return Broker(host=broker.host, port=broker.port, client_id=name, tls=certificates.issue(name))

        node, ingest = link(NODE), link("city")
        async with connect(link("city")) as publisher:
            await publisher.publish(document_topic("status"), document("status", version=31), retain=True)
        half, uplink = put_together(tmp_path, outbox, connecting=lambda: connect(node))
        half.downlink.want_blobs({sm3(BLOB): len(BLOB)})
        city = well_stocked()
        async with running(serve(city, connect=lambda: connect(ingest)), uplink.run(), half.run()):
            await until(lambda: bool(half.blobs) and len(half.documents) >= 3)

    assert half.blobs == [BLOB]
    assert half.documents[0] == document("status", version=31)
    assert document("roster", version=4) in half.documents
    assert uplink.state.ignored == {}
