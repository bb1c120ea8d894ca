"""Identity numbers (GB 11643-1999) and how personal data are masked.

Pure. A number that passes here is well formed, not proven: who shows it is another question. The number printed as an
example in the national briefing fails its checksum; 11010020171225006X is one that passes.
"""

from datetime import date

ID_NUMBER_CHARS = 18
# How many characters stay readable at either end: the division code's province and city, and the check digits.
_ID_HEAD_CHARS = 4
_ID_TAIL_CHARS = 2
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # GB 11643-1999 4.2.4
_CHECK_CHARACTERS = "10X98765432"
_MASK = "*"


def valid_id_number(text: str) -> bool:
    """Whether `text` is 18 characters with a right check character and a birth day that exists (GB 11643)."""
    if len(text) != ID_NUMBER_CHARS:
        return False
    body = text[:-1]
    if not (body.isascii() and body.isdigit()):
        return False
    weighted = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, body, strict=True))
    return text[-1] == _CHECK_CHARACTERS[weighted % 11] and _date_of(body[6:14]) is not None


def birth_of(id_no: str) -> date | None:
    """The day of birth an identity number states (characters 7 to 14); None if it is no valid number."""
    return _date_of(id_no[6:14]) if valid_id_number(id_no) else None


def sex_of(id_no: str) -> int | None:
    """The sex an identity number states as GB/T 2261.1: 1 male, 2 female; None if it is no valid number."""
    # GB 11643-1999 4.2.3: the 17th character is odd for men, even for women.
    return 2 - int(id_no[16]) % 2 if valid_id_number(id_no) else None


def mask_name(name: str) -> str:
    """A name for screens the public sees: the first character and one asterisk for each that follows.

    Args:
        name: Any length; a name of one character is hidden whole, or nothing would be.
    """
    return name[0] + _MASK * (len(name) - 1) if len(name) > 1 else _MASK * len(name)


def mask_id_no(id_no: str) -> str:
    """An identity or birth-certificate number with all but four characters in front and two at the end hidden."""
    hidden = len(id_no) - _ID_HEAD_CHARS - _ID_TAIL_CHARS
    if hidden <= 0:
        return _MASK * len(id_no)
    return id_no[:_ID_HEAD_CHARS] + _MASK * hidden + id_no[-_ID_TAIL_CHARS:]


def _date_of(digits: str) -> date | None:
    """YYYYMMDD as a date, None if there is no such day."""
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None
