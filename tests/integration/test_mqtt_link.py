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
from sync.link import Delivery, Link
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
                async for _, payload in link.messages():
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
