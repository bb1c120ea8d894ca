"""A serial device that can be pulled out and put back: a pseudo-terminal under a link whose name stays.

The kernel hangs up the terminal when its master is closed, which is what pulling a USB adapter does to a program. The
slave is held open here too, raw, so that no byte is echoed before the program has set it up.
"""

import array
import errno
import fcntl
import os
import select
import termios
import time
import tty
from pathlib import Path
from types import TracebackType
from typing import Self

WRITE_LIMIT_S = 10.0  # far more than a reader that reads needs for a full buffer


class PtyPort:
    """The device; plugged in inside ``with``.

    Args:
        link: The fixed name under which a program opens it.
    """

    def __init__(self, link: Path) -> None:
        self.link = link
        self._master: int | None = None
        self._slave: int | None = None

    def __enter__(self) -> Self:
        self.plug()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unplug()

    @property
    def is_plugged(self) -> bool:
        """Whether the device is there."""
        return self._master is not None

    def plug(self) -> None:
        """Put the device in: a new terminal under the same name."""
        if self._master is not None:
            return
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        fresh = self.link.with_name(self.link.name + ".new")
        fresh.symlink_to(os.ttyname(self._slave))
        fresh.replace(self.link)

    def unplug(self) -> None:
        """Pull the device out: the name goes, and whoever has it open is hung up."""
        if self._master is None or self._slave is None:
            return
        self.link.unlink(missing_ok=True)
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = None

    def write(self, data: bytes) -> None:
        """Send bytes to the program, waiting while the kernel's buffer is full.

        In the thread of the program's own loop only what fits the buffer (1 KiB does); else by `asyncio.to_thread`.
        """
        limit_s = time.monotonic() + WRITE_LIMIT_S
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._plugged, rest) :]
            except BlockingIOError:
                if not select.select([], [self._plugged], [], limit_s - time.monotonic())[1]:
                    raise TimeoutError("nobody reads the port") from None

    def written(self) -> bytes:
        """Return what the program has sent to the device since the last call."""
        try:
            return os.read(self._plugged, 65_536)
        except BlockingIOError:
            return b""
        except OSError as exc:
            if exc.errno == errno.EIO:  # no program has it open
                return b""
            raise

    def wait_written(self, *, timeout_s: float) -> None:
        """Wait until the program has sent something, at most so long."""
        select.select([self._plugged], [], [], timeout_s)

    def fileno(self) -> int:
        """Return the device's end, to be waited on."""
        return self._plugged

    def unread_count(self) -> int:
        """Return how many bytes wait in the kernel for the program to read."""
        count = array.array("i", [0])
        assert self._slave is not None
        fcntl.ioctl(self._slave, termios.FIONREAD, count)
        return count[0]

    @property
    def _plugged(self) -> int:
        if self._master is None:
            raise RuntimeError("the device is not plugged in")
        return self._master
