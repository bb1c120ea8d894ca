"""The uplink over a real broker: everything stored arrives once, whatever is killed."""

from pathlib import Path

from sync.mqtt import Broker, connect
from tests.support.broker import ACL, Mosquitto, make_certificates, running_broker
from tests.support.outbox_box import fill, message, opened
from tests.support.small_city import NODE, SmallCity
from tests.support.uplink_box import Heard, make_uplink, running, serve
from tests.support.waiting import until


async def test_everything_stored_arrives_over_tls(tmp_path: Path) -> None:
    """Records stored before and during the connection arrive once and in order, and are settled."""
    certificates = make_certificates(tmp_path / "tls")
    server = certificates.issue("broker", server_names=("127.0.0.1",))
    city, heard = SmallCity(), Heard()
    async with running_broker(tmp_path / "broker", tls=server, acl=ACL) as broker, opened(tmp_path) as outbox:

        def link(name: str) -> Broker:
            return Broker(host=broker.host, port=broker.port, client_id=name, tls=certificates.issue(name))

        node, ingest = link(NODE), link("city")
        uplink = make_uplink(outbox, connect=lambda: connect(node), heard=heard)
        await fill(outbox, count=250)
        async with running(uplink.run(), serve(city, connect=lambda: connect(ingest))):
            await until(lambda: outbox.counts().waiting == 0)
            await outbox.append(message(251))
            await until(lambda: outbox.counts().waiting == 0)

            assert uplink.state.is_connected
            assert uplink.state.last_receipt_ms == city.time_ms
    assert [int.from_bytes(city.positions[1][seq][0], "big") for seq in range(1, 252)] == list(range(1, 252))
    assert city.mark(1)[0] == 251
    assert all(time_ms == city.time_ms and sent_b <= heard_b for time_ms, sent_b, heard_b in heard.receipts)


async def test_a_killed_broker_loses_nothing(tmp_path: Path) -> None:
    """A broker that is killed and comes back having forgotten everything only delays."""
    city, heard = SmallCity(), Heard()
    broker = Mosquitto(tmp_path / "broker")
    async with opened(tmp_path) as outbox:
        node = Broker(host=broker.host, port=broker.port, client_id=NODE)
        ingest = Broker(host=broker.host, port=broker.port, client_id="city")
        uplink = make_uplink(outbox, connect=lambda: connect(node), heard=heard)
        async with running(uplink.run(), serve(city, connect=lambda: connect(ingest))):
            try:
                for round_number in range(3):
                    await broker.start()
                    await fill(outbox, first=1 + 50 * round_number, count=50)
                    await until(lambda: len(city.bodies) > 0)
                    await broker.kill()
                    await until(lambda: not uplink.state.is_connected)
                    assert uplink.state.cause is not None
                await broker.start()
                await until(lambda: outbox.counts().waiting == 0)
            finally:
                await broker.stop()
    assert city.mark(1)[0] == 150
    assert len(city.bodies) == 150


async def test_a_forbidden_publish_is_named_and_the_queue_stays(tmp_path: Path) -> None:
    """An access list that forbids the batch is told by its code, and nothing counts as delivered."""
    certificates = make_certificates(tmp_path / "tls")
    server = certificates.issue("broker", server_names=("127.0.0.1",))
    acl = f"user {NODE}\ntopic read ehc/1/{NODE}/down/#\n"
    async with running_broker(tmp_path / "broker", tls=server, acl=acl) as broker, opened(tmp_path) as outbox:
        node = Broker(host=broker.host, port=broker.port, client_id=NODE, tls=certificates.issue(NODE))
        uplink = make_uplink(outbox, connect=lambda: connect(node), heard=Heard())
        await fill(outbox, count=3)
        async with running(uplink.run()):
            await until(lambda: uplink.state.cause is not None)

            assert uplink.state.cause == "refused_0x87"
            assert uplink.state.waiting == 3
            assert uplink.state.next_try_s is not None


async def test_without_a_broker_the_uplink_waits(tmp_path: Path) -> None:
    """Nobody there is a cause and a wait, not an error."""
    broker = Mosquitto(tmp_path / "broker")
    async with opened(tmp_path) as outbox:
        node = Broker(host=broker.host, port=broker.port, client_id=NODE)
        uplink = make_uplink(outbox, connect=lambda: connect(node), heard=Heard())
        async with running(uplink.run()):
            await until(lambda: uplink.state.cause is not None)
            assert uplink.state.cause == "refused"
