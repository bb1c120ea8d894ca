"""The two ASN.1 forms of GB/T 35276 that SM2 needs: a signature for libcrypto, and a ciphertext.

Distinguished encoding only: a ciphertext that would not be written the same way again is refused, so that it has one
form and nothing hides behind it.
"""

from typing import Final

from edge.errors import DecryptError
from edge.gm import curve

CIPHERTEXT_BYTES_MAX: Final = curve.PLAINTEXT_BYTES_MAX + 2 * 35 + 34 + 8  # x and y, C3, and two lengths of two bytes

_INTEGER: Final = 0x02
_OCTETS: Final = 0x04
_SEQUENCE: Final = 0x30
_LONG_FORM: Final = 0x80
_SIGN_BIT: Final = 0x80
_C3_BYTES: Final = 32


def signature_to_der(r: bytes, s: bytes) -> bytes:
    """GB/T 35276-2017 7.3: SEQUENCE { R INTEGER, S INTEGER }, each with the fewest bytes."""
    body = _integer(r) + _integer(s)
    return bytes((_SEQUENCE, len(body))) + body  # at most 70: one byte holds it


def signature_from_der(der: bytes) -> bytes:
    """Raw r || s of a signature that libcrypto has just made."""
    r_end = 4 + der[3]
    r, s = der[4:r_end], der[r_end + 2 :]
    return b"".join(int.from_bytes(part, "big").to_bytes(curve.COORDINATE_BYTES, "big") for part in (r, s))


def write_ciphertext(c1: bytes, *, c3: bytes, c2: bytes) -> bytes:
    """GB/T 35276-2017 7.2: SEQUENCE { XCoordinate, YCoordinate, HASH, CipherText }; `c1` is x || y."""
    x, y = c1[: curve.COORDINATE_BYTES], c1[curve.COORDINATE_BYTES :]
    return _element(_SEQUENCE, _integer(x) + _integer(y) + _element(_OCTETS, c3) + _element(_OCTETS, c2))


def read_ciphertext(data: bytes) -> tuple[bytes, bytes, bytes]:
    """C1 as x || y (of whatever curve), C3 and C2.

    Raises:
        DecryptError: It is not of that form, or longer than anything this node wraps.
    """
    if len(data) > CIPHERTEXT_BYTES_MAX:
        raise DecryptError("no ciphertext")
    body, _ = _split(data, _SEQUENCE)
    x, body = _split(body, _INTEGER)
    y, body = _split(body, _INTEGER)
    c3, body = _split(body, _OCTETS)
    c2, _ = _split(body, _OCTETS)
    c1 = _coordinate(x) + _coordinate(y)
    if len(c3) != _C3_BYTES or not c2 or write_ciphertext(c1, c3=c3, c2=c2) != data:
        raise DecryptError("no ciphertext")
    return c1, c3, c2


def _coordinate(value: bytes) -> bytes:
    digits = value[1:] if len(value) == curve.COORDINATE_BYTES + 1 else value
    if len(digits) > curve.COORDINATE_BYTES or not any(digits):
        raise DecryptError("no ciphertext")
    return digits.rjust(curve.COORDINATE_BYTES, b"\0")


def _split(data: bytes, tag: int) -> tuple[bytes, bytes]:
    """Value of the first element, which must carry `tag`, and what follows it."""
    if len(data) < 2 or data[0] != tag:
        raise DecryptError("no ciphertext")
    start, length = 2, data[1]
    if length & _LONG_FORM:
        start += length & ~_LONG_FORM
        length = int.from_bytes(data[2:start], "big")
    if start + length > len(data):
        raise DecryptError("no ciphertext")
    return data[start : start + length], data[start + length :]


def _element(tag: int, value: bytes) -> bytes:
    length = len(value)
    if length < _LONG_FORM:
        return bytes((tag, length)) + value
    octets = length.to_bytes(-(-length.bit_length() // 8), "big")
    return bytes((tag, _LONG_FORM | len(octets))) + octets + value


def _integer(value: bytes) -> bytes:
    """A positive INTEGER of at most 33 bytes; `value` is not zero."""
    digits = value.lstrip(b"\0")
    if digits[0] & _SIGN_BIT:
        digits = b"\0" + digits
    return bytes((_INTEGER, len(digits))) + digits
