"""MQTT 5 on asyncio: the one door to paho-mqtt.

paho's own queue is never used: every connection has a client of its own, and nothing is published without one. Its
threads are not used either: the event loop watches the socket. The socket is opened here, without blocking, and handed
to paho, so that a cancelled connect leaves nothing behind and every failure has a name.
"""

import asyncio
import collections
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final

from paho.mqtt import MQTTException
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from sync.errors import LinkLostError, MessageRefusedError
from sync.link import Delivery
from sync.tls import Interval, Tls, client_context, secure

__all__ = [
    "CONNECT_TIMEOUT_S",
    "INBOX_MAX",
    "KEEPALIVE_S",
    "PACKET_BYTES_MAX",
    "TCP_USER_TIMEOUT_MS",
    "Broker",
    "MqttLink",
    "Tls",
    "connect",
]

KEEPALIVE_S: Final = 60
CONNECT_TIMEOUT_S: Final = 20.0
TCP_USER_TIMEOUT_MS: Final = 20_000
"""Contracts 5.4: a half-open connection is noticed within this."""
INBOX_MAX: Final = 64
"""Messages not taken yet; with more than that the socket is not read until somebody takes them."""
PACKET_BYTES_MAX: Final = 1_100_000
"""The largest document (1 MiB) and its head."""

_MISC_EVERY_S: Final = 5.0
_TYPE_BITS: Final = 0xF0
_PUBLISH: Final = 0x30
_QOS_2_BIT: Final = 0x04
_BROKEN_PACKET: Final = (MQTTException, AssertionError, LookupError, TypeError, ValueError, struct.error)
"""What paho raises, beside its own, on a packet that says something else than it is."""
_REFUSED: Final = 0x80
_AUTH_CODES: Final = frozenset({0x85, 0x86, 0x87, 0x8C})
"""Client id, name or password, not authorized, bad method (MQTT 5 table 3-1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Where the broker is and who we are.

    Attributes:
        host: Name or address; a TLS certificate has to name it.
        port: TCP port.
        client_id: The node's name.
        tls: None speaks in the clear: for tests on the loopback.
    """

    host: str
    port: int
    client_id: str
    tls: Tls | None = None


@contextlib.asynccontextmanager
async def connect(
    broker: Broker, *, interval: Interval = lambda: (0, None), timeout_s: float = CONNECT_TIMEOUT_S
) -> AsyncIterator["MqttLink"]:
    """Connect, yield the link, disconnect.

    Args:
        broker: Where to.
        interval: The time now, for the dates of certificates.
        timeout_s: For name, socket, TLS and the broker's greeting together.

    Raises:
        LinkLostError: There is no connection; its `cause` says why.
    """
    try:
        async with asyncio.timeout(timeout_s):
            sock = await _open_socket(broker, interval=interval)
            link = MqttLink(broker, sock=sock)
            try:
                await link.greeted()
            except BaseException:
                link.close()
                raise
    except TimeoutError as exc:
        raise LinkLostError("timeout") from exc
    try:
        yield link
    finally:
        link.close()


class MqttLink:
    """One connection, made by `connect`."""

    def __init__(self, broker: Broker, *, sock: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._cause: str | None = None
        self._saw_tls_error = False
        self._is_paused = False
        self._inbox: collections.deque[Delivery] = collections.deque()
        self._on_change: Callable[[], None] = lambda: None
        self._acknowledgements: dict[int, asyncio.Future[None]] = {}
        self._greeting: asyncio.Future[None] = self._loop.create_future()
        self._client = _Client(broker.client_id, sock=sock)
        self._client.on_log = self._logged
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._disconnected
        self._client.on_message = self._arrived
        self._client.on_publish = self._published
        self._client.on_subscribe = self._subscribed
        self._client.on_socket_open = lambda _client, _data, _sock: self._loop.add_reader(sock, self._read)
        self._client.on_socket_close = self._socket_closes
        self._client.on_socket_register_write = lambda *_: self._loop.add_writer(sock, self._client.loop_write)
        self._client.on_socket_unregister_write = self._socket_is_written
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.MaximumPacketSize = PACKET_BYTES_MAX
        properties.ReceiveMaximum = INBOX_MAX
        self._client.connect(broker.host, broker.port, KEEPALIVE_S, clean_start=True, properties=properties)
        self._timer = self._loop.call_later(_MISC_EVERY_S, self._look_after)

    async def greeted(self) -> None:
        """Wait for the broker's CONNACK.

        Raises:
            LinkLostError: It refused, or hung up.
        """
        await self._greeting

    async def subscribe(self, topic: str) -> None:
        """Ask for what is published there; see `sync.link.Link`."""
        code, mid = self._client.subscribe(topic, qos=1)
        if code is not MQTTErrorCode.MQTT_ERR_SUCCESS or mid is None:
            raise LinkLostError(self._cause or "closed")
        await self._expect(mid)

    def send(self, topic: str, payload: bytes, *, retain: bool = False) -> asyncio.Future[None]:
        """Send without waiting; see `sync.link.Link`."""
        if self._cause is not None or not self._client.is_connected():
            raise LinkLostError(self._cause or "closed")
        return self._expect(self._client.publish(topic, payload, qos=1, retain=retain).mid)

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Send and wait for the broker's answer; see `sync.link.Link`."""
        await self.send(topic, payload, retain=retain)

    def take(self) -> Delivery | None:
        """The next message; see `sync.link.Link`."""
        if self._is_paused and len(self._inbox) <= INBOX_MAX // 2 and self._cause is None:
            self._is_paused = False
            self._loop.add_reader(self._sock, self._read)
            self._loop.call_soon(self._read)
        if self._inbox:
            return self._inbox.popleft()
        if self._cause is not None:
            raise LinkLostError(self._cause)
        return None

    def watch(self, callback: Callable[[], None]) -> None:
        """Call back whenever there is something to take; see `sync.link.Link`."""
        self._on_change = callback

    def close(self) -> None:
        """Say goodbye if that can be done without waiting, and close the socket."""
        self._timer.cancel()
        self._client.disconnect()
        self._client.loop_write()
        self._unwatch_socket()
        self._sock.close()
        self._client.on_disconnect = None
        self._lose("closed")

    def _expect(self, mid: int) -> asyncio.Future[None]:
        """What the broker will answer to a packet of ours."""
        future: asyncio.Future[None] = self._loop.create_future()
        future.add_done_callback(lambda done: done.cancelled() or done.exception())  # not everybody looks
        self._acknowledgements[mid] = future
        return future

    def _read(self) -> None:
        while not self._is_paused:
            self._client.loop_read()
            sock = self._client.socket()
            # What TLS has already decrypted does not make the socket readable again.
            if not (isinstance(sock, ssl.SSLSocket) and sock.pending()):
                return

    def _look_after(self) -> None:
        """Keepalive, both ways."""
        self._timer = self._loop.call_later(_MISC_EVERY_S, self._look_after)
        self._client.loop_misc()

    def _socket_is_written(self, *_: Any) -> None:
        self._loop.remove_writer(self._sock)

    def _socket_closes(self, *_: Any) -> None:
        self._unwatch_socket()

    def _unwatch_socket(self) -> None:
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            self._loop.remove_writer(self._sock)

    # -- paho calls these inside loop_read, loop_write and loop_misc; they call nothing of paho's ----------------------

    def _logged(self, _client: Any, _data: Any, _level: int, text: str) -> None:
        # A TLS 1.3 server refuses our certificate only after the handshake; paho tells this to its log alone.
        self._saw_tls_error = self._saw_tls_error or "[SSL:" in text

    def _connected(self, _client: Any, _data: Any, _flags: Any, code: ReasonCode, _properties: Any) -> None:
        if code.value >= _REFUSED:
            self._lose("auth" if code.value in _AUTH_CODES else "refused")
        elif not self._greeting.done():
            self._greeting.set_result(None)

    def _disconnected(self, _client: Any, _data: Any, _flags: Any, code: ReasonCode, _properties: Any) -> None:
        if self._saw_tls_error:
            self._lose("tls")
        else:
            self._lose("timeout" if code == "Keep alive timeout" else "closed")

    def _arrived(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        with contextlib.suppress(UnicodeDecodeError):
            self._inbox.append(Delivery(topic=message.topic, payload=bytes(message.payload)))
            if len(self._inbox) >= INBOX_MAX and not self._is_paused:
                self._is_paused = True
                self._loop.remove_reader(self._sock)
            self._on_change()

    def _published(self, _client: Any, _data: Any, mid: int, code: ReasonCode, _properties: Any) -> None:
        self._answered(mid, code=code)

    def _subscribed(self, _client: Any, _data: Any, mid: int, codes: list[ReasonCode], _properties: Any) -> None:
        self._answered(mid, code=max(codes, key=lambda code: code.value))

    def _answered(self, mid: int, *, code: ReasonCode) -> None:
        future = self._acknowledgements.pop(mid, None)
        if future is None or future.done():
            return
        if code.value >= _REFUSED:
            future.set_exception(MessageRefusedError(code.value))
        else:
            future.set_result(None)

    def _lose(self, cause: str) -> None:
        """The first cause is the one; everybody who waits is told."""
        if self._cause is not None:
            return
        self._cause = cause
        waiting = [self._greeting, *self._acknowledgements.values()]
        self._acknowledgements.clear()
        for future in waiting:
            if not future.done():
                future.set_exception(LinkLostError(cause))
        self._greeting.exception() if self._greeting.done() and not self._greeting.cancelled() else None
        self._on_change()


class _Client(paho.Client):
    """paho's client on a socket that is already open, for a broker that may be hostile.

    paho tells the broker what it may send, and takes whatever comes: here such a broker is hung up on.
    """

    def __init__(self, client_id: str, *, sock: socket.socket) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        self._open_socket = sock
        self.max_inflight_messages_set(0)  # 0: nothing is ever held back in paho's queue

    def _create_socket(self) -> socket.socket:
        return self._open_socket

    def _sock_recv(self, bufsize: int) -> bytes:
        if self._in_packet["remaining_length"] > PACKET_BYTES_MAX:  # known before the first byte of it is read
            raise ConnectionError("packet too long")
        return super()._sock_recv(bufsize)

    def _packet_handle(self) -> MQTTErrorCode:
        command = self._in_packet["command"]
        if command & _TYPE_BITS == _PUBLISH and command & _QOS_2_BIT:  # paho keeps it until a PUBREL comes, if ever
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        try:
            return super()._packet_handle()
        except _BROKEN_PACKET:  # else paho would stay at this packet for ever
            return MQTTErrorCode.MQTT_ERR_PROTOCOL


async def _open_socket(broker: Broker, *, interval: Interval) -> socket.socket:
    loop = asyncio.get_running_loop()
    context = None if broker.tls is None else client_context(broker.tls, interval=interval)
    try:
        addresses = await loop.getaddrinfo(broker.host, broker.port, type=socket.SOCK_STREAM)
    except OSError as exc:
        raise LinkLostError("resolve") from exc
    sock = await _connect_first(addresses)
    return sock if context is None else await secure(sock, context=context, host=broker.host, interval=interval)


async def _connect_first(addresses: list[Any]) -> socket.socket:
    """The first address that answers."""
    loop = asyncio.get_running_loop()
    error: OSError | None = None
    for family, kind, protocol, _, address in addresses:
        sock = socket.socket(family, kind, protocol)
        sock.setblocking(False)  # noqa: FBT003  # the library's signature
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TCP_USER_TIMEOUT_MS)
        try:
            await loop.sock_connect(sock, address)
        except OSError as exc:
            sock.close()
            error = exc
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise LinkLostError("timeout" if isinstance(error, TimeoutError) else "refused") from error
