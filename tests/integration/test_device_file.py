"""A device file on a pseudo-terminal: opened, read, written, lost."""

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.errors import ReaderLostError
from drivers.reader import LostCause
from drivers.transport import device_file
from drivers.transport.device_file import DeviceFile
from tests.conformance.bench import descriptors
from tests.support.pty_port import PtyPort
from tests.support.waiting import until


@pytest.fixture
def port(tmp_path: Path) -> Iterator[PtyPort]:
    with PtyPort(tmp_path / "device") as port:
        yield port


async def test_what_is_sent_arrives_and_what_comes_is_read(port: PtyPort) -> None:
    """Bytes go both ways; silence is nothing."""
    async with DeviceFile(str(port.link)) as device:
        await device.send(b"ask")
        assert await device.read(timeout_s=0) == b""
        port.write(b"answer")
        assert await device.read(timeout_s=5) == b"answer"

    assert port.written() == b"ask"


async def test_sending_waits_for_a_busy_device(port: PtyPort) -> None:
    """More than the kernel holds is sent as the device takes it."""
    data = os.urandom(200_000)
    taken = bytearray()

    async with DeviceFile(str(port.link)) as device:
        sending = asyncio.ensure_future(device.send(data))
        while len(taken) < len(data):
            taken += port.written()
            await asyncio.sleep(0)
        await sending

    assert taken == data


async def test_a_lost_device_is_named(port: PtyPort) -> None:
    """Unplugged, both directions say so."""
    async with DeviceFile(str(port.link)) as device:
        port.unplug()
        with pytest.raises(ReaderLostError, match=LostCause.UNPLUGGED):
            await device.read(timeout_s=5)
        with pytest.raises(ReaderLostError, match=LostCause.UNPLUGGED):
            await device.send(b"x")


@pytest.mark.parametrize(("path", "cause"), [("/nowhere", LostCause.MISSING), ("/", LostCause.IO)])
async def test_what_cannot_be_opened_is_named(path: str, cause: LostCause) -> None:
    """Missing, or no device at all."""
    with pytest.raises(ReaderLostError, match=cause):
        await DeviceFile(path).__aenter__()


async def test_an_opening_that_is_cancelled_leaks_nothing(port: PtyPort, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the thread opens after that is closed by it."""
    gate, really_open = threading.Event(), device_file._open

    def slowly(path: str) -> int:
        gate.wait()
        return really_open(path)

    monkeypatch.setattr(device_file, "_open", slowly)
    opening = asyncio.ensure_future(DeviceFile(str(port.link)).__aenter__())
    await asyncio.sleep(0)
    before = descriptors()

    opening.cancel()
    await asyncio.wait([opening])
    gate.set()

    await until(lambda: descriptors() == before)
    assert opening.cancelled()
