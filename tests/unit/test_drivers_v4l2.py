"""A camera through Video4Linux: the kernel's numbers, and what a made-up kernel answers at the seam `ioctl`."""

import errno
import mmap
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from drivers.errors import ReaderLostError
from drivers.reader import LostCause
from drivers.transport import v4l2
from drivers.transport.frames import Frame, PixelFormat
from drivers.transport.v4l2 import V4l2Device

WIDTH, HEIGHT = 64, 32
BUFFERS = 3
LENGTH = 2 * mmap.PAGESIZE
CAMERA = 0x8520_0001  # capabilities of a whole USB camera: capture, streaming, those of the device apart
FOURCC = {name: int.from_bytes(name, "little") for name in (b"GREY", b"YUYV", b"MJPG", b"NV12")}


class Kernel:
    """A driver with buffers in a file: it is asked by ioctl and fills what is mapped.

    Args:
        path: The device file.
        formats: What it has: format, width, height, bytes in a line.
    """

    def __init__(self, path: Path, *, formats: list[tuple[bytes, int, int, int]]) -> None:
        self.path = path
        self.formats = formats
        self.capabilities = 0x0400_0001
        self.errors: dict[int, int] = {}
        self.asked: list[int] = []
        self.queued: list[int] = []
        self.filled: list[tuple[int, int, int]] = []
        self.is_streaming = False
        self.rate: tuple[int, int] | None = None
        path.write_bytes(bytes(BUFFERS * LENGTH))

    def ioctl(self, _descriptor: int, number: int, data: bytearray) -> int:
        self.asked.append(number)
        if number in self.errors:
            raise OSError(self.errors[number], "no")
        self.answers[number](data)
        return 0

    def fill(self, data: bytes, *, flags: int = 0) -> None:
        """Let a frame come."""
        index = self.queued.pop(0)
        with self.path.open("r+b") as file:
            file.seek(index * LENGTH)
            file.write(data)
        self.filled.append((index, len(data), flags))

    @property
    def answers(self) -> dict[int, Callable[[bytearray], None]]:
        return {
            v4l2.QUERYCAP: self._querycap,
            v4l2.S_FMT: self._s_fmt,
            v4l2.S_PARM: self._s_parm,
            v4l2.REQBUFS: lambda data: struct.pack_into("<I", data, 0, BUFFERS),
            v4l2.QUERYBUF: self._querybuf,
            v4l2.QBUF: lambda data: self.queued.append(struct.unpack_from("<I", data)[0]),
            v4l2.DQBUF: self._dqbuf,
            v4l2.STREAMON: lambda data: self._stream(data, is_on=True),
            v4l2.STREAMOFF: lambda data: self._stream(data, is_on=False),
        }

    # The places in the structures are those of linux/videodev2.h, not of the module under test.
    def _querycap(self, data: bytearray) -> None:
        struct.pack_into("<II", data, 84, CAMERA, self.capabilities)

    def _s_fmt(self, data: bytearray) -> None:
        kind, width, height, wanted = struct.unpack_from("<I4xIII", data)
        assert kind == 1
        name = wanted.to_bytes(4, "little")
        same = [each for each in self.formats if each[0] == name]
        best = next((each for each in same if each[1:3] == (width, height)), (same or self.formats)[0])
        struct.pack_into("<IIIII", data, 8, best[1], best[2], FOURCC[best[0]], 1, best[3])

    def _s_parm(self, data: bytearray) -> None:
        self.rate = struct.unpack_from("<II", data, 12)

    def _querybuf(self, data: bytearray) -> None:
        (index,) = struct.unpack_from("<I", data)
        struct.pack_into("<I", data, 64, index * LENGTH)
        struct.pack_into("<I", data, 72, LENGTH)

    def _dqbuf(self, data: bytearray) -> None:
        assert self.is_streaming
        if not self.filled:
            raise BlockingIOError(errno.EAGAIN, "nothing yet")
        index, used, flags = self.filled.pop(0)
        struct.pack_into("<I", data, 0, index)
        struct.pack_into("<II", data, 8, used, flags)

    def _stream(self, data: bytearray, *, is_on: bool) -> None:
        assert data == b"\x01\x00\x00\x00"
        self.is_streaming = is_on

    def open(self, **asked: int) -> V4l2Device:
        return V4l2Device(str(self.path), **{"width": WIDTH, "height": HEIGHT, "fps": 10, **asked}, ioctl=self.ioctl)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path / "video0", formats=[(b"GREY", WIDTH, HEIGHT, WIDTH)])


def test_numbers_are_those_of_the_kernel() -> None:
    """As a C program prints them that includes linux/videodev2.h, on x86-64; the sizes are in the numbers."""
    numbers = {
        "QUERYCAP": 0x80685600,
        "S_FMT": 0xC0D05605,
        "REQBUFS": 0xC0145608,
        "QUERYBUF": 0xC0585609,
        "QBUF": 0xC058560F,
        "DQBUF": 0xC0585611,
        "STREAMON": 0x40045612,
        "STREAMOFF": 0x40045613,
        "S_PARM": 0xC0CC5616,
    }

    assert {name: getattr(v4l2, name) for name in numbers} == numbers


def test_grey_frames_come_as_they_are(kernel: Kernel) -> None:
    """As many frames as there are buffers come out in order, and their buffers go back to the driver."""
    frames = [bytes([level]) * (WIDTH * HEIGHT) for level in (1, 2, 3)]
    device = kernel.open()

    for frame in frames:
        kernel.fill(frame)
    taken = device.take()

    assert taken == [Frame(pixel_format=PixelFormat.GREY, width=WIDTH, height=HEIGHT, data=each) for each in frames]
    assert (sorted(kernel.queued), device.take(), kernel.rate) == ([0, 1, 2], [], (1, 10))
    assert Path(f"/proc/self/fd/{device.fileno()}").readlink() == kernel.path
    device.close()
    assert not kernel.is_streaming


@pytest.mark.parametrize(
    "lie", [(b"GREY", 0, HEIGHT, WIDTH), (b"GREY", WIDTH, 0, WIDTH), (b"YUYV", WIDTH, HEIGHT, 2 * WIDTH + 1)]
)
def test_a_camera_that_lies_of_its_size_is_none(tmp_path: Path, lie: tuple[bytes, int, int, int]) -> None:
    """What no picture can have would meet the decoder as a bug of ours."""
    kernel = Kernel(tmp_path / "video0", formats=[lie])

    with pytest.raises(ReaderLostError, match=LostCause.IO):
        kernel.open()


def test_a_camera_with_empty_buffers_is_none(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be mapped, and nothing stays open."""
    monkeypatch.setattr(f"{__name__}.LENGTH", 0)

    with pytest.raises(ReaderLostError, match=LostCause.IO):
        kernel.open()


def test_a_line_may_be_longer_than_the_picture(tmp_path: Path) -> None:
    """Padding at the end of each line is part of the width, and bytes behind the last line of nothing."""
    kernel = Kernel(tmp_path / "video0", formats=[(b"YUYV", WIDTH, HEIGHT, 2 * WIDTH + 32)])
    device = kernel.open()
    data = bytes(range(160)) * HEIGHT

    kernel.fill(data + b"more")

    assert device.take() == [Frame(pixel_format=PixelFormat.YUYV, width=WIDTH + 16, height=HEIGHT, data=data)]
    device.close()


@pytest.mark.parametrize(
    ("formats", "chosen"),
    [
        ([(b"YUYV", WIDTH, HEIGHT, 128), (b"MJPG", WIDTH, HEIGHT, 0)], PixelFormat.YUYV),
        ([(b"YUYV", 32, 16, 64), (b"MJPG", WIDTH, HEIGHT, 0)], PixelFormat.MJPG),  # the size asked for, as a JPEG only
        ([(b"YUYV", 32, 16, 64), (b"MJPG", 48, 24, 0)], PixelFormat.YUYV),  # the size nowhere
    ],
)
def test_the_plain_format_is_taken_unless_only_jpegs_have_the_size(
    tmp_path: Path, formats: list[tuple[bytes, int, int, int]], chosen: PixelFormat
) -> None:
    """A frame that needs no unpacking is better, one of the size asked for better still."""
    kernel = Kernel(tmp_path / "video0", formats=formats)
    device = kernel.open()

    kernel.fill(bytes(LENGTH))

    assert device.take()[0].pixel_format is chosen
    device.close()


def test_jpegs_are_as_long_as_the_driver_says(tmp_path: Path) -> None:
    """A JPEG has its own length and no lines."""
    kernel = Kernel(tmp_path / "video0", formats=[(b"MJPG", WIDTH, HEIGHT, 0)])
    device = kernel.open()

    kernel.fill(b"\xff\xd8 some \xff\xd9")

    assert device.take() == [Frame(pixel_format=PixelFormat.MJPG, data=b"\xff\xd8 some \xff\xd9")]
    device.close()


def test_damaged_frames_are_dropped(kernel: Kernel) -> None:
    """What the driver marks, or what is shorter than a frame, is counted and not given out."""
    device = kernel.open()

    kernel.fill(bytes(WIDTH * HEIGHT), flags=0x40)
    kernel.fill(bytes(WIDTH * HEIGHT - 1))

    assert (device.take(), device.dropped_count, sorted(kernel.queued)) == ([], 2, [0, 1, 2])
    device.close()


@pytest.mark.parametrize("cause", [errno.ENODEV, errno.EIO])
def test_a_camera_that_is_pulled_out_is_lost(kernel: Kernel, cause: int) -> None:
    """The driver says so at the next frame, and closing succeeds all the same."""
    device = kernel.open()

    kernel.errors = {v4l2.DQBUF: cause, v4l2.STREAMOFF: errno.ENODEV}

    with pytest.raises(ReaderLostError, match=LostCause.UNPLUGGED):
        device.take()
    device.close()


@pytest.mark.parametrize(
    ("errors", "cause"),
    [
        ({v4l2.QUERYCAP: errno.ENOTTY}, LostCause.IO),  # no video device at all, or a 32-bit kernel
        ({v4l2.S_FMT: errno.EBUSY}, LostCause.BUSY),
        ({v4l2.REQBUFS: errno.EBUSY}, LostCause.BUSY),
        ({v4l2.STREAMON: errno.ENODEV}, LostCause.MISSING),
    ],
)
def test_a_camera_that_cannot_be_set_up_is_lost_and_closed(
    kernel: Kernel, errors: dict[int, int], cause: LostCause
) -> None:
    """The cause is named, and nothing stays open."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    kernel.errors = errors

    with pytest.raises(ReaderLostError, match=cause):
        kernel.open()

    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_rate_that_cannot_be_set_is_none(kernel: Kernel) -> None:
    """A camera with one rate only is a camera."""
    kernel.errors = {v4l2.S_PARM: errno.ENOTTY}

    kernel.open().close()

    assert kernel.rate is None


def test_what_is_no_camera_is_refused(kernel: Kernel) -> None:
    """Such as the second device file of a camera, which has no pictures."""
    kernel.capabilities = 0x0480_0000

    with pytest.raises(ReaderLostError, match=LostCause.IO):
        kernel.open()


def test_a_camera_with_none_of_our_formats_is_refused(tmp_path: Path) -> None:
    """What cannot be read is not read wrongly."""
    kernel = Kernel(tmp_path / "video0", formats=[(b"NV12", WIDTH, HEIGHT, WIDTH)])

    with pytest.raises(ReaderLostError, match=LostCause.IO):
        kernel.open()


def test_a_format_that_is_granted_once_and_then_not_is_refused(tmp_path: Path) -> None:
    """A driver that changes its mind is not trusted."""

    class Fickle(Kernel):
        def _s_fmt(self, data: bytearray) -> None:
            if self.asked.count(v4l2.S_FMT) > len(PixelFormat):
                self.formats = [(b"NV12", WIDTH, HEIGHT, WIDTH)]
            super()._s_fmt(data)

    kernel = Fickle(tmp_path / "video0", formats=[(b"GREY", WIDTH, HEIGHT, WIDTH)])

    with pytest.raises(ReaderLostError, match=LostCause.IO):
        kernel.open()


def test_a_missing_device_is_missing(tmp_path: Path) -> None:
    """Nothing at that path."""
    with pytest.raises(ReaderLostError, match=LostCause.MISSING):
        V4l2Device(str(tmp_path / "video9"), width=WIDTH, height=HEIGHT, fps=10)


def test_a_file_is_no_video_device(tmp_path: Path) -> None:
    """The real kernel refuses the calls on anything else."""
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(ReaderLostError, match=LostCause.IO):
        V4l2Device(str(tmp_path / "file"), width=WIDTH, height=HEIGHT, fps=10)
