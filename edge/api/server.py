"""The doors: a TCP socket for browsers and programs, a Unix socket for this box's own command line.

A hostile program on the network can hold connections open and send slowly. It gets few of them and not for long, so
that it can never take the file descriptors that the readers and the outbox need.
"""

import asyncio
import errno
import ipaddress
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from edge.api.access import Access
from edge.api.gate import Door
from edge.api.guard import LOOPBACK_HOSTS
from edge.api.routes import application, login_link
from edge.api.view import NodeView
from edge.errors import ConfigError

CONNECTIONS_MAX = 64
"""At each door: a browser holds six; a box has 1024 descriptors for everything."""

HEAD_WAIT_S = 10
"""For a whole request head, and for the next request on an open connection; the page asks every two seconds."""

LINGER_S = 1.0
"""How long the rest of a refused body is read away, so that the answer still arrives."""

SHUTDOWN_WAIT_S = 1.0
"""For answers under way; the daemon has five seconds in all."""

SOCKET_MODE = 0o660

_NOT_OURS = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})

_LOG = "edge.api.http"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """Where the interface listens.

    Attributes:
        host: Address to listen on; loopback unless the configuration opens it to the network.
        port: TCP port, 0 for any free one.
        hosts_allowed: Further names under which browsers reach this box, without port.
    """

    host: str = "127.0.0.1"
    port: int = 0
    hosts_allowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the interface is.

    Attributes:
        url: The page, with the port really taken.
        port: That port.
        one_time_link: Opens the page with a session, once and within ten minutes. It is a secret: ``repr`` hides it.
    """

    url: str
    port: int
    one_time_link: str

    def __repr__(self) -> str:
        return f"Addresses(url={self.url!r}, port={self.port})"


@asynccontextmanager
async def start(
    *, settings: ApiSettings, view: NodeView, access: Access, socket_path: Path | None
) -> AsyncIterator[Addresses]:
    """Serve the interface until the block is left.

    Args:
        settings: Where to listen.
        view: The node, as far as the interface may see it.
        access: Who may ask.
        socket_path: The command line's Unix socket, None for none. What stands there is replaced: the caller holds the
            lock of the data folder, so no other daemon listens on it.

    Raises:
        ConfigError: The address or the path cannot be listened on.
    """
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(await _tcp_listener(settings))
        port = listener.getsockname()[1]
        door = _tcp_door(settings, port=port)
        await stack.enter_async_context(_serving(application(door=door, view=view, access=access), listener))
        if socket_path is not None:
            inner = Door(url=door.url, hosts_allowed=None, cookie=door.cookie)
            local = stack.enter_context(_unix_listener(socket_path))
            stack.callback(socket_path.unlink, missing_ok=True)
            await stack.enter_async_context(_serving(application(door=inner, view=view, access=access), local))
        yield Addresses(url=f"{door.url}/", port=port, one_time_link=login_link(door=door, access=access))


async def _tcp_listener(settings: ApiSettings) -> socket.socket:
    try:
        # RFC 6761 6.3: the name is loopback even where no resolver says so; a minimal system has no hosts file.
        host = "127.0.0.1" if settings.host == "localhost" else settings.host
        found = await asyncio.get_running_loop().getaddrinfo(host, settings.port, type=socket.SOCK_STREAM)
        family, kind, _, _, address = found[0]
        listener = socket.socket(family, kind)
    except OSError as exc:
        raise ConfigError("api.host", expected="an address of this machine") from exc
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as exc:
        listener.close()
        if exc.errno in _NOT_OURS:
            raise ConfigError("api.host", expected="an address of this machine") from exc
        raise ConfigError("api.port", expected="a port that is free and that the daemon may listen on") from exc
    return listener


def _tcp_door(settings: ApiSettings, *, port: int) -> Door:
    own = _in_url(settings.host)
    names = LOOPBACK_HOSTS | {name.lower() for name in settings.hosts_allowed}
    if not _is_any_address(settings.host):
        names |= {own}
        shown = own
    else:
        shown = settings.hosts_allowed[0] if settings.hosts_allowed else "127.0.0.1"
    # The port stands in the cookie's name: browsers share cookies between all ports of a host.
    return Door(url=f"http://{shown}:{port}", hosts_allowed=names, cookie=f"ehc_session_{port}")


def _unix_listener(path: Path) -> socket.socket:
    beside = path.with_name(f"{path.name}.new")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.unlink(missing_ok=True)
        listener.bind(str(beside))
        beside.chmod(SOCKET_MODE)  # before it has the name that anybody knows, and before it listens
        beside.replace(path)
    except OSError as exc:
        listener.close()
        raise ConfigError(
            "control.socket", expected="a path in a folder that the daemon can write, under 100 bytes"
        ) from exc
    return listener


@asynccontextmanager
async def _serving(app: web.Application, listener: socket.socket) -> AsyncIterator[None]:
    log = logging.getLogger(_LOG)
    log.addFilter(_is_ours)
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=log,
        keepalive_timeout=HEAD_WAIT_S,
        lingering_time=LINGER_S,
        auto_decompress=False,
        shutdown_timeout=SHUTDOWN_WAIT_S,
    )
    await runner.setup()
    try:
        server = await asyncio.get_running_loop().create_server(_factory(runner), sock=listener)
        try:
            yield
        finally:
            server.close()
    finally:
        await runner.cleanup()


def _factory(runner: web.AppRunner) -> Callable[[], asyncio.Protocol]:
    server = runner.server
    assert server is not None

    def connect() -> asyncio.Protocol:
        return server() if len(server.connections) < CONNECTIONS_MAX else _Full()

    return connect


class _Full(asyncio.Protocol):
    """A connection too many: closed before a byte of it is read."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


def _is_ours(record: logging.LogRecord) -> bool:
    """Keep out of the log what strangers sent: a request that is no HTTP is their fault and may hold anything."""
    return record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError)


def _in_url(host: str) -> str:
    return f"[{host.lower()}]" if ":" in host else host.lower()


def _is_any_address(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
