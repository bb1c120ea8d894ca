"""Where the interface listens: the Unix socket, the addresses, and how it ends."""

import asyncio
import errno
import socket
import stat

import pytest

from edge.api import access as limits
from edge.api import server
from edge.errors import ConfigError
from tests.support.api_box import new_access, serving, text_body
from tests.support.node_view import FakeNode
from tests.support.raw_http import connect, read_all


@pytest.fixture
async def box(tmp_path):
    async with serving(tmp_path) as served:
        yield served


async def test_unix_socket_is_for_its_group(box):
    """The socket's permission is the access: owner and group."""
    mode = box.socket_path.stat().st_mode

    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o660
    assert [entry.name for entry in box.socket_path.parent.iterdir()] == ["ctl"]


async def test_unix_socket_answers_without_session(box):
    """Who may open the socket gets what a session gets."""
    assert (await box.ask_on_socket("/api/v1/status")).json == {**box.node.state, "api": {"state": "open"}}
    assert (await box.ask_on_socket("/api/v1/verify", method="POST", body=text_body())).status == 200


async def test_unix_socket_makes_links_that_work(box):
    """A link made on the socket logs a browser in, once."""
    answer = await box.ask_on_socket("/api/v1/link", method="POST")

    assert answer.json["expires_in_s"] == limits.LINK_LIFE_S
    assert answer.json["link"].startswith(f"{box.origin}/login?code=")
    assert (await box.log_in(answer.json["link"])).status == 303
    assert (await box.log_in(answer.json["link"])).status == 403


async def test_links_are_made_on_the_socket_only(box):
    """Over TCP nobody makes a link, with whatever access."""
    await box.log_in()

    assert (await box.ask("/api/v1/link", method="POST")).status == 401
    assert (await box.ask_with_token("/api/v1/link", method="POST")).status == 404


async def test_unix_socket_has_the_size_limits_too(box):
    """A large body is refused on the socket as well."""
    body = b'{"text": "' + b"x" * 100_000 + b'"}'

    assert (await box.ask_on_socket("/api/v1/verify", method="POST", body=body)).status == 413


async def test_a_living_daemons_socket_is_not_taken(box):
    """Whoever is configured with the same path by mistake is told so; the first one still answers."""
    with pytest.raises(ConfigError) as refused:
        async with server.start(
            settings=server.ApiSettings(), view=box.node, access=new_access(), socket_path=box.socket_path
        ):
            pass

    assert refused.value.where == "control.socket"
    assert (await box.ask_on_socket("/api/v1/status")).status == 200


async def test_socket_left_by_a_crash_is_replaced_and_the_own_removed(tmp_path):
    """A dead socket in the place does not keep the daemon from starting; after an orderly end none is left."""
    path = tmp_path / "run" / "ctl"
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    async with serving(tmp_path) as box:
        answer = await box.ask_on_socket("/healthz")

    assert answer.status == 200
    assert not path.exists()


@pytest.mark.parametrize(
    ("host", "where"), [("203.0.113.7", "api.host"), ("no such host", "api.host"), ("2001:db8::1", "api.host")]
)
async def test_address_that_cannot_be_had_is_a_configuration_error(host, where):
    """The key of the configuration is named."""
    settings = server.ApiSettings(host=host)

    with pytest.raises(ConfigError) as caught:
        async with server.start(settings=settings, view=FakeNode(), access=new_access(), socket_path=None):
            pass

    assert caught.value.where == where


@pytest.fixture
def taken():
    """A TCP port that another program listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other


async def test_a_taken_port_closes_the_page_and_nothing_else(taken, tmp_path):
    """The command line works, says so, and gets no link: the other program would learn its secret."""
    async with serving(tmp_path, port=taken.getsockname()[1]) as box:
        status = await box.ask_on_socket("/api/v1/status")
        link = await box.ask_on_socket("/api/v1/link", method="POST")

        assert not box.addresses.is_open
        assert box.addresses.new_link() is None
        assert box.addresses.url == f"{box.origin}/"
    assert status.json["api"] == {"state": "port_taken"}
    assert (link.status, link.json) == (503, {"error": "port_taken"})


async def test_the_page_opens_as_soon_as_its_port_is_free(taken, tmp_path, monkeypatch):
    """It is tried for again and again, and the link then made works."""
    pauses = []

    async def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:
            taken.close()

    async with serving(tmp_path, port=taken.getsockname()[1]) as box:
        monkeypatch.setattr("edge.api.server.asyncio.sleep", pause)
        await box.addresses.open_page_when_free()
        monkeypatch.undo()

        assert pauses == [server.PORT_RETRY_S] * 3
        assert (await box.ask("/healthz")).status == 200
        assert (await box.ask_on_socket("/api/v1/status")).json["api"] == {"state": "open"}
        answer = await box.ask_on_socket("/api/v1/link", method="POST")
        assert (await box.log_in(answer.json["link"])).status == 303
    with pytest.raises(ConnectionError):
        await connect(port=box.addresses.port)


async def test_two_that_share_an_address_do_not_share_the_port(tmp_path):
    """A program that took the port and does not listen yet makes no difference: one of the two is told."""
    async with serving(tmp_path / "a") as first, serving(tmp_path / "b", port=first.addresses.port) as second:
        assert (first.addresses.is_open, second.addresses.is_open) == (True, False)


async def test_a_port_that_needs_another_account_is_a_configuration_error(monkeypatch):
    """Trying again would not help."""

    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(server.socket.socket, "bind", refuse)

    with pytest.raises(ConfigError, match=r"api\.port"):
        async with server.start(settings=server.ApiSettings(), view=FakeNode(), access=new_access(), socket_path=None):
            pass


@pytest.mark.parametrize("path", ["x" * 200, "file/ctl", "folder", "/"])
async def test_socket_path_that_cannot_be_had_is_a_configuration_error(tmp_path, path):
    """A path that is too long, below a file, a folder, or none is named by its key."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()

    with pytest.raises(ConfigError, match=r"control\.socket"):
        async with server.start(
            settings=server.ApiSettings(), view=FakeNode(), access=new_access(), socket_path=tmp_path / path
        ):
            pass


@pytest.mark.parametrize(
    ("host", "hosts_allowed", "shown"),
    [
        ("127.0.0.1", (), "127.0.0.1"),
        ("localhost", (), "localhost"),
        ("0.0.0.0", (), "127.0.0.1"),
        ("0.0.0.0", ("clinic.lan",), "clinic.lan"),
        ("::1", (), "[::1]"),
    ],
)
async def test_link_names_an_address_that_a_browser_can_open(host, hosts_allowed, shown):
    """The printed link names the box as a browser reaches it, and that name is let in."""
    settings = server.ApiSettings(host=host, hosts_allowed=hosts_allowed)

    async with server.start(settings=settings, view=FakeNode(), access=new_access(), socket_path=None) as addresses:
        assert addresses.url == f"http://{shown}:{addresses.port}/"
        link = addresses.new_link()
        assert link.startswith(addresses.url)
        assert link not in repr(addresses)


async def test_leaving_ends_open_connections_soon(tmp_path):
    """A connection that somebody holds open does not keep the daemon from ending."""
    async with asyncio.timeout(5):
        async with serving(tmp_path) as box:
            reader, writer = await connect(port=box.addresses.port)
            writer.write(b"GET / HT")
            await box.ask("/healthz")
        assert await read_all(reader) == b""
        writer.close()
