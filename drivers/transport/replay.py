"""A recording that plays as a port: at once on a clock of its own, or in its own time out of a file that may grow.

The first lets a reader run in a test, or a clinic's recording on a desk, without a device and without waiting. The
second is a device: it is there while its file is there, and whoever appends a chunk to the file makes it send.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from drivers.errors import FrameError, ReaderLostError
from drivers.reader import LostCause
from drivers.recording import LINE_BYTES_MAX, RecordedChunk, RecordingHeader, chunk_of, header_of

POLL_S = 0.05
"""How soon a file that grows or goes is noticed; twenty looks a second cost 0.8 % of a CPU."""

TAKEN_BYTES_MAX = 4 * LINE_BYTES_MAX  # of the file at once

_NS_PER_S = 1_000_000_000


class ReplayPort:
    """A `BytePort` that plays chunks; after the last it is silent, and lost when asked without a limit.

    Attributes:
        written: What was written to the device.
    """

    def __init__(self, chunks: Iterable[RecordedChunk], *, start_ns: int = 0) -> None:
        self.written = b""
        self._chunks = iter(chunks)
        self._next = next(self._chunks, None)
        self._writes_ahead = 0  # writes beyond those that the recording has waited for
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
            ReaderLostError: The recording is over, or waits for a write that cannot come while this waits.
        """
        await asyncio.sleep(0)  # as a device would, let the others have their turn
        self._pass_sent()
        chunk = self._next if self._next is None or not self._next.is_sent else None
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
        self._writes_ahead += 1

    def _pass_sent(self) -> None:
        """Go past the writes of the recording that have been made again: what follows them is their answer."""
        while self._next is not None and self._next.is_sent and self._writes_ahead:
            self._writes_ahead -= 1
            self._heard_ns = self._now_ns
            self._next = next(self._chunks, None)


@dataclass(slots=True, kw_only=True)
class _Place:
    """How far a file has been read, and which file it was."""

    path: Path
    identity: tuple[int, int]
    offset: int


class RecordedFile:
    """A `BytePort` that plays a file in real time, and what is appended to it as it comes; silent in between.

    It is lost when the file is taken away or replaced. Lines that are no chunks are passed over and counted.

    Attributes:
        header: What the file says it is.
        bad_count: Lines that were passed over.
        taken_count: Chunks handed to the reader.
    """

    def __init__(self, place: _Place, *, header: RecordingHeader, clock_ns: Callable[[], int]) -> None:
        self.header = header
        self.bad_count = self.taken_count = 0
        self._place = place
        self._clock_ns = clock_ns
        self._chunks: deque[RecordedChunk] = deque()
        self._heard_ns = clock_ns()
        self._writes_ahead = 0

    @classmethod
    async def open(cls, path: Path, *, clock_ns: Callable[[], int] = time.monotonic_ns) -> Self:
        """Open a recording; nothing stays open, so nothing need be closed.

        Raises:
            ReaderLostError: It is not there, may not be read, or is no recording.
        """
        place, header = await asyncio.to_thread(_begin, path)
        return cls(place, header=header, clock_ns=clock_ns)

    async def __aenter__(self) -> Self:
        """Open: nothing to do."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close: nothing to do."""

    async def read(self, *, timeout_s: float | None) -> bytes:
        """Wait for the next chunk; return it, or nothing if it does not come in time (None: no limit).

        Raises:
            ReaderLostError: The file is gone, or another one.
        """
        limit_ns = None if timeout_s is None else self._clock_ns() + max(0, round(timeout_s * _NS_PER_S))
        while True:
            if (chunk := self._due()) is not None:
                return chunk.data
            lines = await asyncio.to_thread(_more, self._place)
            for line in lines:
                self._take(line)
            if not lines:
                now_ns = self._clock_ns()
                if limit_ns is not None and now_ns >= limit_ns:
                    return b""
                await asyncio.sleep(min(POLL_S, (min(self._wake_ns(limit_ns)) - now_ns) / _NS_PER_S))

    def write(self, data: bytes) -> None:
        """Take what is written: a recording that waits for it goes on."""
        self._writes_ahead += bool(data)

    def _take(self, line: bytes) -> None:
        try:
            self._chunks.append(chunk_of(line))
        except FrameError:
            self.bad_count += 1

    def _wake_ns(self, limit_ns: int | None) -> Iterator[int]:
        """When there is something to do at the latest: the end of the wait, the next chunk, the next look."""
        now_ns = self._clock_ns()
        yield now_ns + _NS_PER_S
        if limit_ns is not None:
            yield limit_ns
        if self._chunks and not self._chunks[0].is_sent:
            yield max(now_ns, self._heard_ns + self._chunks[0].after_ns)

    def _due(self) -> RecordedChunk | None:
        """Take the next chunk if its time has come."""
        now_ns = self._clock_ns()
        while self._chunks and self._chunks[0].is_sent and self._writes_ahead:
            self._chunks.popleft()
            self._writes_ahead -= 1
            self._heard_ns = now_ns
        if not self._chunks or self._chunks[0].is_sent or now_ns < self._heard_ns + self._chunks[0].after_ns:
            return None
        self._heard_ns = now_ns
        self.taken_count += 1
        return self._chunks.popleft()


def _begin(path: Path) -> tuple[_Place, RecordingHeader]:
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            line = file.readline(LINE_BYTES_MAX + 1)
            header = header_of(line)
    except FileNotFoundError as exc:
        raise ReaderLostError(LostCause.MISSING) from exc
    except PermissionError as exc:
        raise ReaderLostError(LostCause.PERMISSION) from exc
    except (OSError, FrameError) as exc:
        raise ReaderLostError(LostCause.IO) from exc
    return _Place(path=path, identity=(found.st_dev, found.st_ino), offset=len(line)), header


def _more(place: _Place) -> list[bytes]:
    """Return the whole lines that have come since the last time."""
    try:
        with place.path.open("rb") as file:
            found = os.fstat(file.fileno())
            if (found.st_dev, found.st_ino) != place.identity or found.st_size < place.offset:
                raise ReaderLostError(LostCause.UNPLUGGED)
            file.seek(place.offset)
            data = file.read(TAKEN_BYTES_MAX)
    except FileNotFoundError as exc:
        raise ReaderLostError(LostCause.UNPLUGGED) from exc
    except OSError as exc:
        raise ReaderLostError(LostCause.IO) from exc
    whole, end, rest = data.rpartition(b"\n")
    if not end and len(rest) > LINE_BYTES_MAX:
        raise ReaderLostError(LostCause.IO)
    place.offset += len(whole) + len(end)
    return whole.split(b"\n") if end else []
