"""Members of a frame's payload, each read within its bounds, sans-IO; `sync.wire` and `sync.asking` name them.

Everything raises `WireError` with the name of the member, never with what stood in it.
"""

import enum
from typing import Any, Final, TypeVar

from sync import cbor
from sync.errors import WireError
from sync.message import Rejection
from sync.topics import is_node_name

PAYLOAD_BYTES_MAX: Final = 128 * 1024
ITEMS_MAX: Final = 500
"""Records of one batch (contracts 5.3)."""
BODY_BYTES_MAX: Final = 16 * 1024
"""Of one sealed record (contracts 5.2)."""
ID_BYTES: Final = 16
KEYID_BYTES: Final = 8

_I64: Final = 2**63 - 1  # what a database holds: node and city store what they read
_WRAPPED_BYTES_MAX: Final = 1024
_TEXT_CHARS_MAX: Final = 200
_NAMES_MAX: Final = 64

E = TypeVar("E", bound=enum.StrEnum)


class Fields:
    """A payload's members, each read with its bounds. Raises WireError for the first that is wrong."""

    def __init__(self, payload: bytes) -> None:
        members = cbor.decode(payload, bytes_max=PAYLOAD_BYTES_MAX)
        if not isinstance(members, dict):
            raise WireError("not a map")
        self._members: dict[Any, Any] = members

    def node(self) -> str:
        """The node's name."""
        name = self._members.get("node")
        if not isinstance(name, str) or not is_node_name(name):
            raise WireError("node")
        return name

    def uint(self, name: str, *, most: int = _I64) -> int:
        """An unsigned integer."""
        return _uint(self._members.get(name), name=name, most=most)

    def optional_uint(self, name: str, *, most: int = _I64) -> int | None:
        """An unsigned integer, None where it is absent."""
        return self.uint(name, most=most) if name in self._members else None

    def octets(self, name: str, *, size: int) -> bytes:
        """Exactly so many bytes."""
        return _octets(self._members.get(name), name=name, least=size, most=size)

    def boolean(self, name: str) -> bool:
        """True or false."""
        value = self._members.get(name)
        if not isinstance(value, bool):
            raise WireError(name)
        return value

    def optional_true(self, name: str) -> bool:
        """True where the member is there, which can only be true; false where it is absent."""
        if name in self._members and self._members[name] is not True:
            raise WireError(name)
        return name in self._members

    def choice(self, name: str, *, kinds: type[E]) -> E:
        """One of the words of an enumeration."""
        try:
            return kinds(_text(self._members.get(name), name=name))
        except ValueError as exc:
            raise WireError(name) from exc

    def optional_inner(self, name: str) -> "Fields | None":
        """The members of a map in this one, None where it is absent."""
        # What was read is written again as it stood, and is small: only one kind of `Fields` is worth that.
        return Fields(cbor.encode(self._members[name])) if name in self._members else None

    def optional_text(self, name: str) -> str | None:
        """A short text, None where it is absent."""
        return _text(self._members[name], name=name) if name in self._members else None

    def versions(self, name: str) -> dict[str, int]:
        """A small map from names to numbers."""
        members = self._members.get(name)
        if not isinstance(members, dict) or len(members) > _NAMES_MAX:
            raise WireError(name)
        return {_text(key, name=name): _uint(value, name=name) for key, value in members.items()}

    def optional_versions(self, name: str) -> dict[str, int]:
        """A small map from names to numbers, empty where it is absent."""
        return self.versions(name) if name in self._members else {}

    def keys(self) -> dict[bytes, tuple[bytes, bytes]]:
        """The wrapped sealing keys of a batch."""
        members = self._members.get("deks")
        if not isinstance(members, dict) or len(members) > ITEMS_MAX:
            raise WireError("deks")
        keys: dict[bytes, tuple[bytes, bytes]] = {}
        for key_id, entry in members.items():
            recipient, wrapped = _row(entry, name="deks", size=2)
            keys[_octets(key_id, name="deks", least=8, most=8)] = (
                _octets(recipient, name="deks", least=KEYID_BYTES, most=KEYID_BYTES),
                _octets(wrapped, name="deks", least=1, most=_WRAPPED_BYTES_MAX),
            )
        return keys

    def items(self) -> tuple[tuple[bytes, bytes], ...]:
        """The records of a batch; that there are as many as it says is not checked here."""
        items = []
        for entry in _list(self._members.get("items"), name="items", most=ITEMS_MAX):
            message_id, body = _row(entry, name="items", size=2)
            items.append(
                (
                    _octets(message_id, name="items", least=ID_BYTES, most=ID_BYTES),
                    _octets(body, name="items", least=1, most=BODY_BYTES_MAX),
                )
            )
        return tuple(items)

    def rejected(self) -> tuple[Rejection, ...]:
        """What a receipt rejects; an overlong explanation is cut, for it must not keep a receipt from settling."""
        rejected = []
        for entry in _list(self._members.get("rejected"), name="rejected", most=PAYLOAD_BYTES_MAX):
            seq, code, text = _row(entry, name="rejected", size=3)
            if not isinstance(text, str):
                raise WireError("rejected")
            rejected.append(
                Rejection(
                    seq=_uint(seq, name="rejected"),
                    code=_text(code, name="rejected"),
                    text=text[:_TEXT_CHARS_MAX],
                )
            )
        return tuple(rejected)


def encode_members(**members: Any) -> bytes:
    """A payload; members that are None are left out."""
    return cbor.encode({name: value for name, value in members.items() if value is not None})


def _uint(value: Any, *, name: str, most: int = _I64) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise WireError(name)
    return value


def _octets(value: Any, *, name: str, least: int, most: int) -> bytes:
    if not isinstance(value, bytes) or not least <= len(value) <= most:
        raise WireError(name)
    return value


def _text(value: Any, *, name: str) -> str:
    if not isinstance(value, str) or len(value) > _TEXT_CHARS_MAX:
        raise WireError(name)
    return value


def _list(value: Any, *, name: str, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise WireError(name)
    return value


def _row(value: Any, *, name: str, size: int) -> list[Any]:
    if not isinstance(value, list) or len(value) != size:
        raise WireError(name)
    return value
