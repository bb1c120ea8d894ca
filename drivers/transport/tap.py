"""A port that is listened to: the reader works as ever, and somebody hears every byte that goes through."""

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

from drivers.recording import CHUNK_BYTES_MAX, RecordedChunk
from drivers.transport.byte_port import BytePort


class TappedPort:
    """A `BytePort` round another.

    Args:
        port: The port, opened and closed with this.
        hear: Told each chunk, in order, before the reader is.
        clock_ns: The monotonic clock.
    """

    def __init__(
        self,
        port: AbstractAsyncContextManager[BytePort],
        *,
        hear: Callable[[RecordedChunk], None],
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._closed = port
        self._hear = hear
        self._clock_ns = clock_ns
        self._port: BytePort | None = None
        self._heard_ns = 0

    async def __aenter__(self) -> Self:
        """Open the port.

        Raises:
            ReaderLostError: It cannot be opened.
        """
        self._port = await self._closed.__aenter__()
        self._heard_ns = self._clock_ns()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._port = None
        await self._closed.__aexit__(kind, error, trace)

    async def read(self, *, timeout_s: float | None) -> bytes:
        """Read of the port, and tell.

        Raises:
            ReaderLostError: The device is gone.
        """
        data = await self._opened.read(timeout_s=timeout_s)
        self._tell(data, is_sent=False)
        return data

    def write(self, data: bytes) -> None:
        """Write to the port, and tell.

        Raises:
            ReaderLostError: The device is gone.
        """
        self._opened.write(data)
        self._tell(data, is_sent=True)

    @property
    def _opened(self) -> BytePort:
        if self._port is None:
            raise RuntimeError("the port is used outside its async with")
        return self._port

    def _tell(self, data: bytes, *, is_sent: bool) -> None:
        now_ns = self._clock_ns()
        for at in range(0, len(data), CHUNK_BYTES_MAX):
            chunk = RecordedChunk(
                data=data[at : at + CHUNK_BYTES_MAX], after_ns=max(0, now_ns - self._heard_ns), is_sent=is_sent
            )
            self._heard_ns = now_ns
            self._hear(chunk)
