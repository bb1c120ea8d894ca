"""The serial port on a pseudo-terminal: real pyserial, real kernel, every cause by its real error."""

import asyncio
import errno
import fcntl
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.errors import ReaderLostError
from drivers.reader import LostCause
from drivers.transport.serial_port import Parity, SerialParameters, SerialPort
from tests.support.nobody import as_nobody
from tests.support.pty_port import PtyPort
from tests.support.waiting import LIMIT_S, until

SELECT_MAX = 1_024  # the highest descriptor that select knows, and one


@pytest.fixture
def device(tmp_path: Path) -> Iterator[PtyPort]:
    with PtyPort(tmp_path / "scanner") as device:
        yield device


def port_of(device: PtyPort) -> SerialPort:
    return SerialPort(SerialParameters(path=str(device.link)))


async def cause_of_opening(path: Path, **parameters: object) -> str:
    """Try to open and return why it cannot be."""
    port = SerialPort(SerialParameters(path=str(path), **parameters))  # type: ignore[arg-type]
    with pytest.raises(ReaderLostError) as caught:
        await port.__aenter__()
    return caught.value.cause


async def test_bytes_come_as_they_were_sent(device: PtyPort) -> None:
    """The line is raw: every byte value passes unchanged."""
    every_byte = bytes(range(256))

    async with port_of(device) as port:
        device.write(every_byte)
        data = b""
        while len(data) < len(every_byte):
            data += await port.read(timeout_s=LIMIT_S)

    assert data == every_byte


async def test_nothing_in_time_is_nothing(device: PtyPort) -> None:
    """A read with a limit returns empty-handed when it is over, and takes what is there even at the last moment."""
    async with port_of(device) as port:
        assert await port.read(timeout_s=0.01) == b""
        device.write(b"late")
        assert await port.read(timeout_s=0) == b"late"


async def test_what_was_sent_before_opening_is_thrown_away(device: PtyPort) -> None:
    """A scan that nobody was there to answer is not answered minutes later."""
    device.write(b"stale")

    async with port_of(device) as port:
        device.write(b"fresh")

        assert await port.read(timeout_s=LIMIT_S) == b"fresh"


async def test_what_is_written_reaches_the_device(device: PtyPort) -> None:
    """Command bytes go out unchanged."""
    async with port_of(device) as port:
        port.write(b"\x1bA\n")
        received: list[bytes] = []
        await until(lambda: received.append(device.written()) or len(b"".join(received)) >= 3)  # type: ignore[func-returns-value]

    assert b"".join(received) == b"\x1bA\n"


async def test_a_device_that_takes_nothing_blocks_nothing(device: PtyPort) -> None:
    """Writing more than the device takes returns at once, and so does closing afterwards."""
    async with asyncio.timeout(LIMIT_S):
        async with port_of(device) as port:
            for _ in range(64):
                port.write(bytes(1024))


async def test_an_unplugged_device_is_lost_for_reading_and_writing(device: PtyPort) -> None:
    """Both say the cause; closing still works."""
    async with port_of(device) as port:
        device.unplug()

        with pytest.raises(ReaderLostError, match=LostCause.UNPLUGGED):
            await port.read(timeout_s=None)
        with pytest.raises(ReaderLostError, match=LostCause.UNPLUGGED):
            port.write(b"\x00")


@pytest.mark.parametrize(
    ("number", "cause"),
    [(errno.EIO, LostCause.UNPLUGGED), (errno.ENODEV, LostCause.UNPLUGGED), (errno.ENOMEM, LostCause.IO)],
)
async def test_an_error_of_the_kernel_is_a_loss(
    device: PtyPort, monkeypatch: pytest.MonkeyPatch, number: int, cause: LostCause
) -> None:
    """Some adapters and kernels answer an error where others hang up; no pseudo-terminal can be made to."""

    def fail(*_: object) -> bytes:
        raise OSError(number, "as an adapter would")

    async with port_of(device) as port:
        monkeypatch.setattr("drivers.transport.serial_port.os.read", fail)
        with pytest.raises(ReaderLostError, match=cause):
            await port.read(timeout_s=0)
        monkeypatch.undo()


async def test_a_device_that_is_not_ready_after_all_gave_nothing(
    device: PtyPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel may call a port readable and then ask to try again."""

    def fail(*_: object) -> bytes:
        raise BlockingIOError

    async with port_of(device) as port:
        monkeypatch.setattr("drivers.transport.serial_port.os.read", fail)
        assert await port.read(timeout_s=0) == b""
        monkeypatch.undo()


async def test_a_missing_device_is_missing(tmp_path: Path) -> None:
    """No file of that name, or a link that leads nowhere."""
    (tmp_path / "stale").symlink_to(tmp_path / "gone")

    assert await cause_of_opening(tmp_path / "none") == LostCause.MISSING
    assert await cause_of_opening(tmp_path / "stale") == LostCause.MISSING


async def test_a_device_held_by_another_program_is_busy(device: PtyPort) -> None:
    """A port is opened by one program at a time, and can be opened again once it is let go."""
    with device.link.open("rb", buffering=0) as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert await cause_of_opening(device.link) == LostCause.BUSY

    async with port_of(device):
        assert await cause_of_opening(device.link) == LostCause.BUSY

    async with port_of(device):
        pass


async def test_a_device_without_permission_says_so(tmp_path: Path) -> None:
    """A node whose user is not in the group of serial devices is told that, not that the reader is missing."""
    path = tmp_path / "forbidden"
    path.touch(mode=0)

    with as_nobody():
        assert await cause_of_opening(path) == LostCause.PERMISSION


@pytest.mark.parametrize("path", [Path("/dev/null"), Path("/")])
async def test_what_is_no_serial_device_is_an_io_error(path: Path) -> None:
    """A wrong path in the configuration is no crash."""
    assert await cause_of_opening(path) == LostCause.IO


async def test_a_rate_the_port_does_not_know_is_an_io_error(device: PtyPort) -> None:
    """What the library refuses to set is no crash either."""
    assert await cause_of_opening(device.link, baud=-1) == LostCause.IO


@pytest.mark.parametrize("parity", Parity)
async def test_every_line_setting_is_accepted(device: PtyPort, parity: Parity) -> None:
    """All that a scanner can be set to opens."""
    for baud in (9_600, 115_200):
        for stopbits in (1, 2):
            parameters = SerialParameters(
                path=str(device.link), baud=baud, bytesize=7, parity=parity, stopbits=stopbits
            )
            async with SerialPort(parameters):
                pass


async def test_a_cancelled_opening_leaves_the_port_free(device: PtyPort) -> None:
    """The thread that was opening closes what nobody waits for any more, if it could open it at all."""
    for path in (device.link, device.link.with_name("none")):
        opening = asyncio.ensure_future(SerialPort(SerialParameters(path=str(path))).__aenter__())
        await asyncio.sleep(0)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening

    holders = Path("/proc/self/fd")
    terminal = str(device.link.resolve())
    await until(
        lambda: [entry.is_symlink() and str(entry.readlink()) for entry in holders.iterdir()].count(terminal) == 1
    )


async def test_a_cancelled_read_can_be_read_again(device: PtyPort) -> None:
    """Cancelling a read loses no byte."""
    async with port_of(device) as port:
        reading = asyncio.ensure_future(port.read(timeout_s=None))
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        device.write(b"kept")

        assert await port.read(timeout_s=LIMIT_S) == b"kept"


async def test_a_closed_port_is_not_used(device: PtyPort) -> None:
    """Reading outside `async with` is a bug and says so."""
    port = port_of(device)

    with pytest.raises(RuntimeError):
        await port.read(timeout_s=0)
    with pytest.raises(RuntimeError):
        port.write(b"")


async def test_a_program_with_many_descriptors_reads_as_well(device: PtyPort) -> None:
    """A thousand open sockets do not make a scanner unreadable."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * SELECT_MAX), hard))
    taken = [os.dup(0) for _ in range(SELECT_MAX)]
    try:
        async with port_of(device) as port:
            device.write(b"code")

            assert await port.read(timeout_s=LIMIT_S) == b"code"
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
