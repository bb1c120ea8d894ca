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
from dataclasses import dataclass, replace
from pathlib import Path

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from edge.api.access import Access
from edge.api.gate import Door
from edge.api.guard import LOOPBACK_HOSTS
from edge.api.photo import Photos
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

KNOCK_WAIT_S = 1.0
"""For whoever listens at the socket's path already; a dead daemon's file refuses at once."""

PORT_RETRY_S = 5.0
"""Whoever has just stopped the program on the page's port sees the page within seconds; one try costs nothing."""

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


class Doors:
    """Where the interface is, and whether the page can be opened: the port may be another program's for a while.

    Args:
        settings: Where to listen.
        view: The node, as far as the interface may see it.
        access: Who may ask.
        stack: Closes what was opened.
    """

    def __init__(self, *, settings: ApiSettings, view: NodeView, access: Access, stack: AsyncExitStack) -> None:
        self._settings = settings
        self._view = view
        self._access = access
        self._stack = stack
        self._photos = Photos(view=view, access=access)
        self._door: Door | None = None

    @property
    def is_open(self) -> bool:
        """Whether the page has its port."""
        return self._door is not None

    @property
    def port(self) -> int:
        """The port that was taken or, until one is, the one to take."""
        return self._settings.port if self._door is None else self._door.port

    @property
    def url(self) -> str:
        """The page."""
        return f"{_tcp_door(self._settings, port=self.port).url}/"

    def new_link(self) -> str | None:
        """Return a secret address that opens the page with a session, once and within ten minutes.

        None while the port is another program's: that program would learn the secret.
        """
        return None if self._door is None else login_link(door=self._door, access=self._access)

    async def open_page(self) -> None:
        """Take the port and serve the page, or leave things as they are while another program has it.

        Raises:
            ConfigError: Nothing can ever listen there.
        """
        listener = await _tcp_listener(self._settings)
        if listener is None:
            return
        self._stack.enter_context(listener)
        door = _tcp_door(self._settings, port=listener.getsockname()[1])
        await self._serve(listener, door=door)
        self._door = door

    async def open_page_when_free(self) -> None:
        """Try for the port again and again until the page is open."""
        while not self.is_open:
            await asyncio.sleep(PORT_RETRY_S)
            await self.open_page()

    async def open_socket(self, path: Path) -> None:
        """Serve the command line's Unix socket.

        Raises:
            ConfigError: The path cannot be listened on.
        """
        listener = self._stack.enter_context(_unix_listener(path))
        self._stack.callback(path.unlink, missing_ok=True)
        await self._serve(listener, door=replace(_tcp_door(self._settings, port=self.port), hosts_allowed=None))

    async def _serve(self, listener: socket.socket, *, door: Door) -> None:
        app = application(door=door, view=self._view, access=self._access, page=self, photos=self._photos)
        await self._stack.enter_async_context(_serving(app, listener))


@asynccontextmanager
async def start(
    *, settings: ApiSettings, view: NodeView, access: Access, socket_path: Path | None
) -> AsyncIterator[Doors]:
    """Serve the interface until the block is left.

    A port that another program has leaves the page closed and the rest working: `Doors.open_page_when_free` goes on
    trying.

    Args:
        settings: Where to listen.
        view: The node, as far as the interface may see it.
        access: Who may ask.
        socket_path: The command line's Unix socket, None for none. A dead daemon's is replaced.

    Raises:
        ConfigError: The address or the path cannot be listened on.
    """
    async with AsyncExitStack() as stack:
        doors = Doors(settings=settings, view=view, access=access, stack=stack)
        await doors.open_page()
        if socket_path is not None:
            await doors.open_socket(socket_path)
        yield doors


async def _tcp_listener(settings: ApiSettings) -> socket.socket | None:
    """Return what listens at the configured address; None: another program has the port."""
    try:
        # RFC 6761 6.3: the name is loopback even where no resolver says so; a minimal system has no hosts file.
        host = "127.0.0.1" if settings.host == "localhost" else settings.host
        found = await asyncio.get_running_loop().getaddrinfo(host, settings.port, type=socket.SOCK_STREAM)
        family, kind, _, _, address = found[0]
        listener = socket.socket(family, kind)
    except OSError as exc:
        raise ConfigError("api.host", expected="an address of this box") from exc
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()  # two may bind with SO_REUSEADDR, but only one may listen
    except OSError as exc:
        listener.close()
        if exc.errno == errno.EADDRINUSE:
            return None
        if exc.errno in _NOT_OURS:
            raise ConfigError("api.host", expected="an address of this box") from exc
        raise ConfigError("api.port", expected="a port that this account may listen on") from exc
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
    return Door(url=f"http://{shown}:{port}", port=port, hosts_allowed=names, cookie=f"ehc_session_{port}")


def _unix_listener(path: Path) -> socket.socket:
    if _is_answered(path):  # a daemon with other data: both would take each other's commands
        raise ConfigError("control.socket", expected="a path where no other program listens")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        beside = path.with_name(f"{path.name}.new")
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.unlink(missing_ok=True)
        listener.bind(str(beside))
        beside.chmod(SOCKET_MODE)  # before it has the name that anybody knows, and before it listens
        beside.replace(path)
    except (OSError, ValueError) as exc:  # ValueError: a path without a name
        listener.close()
        raise ConfigError("control.socket", expected="a path in a folder that this account can write") from exc
    return listener


def _is_answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knock:
        knock.settimeout(KNOCK_WAIT_S)
        try:
            knock.connect(str(path))
        except (OSError, ValueError):
            return False
    return True


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
