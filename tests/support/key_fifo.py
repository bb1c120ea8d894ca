"""A keyboard that can be pulled out and put back: raw records through a FIFO under a link whose name stays.

A FIFO cannot be taken for one program alone, so whoever opens it hands in what does that (`take`). The rest of the way
is the real one: descriptor, loop, end of file.
"""

import array
import fcntl
import os
import select
import termios
import time
from pathlib import Path

from drivers.framing.key_wedge import EV_KEY, EV_SYN, EVENT, PLAIN, SHIFTED, SYN_REPORT

KEY_LEFTSHIFT = 42
EV_MSC, MSC_SCAN = 4, 4  # what a real keyboard sends before each key
WRITE_LIMIT_S = 10.0

_KEYS = {char: (code, False) for code, char in reversed(PLAIN.items())} | {
    char: (code, True) for code, char in reversed(SHIFTED.items()) if char not in PLAIN.values()
}


def event(kind: int, code: int, value: int) -> bytes:
    """One record of the kernel."""
    return EVENT.pack(1_700_000_000, 123_456, kind, code, value)


def stroke(code: int, value: int) -> bytes:
    """What the kernel writes for a key that goes down (1), is held (2) or goes up (0)."""
    return event(EV_MSC, MSC_SCAN, 0x70000 + code) + event(EV_KEY, code, value) + event(EV_SYN, SYN_REPORT, 0)


def typed(text: str) -> bytes:
    """The records of a text that is typed, one key after the other, with its control characters for Enter and Tab."""
    records = b""
    for char in text:
        code, is_shifted = _KEYS[char]
        key = stroke(code, 1) + stroke(code, 0)
        records += stroke(KEY_LEFTSHIFT, 1) + key + stroke(KEY_LEFTSHIFT, 0) if is_shifted else key
    return records


class KeyFifo:
    """The device.

    Args:
        link: The fixed name under which a program opens it.
    """

    def __init__(self, link: Path) -> None:
        self.link = link
        self._writer: int | None = None

    def plug(self) -> None:
        """Put the device in."""
        if self._writer is not None:
            return
        os.mkfifo(self.link)
        reader = os.open(self.link, os.O_RDONLY | os.O_NONBLOCK)  # only with a reader can it be opened for writing
        self._writer = os.open(self.link, os.O_WRONLY | os.O_NONBLOCK)
        os.close(reader)

    def unplug(self) -> None:
        """Pull the device out: the name goes, and whoever has it open reads its end."""
        if self._writer is None:
            return
        self.link.unlink()
        os.close(self._writer)
        self._writer = None

    def write(self, data: bytes) -> None:
        """Send bytes, waiting while the pipe is full."""
        assert self._writer is not None
        limit_s = time.monotonic() + WRITE_LIMIT_S
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._writer, rest) :]
            except BlockingIOError:
                if not select.select([], [self._writer], [], limit_s - time.monotonic())[1]:
                    raise TimeoutError("nobody reads the device") from None

    def unread_count(self) -> int:
        """Return how many bytes wait for the program to read."""
        assert self._writer is not None
        count = array.array("i", [0])
        fcntl.ioctl(self._writer, termios.FIONREAD, count)
        return count[0]
