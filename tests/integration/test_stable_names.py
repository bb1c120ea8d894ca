"""A reader by its stable name, on real pseudo-terminals: another number behind the link, and who may have it."""

import asyncio
import fcntl
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from drivers.keep_open import KeptOpenReader
from drivers.reader import LostCause, ReaderState
from drivers.readers.serial_scanner import SerialScannerReader, SerialScannerSettings
from tests.support.nobody import as_nobody
from tests.support.pty_port import PtyPort
from tests.support.waiting import until

BACK_LIMIT_S = 5 * 5.0  # promised: 5 s; five times the room on a busy machine
HOLD = (
    "import fcntl, os, sys, termios\n"
    "port = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)\n"
    "fcntl.ioctl(port, termios.TIOCEXCL)\n"
    "print('held', flush=True)\n"
    "sys.stdin.read()\n"
    "fcntl.ioctl(port, termios.TIOCNXCL)\n"
)


@asynccontextmanager
async def listening(path: Path) -> AsyncIterator[tuple[KeptOpenReader, list[str]]]:
    """Keep a scanner open until the block ends, and collect what it reads."""
    texts: list[str] = []
    settings = SerialScannerSettings(port=str(path))
    reader = KeptOpenReader(SerialScannerReader("scanner-1", settings=settings))

    async def listen() -> None:
        async for reading in reader.readings():
            texts.append(reading.text)

    task = asyncio.create_task(listen())
    try:
        yield reader, texts
    finally:
        task.cancel()
        await asyncio.wait([task])


async def in_state(reader: KeptOpenReader, state: ReaderState, *, cause: str | None = None) -> None:
    await until(lambda: (reader.status.state, reader.status.cause) == (state, cause), limit_s=BACK_LIMIT_S)


@contextmanager
def as_owner() -> Iterator[None]:
    """Have the rights back for a moment."""
    before = os.geteuid()
    os.seteuid(os.getuid())
    try:
        yield
    finally:
        os.seteuid(before)


async def test_a_scanner_comes_back_under_its_name_with_another_number(tmp_path: Path) -> None:
    """Plugged into another socket it has another device file; the link leads there, and it reads on."""
    by_id = tmp_path / "dev/serial/by-id/usb-Acme_Scanner_0001-if00"
    by_id.parent.mkdir(parents=True)
    device = PtyPort(by_id)
    device.plug()
    first = by_id.readlink()

    async with listening(by_id) as (reader, texts):
        await in_state(reader, ReaderState.OPEN)
        device.write(b"before\r")
        await until(lambda: texts == ["before"])

        with PtyPort(tmp_path / "other"):  # takes a number, as another adapter does
            device.unplug()
            await in_state(reader, ReaderState.LOST, cause=LostCause.UNPLUGGED)
            with PtyPort(tmp_path / "third"):
                device.plug()
                second = by_id.readlink()
                await in_state(reader, ReaderState.OPEN)
                device.write(b"after\r")
                await until(lambda: texts == ["before", "after"])
    device.unplug()

    assert first != second


async def test_a_link_that_leads_elsewhere_is_followed_when_it_is_next_opened(tmp_path: Path) -> None:
    """While the old port lives the reader stays on it; when that goes, the link says where to go on."""
    by_path = tmp_path / "by-path"
    with PtyPort(tmp_path / "ttyUSB0") as old, PtyPort(tmp_path / "ttyUSB1") as new:
        by_path.symlink_to(old.link)
        async with listening(by_path) as (reader, texts):
            await in_state(reader, ReaderState.OPEN)
            fresh = tmp_path / "fresh"
            fresh.symlink_to(new.link)
            fresh.replace(by_path)
            old.write(b"old\r")
            await until(lambda: texts == ["old"])

            old.unplug()
            await until(lambda: reader.status.state is ReaderState.LOST, limit_s=BACK_LIMIT_S)
            await in_state(reader, ReaderState.OPEN)
            new.write(b"new\r")
            await until(lambda: texts == ["old", "new"])


@pytest.mark.parametrize("lock", ["flock", "exclusive"])
async def test_a_port_that_another_program_holds_is_busy_until_it_is_let_go(tmp_path: Path, lock: str) -> None:
    """Whether the other locks the file or takes the terminal for itself, that is the cause."""
    with PtyPort(tmp_path / "scanner") as device:
        path = device.link.resolve()
        path.chmod(0o666)
        other = subprocess.Popen(
            [sys.executable, "-c", HOLD if lock == "exclusive" else HOLD.replace("TIOCEXCL", "TIOCNXCL"), str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdout.readline()
        locked = os.open(path, os.O_RDWR | os.O_NOCTTY) if lock == "flock" else None
        if locked is not None:
            fcntl.flock(locked, fcntl.LOCK_EX)
        try:
            with as_nobody():
                async with listening(path) as (reader, texts):
                    await in_state(reader, ReaderState.LOST, cause=LostCause.BUSY)
                    other.stdin.close()
                    other.wait(timeout=25)
                    if locked is not None:
                        os.close(locked)
                        locked = None
                    await in_state(reader, ReaderState.OPEN)
                    device.write(b"code\r")
                    await until(lambda: texts == ["code"])
        finally:
            if other.poll() is None:
                other.kill()
            other.stdout.close()
            other.wait()
            if locked is not None:
                os.close(locked)


async def test_a_port_without_permission_is_opened_once_it_is_given(tmp_path: Path) -> None:
    """A udev rule that is installed while the node runs is enough; nobody restarts anything."""
    with PtyPort(tmp_path / "scanner") as device:
        path = device.link.resolve()
        path.chmod(0o600)
        if os.geteuid() != 0:
            path.chmod(0)
        with as_nobody():
            async with listening(path) as (reader, texts):
                await in_state(reader, ReaderState.LOST, cause=LostCause.PERMISSION)
                with as_owner():
                    path.chmod(0o666)
                await in_state(reader, ReaderState.OPEN)
                device.write(b"code\r")
                await until(lambda: texts == ["code"])
