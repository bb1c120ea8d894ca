"""GS1 element strings, as a DataMatrix, QR code or Code 128 on a package holds them: the product, its lot, its expiry.

Pure. An element is an application identifier and its value. Where a value ends is said by a table for the identifiers
with these two first digits, and by a separator (GS, 0x1D, which is how FNC1 is sent) for all others: so identifiers
that nobody here knows are passed over, whatever they are. Elements may come in any order.

"GS1 Gen Specs" below are the GS1 General Specifications.
"""

import calendar
import re
from datetime import date

from edge.errors import CodeError
from edge.product_label import LabelScheme, ProductLabel

SEPARATOR = "\x1d"
WINDOW_YEAR = 2026
"""The year in which two digits of a year are read unless told otherwise: it places them between 1977 and 2076. Fixed,
because a box whose clock is wrong must not move the last day of a vaccine by a century."""

_AIM_PREFIX = re.compile(r"\A\][A-Za-z][0-9A-Za-z]")  # ISO/IEC 15424
# GS1 Gen Specs figure 7.8.4-2: characters of identifier and value, by the first two digits; it will not change.
_PREDEFINED_CHARS = {
    "00": 20,
    "01": 16,
    "02": 16,
    "03": 16,
    "04": 18,
    **{str(first): 8 for first in range(11, 20)},
    "20": 4,
    **{str(first): 10 for first in range(31, 37)},
    "41": 16,
}
_GTIN, _LOT, _PRODUCED, _EXPIRY, _SERIAL = "01", "10", "11", "17", "21"
_OURS = frozenset({_GTIN, _LOT, _PRODUCED, _EXPIRY, _SERIAL})
_ONES_AND_THREES = (3, 1)  # from the left of 14 digits
# GS1 Gen Specs 7.11, character set 82; AI (10) and (21) have at most 20 of them.
_NAME = re.compile(r"""[!"%&'()*+,\-./0-9:;<=>?A-Z_a-z]{1,20}""")


def parse(text: str, *, year: int = WINDOW_YEAR) -> ProductLabel:
    """Read the elements of a code.

    Args:
        text: As the scanner sent it, with or without an AIM prefix and a separator in front.
        year: The year in which the two digits of a year are read.

    Returns:
        What it says of a product; at least one of these.

    Raises:
        CodeError: It is not built as GS1 says, says something twice and differently, or nothing of a product: scan it
            again.
    """
    found: dict[str, str] = {}
    for identifier, value in _elements(_AIM_PREFIX.sub("", text)):
        if found.setdefault(identifier, value) != value:
            raise CodeError("an element stands twice")
    if not found:
        raise CodeError("no element of a product")
    return ProductLabel(
        scheme=LabelScheme.GS1,
        gtin=_gtin(found[_GTIN]) if _GTIN in found else None,
        lot=_name(found[_LOT]) if _LOT in found else None,
        produced=_day(found[_PRODUCED], year=year) if _PRODUCED in found else None,
        expiry=_day(found[_EXPIRY], year=year) if _EXPIRY in found else None,
        serial=_name(found[_SERIAL]) if _SERIAL in found else None,
    )


def _elements(text: str) -> list[tuple[str, str]]:
    """The elements that say something of a product; others only have to end."""
    found = []
    at = 0
    while at < len(text):
        if text[at] == SEPARATOR:  # before the first, after the last, and allowed after one of predefined length
            at += 1
            continue
        first = text[at : at + 2]
        if len(first) < 2 or not _is_digits(first):
            raise CodeError("no application identifier")
        chars = _PREDEFINED_CHARS.get(first)
        if chars is None:
            end = text.find(SEPARATOR, at)
            end = len(text) if end < 0 else end
        else:
            end = at + chars
            if end > len(text) or not _is_digits(text[at:end]):  # all of predefined length are numeric
                raise CodeError("an element is cut off")
        if first in _OURS:
            found.append((first, text[at + 2 : end]))
        at = end
    return found


def _gtin(digits: str) -> str:
    """GS1 Gen Specs 7.9: the sum, weighted 3 and 1 in turn with the check digit at 1, is a multiple of 10."""
    if sum(int(digit) * _ONES_AND_THREES[at % 2] for at, digit in enumerate(digits)) % 10:
        raise CodeError("the check digit is wrong")
    return digits


def _name(value: str) -> str:
    if _NAME.fullmatch(value) is None:
        raise CodeError("a lot or serial number out of its character set")
    return value


def _day(digits: str, *, year: int) -> date:
    """YYMMDD; a day of 00 is the last of its month (GS1 Gen Specs 3.4)."""
    of_year, month, day = int(digits[:2]), int(digits[2:4]), int(digits[4:])
    # GS1 Gen Specs 7.12: between 49 years back and 50 years on.
    distance = of_year - year % 100
    century = year // 100 + (-1 if distance >= 51 else 1 if distance <= -50 else 0)
    try:
        first = date(100 * century + of_year, month, 1)
        return first.replace(day=day or calendar.monthrange(first.year, first.month)[1])
    except ValueError:
        raise CodeError("no such day") from None


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()
