"""The door to evdev on a FIFO and on files that are no input devices: opening, taking, losing."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.errors import ReaderLostError
from drivers.reader import LostCause
from drivers.transport import hid
from drivers.transport.hid import EVIOCGRAB, HidPort
from tests.conformance.bench import descriptors
from tests.support.key_fifo import KeyFifo, typed


@pytest.fixture
def device(tmp_path: Path) -> Iterator[KeyFifo]:
    device = KeyFifo(tmp_path / "scanner-event-kbd")
    device.plug()
    yield device
    device.unplug()


async def opened(port: HidPort) -> None:
    async with port:
        pass


async def test_the_device_is_taken_before_anything_is_read(device: KeyFifo) -> None:
    """What takes the device is handed the descriptor that is read later."""
    taken: list[str] = []

    def take(descriptor: int) -> None:
        taken.append(descriptors()[descriptor])

    async with HidPort(str(device.link), take=take) as port:
        device.write(typed("a"))
        data = await port.read(timeout_s=None)
        port.write(b"a keyboard takes no commands")

    assert taken == [str(device.link)]
    assert data == typed("a")


async def test_the_grab_is_the_kernels(device: KeyFifo, monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself a port takes the device with EVIOCGRAB and the number one, as linux/input.h has it: _IOW of an int."""
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(hid.fcntl, "ioctl", lambda _, request, value: asked.append((request, value)))

    await opened(HidPort(str(device.link)))

    assert asked == [(EVIOCGRAB, 1)]
    assert (1, 4, ord("E"), 0x90) == (
        EVIOCGRAB >> 30,
        EVIOCGRAB >> 16 & 0x3FFF,
        EVIOCGRAB >> 8 & 0xFF,
        EVIOCGRAB & 0xFF,
    )


async def test_what_is_no_input_device_is_not_taken(device: KeyFifo) -> None:
    """A device that cannot be taken for this program alone is not read, and no descriptor stays open."""
    before = descriptors()

    with pytest.raises(ReaderLostError, match=LostCause.IO):
        await opened(HidPort(str(device.link)))

    assert descriptors() == before


@pytest.mark.parametrize(
    ("number", "cause"),
    [
        (errno.EBUSY, LostCause.BUSY),
        (errno.ENODEV, LostCause.MISSING),
        (errno.EACCES, LostCause.PERMISSION),
        (errno.EINVAL, LostCause.IO),
    ],
)
async def test_a_grab_that_fails_has_a_named_cause(device: KeyFifo, number: int, cause: LostCause) -> None:
    """Another program has it, it was pulled meanwhile, or it is not allowed."""

    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    before = descriptors()
    with pytest.raises(ReaderLostError, match=cause):
        await opened(HidPort(str(device.link), take=fail))

    assert descriptors() == before


async def test_nothing_in_time_is_nothing(device: KeyFifo) -> None:
    """A limit passes without bytes and without an error."""
    async with HidPort(str(device.link), take=lambda _: None) as port:
        assert await port.read(timeout_s=0.01) == b""


@pytest.mark.parametrize(
    ("number", "cause"), [(errno.ENODEV, LostCause.UNPLUGGED), (errno.EINVAL, LostCause.IO)], ids=["ENODEV", "EINVAL"]
)
async def test_a_device_that_fails_in_use_is_lost(
    device: KeyFifo, monkeypatch: pytest.MonkeyPatch, number: int, cause: LostCause
) -> None:
    """ENODEV is what the kernel answers once a keyboard was pulled."""

    def fail(*_: object) -> bytes:
        raise OSError(number, os.strerror(number))

    async with HidPort(str(device.link), take=lambda _: None) as port:
        device.write(typed("a"))
        monkeypatch.setattr(hid.os, "read", fail)
        with pytest.raises(ReaderLostError, match=cause):
            await port.read(timeout_s=None)
        monkeypatch.undo()


async def test_a_port_used_while_it_is_closed_is_a_bug(device: KeyFifo) -> None:
    """A port is opened before it is read."""
    with pytest.raises(RuntimeError):
        await HidPort(str(device.link)).read(timeout_s=0)


def test_a_grab_asks_the_kernel(device: KeyFifo) -> None:
    """On what is no input device the real request is refused, so nothing is tolerated in silence."""
    descriptor = os.open(device.link, os.O_RDONLY | os.O_NONBLOCK)

    with pytest.raises(OSError, match=r"Inappropriate ioctl|Invalid argument"):
        hid.grab(descriptor)

    os.close(descriptor)
