"""A recording that plays as a port, on a clock of its own: the same chunks at the same times, at once and every time.

Lets a reader run in a test, or a clinic's recording on a desk, without a device and without waiting.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from drivers.errors import ReaderLostError
from drivers.reader import LostCause

_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedChunk:
    """Bytes as they came in one read.

    Attributes:
        data: The bytes; never shown by ``repr``: they may name a person.
        after_ns: The silence before them.
    """

    data: bytes = field(repr=False)
    after_ns: int = 0


class ReplayPort:
    """A `BytePort` that plays chunks; after the last it is silent, and lost when asked without a limit.

    Attributes:
        written: What was written to the device.
    """

    def __init__(self, chunks: Iterable[RecordedChunk], *, start_ns: int = 0) -> None:
        self.written = b""
        self._chunks = iter(chunks)
        self._next = next(self._chunks, None)
        self._now_ns = start_ns
        self._heard_ns = start_ns

    def now_ns(self) -> int:
        """Return the recording's time; hand this to the reader as its clock."""
        return self._now_ns

    async def __aenter__(self) -> Self:
        """Open: nothing to do."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close: nothing to do."""

    async def read(self, *, timeout_s: float | None) -> bytes:
        """Return the next chunk and move the clock to it, or nothing if it comes after the limit.

        Raises:
            ReaderLostError: The recording is over.
        """
        await asyncio.sleep(0)  # as a device would, let the others have their turn
        chunk = self._next
        limit_ns = None if timeout_s is None else self._now_ns + max(0, round(timeout_s * _NS_PER_S))
        due_ns = self._now_ns if chunk is None else max(self._now_ns, self._heard_ns + chunk.after_ns)
        if limit_ns is not None and (chunk is None or due_ns >= limit_ns):
            self._now_ns = limit_ns
            return b""
        if chunk is None:
            raise ReaderLostError(LostCause.UNPLUGGED)
        self._now_ns = self._heard_ns = due_ns
        self._next = next(self._chunks, None)
        return chunk.data

    def write(self, data: bytes) -> None:
        """Keep what is written, for whoever asks."""
        self.written += data
