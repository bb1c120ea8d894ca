"""A device behind a TCP port, such as a printer in the local network."""

import asyncio
from types import TracebackType
from typing import Self

from drivers.errors import ReaderLostError
from drivers.reader import LostCause

CHUNK_BYTES_MAX = 4096
CLOSE_LIMIT_S = 1.0  # what was handed over is sent by then, or nobody takes it


class TcpPort:
    """A connection, open inside ``async with``, once.

    Args:
        host: Name or address.
        port: TCP port.
    """

    def __init__(self, host: str, *, port: int) -> None:
        self._host = host
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            ReaderLostError: Nobody answers there.
        """
        try:
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port, limit=CHUNK_BYTES_MAX)
        except PermissionError as exc:  # a firewall of the box itself
            raise ReaderLostError(LostCause.PERMISSION) from exc
        except OSError as exc:
            raise ReaderLostError(LostCause.MISSING) from exc
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _, writer = self._opened
        writer.close()
        try:
            async with asyncio.timeout(CLOSE_LIMIT_S):
                await writer.wait_closed()
        except (OSError, TimeoutError):  # gone, or it takes nothing any more
            writer.transport.abort()

    async def send(self, data: bytes) -> None:
        """Hand over all of it, waiting while the device is busy; cancelled, part of it is sent.

        Raises:
            ReaderLostError: The device is gone.
        """
        _, writer = self._opened
        writer.write(data)
        try:
            await writer.drain()
        except OSError as exc:
            raise ReaderLostError(LostCause.UNPLUGGED) from exc

    async def read(self, *, timeout_s: float) -> bytes:
        """Wait for bytes; return what has come, or nothing if nothing came in time.

        Raises:
            ReaderLostError: The device is gone.
        """
        reader, _ = self._opened
        try:
            async with asyncio.timeout(timeout_s):
                data = await reader.read(CHUNK_BYTES_MAX)
        except TimeoutError:
            return b""
        except OSError as exc:
            raise ReaderLostError(LostCause.UNPLUGGED) from exc
        if not data:
            raise ReaderLostError(LostCause.UNPLUGGED)
        return data

    @property
    def _opened(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is None or self._writer is None:
            raise RuntimeError("the port is used outside its async with")
        return self._reader, self._writer
