"""Which module reads which type of reader: a literal table, so that only what is configured is imported."""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType

from drivers.errors import UnknownReaderError
from drivers.reader import ReaderFamily

READER_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "serial-line": "drivers.readers.serial_line:FAMILY",
    }
)


def load(type_name: str, *, table: Mapping[str, str] = READER_TYPES) -> ReaderFamily:
    """Import the family of a reader type.

    Args:
        type_name: The type as the configuration names it.
        table: Type name to ``module:attribute``, the attribute being a `ReaderFamily`.

    Raises:
        UnknownReaderError: No such type; the text lists those known, for the person who wrote the configuration.
    """
    try:
        module_name, _, attribute = table[type_name].partition(":")
    except KeyError as exc:
        raise UnknownReaderError(f"unknown type of reader {type_name!r}; known: {', '.join(sorted(table))}") from exc
    family = getattr(import_module(module_name), attribute)
    if not isinstance(family, ReaderFamily):
        raise TypeError(f"{table[type_name]} is not a ReaderFamily")
    return family
