"""Trace codes of drugs and vaccines (药品追溯码), 20 digits on the smallest package (domain facts 5).

Pure. Only that they have 20 digits is sure. That the first `PRODUCT_DIGITS_DEFAULT` name the product is remembered, not
read anywhere: it is a parameter, and whoever files a dose keeps the whole code too. No page tells of a check digit, so
none is checked.
"""

import re

from edge.errors import CodeError
from edge.product_label import LabelScheme, ProductLabel

PRODUCT_DIGITS_DEFAULT = 7
"""How many digits name the product; confidence C in domain facts 5."""

CODE_DIGITS = 20

_CODE = re.compile(r"8[0-9]{19}")


def parse(text: str, *, product_digits: int = PRODUCT_DIGITS_DEFAULT) -> ProductLabel:
    """Read a trace code.

    Args:
        text: The code, normalised.
        product_digits: How many digits name the product, 1..19.

    Raises:
        CodeError: It is none; scan it again.
    """
    if not 1 <= product_digits < CODE_DIGITS:
        raise ValueError("product_digits: expected 1..19")
    if _CODE.fullmatch(text) is None:
        raise CodeError("no trace code")
    return ProductLabel(scheme=LabelScheme.TRACE_CODE, product_code=text[:product_digits], serial=text[product_digits:])
