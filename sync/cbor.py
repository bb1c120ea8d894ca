"""Deterministic CBOR in and out (RFC 8949 4.2): the one door to cbor2, for all packages.

One value has one form: what does not read back as the same bytes is refused, so nobody can smuggle a second spelling of
a signed payload past a comparison. cbor2 would act on tags (regular expressions, decimals with huge exponents, shared
references), so they are refused before it sees the bytes.
"""

from typing import Any, Final

import cbor2

from sync.errors import WireError

DEPTH_MAX: Final = 16
"""Nesting of arrays and maps; our deepest payload (a transaction) uses six."""

_INT_MIN: Final = -(2**63)
_INT_MAX: Final = 2**64 - 1
_TAG: Final = 6
_SIMPLE: Final = 7
_FALSE_TRUE: Final = (0xF4, 0xF5)
_LENGTH_BYTES: Final = {24: 1, 25: 2, 26: 4, 27: 8}


def encode(value: Any) -> bytes:
    """The one deterministic form of a value.

    Args:
        value: Integers of 64 bits, bytes, text, booleans; lists, tuples and dicts of these, keys all text or all bytes.

    Raises:
        TypeError: Something else is in it (a float, None, a mixed map): a bug of the caller.
        ValueError: An integer out of range, a lone surrogate, or nested deeper than `DEPTH_MAX`: a bug of the caller.
    """
    return cbor2.dumps(_ordered(value, depth=0))


def decode(data: bytes, *, bytes_max: int) -> Any:
    """One item, in its deterministic form, with nothing behind it.

    Args:
        data: The bytes as they came.
        bytes_max: More than that is refused unread.

    Raises:
        WireError: Anything else: drop the bytes and count.
    """
    if len(data) > bytes_max:
        raise WireError("too long")
    _scan(data)
    try:
        value = cbor2.loads(data, max_depth=DEPTH_MAX + 1, allow_indefinite=False, allow_duplicate_keys=False)
        is_deterministic = encode(value) == data
    except (cbor2.CBORError, TypeError, ValueError) as exc:
        raise WireError("not CBOR") from exc
    if not is_deterministic:
        raise WireError("not in deterministic form")
    return value


def _ordered(value: Any, *, depth: int) -> Any:
    """The value with every map in order; only what reads back as itself is let through.

    cbor2 can order maps itself (`canonical`), but takes four times as long for all it writes; a scan waits for it.
    """
    if depth > DEPTH_MAX:
        raise ValueError("nested too deeply")
    kind = type(value)
    if kind is str or kind is bytes:  # most values; what follows asks for subclasses and is slower
        return value
    match value:
        case bool() | bytes() | str():
            return value
        case int():
            if not _INT_MIN <= value <= _INT_MAX:
                raise ValueError("integer out of range")
            return value
        case list() | tuple():
            return [_ordered(item, depth=depth + 1) for item in value]
        case dict():
            return {key: _ordered(value[key], depth=depth + 1) for key in _keys_in_order(value)}
        case _:
            raise TypeError(f"no CBOR for {type(value).__name__}")


def _keys_in_order(members: dict[Any, Any]) -> list[Any]:
    """Keys by their encoded bytes (RFC 8949 4.2.1): for keys of one type the shorter first, then by bytes."""
    is_text = isinstance(next(iter(members), ""), str)
    joined = ("" if is_text else b"").join(members)  # TypeError: keys are not all text or all bytes
    length = _utf8_length if isinstance(joined, str) and not joined.isascii() else len
    return sorted(sorted(members), key=length)  # code points are in the order of their UTF-8 bytes


def _utf8_length(key: str) -> int:
    return len(key.encode())


def _scan(data: bytes) -> None:
    """Walk the heads without building anything: no tags, floats, null or indefinite lengths, nothing beyond the end."""
    position, waiting = 0, 1
    while waiting:
        if position >= len(data):
            raise WireError("cut short")
        major, info = data[position] >> 5, data[position] & 0x1F
        if major == _TAG or (major == _SIMPLE and data[position] not in _FALSE_TRUE):
            raise WireError("a tag, float, null or simple value")
        position += 1
        if info < 24:
            argument = info
        elif info in _LENGTH_BYTES:
            argument = int.from_bytes(data[position : position + _LENGTH_BYTES[info]], "big")
            position += _LENGTH_BYTES[info]
        else:
            raise WireError("an indefinite or reserved length")
        waiting -= 1
        if major in (2, 3):
            position += argument
        elif major in (4, 5):
            waiting += argument * (major - 3)
    if position != len(data):
        raise WireError("cut short or bytes behind the item")
