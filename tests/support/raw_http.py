"""HTTP as bytes: requests that no well-behaved client would send, and answers read to the end."""

import asyncio
import json
from dataclasses import dataclass

WAIT_S = 10.0
"""For any answer; far above what one takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer.

    Attributes:
        status: Of the status line; 0 when the connection was closed without one.
        headers: Names in lower case, the last of a kind.
        body: All that came after the head.
    """

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        """The body as JSON."""
        return json.loads(self.body)


def request(target, *, method="GET", headers=(), body=b""):
    """The bytes of a request on a connection that is closed after it, with no header but these and a body's length."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "Connection: close"]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body


async def exchange(sent, *, port=None, path=None):
    """Send bytes to a TCP port of this machine or to a Unix socket, and read the answer until the connection closes."""
    async with asyncio.timeout(WAIT_S):
        reader, writer = await connect(port=port, path=path)
        try:
            writer.write(sent)
            return parse(await read_all(reader))
        finally:
            writer.close()


async def connect(*, port=None, path=None):
    """A stream to a TCP port of this machine, or to a Unix socket."""
    if path is not None:
        return await asyncio.open_unix_connection(path)
    return await asyncio.open_connection("127.0.0.1", port)


async def read_all(reader):
    """Everything until the connection is closed, by a reset too."""
    received = bytearray()
    try:
        while chunk := await reader.read(65_536):
            received += chunk
    except ConnectionResetError:
        pass
    return bytes(received)


def parse(received):
    """The answer in these bytes."""
    if not received:
        return Answer(status=0, headers={}, body=b"")
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    return Answer(status=int(status.split()[1]), headers=headers, body=body)
