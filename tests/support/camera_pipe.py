"""A camera's program on the other end of a named pipe: plugged in, pulled out, sending JPEGs."""

import fcntl
import os
import struct
import termios
from contextlib import suppress
from pathlib import Path


class CameraPipe:
    """The writing side.

    Attributes:
        path: Where the pipe is while the camera is plugged in.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def plug(self) -> None:
        """Make the pipe and hold it open for writing; it may be there already."""
        if self._descriptor is None:
            os.mkfifo(self.path)
            # For reading too, else it could not be opened before the reader has opened it.
            self._descriptor = os.open(self.path, os.O_RDWR)

    def unplug(self) -> None:
        """Close and remove the pipe; it may be away already."""
        if self._descriptor is not None:
            self.path.unlink()
            os.close(self._descriptor)
            self._descriptor = None

    def write(self, data: bytes) -> None:
        """Write all of it; blocks while the pipe is full."""
        assert self._descriptor is not None
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def unread_count(self) -> int:
        """How many bytes the reader has not taken yet."""
        assert self._descriptor is not None
        answer = bytearray(4)
        with suppress(OSError):
            fcntl.ioctl(self._descriptor, termios.FIONREAD, answer)
        return int(struct.unpack("i", answer)[0])
