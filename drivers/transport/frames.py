"""Frames as a camera delivers them, and how the newest is had without a queue that grows.

Whoever decodes asks for the next frame when it has time for one. What came meanwhile waits in the device's own few
buffers; here at most `FRAMES_HELD_MAX` are kept, the oldest goes first. So decoding may be slow, the event loop never
waits for it, and what is read is what is in front of the camera now.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Protocol, Self

from drivers.errors import ReaderLostError
from drivers.reader import LostCause
from drivers.transport.descriptor import closed, is_readable, opened

FRAMES_HELD_MAX = 2
"""The newest, and the one before it: a code that was shown for one frame only is still read if the next came along."""


class PixelFormat(StrEnum):
    """How a frame's bytes are to be read."""

    GREY = "grey"  # one byte a pixel
    YUYV = "yuyv"  # two bytes a pixel, the first its brightness
    MJPG = "mjpg"  # a JPEG, which knows its size itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One picture of a camera.

    Attributes:
        pixel_format: What `data` is.
        width: Pixels in a line as it lies in memory, padding included; 0 for a JPEG.
        height: Lines; 0 for a JPEG.
        data: The bytes; never shown by ``repr``: a face may be in the picture.
    """

    pixel_format: PixelFormat
    width: int = 0
    height: int = 0
    data: bytes = field(repr=False)


class FrameSource(Protocol):
    """Frames, one at a time."""

    @property
    def dropped_count(self) -> int:
        """Frames that came damaged, since it was opened."""
        ...

    async def frame(self) -> Frame:
        """Wait for a frame that was not given out before.

        Raises:
            ReaderLostError: The camera is gone; close it.
        """
        ...


class FrameDevice(Protocol):
    """An open device that never blocks."""

    @property
    def dropped_count(self) -> int:
        """Frames that came damaged."""
        ...

    def fileno(self) -> int:
        """The descriptor, readable when `take` would have something."""
        ...

    def take(self) -> list[Frame]:
        """Return what has come, oldest first; nothing if nothing has.

        Raises:
            ReaderLostError: The device is gone.
        """
        ...

    def close(self) -> None:
        """Let go of it, even if it is gone."""
        ...


class LiveFrames:
    """A `FrameSource` of a device that delivers by itself; open inside ``async with``, once.

    Args:
        open_device: Opens it; blocks, so it runs in a thread.
        silence_s_max: A device that is silent for longer is lost; None: it may be silent for ever.

    Attributes:
        overtaken_count: Frames that nobody saw because newer ones had come.
    """

    def __init__(self, open_device: Callable[[], FrameDevice], *, silence_s_max: float | None = None) -> None:
        self.overtaken_count = 0
        self._open_device = open_device
        self._silence_s_max = silence_s_max
        self._device: FrameDevice | None = None
        self._held: deque[Frame] = deque()

    @property
    def dropped_count(self) -> int:
        """Frames that came damaged."""
        return 0 if self._device is None else self._device.dropped_count

    async def __aenter__(self) -> Self:
        """Open the device.

        Raises:
            ReaderLostError: It cannot be opened; the cause says why.
        """
        self._device = await opened(self._open_device, close=_close)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await closed(self._opened.close)

    async def frame(self) -> Frame:
        """Wait for a frame that was not given out before.

        Raises:
            ReaderLostError: The camera is gone, or has been silent for too long.
        """
        while True:
            self._take()
            if self._held:
                return self._held.popleft()
            if not await is_readable(self._opened.fileno(), timeout_s=self._silence_s_max):
                raise ReaderLostError(LostCause.IO)

    def _take(self) -> None:
        try:
            frames = self._opened.take()
        except ReaderLostError:
            if self._held:  # these it still saw; the next call meets the same loss
                return
            raise
        self._held.extend(frames)
        while len(self._held) > FRAMES_HELD_MAX:
            self._held.popleft()
            self.overtaken_count += 1

    @property
    def _opened(self) -> FrameDevice:
        if self._device is None:
            raise RuntimeError("the camera is used outside its async with")
        return self._device


def _close(device: FrameDevice) -> None:
    device.close()
