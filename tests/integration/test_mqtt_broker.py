"""The MQTT door against a real broker: TLS, its dates, its refusals, and a reader that does not keep up."""

import asyncio
import contextlib
import dataclasses
import datetime
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.gm import x509
from sync import mqtt
from sync.errors import LinkLostError, MessageRefusedError
from sync.mqtt import INBOX_MAX, Broker, Tls, connect
from tests.support.broker import ACL, Certificates, Mosquitto, make_certificates, running_broker
from tests.support.waiting import until

YEAR_MS = 366 * 86_400_000


def now_ms() -> int:
    return int(datetime.datetime.now(datetime.UTC).timestamp() * 1000)


async def cause_of(broker: Broker, *, lo_ms: int = 0, hi_ms: int | None = None, timeout_s: float = 10) -> str:
    """Why a connection does not come about."""
    with pytest.raises(LinkLostError) as lost:
        async with connect(broker, interval=lambda: (lo_ms, hi_ms), timeout_s=timeout_s):
            pass
    return lost.value.cause


@contextlib.contextmanager
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return make_certificates(tmp_path / "tls")


@pytest.fixture
def server(certificates: Certificates) -> Tls:
    return certificates.issue("broker", server_names=("127.0.0.1", "localhost"))


def address(broker: Mosquitto, name: str, *, tls: Tls | None, host: str | None = None) -> Broker:
    return Broker(host=host or broker.host, port=broker.port, client_id=name, tls=tls)


async def test_the_access_list_holds_per_certificate(tmp_path: Path, certificates: Certificates, server: Tls) -> None:
    """A node writes its own topics and no other's; what it may not read it does not get."""
    async with (
        running_broker(tmp_path / "broker", tls=server, acl=ACL) as broker,
        connect(address(broker, "n-1", tls=certificates.issue("n-1"))) as node,
        connect(address(broker, "n-2", tls=certificates.issue("n-2"))) as other,
        connect(address(broker, "city", tls=certificates.issue("city"))) as city,
    ):
        await node.subscribe("ehc/1/n-1/down/receipt")
        await other.publish("ehc/1/n-2/up/batch", b"mine")
        with pytest.raises(MessageRefusedError) as refusal:
            await other.publish("ehc/1/n-1/up/batch", b"not mine")
        with pytest.raises(MessageRefusedError):
            await other.publish("ehc/1/n-1/down/receipt", b"forged")
        await city.publish("ehc/1/n-1/down/receipt", b"real")
        await until(lambda: (delivery := node.take()) is not None and delivery.payload == b"real")

    assert refusal.value.reason_code == 0x87


async def test_a_foreign_certificate_is_refused(tmp_path: Path, certificates: Certificates, server: Tls) -> None:
    """A client of another authority, and a server that ours did not sign, end as `tls`."""
    foreign = make_certificates(tmp_path / "foreign").issue("n-1")
    async with running_broker(tmp_path / "broker", tls=server) as broker:
        stranger = Tls(ca=certificates.folder / "ca.pem", certificate=foreign.certificate, key=foreign.key)

        assert await cause_of(address(broker, "n-1", tls=stranger)) == "tls"
        assert await cause_of(address(broker, "n-1", tls=foreign)) == "tls"


async def test_a_server_of_another_name_is_refused(tmp_path: Path, certificates: Certificates) -> None:
    """The certificate has to name the host that was asked for."""
    server = certificates.issue("broker", server_names=("elsewhere.example",))
    async with running_broker(tmp_path / "broker", tls=server) as broker:
        assert await cause_of(address(broker, "n-1", tls=certificates.issue("n-1"))) == "tls"


async def test_dates_count_only_where_the_interval_proves_them_wrong(
    tmp_path: Path, certificates: Certificates, server: Tls
) -> None:
    """Without a known time every date will do; a proven one refuses."""
    async with running_broker(tmp_path / "broker", tls=server) as broker:
        node = address(broker, "n-1", tls=certificates.issue("n-1"))
        async with connect(node, interval=lambda: (0, None)):
            pass
        async with connect(node, interval=lambda: (now_ms(), now_ms() + 1000)):
            pass

        assert await cause_of(node, lo_ms=now_ms() + 100 * YEAR_MS) == "tls_dates"
        assert await cause_of(node, lo_ms=0, hi_ms=now_ms() - 100 * YEAR_MS) == "tls_dates"


async def test_a_certificate_past_its_date_is_taken_while_the_time_is_unknown(tmp_path: Path) -> None:
    """OpenSSL itself does not look at dates: no time without TLS, no TLS without time."""
    long_ago = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)
    ca_cert, ca_key = x509.make_ca("old city", now=long_ago)
    folder = tmp_path / "tls"
    folder.mkdir()
    (folder / "ca.pem").write_bytes(ca_cert)
    certificates = Certificates(folder=folder, ca_cert=ca_cert, ca_key=ca_key, now=long_ago)
    server = certificates.issue("broker", server_names=("127.0.0.1",))
    # mosquitto itself looks at the dates of clients: it asks for none here
    async with running_broker(tmp_path / "broker", tls=server, asks_for_certificates=False) as broker:
        node = address(broker, "n-1", tls=certificates.issue("n-1"))
        async with connect(node):
            pass

        assert await cause_of(node, lo_ms=now_ms()) == "tls_dates"


async def test_missing_certificate_files_are_a_cause_not_a_crash(tmp_path: Path, certificates: Certificates) -> None:
    """They may be put back while the node runs."""
    missing = Tls(ca=tmp_path / "no.pem", certificate=tmp_path / "no.pem", key=tmp_path / "no.key")

    assert await cause_of(Broker(host="127.0.0.1", port=9, client_id="n-1", tls=missing)) == "tls"


async def test_a_name_that_nobody_knows_is_a_cause() -> None:
    """`resolve`, so that the page can say that the name service is at fault."""
    assert await cause_of(Broker(host="nowhere.invalid", port=1883, client_id="n-1")) == "resolve"


async def test_a_server_that_says_nothing_is_timed_out(certificates: Certificates) -> None:
    """Something accepts and never answers, with TLS and without."""
    with silent_port() as port:
        plain = Broker(host="127.0.0.1", port=port, client_id="n-1")
        with_tls = dataclasses.replace(plain, tls=certificates.issue("n-1"))

        assert await cause_of(plain, timeout_s=0.2) == "timeout"
        assert await cause_of(with_tls, timeout_s=0.2) == "timeout"


async def test_a_server_that_speaks_no_tls_is_named(tmp_path: Path, certificates: Certificates) -> None:
    """A captive portal or a wrong port."""
    async with running_broker(tmp_path / "broker") as broker:
        assert await cause_of(address(broker, "n-1", tls=certificates.issue("n-1")), timeout_s=5) == "tls"


async def test_credentials_the_broker_does_not_know_are_named(tmp_path: Path) -> None:
    """Its refusal to greet is `auth`, not a lost connection."""
    extra = f"password_file {tmp_path / 'nobody'}\nallow_anonymous false"
    (tmp_path / "nobody").touch()
    broker = Mosquitto(tmp_path / "broker", extra=extra)
    await broker.start()
    try:
        assert await cause_of(address(broker, "n-1", tls=None)) == "auth"
    finally:
        await broker.stop()


async def test_a_reader_that_does_not_keep_up_loses_nothing(tmp_path: Path) -> None:
    """More messages than the inbox holds wait in the broker and arrive when they are taken."""
    async with (
        running_broker(tmp_path / "broker", extra="max_queued_messages 5000") as broker,
        connect(address(broker, "a", tls=None)) as sender,
        connect(address(broker, "b", tls=None)) as slow,
    ):
        await slow.subscribe("ehc/1/n-1/up/x")
        count = 5 * INBOX_MAX
        for number in range(count):
            await sender.publish("ehc/1/n-1/up/x", b"%d" % number)
        taken = []
        async with asyncio.timeout(20):
            while len(taken) < count:
                delivery = slow.take()
                if delivery is None:
                    await asyncio.sleep(0.001)
                else:
                    taken.append(int(delivery.payload))

    assert taken == list(range(count))


async def test_a_cancelled_connect_leaves_nothing_open() -> None:
    """Warnings are errors: a forgotten socket would fail this test."""

    async def wait(port: int) -> None:
        async with connect(Broker(host="127.0.0.1", port=port, client_id="n-1")):
            pass

    with silent_port() as port:
        task = asyncio.create_task(wait(port))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_silent_broker_is_noticed_by_the_keepalive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that stops answering pings is given up."""
    monkeypatch.setattr(mqtt, "KEEPALIVE_S", 1)
    monkeypatch.setattr(mqtt, "_MISC_EVERY_S", 0.1)
    async with running_broker(tmp_path / "broker") as broker, connect(address(broker, "a", tls=None)) as link:
        broker.pause()
        lost: list[str] = []

        def is_lost() -> bool:
            try:
                link.take()
            except LinkLostError as error:
                lost.append(error.cause)
            return bool(lost)

        await until(is_lost)
        broker.resume()

    assert lost == ["timeout"]
