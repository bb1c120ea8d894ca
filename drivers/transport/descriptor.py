"""Descriptors that never block: opened and closed in a thread, read and written without one, and why one is lost.

What every device file needs whatever it leads to. Opening and closing may take their time, and a cancelled opening must
leave nothing open. Reading waits in the loop, never in a thread that could not be cancelled; the descriptor is watched
only while somebody waits, what comes meanwhile stays in the kernel's buffer.
"""

import asyncio
import errno
import os
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from drivers.errors import ReaderLostError
from drivers.reader import LostCause

CHUNK_BYTES_MAX = 4096  # what the kernel's line discipline buffers

_CAUSES_OF_OPENING = {
    errno.ENOENT: LostCause.MISSING,
    errno.ENODEV: LostCause.MISSING,
    errno.ENXIO: LostCause.MISSING,
    errno.EACCES: LostCause.PERMISSION,
    errno.EPERM: LostCause.PERMISSION,
    errno.EBUSY: LostCause.BUSY,  # TIOCEXCL or a grab by another program
    errno.EWOULDBLOCK: LostCause.BUSY,  # flock by another program
}
_CAUSES_OF_USING = {
    errno.EIO: LostCause.UNPLUGGED,  # what a hung-up terminal answers
    errno.ENODEV: LostCause.UNPLUGGED,  # what a keyboard that was pulled answers
    errno.ENXIO: LostCause.UNPLUGGED,
    errno.EPIPE: LostCause.UNPLUGGED,
}

T = TypeVar("T")


def lost_in_opening(error: OSError) -> ReaderLostError:
    """Return why a device cannot be opened."""
    return ReaderLostError(_CAUSES_OF_OPENING.get(error.errno or 0, LostCause.IO))


def lost_in_use(error: OSError) -> ReaderLostError:
    """Return why a device that was open is lost."""
    return ReaderLostError(_CAUSES_OF_USING.get(error.errno or 0, LostCause.IO))


async def opened(opening: Callable[[], T], *, close: Callable[[T], None]) -> T:
    """Open something in a thread; if this is cancelled meanwhile, close it as soon as it is open.

    Raises:
        Exception: Whatever the opening raises.
    """

    def close_unclaimed(future: asyncio.Future[T]) -> None:
        if not future.cancelled() and future.exception() is None:
            close(future.result())

    future = asyncio.get_running_loop().run_in_executor(None, opening)
    try:
        await asyncio.wait([future])  # unlike a plain await, its cancellation leaves the thread's result to us
    except asyncio.CancelledError:
        future.add_done_callback(close_unclaimed)
        raise
    return future.result()


async def closed(closing: Callable[[], None]) -> None:
    """Close something in a thread, because that may wait for the device; cancelled meanwhile, the thread still closes.

    Args:
        closing: Closes it and never fails.
    """
    await asyncio.wait([asyncio.get_running_loop().run_in_executor(None, closing)])


def close_quietly(descriptor: int) -> None:
    """Close a descriptor, even if its device is gone."""
    with suppress(OSError):
        os.close(descriptor)


async def is_readable(descriptor: int, *, timeout_s: float | None) -> bool:
    """Wait until a descriptor has something to read, or its end; False if nothing came in time (None: no limit)."""
    loop = asyncio.get_running_loop()
    is_ready = asyncio.Event()
    loop.add_reader(descriptor, is_ready.set)
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await is_ready.wait()
    finally:
        loop.remove_reader(descriptor)
    return is_ready.is_set()


async def read_some(descriptor: int, *, timeout_s: float | None) -> bytes:
    """Wait for bytes; return what has come, or nothing if nothing came in time, or the file is no device.

    Raises:
        ReaderLostError: The device is gone.
    """
    try:
        is_ready = await is_readable(descriptor, timeout_s=timeout_s)
    except PermissionError:  # epoll(7) cannot watch a plain file, and a plain file has nothing to say
        return b""
    try:
        data = os.read(descriptor, CHUNK_BYTES_MAX)
    except BlockingIOError:
        return b""
    except OSError as exc:
        raise lost_in_use(exc) from exc
    if not data and is_ready:  # a hung-up device is always ready and has nothing
        raise ReaderLostError(LostCause.UNPLUGGED)
    return data


async def send_all(descriptor: int, data: bytes) -> None:
    """Write all of it, waiting while the device is busy; cancelled, part of it is written.

    Raises:
        ReaderLostError: The device is gone.
    """
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest[:CHUNK_BYTES_MAX]) :]
        except BlockingIOError:
            await _until_writable(descriptor)
        except OSError as exc:
            raise lost_in_use(exc) from exc


async def _until_writable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    is_ready = asyncio.Event()
    loop.add_writer(descriptor, is_ready.set)
    try:
        await is_ready.wait()
    finally:
        loop.remove_writer(descriptor)
