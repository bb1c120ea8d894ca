"""A scanner on a pseudo-terminal, kept open: what a clinic does to its cable."""

import asyncio
import fcntl
import gc
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.keep_open import KeptOpenReader
from drivers.reader import Feedback, LostCause, ReaderState
from drivers.readers.serial_scanner import SerialScannerReader, SerialScannerSettings
from tests.support.pty_port import PtyPort
from tests.support.waiting import until

SEEN_LIMIT_S = 5 * 1.0  # promised: 1 s; five times the room on a busy machine
BACK_LIMIT_S = 5 * 5.0  # promised: 5 s


@pytest.fixture
def device(tmp_path: Path) -> Iterator[PtyPort]:
    device = PtyPort(tmp_path / "scanner")
    yield device
    device.unplug()


def scanner(device: PtyPort, **settings: object) -> KeptOpenReader:
    line = SerialScannerSettings(port=str(device.link), **settings)  # type: ignore[arg-type]
    return KeptOpenReader(SerialScannerReader("scanner-1", settings=line))


async def listen(reader: KeptOpenReader, texts: list[str]) -> None:
    async for reading in reader.readings():
        texts.append(reading.text)


async def in_state(reader: KeptOpenReader, state: ReaderState, *, limit_s: float = BACK_LIMIT_S) -> None:
    await until(lambda: reader.status.state is state, limit_s=limit_s)


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_scanner_that_comes_late_goes_and_comes_back_reads_on(device: PtyPort) -> None:
    """The daemon starts before the scanner is there, and outlives three pulls of the cable, one within a code."""
    reader, texts = scanner(device), []
    task = asyncio.create_task(listen(reader, texts))
    await in_state(reader, ReaderState.LOST)
    assert reader.status.cause == LostCause.MISSING

    for round_number in range(3):
        device.plug()
        await in_state(reader, ReaderState.OPEN)
        device.write(b"code-%d\r\nhalf" % round_number)
        await until(lambda: len(texts) == round_number + 1)  # noqa: B023
        device.unplug()
        await in_state(reader, ReaderState.LOST, limit_s=SEEN_LIMIT_S)
        assert reader.status.cause == LostCause.UNPLUGGED
    await stop(task)

    assert texts == ["code-0", "code-1", "code-2"]


async def test_a_port_held_by_another_program_is_taken_when_it_is_free(device: PtyPort) -> None:
    """The status names the cause, and nobody has to restart anything."""
    device.plug()
    reader, texts = scanner(device), []
    with device.link.open("rb", buffering=0) as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        task = asyncio.create_task(listen(reader, texts))
        await in_state(reader, ReaderState.LOST)
        assert reader.status.cause == LostCause.BUSY

    await in_state(reader, ReaderState.OPEN)
    await stop(task)


async def test_a_waiting_daemon_costs_nothing(device: PtyPort) -> None:
    """Trying to open a scanner that is not there takes next to no CPU."""
    reader = scanner(device)
    task = asyncio.create_task(listen(reader, []))
    await in_state(reader, ReaderState.LOST)

    used_s = time.process_time()
    await asyncio.sleep(2.0)  # what is measured are these seconds
    used_s = time.process_time() - used_s
    await stop(task)

    assert used_s < 0.05


async def test_feedback_reaches_the_scanner(device: PtyPort) -> None:
    """The configured command comes out at the other end of the cable."""
    device.plug()
    reader = scanner(device, signals={Feedback.ACCEPT: "1b 01"})
    task = asyncio.create_task(listen(reader, []))
    await in_state(reader, ReaderState.OPEN)

    received = b""

    def has_come() -> bool:
        nonlocal received
        received += device.written()
        return len(received) >= 2

    await reader.signal(Feedback.REFUSE)
    await reader.signal(Feedback.ACCEPT)
    await until(has_come)
    await stop(task)

    assert received == b"\x1b\x01"


async def test_a_consumer_that_fails_lets_the_port_go(device: PtyPort) -> None:
    """Even an iteration that nobody closed releases the port, once it is garbage."""
    device.plug()
    reader = scanner(device)

    async def fail() -> None:
        async for _ in reader.readings():
            raise ValueError("a bug of the consumer")

    task = asyncio.create_task(fail())
    await in_state(reader, ReaderState.OPEN)
    device.write(b"code\r")
    with pytest.raises(ValueError, match="consumer"):
        await task
    del task
    gc.collect()

    await in_state(reader, ReaderState.CLOSED)
