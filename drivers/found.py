"""Which devices are there that could be readers, by their stable names; looks at links and sysfs, opens nothing.

A serial adapter's number changes with every plugging in; the links that udev makes under ``by-id`` name the device by
its maker and serial number, those under ``by-path`` by the socket it sits in (two scanners of one model without serial
numbers differ in nothing else). Which USB device it is stands in sysfs, in the folders above the device.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

HOLDERS_MAX: Final = 8  # more programs than that on one port are not worth a line
_ABOVE_MAX: Final = 8  # a USB device stands at most so many folders above what it offers


class DeviceKind(StrEnum):
    """How a device is spoken to."""

    SERIAL = "serial"
    KEYBOARD = "keyboard"  # a scanner that types
    CAMERA = "camera"
    PCSC = "pcsc"  # a slot for chip cards, through pcscd


# Where udev puts the links, which of them count, and the class of sysfs; serial devices without links are found, too.
_LINKS: Final = {
    DeviceKind.SERIAL: ("serial", "*", "tty"),
    DeviceKind.KEYBOARD: ("input", "*-event-kbd", "input"),
    DeviceKind.CAMERA: ("v4l", "*-video-index0", "video4linux"),
}
_BARE_SERIAL: Final = ("ttyUSB*", "ttyACM*")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDevice:
    """One device.

    Attributes:
        kind: How it is spoken to.
        path: Its most stable name: by-id, else by-path, else the device file; of a slot, the reader's name.
        device: The device file now; it may change when it is plugged in again.
        others: Its other stable names.
        vendor: USB vendor, four hexadecimal digits; empty: unknown.
        product: USB product.
        label: What the device says of itself.
    """

    kind: DeviceKind
    path: str
    device: str
    others: tuple[str, ...] = ()
    vendor: str = ""
    product: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A program that has a device open.

    Attributes:
        pid: Its number.
        name: Its name, as `ps` shows it.
    """

    pid: int
    name: str


def devices(*, dev: Path = Path("/dev"), sys: Path = Path("/sys")) -> list[FoundDevice]:
    """Return every device that could be a reader, by kind and path."""
    found = [device for kind in _LINKS for device in _of_kind(kind, dev=dev, sys=sys)]
    return sorted(found, key=lambda device: (device.kind, device.path))


def device_at(path: str, *, sys: Path = Path("/sys")) -> FoundDevice:
    """Return what is known of one device file or link; its kind is told by its name, serial if that says nothing."""
    device = os.path.realpath(path)  # a link that leads nowhere keeps its end
    name = Path(device).name
    kind = DeviceKind.SERIAL
    if name.startswith("event"):
        kind = DeviceKind.KEYBOARD
    elif name.startswith("video"):
        kind = DeviceKind.CAMERA
    return _found(kind, names=(path,), device=device, sys=sys)


def holders_of(device: str, *, proc: Path = Path("/proc")) -> list[Holder]:
    """Return the programs that have a device open, as far as this account may see; this one is left out."""
    found = []
    for folder in proc.iterdir():
        if folder.name.isdecimal() and int(folder.name) != os.getpid() and _holds(folder / "fd", device=device):
            with suppress(OSError):  # it has ended
                name = _printable((folder / "comm").read_text(errors="replace"))
                found.append(Holder(pid=int(folder.name), name=name))
    return sorted(found, key=lambda holder: holder.pid)[:HOLDERS_MAX]


def may_use(device: str) -> bool:
    """Say whether this account may read and write a device file."""
    return os.access(device, os.R_OK | os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _of_kind(kind: DeviceKind, *, dev: Path, sys: Path) -> Iterator[FoundDevice]:
    folder, pattern, _ = _LINKS[kind]
    named: dict[str, list[str]] = {}
    for names in ("by-id", "by-path"):
        for link in sorted((dev / folder / names).glob(pattern)):
            named.setdefault(os.path.realpath(link), []).append(str(link))
    if kind is DeviceKind.SERIAL:
        for pattern_ in _BARE_SERIAL:
            for path in sorted(dev.glob(pattern_)):
                named.setdefault(str(path), [str(path)])
    for device, links in named.items():
        yield _found(kind, names=links, device=device, sys=sys)


def _found(kind: DeviceKind, *, names: Sequence[str], device: str, sys: Path) -> FoundDevice:
    usb = _usb_folder(sys / "class" / _LINKS[kind][2] / Path(device).name / "device")
    return FoundDevice(
        kind=kind,
        path=names[0],
        device=device,
        others=tuple(names[1:]),
        vendor=_word(usb, "idVendor").lower(),
        product=_word(usb, "idProduct").lower(),
        label=" ".join(filter(None, (_word(usb, "manufacturer"), _word(usb, "product")))),
    )


def _usb_folder(device: Path) -> Path | None:
    """The folder of the USB device that offers this device, if one does."""
    at = Path(os.path.realpath(device))
    for folder in (at, *at.parents)[:_ABOVE_MAX]:
        if (folder / "idVendor").exists():
            return folder
    return None


def _word(folder: Path | None, name: str) -> str:
    """A line of sysfs."""
    if folder is None:
        return ""
    try:
        text = (folder / name).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return _printable(text)


def _printable(text: str) -> str:
    """What a device or a program says of itself, without what could command a terminal: it may say anything."""
    return "".join(character for character in text.strip()[:80] if character.isprintable())


def _holds(folder: Path, *, device: str) -> bool:
    with suppress(OSError), os.scandir(folder) as entries:  # another account's program, or one that has ended
        for entry in entries:
            with suppress(OSError):
                if os.readlink(entry.path) == device:  # noqa: PTH115
                    return True
    return False
