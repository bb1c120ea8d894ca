"""Bytes of a frame into text: whatever comes in, text comes out.

What cannot be read becomes U+FFFD, never an exception. A text with U+FFFD matches no carrier, so the node answers
MALFORMED and the person scans again.
"""

from enum import StrEnum


class TextEncoding(StrEnum):
    """How a scanner sends text beyond ASCII."""

    AUTO = "auto"  # UTF-8, and GB18030 where that fails: UTF-8 of other text than ASCII is almost never met by chance
    UTF_8 = "utf-8"
    GB18030 = "gb18030"  # includes GBK and GB 2312


def decode(data: bytes, *, encoding: TextEncoding) -> str:
    """Return the text of a frame; the result holds no surrogates, so it can always be encoded again."""
    if encoding is not TextEncoding.AUTO:
        return data.decode(encoding.value, errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("gb18030")
    except UnicodeDecodeError:
        return data.decode("utf-8", errors="replace")
