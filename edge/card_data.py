"""The data elements of health cards: ans (text), cn (digits, dates) and b (one byte), to values and back.

Pure. Decoding never raises: an element that is empty, or not as its type says, is absent (None), and the rest of the
card is still read. Encoding raises `CardDataError` for what would not read back as the same value, so nothing is
written to a card that this module could not read. Types and padding: domain facts 2.2 and 8 (national briefing):
ans is padded with 00 on the right, cn with the nibble F, a missing b is FF.
"""

import codecs
import unicodedata
from datetime import date

from edge.errors import CardDataError

MISSING_BYTE = 0xFF  # domain facts 2.2: "b missing = FF"
DAY_BYTES = 4

_ENCODING = "gb18030"  # includes the GBK of the standard; its four-byte forms hold the rare characters
_TEXT_PADDING = b"\x00\xff"  # 00 by the standard; FF is a field that was never written, and no byte of any character
_DIGIT_PADDING = "f"
# Control and format characters (a text could turn the line it is shown in round), line and paragraph ends. Characters
# for private use stay: older fonts have rare names there.
_UNSHOWN_CATEGORIES = frozenset({"Cc", "Cf", "Zl", "Zp"})


def text(data: bytes) -> str | None:
    """Decode an ans element.

    A text that fills its field to the last byte may have been cut in the middle of a character, because names longer
    than the field exist: the whole characters before the cut are kept, the rest of it is dropped. Half a character
    before padding is damage.

    Args:
        data: The whole field, padding included.

    Returns:
        The text without padding and blanks at its end; None: empty, undecodable, or with characters that no text has.
    """
    content = data.rstrip(_TEXT_PADDING)
    decoder = codecs.getincrementaldecoder(_ENCODING)()
    try:
        decoded = decoder.decode(content, final=len(content) < len(data))
    except UnicodeDecodeError:
        return None
    shown = decoded.rstrip(" ")
    if any(unicodedata.category(character) in _UNSHOWN_CATEGORIES for character in shown):
        return None
    return shown or None


def digits(data: bytes, *, count: int | None = None) -> str | None:
    """Decode a cn element: two digits a byte, the high nibble first.

    Args:
        data: The whole field, padding included.
        count: How many digits there must be; None: any number.

    Returns:
        The digits without padding; None: empty, another count, or a nibble that is no digit.
    """
    found = data.hex().rstrip(_DIGIT_PADDING)
    if not found.isdigit() or (count is not None and len(found) != count):
        return None
    return found


def day(data: bytes) -> date | None:
    """Decode a date of cn4, YYYYMMDD; None: missing (all F, all 0) or a day that does not exist."""
    found = digits(data, count=2 * DAY_BYTES)
    if found is None:
        return None
    try:
        return date(int(found[:4]), int(found[4:6]), int(found[6:]))
    except ValueError:
        return None


def byte(data: bytes) -> int | None:
    """Decode a b1 element, 0..254; None: missing (FF), or not one byte."""
    return data[0] if len(data) == 1 and data[0] != MISSING_BYTE else None


def encode_text(value: str, *, bytes_max: int) -> bytes:
    """Encode an ans element.

    Args:
        value: The text, not empty.
        bytes_max: Length of the field; the result has it.

    Raises:
        CardDataError: It does not fit, or would not read back as it is; nothing is cut.
    """
    try:
        content = value.encode(_ENCODING)
    except UnicodeEncodeError:
        raise CardDataError("not_encodable") from None  # the original names the text
    if len(content) > bytes_max:
        raise CardDataError("too_long")
    field = content.ljust(bytes_max, b"\x00")
    if text(field) != value:
        raise CardDataError("not_encodable")
    return field


def encode_digits(value: str, *, bytes_max: int) -> bytes:
    """Encode a cn element.

    Args:
        value: Digits 0-9, not empty.
        bytes_max: Length of the field; the result has it.

    Raises:
        CardDataError: It does not fit, or holds anything else.
    """
    if not (value.isascii() and value.isdigit()):
        raise CardDataError("not_encodable")
    if len(value) > 2 * bytes_max:
        raise CardDataError("too_long")
    return bytes.fromhex(value.ljust(2 * bytes_max, _DIGIT_PADDING))


def encode_day(value: date) -> bytes:
    """Encode a date as cn4, YYYYMMDD."""
    return encode_digits(f"{value.year:04}{value.month:02}{value.day:02}", bytes_max=DAY_BYTES)
