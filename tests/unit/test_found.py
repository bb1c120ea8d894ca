"""Which devices are there: links, sysfs and processes made of files in a folder."""

import os
from pathlib import Path

import pytest

from drivers.found import DeviceKind, Holder, device_at, devices, holders_of, may_use


class Machine:
    """The folders /dev, /sys and /proc of a machine."""

    def __init__(self, root: Path) -> None:
        self.dev, self.sys, self.proc = (root / name for name in ("dev", "sys", "proc"))
        for folder in (self.dev, self.sys, self.proc):
            folder.mkdir()

    def device(self, name: str) -> Path:
        path = self.dev / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        return path

    def link(self, folder: str, name: str, *, to: Path) -> str:
        link = self.dev / folder / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(to)
        return str(link)

    def usb(self, class_name: str, name: str, **words: str) -> None:
        usb = self.sys / "devices/usb1/1-2"
        interface = usb / "1-2:1.0" / name
        interface.mkdir(parents=True, exist_ok=True)
        for word, text in words.items():
            (usb / word).write_text(text + "\n")
        entry = self.sys / "class" / class_name / name
        entry.mkdir(parents=True)
        (entry / "device").symlink_to(interface)

    def process(self, pid: str, *, name: str, has_open: Path) -> None:
        folder = self.proc / pid / "fd"
        folder.mkdir(parents=True)
        (folder / "3").symlink_to(has_open)
        (self.proc / pid / "comm").write_text(name + "\n")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_scanner_is_found_by_its_most_stable_name(machine: Machine) -> None:
    """By-id first, by-path beside it, and what USB says of it."""
    device = machine.device("ttyUSB0")
    by_id = machine.link("serial/by-id", "usb-Acme_Scanner-if00", to=device)
    by_path = machine.link("serial/by-path", "pci-0-usb-0:2:1.0", to=device)
    machine.usb("tty", "ttyUSB0", idVendor="1A86", idProduct="7523", manufacturer="Acme", product="Scan\x1bner 2")

    (found,) = devices(dev=machine.dev, sys=machine.sys)

    assert found.kind is DeviceKind.SERIAL
    assert (found.path, found.device, found.others) == (by_id, str(device), (by_path,))
    assert (found.vendor, found.product, found.label) == ("1a86", "7523", "Acme Scanner 2")


def test_a_serial_device_without_links_is_found_too(machine: Machine) -> None:
    """A machine without udev has no stable names, and says what it has."""
    device = machine.device("ttyACM3")

    (found,) = devices(dev=machine.dev, sys=machine.sys)

    assert (found.path, found.others, found.vendor, found.label) == (str(device), (), "", "")


def test_keyboards_and_cameras_are_found_by_the_links_that_can_be_read(machine: Machine) -> None:
    """Of the several links of one device, the one that gives keys or pictures."""
    keyboard, mouse = machine.device("input/event4"), machine.device("input/event5")
    camera, other = machine.device("video0"), machine.device("video1")
    keys = machine.link("input/by-id", "usb-Acme-event-kbd", to=keyboard)
    machine.link("input/by-id", "usb-Acme-event-mouse", to=mouse)
    pictures = machine.link("v4l/by-id", "usb-Cam-video-index0", to=camera)
    machine.link("v4l/by-id", "usb-Cam-video-index1", to=other)

    found = devices(dev=machine.dev, sys=machine.sys)

    assert [(device.kind, device.path) for device in found] == [
        (DeviceKind.CAMERA, pictures),
        (DeviceKind.KEYBOARD, keys),
    ]


def test_nothing_is_found_on_a_bare_machine(machine: Machine) -> None:
    """No folder of links, no device, no error."""
    assert devices(dev=machine.dev, sys=machine.sys) == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [("ttyUSB0", DeviceKind.SERIAL), ("input/event7", DeviceKind.KEYBOARD), ("video2", DeviceKind.CAMERA)],
)
def test_one_device_is_told_by_its_file(machine: Machine, name: str, kind: DeviceKind) -> None:
    """A link is followed to what it names."""
    link = machine.link("mine", "reader", to=machine.device(name))

    found = device_at(link, sys=machine.sys)

    assert (found.kind, found.path, found.device) == (kind, link, str(machine.dev / name))


def test_who_holds_a_device_is_named(machine: Machine) -> None:
    """Other programs, by number and name; this one and those that have ended are left out."""
    device = machine.device("ttyUSB0")
    machine.process("4711", name="minicom", has_open=device)
    machine.process("4712", name="other", has_open=machine.device("ttyUSB1"))
    machine.process(str(os.getpid()), name="python", has_open=device)
    machine.process("4713", name="ending", has_open=device)
    (machine.proc / "4713/comm").unlink()
    (machine.proc / "4714").mkdir()
    (machine.proc / "cpuinfo").touch()

    assert holders_of(str(device), proc=machine.proc) == [Holder(pid=4711, name="minicom")]


def test_the_name_of_a_program_commands_no_terminal(machine: Machine) -> None:
    """Every program names itself as it likes."""
    device = machine.device("ttyUSB0")
    machine.process("4711", name="mini\x1b]0;com\x07", has_open=device)

    assert holders_of(str(device), proc=machine.proc) == [Holder(pid=4711, name="mini]0;com")]


def test_who_may_use_a_device(machine: Machine) -> None:
    """What this account can read and write it may use; what is not there nobody may."""
    device = machine.device("ttyUSB0")

    assert may_use(str(device))
    assert not may_use(str(device) + "0")


def test_a_word_that_cannot_be_read_is_empty(machine: Machine) -> None:
    """A device that tells its numbers and no name is found all the same."""
    machine.link("serial/by-id", "usb-x", to=machine.device("ttyUSB0"))
    machine.usb("tty", "ttyUSB0", idVendor="1a86", idProduct="7523")

    (found,) = devices(dev=machine.dev, sys=machine.sys)

    assert (found.vendor, found.label) == ("1a86", "")
