"""A device file read and written as it is, such as the kernel's printer port ``/dev/usb/lp0``."""

import os
from functools import partial
from types import TracebackType
from typing import Self

from drivers.transport.descriptor import close_quietly, closed, lost_in_opening, opened, read_some, send_all


class DeviceFile:
    """The file, open inside ``async with``, once.

    Args:
        path: The device file; it is never created.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = -1

    async def __aenter__(self) -> Self:
        """Open it.

        Raises:
            ReaderLostError: It cannot be opened; the cause says why.
        """
        self._descriptor = await opened(partial(_open, self._path), close=close_quietly)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await closed(partial(close_quietly, self._descriptor))

    async def send(self, data: bytes) -> None:
        """Hand over all of it, waiting while the device is busy; cancelled, part of it is sent.

        Raises:
            ReaderLostError: The device is gone.
        """
        await send_all(self._descriptor, data)

    async def read(self, *, timeout_s: float) -> bytes:
        """Wait for bytes; return what has come, or nothing if nothing came in time.

        Raises:
            ReaderLostError: The device is gone.
        """
        return await read_some(self._descriptor, timeout_s=timeout_s)


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as exc:
        raise lost_in_opening(exc) from exc
