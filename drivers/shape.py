"""What a stream of codes looks like without saying what it says: to be shown, or to leave the clinic. Sans-IO.

The shape keeps lengths, kinds of characters and every control byte, which is what a question about a scanner's settings
is about. Invented characters depend on their place alone, never on what stood there, so nobody can undo them; invented
digits are 4 to 9, so that no date, and so no identity number, comes out.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Final

_CONTROLS = re.compile(rb"([\x00-\x1f\x7f]+)")
_AIM_PREFIX = re.compile(rb"\][A-Za-z][0-9A-Za-z]")  # ISO/IEC 15424: the scanner's own words

_DIGITS: Final = "795846"
_CAPITALS: Final = "QJZXVKWYPBMU"
_SMALL: Final = "qjzxvkwypbmu"
_HAN: Final = "甲乙丙丁戊己庚辛壬癸"  # three bytes each in UTF-8, two in GB18030
# One for each pair of lengths that a character takes otherwise, in UTF-8 and in GB18030: these are all there are.
_OTHERS: Final = {(2, 2): "à", (2, 4): "ß", (3, 4): "㐀", (4, 4): "𠀀"}


def shape_of(data: bytes) -> str:
    """Return the shape of bytes: 9 a digit, A a capital, a a small letter, # any byte beyond ASCII, others in hex."""
    return "".join(map(_shape, data))


def invented(data: bytes, *, keep: Sequence[bytes] = ()) -> bytes:
    """Return a stream of the same length and shape that says nothing.

    Args:
        data: The whole stream.
        keep: What the scanner puts before and after each code, such as its prefix and suffix.
    """
    places = count()
    keep = [part for mark in keep for part in _CONTROLS.split(mark) if part and not _CONTROLS.fullmatch(part)]
    return b"".join(
        piece if _CONTROLS.fullmatch(piece) else _frame(piece, keep=keep, places=places)
        for piece in _CONTROLS.split(data)
    )


def _shape(byte: int) -> str:
    character = chr(byte)
    if byte >= 0x80:
        return "#"
    if character.isdigit():
        return "9"
    if character.isalpha():
        return "A" if character.isupper() else "a"
    return f"<{byte:02x}>"


def _frame(piece: bytes, *, keep: Sequence[bytes], places: Iterator[int]) -> bytes:
    """Invent one frame; what the scanner itself adds stays."""
    before = next((mark for mark in keep if piece.startswith(mark)), b"")
    if aim := _AIM_PREFIX.match(piece, len(before)):
        before = piece[: aim.end()]
    rest = piece[len(before) :]
    after = next((mark for mark in keep if rest.endswith(mark)), b"")
    middle = rest[: len(rest) - len(after)]
    for encoding in ("utf-8", "gb18030"):
        try:
            text = middle.decode(encoding)
        except UnicodeDecodeError:
            continue
        new = "".join(_character(old, place) for old, place in zip(text, places, strict=False))
        return before + new.encode(encoding) + after
    return before + bytes(_byte(old, place) for old, place in zip(middle, places, strict=False)) + after


def _character(old: str, place: int) -> str:
    if old.isascii():
        return chr(_byte(ord(old), place))
    lengths = len(old.encode("utf-8")), len(old.encode("gb18030"))
    return _HAN[place % len(_HAN)] if lengths == (3, 2) else _OTHERS[lengths]


def _byte(old: int, place: int) -> int:
    if old >= 0x80:
        return 0xFF  # in no encoding a character, as the byte it stands for
    character = chr(old)
    if character.isdigit():
        return ord(_DIGITS[place % len(_DIGITS)])
    if character.isalpha():
        letters = _CAPITALS if character.isupper() else _SMALL
        return ord(letters[place % len(letters)])
    return old
