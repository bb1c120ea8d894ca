"""Typed reading of a signed document's JSON members: anything missing or of another kind refuses the document, pure."""

import base64
from typing import Any, Final, TypeVar

from edge.errors import TrustError

INTEGER_MAX: Final = 2**53 - 1  # what every JSON reader keeps exactly; as milliseconds, the year 287396
TEXT_CHARS_MAX: Final = 200  # names of organisations, nodes and lists


_T = TypeVar("_T")


class Members:
    """One JSON object; every method raises `TrustError` ``member`` for what does not fit."""

    __slots__ = ("_members",)

    def __init__(self, value: object) -> None:
        self._members: dict[str, Any] = _of(dict, value)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def integer(self, name: str, *, low: int = 0) -> int:
        """An integer, `low` or more."""
        value = _of(int, self._get(name))
        if not low <= value <= INTEGER_MAX:
            raise TrustError("member")
        return value

    def text(self, name: str, *, chars_max: int = TEXT_CHARS_MAX) -> str:
        """Printable text of at least one character."""
        return _text(self._get(name), chars_max=chars_max)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of printable texts."""
        return tuple(_text(item, chars_max=TEXT_CHARS_MAX) for item in _of(list, self._get(name)))

    def octets(self, name: str, *, length: int) -> bytes:
        """Lower-case hex of exactly `length` bytes."""
        return _octets(self._get(name), length=length)

    def octet_list(self, name: str, *, length: int) -> tuple[bytes, ...]:
        """A list of lower-case hex of `length` bytes each, none twice."""
        values = tuple(_octets(item, length=length) for item in _of(list, self._get(name)))
        if len(set(values)) != len(values):
            raise TrustError("key_twice")
        return values

    def inner(self, name: str) -> "Members":
        """An object."""
        return Members(self._get(name))

    def inner_list(self, name: str) -> tuple["Members", ...]:
        """A list of objects."""
        return tuple(Members(item) for item in _of(list, self._get(name)))

    def inner_map(self, name: str) -> dict[str, "Members"]:
        """An object of objects under printable names."""
        entries = _of(dict, self._get(name)).items()
        return {_text(inner, chars_max=TEXT_CHARS_MAX): Members(value) for inner, value in entries}

    def octet_map(self, name: str, *, name_length: int, length: int) -> dict[bytes, bytes]:
        """An object of lower-case hex under names that are lower-case hex."""
        entries = _of(dict, self._get(name)).items()
        return {_octets(inner, length=name_length): _octets(value, length=length) for inner, value in entries}

    def base64(self, name: str) -> bytes:
        """Octets in base64, standard alphabet with padding."""
        return octets_of_base64(self._get(name))

    def _get(self, name: str) -> Any:
        if name not in self._members:
            raise TrustError("member")
        return self._members[name]


def octets_of_base64(value: object) -> bytes:
    """Octets of base64, standard alphabet with padding, nothing else in it (contracts, Cryptography)."""
    try:
        return base64.b64decode(_of(str, value), validate=True)
    except ValueError as exc:
        raise TrustError("member") from exc


def _octets(value: object, *, length: int) -> bytes:
    text = _of(str, value)
    try:
        octets = bytes.fromhex(text)
    except ValueError as exc:
        raise TrustError("member") from exc
    if len(octets) != length or octets.hex() != text:  # fromhex reads upper case and blanks too
        raise TrustError("member")
    return octets


def _text(value: object, *, chars_max: int) -> str:
    text = _of(str, value)
    if not 1 <= len(text) <= chars_max or not text.isprintable():
        raise TrustError("member")
    return text


def _of(kind: type[_T], value: object) -> _T:
    """The value itself; `bool` is no `int` here."""
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TrustError("member")
    return value
