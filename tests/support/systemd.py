"""Systemd's end of the line to a service: hears what it says."""

import socket
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

WATCHDOG_US = 150_000


class Systemd:
    """A notify socket; listens inside ``with``.

    Args:
        path: Where it listens.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._heard: list[str] = []

    def __enter__(self) -> Self:
        self._line.bind(str(self._path))
        self._line.setblocking(False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line.close()

    @property
    def environment(self) -> Mapping[str, str]:
        """What systemd sets for the service."""
        return {"NOTIFY_SOCKET": str(self._path), "WATCHDOG_USEC": str(WATCHDOG_US)}

    def heard(self) -> list[str]:
        """Everything the service has said so far."""
        while True:
            try:
                self._heard.append(self._line.recv(4096).decode())
            except BlockingIOError:
                return self._heard
