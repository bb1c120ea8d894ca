"""The command line's side of the daemon's Unix socket: plain HTTP over a path, nothing but the standard library."""

import http.client
import json
import socket
from pathlib import Path
from typing import Any

from edge.errors import EdgeError, UnreachableError

TIMEOUT_S = 5.0  # the daemon answers from memory; one that does not within seconds is as good as gone
ANSWER_BYTES_MAX = 4 * 1024 * 1024


class NoPageError(EdgeError):
    """The daemon runs without its page: another program has the port."""


def get(path: str, *, socket_path: Path) -> Any:
    """Return the JSON that the daemon answers to a GET.

    Raises:
        UnreachableError: Nobody answers there, or not as the daemon does.
    """
    return _ask("GET", path, socket_path=socket_path, body=None)


def post(path: str, *, socket_path: Path, value: Any = None, wait_s: float = TIMEOUT_S) -> Any:
    """Return the JSON that the daemon answers to a POST of JSON.

    Raises:
        UnreachableError: Nobody answers there, or not as the daemon does.
        NoPageError: There is no page that a link could open.
    """
    return _ask("POST", path, socket_path=socket_path, body=json.dumps(value).encode(), wait_s=wait_s)


class _UnixConnection(http.client.HTTPConnection):
    """HTTP to a path instead of a host."""

    def __init__(self, path: Path, *, wait_s: float) -> None:
        super().__init__("localhost", timeout=wait_s)
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _ask(method: str, path: str, *, socket_path: Path, body: bytes | None, wait_s: float = TIMEOUT_S) -> Any:
    connection = _UnixConnection(socket_path, wait_s=wait_s)
    try:
        connection.request(method, path, body=body, headers={"Content-Type": "application/json"} if body else {})
        answer = connection.getresponse()
        data = answer.read(ANSWER_BYTES_MAX)
        if answer.length:  # bytes promised and not read: cut short, or far too long
            raise UnreachableError(str(socket_path))
    except (OSError, http.client.HTTPException) as error:
        raise UnreachableError(str(socket_path)) from error
    finally:
        connection.close()
    if answer.status == http.client.SERVICE_UNAVAILABLE:
        raise NoPageError("port taken")
    if answer.status != http.client.OK:
        raise UnreachableError(str(socket_path))
    try:
        return json.loads(data)
    except ValueError as error:
        raise UnreachableError(str(socket_path)) from error
