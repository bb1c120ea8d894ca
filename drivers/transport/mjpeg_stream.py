"""A camera's pictures out of a pipe, which another program fills, or out of a recording.

A pipe (``mkfifo``) takes what any program sends that knows a camera this node does not, as JPEGs one after the other
(``ffmpeg -f mjpeg``). A recording, MJPG AVI or bare stream, plays at the pace it is told, every frame of it, and is
lost at its end: a reader that is kept open plays it again.
"""

import asyncio
import os
import select
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from drivers.errors import ReaderLostError
from drivers.framing.mjpeg import JpegFramer
from drivers.reader import LostCause
from drivers.transport.descriptor import close_quietly, lost_in_opening
from drivers.transport.frames import Frame, PixelFormat

CHUNK_BYTES_MAX = 65_536  # what a pipe holds (pipe(7))


class MjpegPipe:
    """A `FrameDevice` on a named pipe; lost when the last program that wrote into it has closed it.

    Args:
        path: The pipe.

    Raises:
        ReaderLostError: It cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self._framer = JpegFramer()
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as exc:
            raise lost_in_opening(exc) from exc

    @property
    def dropped_count(self) -> int:
        """Pictures that had no end or were none."""
        return self._framer.dropped_count

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def take(self) -> list[Frame]:
        """Return the pictures that are complete.

        Raises:
            ReaderLostError: Nobody writes any more.
        """
        try:
            data = os.read(self._descriptor, CHUNK_BYTES_MAX)
        except BlockingIOError:
            return []
        except OSError as exc:
            raise ReaderLostError(LostCause.IO) from exc
        if not data and self._is_hung_up():
            raise ReaderLostError(LostCause.UNPLUGGED)
        return _frames(self._framer, data)

    def close(self) -> None:
        """Close the pipe."""
        close_quietly(self._descriptor)

    def _is_hung_up(self) -> bool:
        """Whether writers were there and are gone; a pipe that nobody has opened yet gives no bytes either."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return any(events & select.POLLHUP for _, events in poll.poll(0))


class RecordedFrames:
    """A `FrameSource` that plays a file; open inside ``async with``, once.

    Args:
        path: The file.
        fps: Frames a second.
        sleep: Waits for so many seconds.
    """

    def __init__(self, path: str, *, fps: int, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self._path = path
        self._period_s = 1 / fps
        self._sleep = sleep
        self._framer = JpegFramer()
        self._frames: deque[Frame] = deque()
        self._descriptor: int | None = None

    @property
    def dropped_count(self) -> int:
        """Pictures that had no end or were none."""
        return self._framer.dropped_count

    async def __aenter__(self) -> Self:
        """Open the file.

        Raises:
            ReaderLostError: It cannot be opened.
        """
        try:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as exc:
            raise lost_in_opening(exc) from exc
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

    async def frame(self) -> Frame:
        """Wait for the next frame of the recording.

        Raises:
            ReaderLostError: It is over.
        """
        await self._sleep(self._period_s)
        while not self._frames:
            self._frames.extend(_frames(self._framer, self._read()))
        return self._frames.popleft()

    def _read(self) -> bytes:
        """Return the next bytes of a file of this machine: no thread, for they are there."""
        if self._descriptor is None:
            raise RuntimeError("the recording is used outside its async with")
        try:
            data = os.read(self._descriptor, CHUNK_BYTES_MAX)
        except OSError as exc:
            raise ReaderLostError(LostCause.IO) from exc
        if not data:
            raise ReaderLostError(LostCause.UNPLUGGED)
        return data


def _frames(framer: JpegFramer, data: bytes) -> list[Frame]:
    return [Frame(pixel_format=PixelFormat.MJPG, data=picture) for picture in framer.feed(data)]
