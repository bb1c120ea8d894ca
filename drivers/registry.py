"""Which module reads which type of reader: a literal table, and behind it the drivers of other people.

Only what the configuration names is imported. A type that does not stand in the table is looked for among the entry
points ``ehc_edge.readers`` of what is installed: a name there is found without importing anything. Where both have a
name, the table wins.
"""

import logging
from collections.abc import Mapping
from dataclasses import is_dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import TypeVar

from drivers.errors import BrokenDriverError, UnknownReaderError
from drivers.reader import ReaderFamily

ENTRY_POINTS = "ehc_edge.readers"
"""The group under which another package says ``type = "module:FAMILY"``."""

Family = TypeVar("Family")

_log = logging.getLogger(__name__)

READER_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "sdt": "drivers.readers.id_card:FAMILY",
        "camera": "drivers.readers.camera:FAMILY",
        "replay": "drivers.readers.replay:FAMILY",
        "pcsc": "drivers.readers.pcsc:FAMILY",
        "serial-scanner": "drivers.readers.serial_scanner:FAMILY",
        "hid-scanner": "drivers.readers.hid_scanner:FAMILY",
    }
)


def load(type_name: str, *, table: Mapping[str, str] = READER_TYPES) -> ReaderFamily:
    """Import the family of a reader type.

    Args:
        type_name: The type as the configuration names it.
        table: Type name to ``module:attribute``, the attribute being a `ReaderFamily`.

    Raises:
        UnknownReaderError: No such type; the text lists those known, for the person who wrote the configuration.
        BrokenDriverError: Another package brings it, and it cannot be used.
    """
    if type_name in table:
        if shadowed := installed(type_name):
            _log.warning("reader type %s: the one built in is used, not that of %s", type_name, package_of(shadowed))
        return built_in(table[type_name], wanted=ReaderFamily)
    brought = installed(type_name)
    if brought is None:
        known = ", ".join(sorted({*table, *installed_types()}))
        raise UnknownReaderError(f"unknown type of reader {type_name!r}; known: {known}")
    return _brought(brought)


def installed(type_name: str) -> EntryPoint | None:
    """Return who else brings a type of reader, without importing it."""
    return next(iter(sorted(entry_points(group=ENTRY_POINTS, name=type_name), key=package_of)), None)


def installed_types() -> list[str]:
    """Return the types that other packages bring, without importing them."""
    return sorted(entry_points(group=ENTRY_POINTS).names)


def package_of(brought: EntryPoint) -> str:
    """Return the name of the package that brings it."""
    return brought.dist.name if brought.dist is not None else brought.value


def built_in(place: str, *, wanted: type[Family]) -> Family:
    """Import what a row of a table names.

    Args:
        place: ``module:attribute``.
        wanted: What the attribute must be; anything else is a bug of ours, a TypeError.
    """
    module_name, _, attribute = place.partition(":")
    family = getattr(import_module(module_name), attribute)
    if not isinstance(family, wanted):
        raise TypeError(f"{place} is not a {wanted.__name__}")
    return family


def _brought(brought: EntryPoint) -> ReaderFamily:
    """Import what somebody else wrote: whatever goes wrong there is a wrong configuration here, and named.

    It is raised again as that, never carried on with (decision 5).
    """
    try:
        family = brought.load()
    except Exception as exc:  # a stranger's module may fail with anything
        raise BrokenDriverError(brought.name, package=package_of(brought), cause=_cause(exc)) from exc
    if not (isinstance(family, ReaderFamily) and is_dataclass(family.settings_type)):
        raise BrokenDriverError(
            brought.name, package=package_of(brought), cause="no ReaderFamily with a dataclass of settings"
        )
    return family


def _cause(fault: Exception) -> str:
    """What a stranger's module failed with: names of programs, never its text."""
    missing = getattr(fault, "name", None) if isinstance(fault, ImportError | AttributeError) else None
    return type(fault).__name__ + (f" ({missing})" if isinstance(missing, str) else "")
