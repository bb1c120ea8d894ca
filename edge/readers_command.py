"""`ehc-edge readers list|probe`: which readers are configured and how they are, and what else is plugged in.

Looking changes nothing: no device is opened and no byte sent, except that `probe` with ``--ask`` puts the identity-card
readers' question to serial ports. Values only; `edge.readers_text` makes lines of them.
"""

import asyncio
import os
import re
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from drivers import found, registry
from drivers.errors import ReaderLostError
from drivers.found import DeviceKind, FoundDevice
from drivers.framing import sdt
from drivers.reader import LostCause
from drivers.transport.serial_port import SerialParameters, SerialPort
from edge import control
from edge.errors import UnreachableError
from edge.settings import ReaderSettings, Settings

if TYPE_CHECKING:
    from drivers.scanner_models import ScannerModel

ASK_S: Final = 1.5  # an identity-card reader answers within 0.1 s; some adapters reset their device when opened
SDT_BAUD: Final = 115_200  # domain facts 3: as such readers leave the factory

# The options in which one type or another names its device.
_PLACES: Final = ("port", "source", "reader", "file", "device", "path")
_TYPES: Final = {
    DeviceKind.SERIAL: "serial-scanner",
    DeviceKind.KEYBOARD: "hid-scanner",
    DeviceKind.CAMERA: "camera",
    DeviceKind.PCSC: "pcsc",
}
_NAMES: Final = {
    DeviceKind.SERIAL: "scanner",
    DeviceKind.KEYBOARD: "scanner",
    DeviceKind.CAMERA: "camera",
    DeviceKind.PCSC: "card",
}
_SDT_TYPE: Final = "sdt"

Devices = Callable[[], Sequence[FoundDevice]]


def list_readers(configured: Settings, *, devices: Devices = found.devices) -> dict[str, Any]:
    """Return the configured readers with their states, and the devices that no configuration names."""
    told = _told_by_daemon(configured)
    readers = [_reader(reader, told=told) for reader in configured.readers]
    if told is None:
        _look_at_slots(readers)
    named = {os.path.realpath(reader["port"]) for reader in readers if "port" in reader}
    return {
        "daemon": told is not None,
        "readers": readers,
        "unnamed": [_device(device) for device in devices() if device.device not in named],
        "shadowed": _shadowed(configured),
    }


def probe(
    configured: Settings | None, *, path: str | None, ask: bool, devices: Devices = found.devices
) -> dict[str, Any]:
    """Look at every device, or at one, and say what to write into the configuration.

    Args:
        configured: So that names are new; None: there is no configuration yet.
        path: The one device file or link.
        ask: Whether to put the identity-card readers' question to serial ports: unknown devices may mind.
        devices: What is there.
    """
    slots, no_service = ([], None) if path else _slots()
    seen = [found.device_at(path)] if path else [*devices(), *slots]
    taken = {reader.name for reader in configured.readers} if configured else set()
    named = _named(configured)
    probed = [
        _probed(device, ask=ask, taken=taken, is_meant=path is not None, named=named.get(device.device))
        for device in seen
    ]
    _mark_slots(probed, readers=configured.readers if configured else ())
    return {"devices": probed} | ({} if no_service is None else {"pcsc": no_service})


def toml_block(name: str, *, reader_type: str, options: dict[str, Any]) -> str:
    """Return a reader's block for the configuration."""
    lines = ["[[readers]]", f"name = {toml_value(name)}", f"type = {toml_value(reader_type)}", "[readers.options]"]
    return "\n".join([*lines, *(f"{key} = {toml_value(value)}" for key, value in options.items())]) + "\n"


def toml_value(value: str | int | bool) -> str:  # noqa: FBT001
    """Return a value as TOML writes it (TOML 1.0, strings and integers)."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return '"' + "".join(map(_escaped, value)) + '"'


def device_of(reader: ReaderSettings) -> str | None:
    """Return the device that a reader's options name, if they name one."""
    for key in _PLACES:
        if isinstance(place := reader.options.get(key), str):
            return place
    return None


def new_name(stem: str, *, taken: Collection[str]) -> str:
    """Return a name for a reader that no other has, such as ``scanner-2``."""
    return next(name for count in range(1, 1_000) if (name := f"{stem}-{count}") not in taken)


def holders(path: str) -> list[dict[str, Any]]:
    """Return the programs that have a device open, as far as this account may see them."""
    return [{"pid": holder.pid, "name": holder.name} for holder in found.holders_of(os.path.realpath(path))]


def _told_by_daemon(configured: Settings) -> dict[str, Any] | None:
    try:
        status = control.get("/api/v1/status", socket_path=configured.control.socket)
    except UnreachableError:
        return None
    return {reader["name"]: reader for reader in status["readers"]}


def _reader(reader: ReaderSettings, *, told: dict[str, Any] | None) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": reader.name, "type": reader.type}
    port = device_of(reader)
    if port is not None:
        shown["port"] = port
    if told is None:
        return shown | ({} if port is None or not port.startswith("/") else _at_rest(port))
    known = told.get(reader.name)
    if known is None:  # the file has been changed since the daemon read it
        return shown | {"state": "new"}
    return shown | {key: value for key, value in known.items() if key != "name"}


def _look_at_slots(readers: Sequence[dict[str, Any]]) -> None:
    """Say of readers of chip cards whether pcscd knows their slot."""
    at_pcscd = [reader for reader in readers if reader["type"] == _TYPES[DeviceKind.PCSC] and "port" in reader]
    if not at_pcscd:
        return
    slots, no_service = _slots()
    for reader in at_pcscd:
        is_there = any(reader["port"] in str(slot.device) for slot in slots)
        state = {"state": "there"} if is_there else {"state": "lost", "cause": no_service or LostCause.MISSING.value}
        reader.update(state)


def _at_rest(port: str) -> dict[str, Any]:
    """How a device stands that nobody has been told of."""
    if not Path(port).exists():
        return {"state": "lost", "cause": LostCause.MISSING.value}
    if not found.may_use(port):
        return {"state": "lost", "cause": LostCause.PERMISSION.value}
    return {"state": "there"}


def _device(device: FoundDevice) -> dict[str, Any]:
    members: dict[str, Any] = {"kind": device.kind.value, "path": device.path}
    if device.device != device.path:
        members["device"] = device.device
    if device.others:
        members["others"] = list(device.others)
    if device.vendor:
        members |= {"vendor": device.vendor, "product": device.product}
    if device.label:
        members["label"] = device.label
    if models := _models_of(device):
        members["models"] = [model.title for model in models]
    return members


def _named(configured: Settings | None) -> dict[str, ReaderSettings]:
    """Return which reader has which device file."""
    readers = () if configured is None else configured.readers
    return {os.path.realpath(place): reader for reader in readers if (place := device_of(reader)) is not None}


def _mark_slots(probed: Sequence[dict[str, Any]], *, readers: Sequence[ReaderSettings]) -> None:
    """Say which slots are configured, and where there are several, that one of them may be the SAM's."""
    slots = [device for device in probed if device["kind"] == DeviceKind.PCSC.value]
    for slot in slots:
        names = slot.get("device", slot["path"])
        parts = [(one.name, one.options.get(key)) for one in readers for key in ("reader", "sam_reader")]
        owner = next((name for name, part in parts if isinstance(part, str) and part and part in names), None)
        if owner is not None:
            slot["configured_as"] = owner
            slot.pop("toml", None)
        elif len(slots) > 1:
            slot["may_be_sam"] = True


def _probed(
    device: FoundDevice, *, ask: bool, taken: set[str], is_meant: bool, named: ReaderSettings | None
) -> dict[str, Any]:
    members = _device(device) | ({} if named is None else {"configured_as": named.name})
    reader_type = _TYPES[device.kind]
    if device.kind is not DeviceKind.PCSC:
        if held := holders(device.device):
            members["held_by"] = held
        if not Path(device.device).exists():
            return members | {"cause": LostCause.MISSING.value}
        if not found.may_use(device.device):
            members["cause"] = LostCause.PERMISSION.value
        elif ask and device.kind is DeviceKind.SERIAL:
            answered = asyncio.run(_asked(device.path))
            members |= answered
            reader_type = _SDT_TYPE if "sam_number" in answered else reader_type
    if device.kind is DeviceKind.KEYBOARD and not is_meant and not _models_of(device):
        return members | {"may_type": True}  # the keyboard of the desk: configured as a reader, nobody could type on it
    if named is not None and (named.type == reader_type or reader_type != _SDT_TYPE):
        return members  # a second reader on the same device would find it busy; one of a wrong type is mended
    name = new_name("id-card" if reader_type == _SDT_TYPE else _NAMES[device.kind], taken=taken)
    taken.add(name)
    return members | {"toml": toml_block(name, reader_type=reader_type, options=_options(device, reader_type))}


def _options(device: FoundDevice, reader_type: str) -> dict[str, Any]:
    match device.kind:
        case DeviceKind.SERIAL | DeviceKind.KEYBOARD:
            models = [model.name for model in _models_of(device) if model.type_name == reader_type]
            return {"port": device.path} | ({"model": models[0]} if len(models) == 1 else {})
        case DeviceKind.CAMERA:
            return {"source": device.path}
        case DeviceKind.PCSC:
            return {"reader": device.path}


async def _asked(path: str) -> dict[str, Any]:
    """Put the identity-card readers' question to a serial port (domain facts 3)."""
    framer = sdt.SdtFramer()
    try:
        async with SerialPort(SerialParameters(path=path, baud=SDT_BAUD)) as port:
            with suppress(TimeoutError):
                async with asyncio.timeout(ASK_S):
                    port.write(sdt.request(sdt.Command.SAM_NUMBER))
                    while True:
                        for answer in framer.feed(await port.read(timeout_s=ASK_S)):
                            if sdt.answers(sdt.Command.SAM_NUMBER, answer) and answer.data:
                                return {"sam_number": sdt.sam_number(answer.data)}
    except ReaderLostError as lost:
        return {"cause": lost.cause}
    return {"answer": "none"}


def _slots() -> tuple[list[FoundDevice], str | None]:
    """Return the slots that pcscd knows, and why they are not known."""
    from drivers.transport.pcsc import PcscContext  # only here: it loads libpcsclite

    try:
        with PcscContext() as context:
            names = context.readers()
    except ReaderLostError as lost:
        return [], lost.cause
    return [FoundDevice(kind=DeviceKind.PCSC, path=_lasting(name, of=names), device=name) for name in names], None


def _lasting(name: str, *, of: Sequence[str]) -> str:
    """The part of a slot's name that does not depend on what else is plugged in, if it is this slot's alone."""
    stem = re.sub(r"( [0-9A-F]{2})+$", "", name)
    return stem if sum(stem in other for other in of) == 1 else name


def _models_of(device: FoundDevice) -> tuple["ScannerModel", ...]:
    """Return the models of scanners that a device may be, by its USB identity."""
    if not device.vendor or device.kind not in (DeviceKind.SERIAL, DeviceKind.KEYBOARD):
        return ()
    from drivers import scanner_models  # only here: it reads every model's file

    return scanner_models.models_of(f"{device.vendor}:{device.product}")


def _shadowed(configured: Settings) -> list[dict[str, str]]:
    """Return the drivers of others that are passed over, because a type of that name is built in."""
    types = sorted({reader.type for reader in configured.readers} & registry.READER_TYPES.keys())
    brought = [(name, registry.installed(name)) for name in types]
    return [{"type": name, "package": registry.package_of(entry)} for name, entry in brought if entry is not None]


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else f"\\U{ord(character):08x}"
