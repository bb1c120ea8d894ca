"""A card in a virtual slot: the other end of what vpcd, pcscd's driver for readers that are not there, says over TCP.

Two bytes of length, high byte first, then the body: one byte is an order to the card (off, on, reset, ATR), anything
longer a command APDU, answered in the same way. To put a card in is to connect, to pull it is to hang up. pcscd looks
every 400 ms and does not see a card that was exchanged in between, faster than hands are; so both wait until it has.
"""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

_OFF, _ON, _RESET, _ATR = b"\0", b"\1", b"\2", b"\4"
_SEEN_S = 10.0
_STEP_S = 0.01


class PulledError(Exception):
    """An emulated card raises it to be gone in the middle of a command."""


class EmulatedCard(Protocol):
    """What a card does."""

    atr: bytes

    def power_on(self) -> None:
        """Forget what it was shown since the last time."""
        ...

    def transmit(self, command: bytes) -> bytes:
        """Answer a command APDU."""
        ...


class VirtualSlot:
    """A slot that a card can be put into; empty at the end of ``with``.

    Args:
        port: Where vpcd listens for this slot's card.
        seen_count: How many insertions and removals pcscd has seen; None: it does not run.
    """

    def __init__(self, port: int, *, seen_count: Callable[[], int | None]) -> None:
        self._port = port
        self._seen_count = seen_count
        self._line: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._inserted_count: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pull()

    def insert(self, card: EmulatedCard) -> None:
        """Put a card in, in place of the one that is in."""
        self.pull()
        before = self._seen_count()
        self._line = socket.create_connection(("127.0.0.1", self._port), timeout=_SEEN_S)
        self._line.settimeout(None)
        self._line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._thread = threading.Thread(target=_serve, args=(self._line, card), name="card", daemon=True)
        self._thread.start()
        self._inserted_count = self._wait_seen(before)

    def pull(self) -> None:
        """Pull the card, if one is in."""
        line, thread = self._line, self._thread
        self._line = self._thread = None
        if line is None or thread is None:
            return
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)
        thread.join(_SEEN_S)
        line.close()
        self._wait_seen(self._inserted_count)

    def _wait_seen(self, before: int | None) -> int | None:
        """Wait until pcscd has seen one more, or does not run any more."""
        limit_s = time.monotonic() + _SEEN_S
        while (count := self._seen_count()) == before is not None:
            if time.monotonic() > limit_s:
                raise TimeoutError("pcscd does not look at its slots")
            time.sleep(_STEP_S)
        return count


def _serve(line: socket.socket, card: EmulatedCard) -> None:
    with contextlib.suppress(ConnectionError, PulledError, EOFError):
        while True:
            (length,) = struct.unpack(">H", _received(line, 2))
            body = _received(line, length)
            if body in (_ON, _RESET):
                card.power_on()
            elif body != _OFF:
                answer = card.atr if body == _ATR else card.transmit(body)
                line.sendall(struct.pack(">H", len(answer)) + answer)
    with contextlib.suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)


def _received(line: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        # vpcd sends in two writes without TCP_NODELAY: a delayed acknowledgement costs 48 ms an APDU.
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        piece = line.recv(count - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data
