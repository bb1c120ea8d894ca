"""Models of code scanners, described in TOML: what differs from the defaults, so that a new scanner needs no code.

Those shipped lie in ``drivers/models``; an operator's own lie anywhere. A file looks like this::

    title = "Somebody's scanner, as a serial port over USB"
    type = "serial-scanner"             # which type of reader it is
    transport = "usb-cdc"               # serial, usb-serial, usb-cdc or usb-hid
    usb = ["1a2b:3c4d"]                 # vendor and product; may be left out
    source = "where these facts are from"
    [options]                           # of that type: baud, framing, terminator, prefix, encoding, commands...
    terminator = "cr"

Only facts that somebody can look up stand in the files shipped; what a scanner is set up to send is the clinic's own
choice, and the settings are where it is written down.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

from drivers.errors import ModelError

FILE_BYTES_MAX = 65_536  # one is a few hundred bytes
USB_IDS_MAX = 64
_USB_ID = re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}")
_NAME = re.compile(r"[0-9a-z-]{1,64}")
_KEYS = {"title": str, "type": str, "transport": str, "usb": list, "source": str, "options": dict}
_MAY_LACK: Mapping[str, object] = MappingProxyType({"usb": [], "source": "", "options": {}})
_TYPES = frozenset({"serial-scanner", "hid-scanner"})  # whose option ``model`` this is; elsewhere it may mean anything
_OF_THE_PLACE = ("model", "port")  # say which scanner it is, not what kind


class Transport(StrEnum):
    """How a scanner is connected."""

    SERIAL = "serial"  # a serial port of the machine, RS-232 or TTL
    USB_SERIAL = "usb-serial"  # a serial port over USB that is not CDC; behind a converter any scanner may hang
    USB_CDC = "usb-cdc"  # the scanner's own serial port over USB: no rate has a meaning
    USB_HID = "usb-hid"  # a keyboard


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannerModel:
    """One model.

    Attributes:
        name: What the option ``model`` says: the name of the file, or its path.
        title: For people.
        type_name: The type of reader.
        transport: How it is connected.
        usb: Vendor and product ids, such as ``1a2b:3c4d``.
        source: Where the facts are from.
        options: What holds where the configuration says nothing.
    """

    name: str
    title: str
    type_name: str
    transport: Transport
    usb: tuple[str, ...]
    source: str
    options: Mapping[str, Any]


def completed(options: Mapping[str, Any], *, type_name: str) -> Mapping[str, Any]:
    """Return the options of a reader with those of its model where it says nothing itself.

    Args:
        options: As the configuration has them; without ``model`` they are returned as they are.
        type_name: The type of the reader.

    Raises:
        ModelError: There is no such model, its file is wrong, or it is of another type of reader.
    """
    name = options.get("model")
    if type_name not in _TYPES or not isinstance(name, str) or not name:
        return options
    model = load_model(name)
    if model.type_name != type_name:
        raise ModelError(f"a model of the type {type_name}, which this one is not")
    return {**model.options, **options}


def load_model(name: str) -> ScannerModel:
    """Return a model by its name, or the one that a file describes, by its absolute path.

    Raises:
        ModelError: There is none, or the file is wrong.
    """
    if name.startswith("/") and "\0" not in name:
        try:
            with Path(name).open("rb") as file:
                data = file.read(FILE_BYTES_MAX + 1)
        except OSError as exc:
            raise ModelError("a file that this account can read") from exc
        return parse_model(data, name=name)
    place = files("drivers") / "models" / f"{name}.toml"
    if not _NAME.fullmatch(name) or not place.is_file():
        raise ModelError(f"the absolute path of a model's file, or one of {', '.join(_names())}")
    return parse_model(place.read_bytes(), name=name)


def models() -> tuple[ScannerModel, ...]:
    """Return the models shipped, by name."""
    return tuple(load_model(name) for name in _names())


def models_of(usb_id: str) -> tuple[ScannerModel, ...]:
    """Return the models shipped that a USB device may be.

    Args:
        usb_id: Vendor and product, such as ``1a2b:3c4d``, in either case.
    """
    return tuple(model for model in models() if usb_id.lower() in model.usb)


def parse_model(data: bytes, *, name: str) -> ScannerModel:
    """Return the model that a file describes; its options are judged by the type of reader, later.

    Raises:
        ModelError: It is no TOML, or a key is unknown, missing or wrong; the text says which.
    """
    if len(data) > FILE_BYTES_MAX:
        raise ModelError(f"a file of at most {FILE_BYTES_MAX} bytes")
    try:
        table = {**_MAY_LACK, **tomllib.loads(data.decode("utf-8"))}
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError):
        raise ModelError("a file of valid TOML") from None
    for key in sorted(table.keys() | _KEYS.keys()):
        if key not in _KEYS or not isinstance(table.get(key), _KEYS[key]):
            raise ModelError(f"a file that knows the keys {', '.join(_KEYS)} only, each of its type: not so {key[:32]}")
    if table["transport"] not in list(Transport):
        raise ModelError(f"a file whose transport is one of {', '.join(Transport)}")
    if any(key in table["options"] for key in _OF_THE_PLACE):
        raise ModelError(f"a file whose options lack {' and '.join(_OF_THE_PLACE)}")
    return ScannerModel(
        name=name,
        title=table["title"],
        type_name=table["type"],
        transport=Transport(table["transport"]),
        usb=_usb_ids(table["usb"]),
        source=table["source"],
        options=MappingProxyType(table["options"]),
    )


def _usb_ids(ids: list[Any]) -> tuple[str, ...]:
    if len(ids) > USB_IDS_MAX or not all(isinstance(each, str) and _USB_ID.fullmatch(each) for each in ids):
        raise ModelError(f"a file whose usb lists at most {USB_IDS_MAX} ids such as 1a2b:3c4d")
    return tuple(ids)


def _names() -> list[str]:
    folder = files("drivers") / "models"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))
