"""What a reader needs of anything that carries bytes: so the same reader runs on a port and on a recording."""

from typing import Protocol


class BytePort(Protocol):
    """An open way to a device."""

    async def read(self, *, timeout_s: float | None) -> bytes:
        """Wait for bytes; return what has come, or nothing if nothing came in time (None: no limit).

        Raises:
            ReaderLostError: The device is gone; close it.
        """
        ...

    def write(self, data: bytes) -> None:
        """Hand over a few bytes for the device, without waiting; what the device is too busy to take is dropped.

        Raises:
            ReaderLostError: The device is gone; close it.
        """
        ...
