"""A camera that reads codes: held at a video device, fed by another program through a pipe, or played from a file.

Frames are decoded in a thread, one at a time and the newest first; what they show is told once for each time it comes
into view. A camera has neither lamp nor beeper.
"""

import asyncio
import stat
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from drivers.errors import PictureError, ReaderLostError
from drivers.framing.in_view import InView
from drivers.reader import Feedback, LostCause, ReaderFamily
from drivers.readers.option_checks import expect
from drivers.reading import Reading
from drivers.text import TextEncoding, decode
from drivers.transport.camera import Luma, Symbol, decode_frame, is_installed, luma_of
from drivers.transport.descriptor import lost_in_opening
from drivers.transport.frames import Frame, FrameSource, LiveFrames, PixelFormat
from drivers.transport.mjpeg_stream import MjpegPipe, RecordedFrames
from drivers.transport.v4l2 import SILENCE_S_MAX, V4l2Device

WIDTH_MIN, WIDTH_MAX = 160, 4096
HEIGHT_MIN, HEIGHT_MAX = 120, 4096
FPS_MIN, FPS_MAX = 1, 60
SAME_CODE_S_MAX = 60.0

_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraSettings:
    """Where a camera is and what is asked of it.

    Attributes:
        source: A video device, best a link that names it, such as those in ``/dev/v4l/by-id``; a named pipe into which
            another program writes JPEGs; or a recording, which is played over and over: MJPG AVI or MJPEG.
        width: The width asked of a video device, 160..4096; it may give another.
        height: The height, 120..4096.
        fps: Frames a second asked of a video device, and at which a recording is played, 1..60.
        same_code_s: So long not seen, a code in view has left it, and is read again when it comes back, 0..60; with 0
            it is read in each frame.

    Raises:
        ValueError: A value is out of range, or pictures cannot be read here; the text names the setting.
    """

    source: str
    width: int = 1280
    height: int = 720
    fps: int = 10
    same_code_s: float = 2.0

    def __post_init__(self) -> None:
        expect(bool(self.source) and "\0" not in self.source, "source: expected the path of a device, pipe or file")
        expect(WIDTH_MIN <= self.width <= WIDTH_MAX, f"width: expected {WIDTH_MIN}..{WIDTH_MAX}")
        expect(HEIGHT_MIN <= self.height <= HEIGHT_MAX, f"height: expected {HEIGHT_MIN}..{HEIGHT_MAX}")
        expect(FPS_MIN <= self.fps <= FPS_MAX, f"fps: expected {FPS_MIN}..{FPS_MAX}")
        expect(0 <= self.same_code_s <= SAME_CODE_S_MAX, f"same_code_s: expected 0..{SAME_CODE_S_MAX:g}")
        expect(is_installed(), "source: expected a camera on a box with the extra camera (zxing-cpp, Pillow)")


class CameraReader:
    """An `OpenableReader` for such a camera.

    Args:
        name: The reader's name in the configuration.
        settings: Where the camera is.
        open_source: Makes the source of frames, open inside ``async with``.
        clock_ns: The monotonic clock.
    """

    def __init__(
        self,
        name: str,
        *,
        settings: CameraSettings,
        open_source: "Callable[[CameraSettings], AbstractAsyncContextManager[FrameSource]] | None" = None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.name = name
        self._settings = settings
        self._open_source = open_source or camera_source
        self._clock_ns = clock_ns
        self._closing = AsyncExitStack()
        self._source: FrameSource | None = None
        self._in_view = InView(same_code_ns=round(settings.same_code_s * _NS_PER_S))
        self._dropped_before = 0  # by sources that are closed
        self._broken_count = 0

    @property
    def dropped_count(self) -> int:
        """Frames dropped since the program started because they were damaged; those overtaken are not counted."""
        now = 0 if self._source is None else self._source.dropped_count
        return self._dropped_before + now + self._broken_count

    async def __aenter__(self) -> Self:
        """Open the camera.

        Raises:
            ReaderLostError: It cannot be opened.
        """
        self._source = await self._closing.enter_async_context(self._open_source(self._settings))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._source is not None:
            self._dropped_before += self._source.dropped_count
        self._source = None
        self._in_view.clear()  # who comes back after a loss shows his code anew
        await self._closing.aclose()

    async def readings(self) -> AsyncGenerator[Reading, None]:
        """Yield each code that comes into view.

        Raises:
            ReaderLostError: The camera is gone.
        """
        if self._source is None:
            raise RuntimeError("the reader is used outside its async with")
        while True:
            frame = await self._source.frame()
            seen_ns = self._clock_ns()
            try:
                symbols = await asyncio.to_thread(_read, frame)
            except PictureError:
                self._broken_count += 1
                continue
            for data in self._in_view.entering([symbol.payload for symbol in symbols], now_ns=seen_ns):
                text = decode(data, encoding=TextEncoding.AUTO)
                yield Reading(reader=self.name, data=data, text=text, read_at_monotonic_ns=seen_ns)

    async def signal(self, feedback: Feedback) -> None:
        """Show nothing: a camera cannot."""


@asynccontextmanager
async def camera_source(settings: CameraSettings) -> AsyncIterator[FrameSource]:
    """Open what stands at the configured path, whatever it is.

    Raises:
        ReaderLostError: It cannot be opened; the cause says why.
    """
    async with _source_at(settings) as source:
        yield source


def _source_at(settings: CameraSettings) -> LiveFrames | RecordedFrames:
    path = settings.source
    try:
        mode = Path(path).stat().st_mode
    except OSError as exc:
        raise lost_in_opening(exc) from exc
    if stat.S_ISFIFO(mode):
        return LiveFrames(partial(MjpegPipe, path))
    if stat.S_ISREG(mode):
        return RecordedFrames(path, fps=settings.fps)
    if stat.S_ISCHR(mode):
        device = partial(V4l2Device, path, width=settings.width, height=settings.height, fps=settings.fps)
        return LiveFrames(device, silence_s_max=SILENCE_S_MAX)
    raise ReaderLostError(LostCause.IO)


def _read(frame: Frame) -> list[Symbol]:
    """Decode one frame; blocks."""
    return decode_frame(_luma(frame))


def _luma(frame: Frame) -> Luma:
    if frame.pixel_format is PixelFormat.MJPG:
        return luma_of(frame.data)
    # Of YUYV each second byte is a pixel's brightness.
    pixels = frame.data[::2] if frame.pixel_format is PixelFormat.YUYV else frame.data
    return Luma(pixels=pixels, width=frame.width, height=frame.height)


FAMILY = ReaderFamily(settings_type=CameraSettings, build=CameraReader)
