"""What every link promises, shown on the real broker and on the one in memory."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from sync import mqtt
from sync.errors import LinkLostError, MessageRefusedError
from sync.link import Delivery, Link, messages
from sync.mqtt import Broker
from tests.support.broker import Mosquitto
from tests.support.fake_link import FakeBroker
from tests.support.waiting import until

FORBIDDEN = "ehc/1/other/up/batch"
ACL = "topic readwrite ehc/1/n-1/#\n"


class Bench(Protocol):
    """A broker that forbids one topic, and links to it."""

    def connect(self, name: str) -> AbstractAsyncContextManager[Link]: ...

    async def kill(self) -> None: ...


@dataclass
class RealBench:
    """With mosquitto."""

    broker: Mosquitto

    def connect(self, name: str) -> AbstractAsyncContextManager[Link]:
        return mqtt.connect(Broker(host=self.broker.host, port=self.broker.port, client_id=name))

    async def kill(self) -> None:
        await self.broker.kill()


@dataclass
class FakeBench:
    """In memory."""

    broker: FakeBroker

    def connect(self, name: str) -> AbstractAsyncContextManager[Link]:
        return self.broker.connect()

    async def kill(self) -> None:
        self.broker.kill()


@pytest.fixture(params=["mosquitto", "memory"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    if request.param == "memory":
        fake = FakeBroker()
        fake.forbidden.add(FORBIDDEN)
        yield FakeBench(fake)
        return
    broker = Mosquitto(tmp_path / "broker", acl=ACL)
    await broker.start()
    try:
        yield RealBench(broker)
    finally:
        await broker.stop()


async def take(link: Link) -> Delivery:
    """The next message, waited for."""
    changed = asyncio.Event()
    link.watch(changed.set)
    async with asyncio.timeout(10):
        while True:
            changed.clear()
            delivery = link.take()
            if delivery is not None:
                return delivery
            await changed.wait()


async def test_what_is_published_arrives_in_order(bench: Bench) -> None:
    """A subscriber takes the messages of its topic, bytes and order unchanged."""
    async with bench.connect("a") as sender, bench.connect("b") as receiver:
        await receiver.subscribe("ehc/1/n-1/up/#")
        await sender.publish("ehc/1/n-1/up/hello", b"\x00\xff")
        await sender.publish("ehc/1/n-1/up/batch", bytes(100_000))

        assert await take(receiver) == Delivery(topic="ehc/1/n-1/up/hello", payload=b"\x00\xff")
        assert await take(receiver) == Delivery(topic="ehc/1/n-1/up/batch", payload=bytes(100_000))
        assert receiver.take() is None


async def test_messages_may_be_iterated(bench: Bench) -> None:
    """Whoever waits for nothing else takes them in a loop, which ends with the link."""
    async with bench.connect("a") as link:
        await link.subscribe("ehc/1/n-1/up/x")
        for number in range(3):
            await link.publish("ehc/1/n-1/up/x", b"%d" % number)
        taken = []
        with contextlib.suppress(LinkLostError):
            async with asyncio.timeout(10):
                async for _, payload in messages(link):
                    taken.append(payload)
                    if len(taken) == 3:
                        await bench.kill()

        assert taken == [b"0", b"1", b"2"]


async def test_a_refused_publish_is_told(bench: Bench) -> None:
    """The broker's reason code comes out as an exception, and the link goes on."""
    async with bench.connect("a") as link:
        with pytest.raises(MessageRefusedError) as refusal:
            await link.publish(FORBIDDEN, b"x")
        await link.publish("ehc/1/n-1/up/hello", b"x")

    assert refusal.value.reason_code == 0x87


async def test_sending_does_not_wait(bench: Bench) -> None:
    """Several publishes may be on their way; each is answered."""
    async with bench.connect("a") as link:
        errors: list[BaseException | None] = []
        for topic in ("ehc/1/n-1/up/hello", FORBIDDEN, "ehc/1/n-1/up/batch"):
            link.send(topic, b"x").add_done_callback(lambda done: errors.append(done.exception()))
        await until(lambda: len(errors) == 3)

    assert [type(error) for error in errors].count(MessageRefusedError) == 1


async def test_a_lost_link_says_so(bench: Bench) -> None:
    """When the broker dies everything raises LinkLostError, and whoever watches is called."""
    async with bench.connect("a") as link:
        called = asyncio.Event()
        link.watch(called.set)
        await bench.kill()
        async with asyncio.timeout(10):
            await called.wait()

        with pytest.raises(LinkLostError) as lost:
            link.take()
        with pytest.raises(LinkLostError):
            link.send("ehc/1/n-1/up/hello", b"x")
        with pytest.raises(LinkLostError):
            await link.publish("ehc/1/n-1/up/hello", b"x")
        with pytest.raises(LinkLostError):
            await link.subscribe("ehc/1/n-1/up/x")

    assert lost.value.cause == "closed"


async def test_nobody_there_is_refused(bench: Bench) -> None:
    """A connection to a dead broker has the cause `refused`."""
    await bench.kill()

    with pytest.raises(LinkLostError) as lost:
        async with bench.connect("a"):
            pass

    assert lost.value.cause == "refused"


CONNACK = b"\x20\x03\x00\x00\x00"


@contextlib.asynccontextmanager
async def hostile_broker(said: bytes, *, times: int = 1) -> AsyncIterator[tuple[Broker, asyncio.Event]]:
    """Greets whoever comes, says something, and keeps the connection; the event: it was hung up on."""
    hung_up, closed = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(CONNACK + said * times)
        with contextlib.suppress(ConnectionError):
            while await reader.read(1000):
                pass
        hung_up.set()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        closed.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield Broker(host="127.0.0.1", port=server.sockets[0].getsockname()[1], client_id="n-1"), hung_up
        async with asyncio.timeout(10):
            await closed.wait()


@pytest.mark.parametrize(
    ("said", "times"),
    [
        (b"\x34\x07\x00\x01t\x00\x01\x00x", 3),  # QoS 2, which nobody asked for
        (b"\x36\x07\x00\x01t\x00\x01\x00x", 1),  # QoS 3, which does not exist
        (b"\x30\xff\xff\xff\x7f\x00\x01t\x00", 1),  # 256 MiB
        (b"\x30\xe1\x91\x43\x00\x01t\x00", 1),  # one byte too long
        (b"\x30\x01\x00", 1),  # a publish too short for its topic
        (b"\x32\x04\x00\x09ab", 1),  # a topic beyond the packet
        (b"\x90\x03\x00\x01\x00", 1),  # a SUBACK that answers nothing
        (b"\xf0\x00", 1),
        (b"\x00\x00", 1),
    ],
)
async def test_a_hostile_broker_is_hung_up_on(said: bytes, times: int) -> None:
    """At once, whatever it still declares to send, and nothing of it is delivered."""
    async with hostile_broker(said, times=times) as (broker, hung_up):
        lost = None
        try:
            async with mqtt.connect(broker) as link:
                await take(link)
        except LinkLostError as exc:
            lost = exc

        assert lost is not None
        assert lost.cause == "closed"
        async with asyncio.timeout(10):
            await hung_up.wait()


async def test_the_largest_packet_is_taken() -> None:
    """What we said we would take, and not a byte more, is taken."""
    rest = mqtt.PACKET_BYTES_MAX
    length = bytes([rest & 127 | 128, rest >> 7 & 127 | 128, rest >> 14])
    said = b"\x30" + length + b"\x00\x01t\x00" + bytes(rest - 4)
    async with hostile_broker(said) as (broker, _), mqtt.connect(broker) as link:
        assert await take(link) == Delivery(topic="t", payload=bytes(rest - 4))
