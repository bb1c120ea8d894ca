"""The interface served over real sockets round an invented node, and ways to ask it, good and bad."""

import itertools
import json
from contextlib import asynccontextmanager

from edge.api import server
from edge.api.access import Access
from tests.support.node_view import FakeNode
from tests.support.raw_http import exchange, request

TOKEN = "0123456789abcdef" * 4


class Clock:
    """A monotonic clock that stands until it is moved."""

    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


class Box:
    """A served interface, and how to ask it."""

    def __init__(self, *, node, clock, addresses, socket_path):
        self.node = node
        self.clock = clock
        self.addresses = addresses
        self.socket_path = socket_path
        self.host = f"127.0.0.1:{addresses.port}"
        self.origin = f"http://{self.host}"
        self.link = addresses.new_link()
        self.cookie = None

    async def ask(self, target, *, method="GET", host=None, headers=(), body=b""):
        """Ask over TCP with these headers and the right Host."""
        sent = request(target, method=method, headers=[("Host", host or self.host), *headers], body=body)
        return await exchange(sent, port=self.addresses.port)

    async def ask_with_token(self, target, *, method="GET", headers=(), body=b""):
        """Ask over TCP as a program that has the token."""
        return await self.ask(target, method=method, headers=[bearer(), *headers], body=body)

    async def ask_in_session(self, target, *, method="GET", headers=(), body=b""):
        """Ask over TCP as a browser that is logged in."""
        return await self.ask(target, method=method, headers=[("Cookie", self.cookie), *headers], body=body)

    async def ask_on_socket(self, target, *, method="GET", headers=(), body=b""):
        """Ask over the Unix socket, naming no host that anybody checks."""
        sent = request(target, method=method, headers=[("Host", "ctl"), *headers], body=body)
        return await exchange(sent, path=self.socket_path)

    async def log_in(self, link=None):
        """Open a one-time link as a browser does, and keep the cookie."""
        answer = await self.ask((link or self.link).removeprefix(self.origin))
        if "set-cookie" in answer.headers:
            self.cookie = answer.headers["set-cookie"].split(";")[0]
        return answer


def bearer(token=TOKEN):
    """The header of a program that has this token."""
    return ("Authorization", f"Bearer {token}")


def text_body(text="EHC1:X"):
    """The body that asks to verify this text."""
    return json.dumps({"text": text}).encode()


@asynccontextmanager
async def serving(folder, **settings):
    """A box that is served until the block is left, its Unix socket below this folder.

    Args:
        folder: An empty folder.
        settings: Of `edge.api.server.ApiSettings`.
    """
    node, clock, socket_path = FakeNode(), Clock(), folder / "run" / "ctl"
    async with server.start(
        settings=server.ApiSettings(**settings), view=node, access=new_access(clock), socket_path=socket_path
    ) as addresses:
        yield Box(node=node, clock=clock, addresses=addresses, socket_path=socket_path)


def new_access(clock=None):
    """An `Access` that counts instead of drawing random bytes."""
    numbers = itertools.count(1)
    return Access(token=TOKEN, monotonic_s=clock or Clock(), random_bytes=lambda size: next(numbers).to_bytes(size))
