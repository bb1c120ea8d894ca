"""The options of one reader or feedback device, into the frozen settings that its driver declares.

A driver says what is wrong in its own words (``key: expected``); an error never shows the value found.
"""

import dataclasses
import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from drivers import registry, scanner_models
from drivers.errors import BrokenDriverError, ModelError, UnknownFeedbackError, UnknownReaderError
from drivers.feedback import registry as feedback_registry
from edge.errors import ConfigError

# msgspec's words for the types of a driver's options.
_TYPES: Mapping[str, str] = MappingProxyType(
    {"array": "a list", "bool": "true or false", "int": "a whole number", "object": "a table", "str": "text"}
)


def of_reader(type_name: str, *, options: Mapping[str, Any], where: str) -> Any:
    """Return the settings of a reader, an object of the type its driver declares.

    Args:
        type_name: The type of the reader.
        options: The table of the configuration; a scanner's model fills in what it leaves out.
        where: Path of the block, for the error.

    Raises:
        ConfigError: No such type of reader, a driver that cannot be loaded, or an option it refuses.
    """
    try:
        wanted = registry.load(type_name).settings_type
    except BrokenDriverError as error:
        expected = f"a driver that can be loaded; that of the package {error.package} cannot: {error.cause}"
        raise ConfigError(f"{where}.type", expected=expected) from error
    except UnknownReaderError as error:
        known = ", ".join(sorted({*registry.READER_TYPES, *registry.installed_types()}))
        raise ConfigError(f"{where}.type", expected=f"one of {known}, or a type whose driver is installed") from error
    try:
        options = scanner_models.completed(options, type_name=type_name)
    except ModelError as error:
        raise ConfigError(f"{where}.options.model", expected=error.expected) from error
    return _converted(options, wanted, where=f"{where}.options")


def of_feedback(type_name: str, *, options: Mapping[str, Any], where: str) -> Any:
    """Return the settings of a feedback device; as `of_reader`.

    Raises:
        ConfigError: No such type of device, or the driver refuses an option.
    """
    try:
        wanted = feedback_registry.load(type_name).settings_type
    except UnknownFeedbackError as error:
        known = ", ".join(sorted(feedback_registry.FEEDBACK_TYPES))
        raise ConfigError(f"{where}.type", expected=f"one of {known}") from error
    return _converted(options, wanted, where=f"{where}.options")


def _converted(options: Mapping[str, Any], wanted: type, *, where: str) -> Any:
    known = [option.name for option in dataclasses.fields(wanted)]
    unknown = sorted(options.keys() - set(known))
    if unknown:  # msgspec passes over unknown members of a dataclass
        raise ConfigError(f"{where}.{unknown[0]}", expected=f"an option of this type: {', '.join(known)}")
    try:
        return msgspec.convert(options, wanted)
    except msgspec.ValidationError as error:
        raise _options_error(str(error), wanted, where=where) from None


def _options_error(message: str, settings_type: type, *, where: str) -> ConfigError:
    """Say which option is wrong: a driver's own words (``key: expected``) or the type that msgspec wanted."""
    place = re.search(r"- at `(?:key` in `)?\$\.?([^`]*)`$", message)
    missing = re.match(r"Object missing required field `([^`]*)`", message)
    own = re.match(r"([a-z_.]+): expected (.+?)(?: - at `.*`)?$", message)
    wanted = re.match(r"Expected `([^`]*)`", message)
    key = own[1] if own else missing[1] if missing else place[1] if place else ""
    where = f"{where}.{key}".rstrip(".")
    if own:
        return ConfigError(where, expected=own[2])
    if wanted:
        return ConfigError(where, expected=_TYPES.get(wanted[1], wanted[1]))
    if missing:
        return ConfigError(where, expected="a value, because it has no default")
    if choices := _choices(get_type_hints(settings_type).get(key)):
        return ConfigError(where, expected=f"one of {choices}")
    return ConfigError(where, expected="a value that config/edge.example.toml names")


def _choices(hint: Any) -> str:
    """The values that an option knows, or the keys if it is a table; empty: it knows any."""
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return ", ".join(hint)
    arguments = get_args(hint)
    if get_origin(hint) is Literal:
        return ", ".join(map(str, arguments))
    return _choices(arguments[0]) if arguments else ""
