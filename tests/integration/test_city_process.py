"""`ehc-city serve` as a process, behind a real mosquitto that runs on the configuration `ehc-city init` wrote."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from city.home import Home
from edge import trust
from edge.gm import private_key
from sync import mqtt, topics, wire
from sync.asking import Ask, BlobPiece, Fetch, Order, OrderKind, Result
from sync.errors import MessageRefusedError
from sync.link import Link, messages
from sync.message import Receipt
from tests.support.city_box import Box

NODE = "370881-0042"
OTHER = "370881-0043"
LIMIT_S = 20.0
RECEIPT = topics.down(NODE, leaf="receipt")


class Place:
    """A city's folder, its broker and its `serve`; ends what it started."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder / "city")
        self.port = _free_port()
        self._log = folder / "log"
        self._running: list[subprocess.Popen[bytes]] = []
        self.run("init", "--broker", f"127.0.0.1:{self.port}", "--node", NODE, "--node", OTHER)

    def run(self, *words: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "city", *words, "--home", str(self.home.path)],
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )
        assert done.returncode == code, done.stderr
        return done.stdout

    def start_broker(self) -> subprocess.Popen[bytes]:
        broker = self._start(["mosquitto", "-c", str(self.home.broker / "mosquitto.conf")])
        wait_until(lambda: _answers(self.port))
        return broker

    def start_serve(self) -> subprocess.Popen[bytes]:
        before = self.ready()
        serve = self._start([sys.executable, "-m", "city", "serve", "--home", str(self.home.path)])
        wait_until(lambda: self.ready() > before)
        return serve

    def ready(self) -> int:
        """How often `serve` has said that it is ready."""
        return self._log.read_text(errors="replace").count("ready") if self._log.exists() else 0

    def box(self, name: str = NODE) -> Box:
        key = (self.home.nodes_folder / name / "node.key").read_text()
        return Box(node=name, key=private_key(bytes.fromhex(key)), city=self.home.keys.encryption().public)

    @contextlib.asynccontextmanager
    async def node(self, name: str = NODE) -> AsyncIterator[Link]:
        """A node's link under its own certificate, subscribed as a node is."""
        keys = self.home.nodes_folder / name
        tls = mqtt.Tls(ca=keys / "ca.pem", certificate=keys / "client.pem", key=keys / "client.key")
        broker = mqtt.Broker(host="127.0.0.1", port=self.port, client_id=name, tls=tls)
        async with mqtt.connect(broker) as link:
            await link.subscribe(f"ehc/1/{name}/down/#")
            yield link

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        self._running.append(process)
        return process

    def close(self) -> None:
        for process in reversed(self._running):
            if process.poll() is None:
                process.kill()
            process.wait()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.close()


async def next_on(link: Link, topic: str) -> bytes:
    """The next message of a topic."""

    async def look() -> bytes:
        async for found, payload in messages(link):
            if found == topic:
                return payload
        raise AssertionError("the link ended")

    return await asyncio.wait_for(look(), timeout=LIMIT_S)


async def ask(link: Link, frame: bytes, *, leaf: str = "batch") -> Receipt:
    await link.publish(topics.up(NODE, leaf=leaf), frame)
    return wire.parse_receipt(wire.decode_frame(await next_on(link, RECEIPT)).payload)


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_what_a_node_sends_is_committed_answered_and_shown(place: Place) -> None:
    """A hello and a batch get receipts, the records are in the store, and SIGTERM ends the city with exit code 0."""
    place.start_broker()
    serve = place.start_serve()
    box = place.box()
    box.fill(5)

    async def talk() -> tuple[Receipt, Receipt, bytes]:
        async with place.node() as link:
            await link.publish(topics.up(NODE, leaf="hello"), box.hello_frame())
            hello = wire.parse_receipt(wire.decode_frame(await next_on(link, RECEIPT)).payload)
            roster = await next_on(link, topics.down(NODE, leaf="doc"))
            return hello, await ask(link, box.batch_frame(1, 5)), roster

    hello, batch, roster = asyncio.run(talk())
    serve.send_signal(signal.SIGTERM)

    assert serve.wait(LIMIT_S) == 0
    assert (hello.acked, hello.top) == (0, 1)
    assert (batch.acked, batch.head) == (5, box.head(5))
    assert roster == (place.home.published / "nodes" / NODE / "roster.json").read_bytes()
    records = json.loads(place.run("records", "--json"))["records"]
    assert [(row["id"], row["seq"]) for row in records] == [
        (row.message_id.hex(), seq) for seq, row in enumerate(box.rows, start=1)
    ]
    place.run("check", NODE)


def test_documents_are_there_for_whoever_comes_later(place: Place) -> None:
    """Root, issuers and status are retained, and a publish while serving replaces them."""
    place.start_broker()
    place.start_serve()

    async def read(role: str) -> bytes:
        async with place.node() as link:
            await link.subscribe(topics.document(role))
            return await next_on(link, topics.document(role))

    for role, name in (("root", "root.1.json"), ("issuers", "issuers.json"), ("status", "status.json")):
        assert asyncio.run(read(role)) == (place.home.published / name).read_bytes()
    place.run("publish")
    wait_until(lambda: asyncio.run(read("status")) == (place.home.published / "status.json").read_bytes())


def test_broker_and_city_may_die_at_any_time(place: Place) -> None:
    """After both were killed and came back, a batch sent again counts once and the chain is whole."""
    broker = place.start_broker()
    serve = place.start_serve()
    box = place.box()
    box.fill(6)

    async def send(first: int, last: int) -> Receipt:
        async with place.node() as link:
            return await ask(link, box.batch_frame(first, last))

    asyncio.run(send(1, 3))
    ready = place.ready()
    broker.kill()
    broker.wait()
    place.start_broker()
    wait_until(lambda: place.ready() > ready)
    serve.kill()
    serve.wait()
    place.start_serve()
    again = asyncio.run(send(1, 3))
    rest = asyncio.run(send(4, 6))

    assert (again.acked, again.head) == (3, box.head(3))
    assert (rest.acked, rest.head) == (6, box.head(6))
    assert len(json.loads(place.run("records", "--json"))["records"]) == 6
    assert json.loads(place.run("check", NODE, "--json"))["unbroken"]


def test_a_node_speaks_only_for_itself(place: Place) -> None:
    """The broker refuses what a node writes on another's topic or its own downward one, and shows it no other's."""
    place.start_broker()
    place.start_serve()
    box = place.box()
    box.fill(1)

    async def talk() -> None:
        async with place.node(OTHER) as other, place.node() as link:
            await other.subscribe(topics.down(NODE, leaf="receipt"))
            for topic in (topics.up(OTHER, leaf="batch"), RECEIPT, topics.document("root")):
                with pytest.raises(MessageRefusedError):
                    await link.publish(topic, b"x")
            assert (await ask(link, box.batch_frame(1, 1))).acked == 1
            await other.publish(topics.up(OTHER, leaf="hello"), place.box(OTHER).hello_frame())
            first, _ = await asyncio.wait_for(anext(messages(other)), timeout=LIMIT_S)
            assert first == topics.down(OTHER, leaf="receipt")

    asyncio.run(talk())


def test_a_second_city_on_the_same_folder_exits_75(place: Place) -> None:
    """One writer a store: the second says so and ends; a broker that is away stops neither."""
    first = place._start([sys.executable, "-m", "city", "serve", "--home", str(place.home.path)])
    wait_until(lambda: "connecting again" in place._log.read_text(errors="replace"))

    place.run("serve", code=75)
    place.run("restored", code=75)
    place.run("records")
    os.kill(first.pid, signal.SIGINT)

    assert first.wait(LIMIT_S) == 0


def test_what_a_node_asks_for_comes_through_the_broker(place: Place) -> None:
    """Time, documents and the pieces of every list they name reach the node over TLS, under the access list."""
    place.start_broker()
    place.start_serve()
    box = place.box()
    asks = [
        Ask(node=NODE, nonce=bytes(16), time=True),
        Ask(node=NODE, nonce=bytes(16), docs={"status": 1}),
    ]
    root = place.home.root()
    assert root is not None
    status = trust.open_status((place.home.published / "status.json").read_bytes(), root=root)
    blob = status.lists["cards-1"].snapshot
    asks.append(Ask(node=NODE, nonce=bytes(16), fetch=Fetch(sm3=blob.sm3, offset=0, length=blob.length)))

    async def talk() -> list[tuple[str, bytes]]:
        async with place.node() as link:
            found = []
            for each in asks:
                await link.publish(topics.up(NODE, leaf="ask"), box.frame(wire.FrameType.ASK, each.to_payload()))
                found.append(await asyncio.wait_for(anext(messages(link)), timeout=LIMIT_S))
            return found

    (_, time_document), (_, document), (blob_topic, piece) = asyncio.run(talk())

    assert trust.open_time(time_document, root=root, node=NODE).nonce == bytes(16)
    assert document == (place.home.published / "status.json").read_bytes()
    assert blob_topic == topics.down(NODE, leaf="blob")
    found = BlobPiece.from_payload(wire.decode_frame(piece).payload)
    assert trust.open_list(found.data, info=status.lists["cards-1"]).size == status.lists["cards-1"].size


def test_an_order_reaches_its_node_and_its_answer_the_operator(place: Place) -> None:
    """An order given while the city serves is sent at once; the node's answer stands in the list."""
    place.start_broker()
    place.start_serve()
    box = place.box()

    async def talk() -> Order:
        async with place.node() as link:
            await asyncio.to_thread(place.run, "order", NODE, "hello")
            order = Order.from_payload(wire.decode_frame(await next_on(link, topics.down(NODE, leaf="order"))).payload)
            result = Result(node=NODE, id=order.id, ok=True)
            await link.publish(topics.up(NODE, leaf="result"), box.frame(wire.FrameType.RESULT, result.to_payload()))
            return order

    order = asyncio.run(talk())
    wait_until(lambda: "done" in place.run("order", "--list"))

    assert order.kind is OrderKind.HELLO
    [row] = json.loads(place.run("order", "--list", "--json"))["orders"]
    assert (row["id"], row["state"]) == (order.id.hex(), "done")


def test_a_reader_of_serve_that_leaves_stops_nothing(place: Place) -> None:
    """With its output's reader gone, as behind `head`, the city goes on serving and ends well when told."""
    place.start_broker()
    reading, writing = os.pipe()
    errors = place.home.path / "errors"
    with errors.open("wb") as stderr:
        serve = subprocess.Popen(
            [sys.executable, "-m", "city", "serve", "--home", str(place.home.path)], stdout=writing, stderr=stderr
        )
    place._running.append(serve)
    os.close(writing)
    assert b"ready" in os.read(reading, 200)
    os.close(reading)
    box = place.box()
    stranger = place.box(OTHER)
    box.fill(1)

    async def talk() -> Receipt:
        async with place.node() as link:
            for boottime_ms, boot in enumerate((b"a", b"b", b"a", b"b")):  # an alarm, which nobody reads
                await ask(link, box.hello_frame(boot=boot * 16, boottime_ms=boottime_ms), leaf="hello")
            await link.publish(topics.up(NODE, leaf="batch"), stranger.hello_frame())
            return await ask(link, box.batch_frame(1, 1))

    assert asyncio.run(talk()).acked == 1
    serve.send_signal(signal.SIGTERM)

    assert serve.wait(LIMIT_S) == 0
    assert errors.read_bytes() == b""
