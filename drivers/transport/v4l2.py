"""A camera through Video4Linux, in Python alone: the kernel's ioctls on the device, its buffers mapped into memory.

The numbers and layouts are those of ``linux/videodev2.h`` on 64-bit little-endian machines (x86-64, arm64); a kernel of
another kind refuses every call, and the camera is lost with cause ``io``. Each ioctl's number holds the size of its
structure, so a layout of a wrong size is refused by the kernel, too.

Never run against a camera: tests hold the numbers against the kernel's header and run the rest against a made-up
kernel at the seam ``ioctl``, with real mapped memory.
"""

import fcntl
import mmap
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from drivers.errors import ReaderLostError
from drivers.reader import LostCause
from drivers.transport.descriptor import close_quietly, lost_in_opening
from drivers.transport.frames import Frame, PixelFormat

SILENCE_S_MAX = 5.0
"""A camera that streams is never silent for so long: one that is hangs, and opening it again is what helps."""

BUFFERS = 4
"""One is filled, one waits, and two are spare for a machine that is busy."""

_READ, _WRITE = 2, 1
_CAPTURE = 1  # V4L2_BUF_TYPE_VIDEO_CAPTURE
_MMAP = 1  # V4L2_MEMORY_MMAP
_CAN_CAPTURE, _CAN_STREAM, _HAS_DEVICE_CAPS = 0x1, 0x0400_0000, 0x8000_0000
_BUFFER_ERROR = 0x40  # V4L2_BUF_FLAG_ERROR

CAPABILITY = struct.Struct("<16s32s32s6I")
FORMAT = struct.Struct("<I4x12I152x")  # type; width, height, pixelformat, field, bytesperline, sizeimage, six more
REQUEST = struct.Struct("<5I")  # count, type, memory, two more
BUFFER = struct.Struct("<5I4x2q16xIII4xIII4x")  # index, type, bytesused, flags, ...; memory, offset, length at 8, 9, 10
PARAMETERS = struct.Struct("<I10I160x")  # type, capability, mode, numerator, denominator, six more

# Smallest first: what needs no decoding. A JPEG is taken where the camera has the size in no other way.
_FOURCC_OF = {
    PixelFormat.GREY: int.from_bytes(b"GREY", "little"),
    PixelFormat.YUYV: int.from_bytes(b"YUYV", "little"),
    PixelFormat.MJPG: int.from_bytes(b"MJPG", "little"),
}
_BYTES_A_PIXEL = {PixelFormat.GREY: 1, PixelFormat.YUYV: 2}


def _number(direction: int, *, number: int, size: int) -> int:
    """Return the number of an ioctl as the macros _IOR, _IOW and _IOWR of asm-generic/ioctl.h make it."""
    return direction << 30 | size << 16 | ord("V") << 8 | number


QUERYCAP = _number(_READ, number=0, size=CAPABILITY.size)
S_FMT = _number(_READ | _WRITE, number=5, size=FORMAT.size)
REQBUFS = _number(_READ | _WRITE, number=8, size=REQUEST.size)
QUERYBUF = _number(_READ | _WRITE, number=9, size=BUFFER.size)
QBUF = _number(_READ | _WRITE, number=15, size=BUFFER.size)
DQBUF = _number(_READ | _WRITE, number=17, size=BUFFER.size)
STREAMON = _number(_WRITE, number=18, size=4)
STREAMOFF = _number(_WRITE, number=19, size=4)
S_PARM = _number(_READ | _WRITE, number=22, size=PARAMETERS.size)

Ioctl = Callable[[int, int, bytearray], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """A format as the driver granted it."""

    pixel_format: PixelFormat
    width: int
    height: int
    line_bytes: int

    @property
    def frame_bytes(self) -> int:
        """The bytes of a whole frame; of a JPEG, any will do."""
        return 1 if self.pixel_format is PixelFormat.MJPG else self.line_bytes * self.height

    def frame(self, data: bytes) -> Frame:
        """Return the frame in these bytes."""
        if self.pixel_format is PixelFormat.MJPG:
            return Frame(pixel_format=self.pixel_format, data=data)
        width = self.line_bytes // _BYTES_A_PIXEL[self.pixel_format]
        return Frame(
            pixel_format=self.pixel_format, width=width, height=self.height, data=data[: self.line_bytes * self.height]
        )


class V4l2Device:
    """A `FrameDevice` that streams from the moment it is made.

    Args:
        path: The device file; best a link that names the device, such as those in ``/dev/v4l/by-id``.
        width: The width asked for; the driver may give another.
        height: The height asked for.
        fps: Frames a second asked for.
        ioctl: The kernel.

    Raises:
        ReaderLostError: It cannot be opened, or is no camera that can stream in a format known here.
    """

    def __init__(self, path: str, *, width: int, height: int, fps: int, ioctl: Ioctl = fcntl.ioctl) -> None:
        self.dropped_count = 0
        self._ioctl = ioctl
        self._maps: list[mmap.mmap] = []
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as exc:
            raise lost_in_opening(exc) from exc
        try:
            self._require_camera()
            self._chosen = self._choose(width=width, height=height)
            self._ask_rate(fps)
            self._start()
        except OSError as exc:
            self.close()
            raise lost_in_opening(exc) from exc
        except ReaderLostError:
            self.close()
            raise

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def take(self) -> list[Frame]:
        """Return the frames that are ready, at most as many as there are buffers, and give the buffers back.

        Raises:
            ReaderLostError: The camera is gone.
        """
        frames = []
        try:
            for _ in self._maps:
                index, _, bytes_used, flags, *_ = self._call(DQBUF, BUFFER, *_buffer())
                data = b"" if flags & _BUFFER_ERROR else self._maps[index][:bytes_used]
                self._call(QBUF, BUFFER, *_buffer(index))
                if len(data) >= self._chosen.frame_bytes:
                    frames.append(self._chosen.frame(data))
                else:
                    self.dropped_count += 1
        except BlockingIOError:
            pass
        except OSError as exc:  # ENODEV and EIO where it was pulled out; what else a driver may answer helps nobody
            raise ReaderLostError(LostCause.UNPLUGGED) from exc
        return frames

    def close(self) -> None:
        """Stop the stream and let go of the memory and the device."""
        with suppress(OSError):
            self._ioctl(self._descriptor, STREAMOFF, bytearray(_CAPTURE.to_bytes(4, "little")))
        while self._maps:
            self._maps.pop().close()
        close_quietly(self._descriptor)

    def _require_camera(self) -> None:
        *_, capabilities, of_device, _, _, _ = self._call(QUERYCAP, CAPABILITY, b"", b"", b"", *[0] * 6)
        can = int(of_device if capabilities & _HAS_DEVICE_CAPS else capabilities)
        if not (can & _CAN_CAPTURE and can & _CAN_STREAM):  # such as the second device file of many cameras: metadata
            raise ReaderLostError(LostCause.IO)

    def _choose(self, *, width: int, height: int) -> _Chosen:
        """Set the first format that has the size asked for, else the first that there is."""
        granted = list(self._granted(width=width, height=height))
        if not granted:
            raise ReaderLostError(LostCause.IO)
        best = next((each for each in granted if (each.width, each.height) == (width, height)), granted[0])
        again = self._set(best.pixel_format, width=width, height=height)
        if again is None:
            raise ReaderLostError(LostCause.IO)
        return again

    def _granted(self, *, width: int, height: int) -> Iterator[_Chosen]:
        for pixel_format in PixelFormat:
            chosen = self._set(pixel_format, width=width, height=height)
            if chosen is not None:
                yield chosen

    def _set(self, pixel_format: PixelFormat, *, width: int, height: int) -> _Chosen | None:
        """Ask for a format; the driver answers with the nearest it has (VIDIOC_S_FMT), which may be another."""
        fourcc = _FOURCC_OF[pixel_format]
        answer = self._call(S_FMT, FORMAT, _CAPTURE, width, height, fourcc, *[0] * 9)
        _, got_width, got_height, got_fourcc, _, line_bytes, *_ = answer
        is_picture = bool(got_width and got_height) and line_bytes % _BYTES_A_PIXEL.get(pixel_format, 1) == 0
        if got_fourcc != fourcc or not is_picture:  # a device tells the kernel its sizes, and may tell it anything
            return None
        least = got_width * _BYTES_A_PIXEL.get(pixel_format, 0)
        return _Chosen(pixel_format=pixel_format, width=got_width, height=got_height, line_bytes=max(line_bytes, least))

    def _ask_rate(self, fps: int) -> None:
        with suppress(OSError):  # a camera with one rate has no such call
            self._call(S_PARM, PARAMETERS, _CAPTURE, 0, 0, 1, fps, *[0] * 6)

    def _start(self) -> None:
        count, *_ = self._call(REQBUFS, REQUEST, BUFFERS, _CAPTURE, _MMAP, 0, 0)
        for index in range(count):
            described = self._call(QUERYBUF, BUFFER, *_buffer(index))
            offset, length = described[9], described[10]
            if not length:
                raise ReaderLostError(LostCause.IO)
            self._maps.append(
                mmap.mmap(self._descriptor, length, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ, offset=offset)
            )
            self._call(QBUF, BUFFER, *_buffer(index))
        self._ioctl(self._descriptor, STREAMON, bytearray(_CAPTURE.to_bytes(4, "little")))

    def _call(self, number: int, layout: struct.Struct, *values: int | bytes) -> tuple[int, ...]:
        data = bytearray(layout.pack(*values))
        self._ioctl(self._descriptor, number, data)
        return layout.unpack(data)


def _buffer(index: int = 0) -> tuple[int, ...]:
    """The members of a v4l2_buffer that asks for a buffer in mapped memory."""
    return (index, _CAPTURE, 0, 0, 0, 0, 0, 0, _MMAP, 0, 0, 0, 0)
