"""The one door to evdev: an input device opened for this program alone, and its raw records read.

The grab keeps a code from being typed into whatever window is on top, and a person's number out of it. It ends by
itself when the descriptor is closed, even by a crash. What the kernel held from before the opening was typed for
somebody else; a new descriptor does not see it.
"""

import fcntl
import os
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Self

from drivers.transport.descriptor import close_quietly, closed, lost_in_opening, opened, read_some

EVIOCGRAB = 0x40044590  # linux/input.h: _IOW('E', 0x90, int)


def grab(descriptor: int) -> None:
    """Take an input device for this program alone.

    Raises:
        OSError: EBUSY if another has it, ENOTTY if this is no input device.
    """
    fcntl.ioctl(descriptor, EVIOCGRAB, 1)


class HidPort:
    """An input device, open inside ``async with``, once.

    Args:
        path: The device file; best a link that names the device, such as those in ``/dev/input/by-id``.
        take: Takes the open device for this program alone.
    """

    def __init__(self, path: str, *, take: Callable[[int], None] = grab) -> None:
        self._path = path
        self._take = take
        self._descriptor: int | None = None

    async def __aenter__(self) -> Self:
        """Open the device and take it.

        Raises:
            ReaderLostError: It cannot be opened, or another program has it; the cause says why.
        """
        self._descriptor = await opened(partial(_open, self._path, take=self._take), close=close_quietly)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        descriptor, self._descriptor = self._opened, None
        await closed(partial(close_quietly, descriptor))

    async def read(self, *, timeout_s: float | None) -> bytes:
        """Wait for records; return what has come, or nothing if nothing came in time (None: no limit).

        Raises:
            ReaderLostError: The device is gone.
        """
        return await read_some(self._opened, timeout_s=timeout_s)

    def write(self, data: bytes) -> None:
        """Drop it: a keyboard takes no commands."""

    @property
    def _opened(self) -> int:
        if self._descriptor is None:
            raise RuntimeError("the device is used outside its async with")
        return self._descriptor


def _open(path: str, *, take: Callable[[int], None]) -> int:
    """Open and take, in a thread: a sleeping device is woken by it."""
    descriptor = -1
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        take(descriptor)
    except OSError as exc:
        if descriptor >= 0:
            close_quietly(descriptor)
        raise lost_in_opening(exc) from exc
    return descriptor
