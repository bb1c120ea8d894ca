"""What an identity card says: the 256 bytes of text that a reader gives out, as a value (domain facts 3).

Pure. One length and four layouts, told apart by a mark at offset 248; every text is UTF-16LE, padded with blanks. The
card proves nothing to the node, and nothing is checked here: whether the number is a number of GB 11643, and what a
date means, is for `edge.card_verdict`.

A field that does not read is absent and the rest is still read: names with characters that Unicode did not have when a
card was made stand in private areas, and some are just damaged. Only a card without a number names nobody.
"""

import codecs
import unicodedata
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import assert_never

from edge.card_content import Holder
from edge.errors import CardDataError

TEXT_BYTES = 256

_LONG_TERM = "长期"  # domain facts 3: what can stand for the last day
_PADDING = (b" \0", b"\0\0")
_BLANKS = " \0\u3000"
_SEXES = frozenset("0129")  # GB/T 2261.1
_NATIONALITY_CHARS = 3
# Control and format characters could turn round the line that a name is shown in.
_UNSHOWN_CATEGORIES = frozenset({"Cc", "Cf", "Zl", "Zp"})


class IdentityCardKind(StrEnum):
    """Which document it is."""

    CITIZEN = "citizen"  # 居民身份证
    HMT = "hmt"  # 港澳台居民居住证
    FOREIGNER_2017 = "foreigner_2017"  # 外国人永久居留身份证, 2017
    FOREIGNER_2023 = "foreigner_2023"  # the same, 2023


# Domain facts 3: the mark at offset 248.
_KINDS = {
    " ": IdentityCardKind.CITIZEN,
    "J": IdentityCardKind.HMT,
    "I": IdentityCardKind.FOREIGNER_2017,
    "Y": IdentityCardKind.FOREIGNER_2023,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityCard:
    """An identity card, nothing of it proven; None: the card has no such field, or it is empty or does not read.

    Attributes:
        kind: Which document it is.
        id_no: The number as the card has it, not checked.
        name: In Chinese characters; of a foreigner, if there is one.
        english_name: Of a foreigner.
        sex: GB/T 2261.1: 0, 1, 2 or 9.
        nation: GB 3304, two digits; of a citizen.
        nationality: Three letters; of a foreigner.
        birth: Day of birth.
        address: Of a citizen or resident.
        issuer: 签发机关; of a foreigner of 2017, the code of the authority.
        valid_from: First day.
        valid_until: Last day.
        is_long_term: There is no last day, and the card says so.
        pass_no: 通行证号码 of a Hong Kong, Macau or Taiwan resident.
        times: 签发次数 of such a resident, 换证次数 of a foreigner of 2023.
        version: 证件版本号 of a foreigner of 2017.
        associated_no: What links a foreigner of 2023 with the earlier document.
    """

    kind: IdentityCardKind
    id_no: str = field(repr=False)
    name: str | None = field(default=None, repr=False)
    english_name: str | None = field(default=None, repr=False)
    sex: int | None = field(default=None, repr=False)
    nation: str | None = field(default=None, repr=False)
    nationality: str | None = field(default=None, repr=False)
    birth: date | None = field(default=None, repr=False)
    address: str | None = field(default=None, repr=False)
    issuer: str | None = field(default=None, repr=False)
    valid_from: date | None = field(default=None, repr=False)
    valid_until: date | None = field(default=None, repr=False)
    is_long_term: bool = field(default=False, repr=False)
    pass_no: str | None = field(default=None, repr=False)
    times: int | None = field(default=None, repr=False)
    version: str | None = field(default=None, repr=False)
    associated_no: str | None = field(default=None, repr=False)

    @property
    def holder(self) -> Holder:
        """Whom the card names; a foreigner without a Chinese name by the other."""
        return Holder(
            name=self.name or self.english_name,
            sex=self.sex,
            nation=self.nation,
            birth=self.birth,
            id_no=self.id_no,
        )


def parse_id_card(data: bytes) -> IdentityCard:
    """Read the text of a card.

    Args:
        data: As the reader gave it out, 256 bytes.

    Raises:
        CardDataError: Another length (``length``), a mark that is none of the four (``type``), or no number
            (``id_no``): the card is laid down again.
    """
    if len(data) != TEXT_BYTES:
        raise CardDataError("length")
    kind = _KINDS.get(data[248:250].decode("utf-16-le", "replace"))
    if kind is None:
        raise CardDataError("type")
    match kind:
        case IdentityCardKind.CITIZEN | IdentityCardKind.HMT:
            return _resident(data, kind=kind)
        case IdentityCardKind.FOREIGNER_2017:
            return _foreigner_2017(data)
        case IdentityCardKind.FOREIGNER_2023:
            return _foreigner_2023(data)
        case _:
            assert_never(kind)


# The offsets of these three are those of domain facts 3.
def _resident(data: bytes, *, kind: IdentityCardKind) -> IdentityCard:
    is_citizen = kind is IdentityCardKind.CITIZEN
    return IdentityCard(
        kind=kind,
        id_no=_number(data[122:158]),
        name=_text(data[0:30]),
        sex=_sex(data[30:32]),
        nation=_digits(data[32:36], count=2) if is_citizen else None,
        birth=_day(data[36:52]),
        address=_text(data[52:122]),
        issuer=_text(data[158:188]),
        valid_from=_day(data[188:204]),
        valid_until=_day(data[204:220]),
        is_long_term=_text(data[204:220]) == _LONG_TERM,
        pass_no=None if is_citizen else _text(data[220:238]),
        times=None if is_citizen else _count(data[238:242]),
    )


def _foreigner_2017(data: bytes) -> IdentityCard:
    return IdentityCard(
        kind=IdentityCardKind.FOREIGNER_2017,
        english_name=_text(data[0:120]),
        sex=_sex(data[120:122]),
        id_no=_number(data[122:152]),
        nationality=_nationality(data[152:158]),
        name=_text(data[158:188]),
        valid_from=_day(data[188:204]),
        valid_until=_day(data[204:220]),
        is_long_term=_text(data[204:220]) == _LONG_TERM,
        birth=_day(data[220:236]),
        version=_text(data[236:240]),
        issuer=_text(data[240:248]),
    )


def _foreigner_2023(data: bytes) -> IdentityCard:
    return IdentityCard(
        kind=IdentityCardKind.FOREIGNER_2023,
        name=_text(data[0:30]),
        sex=_sex(data[30:32]),
        times=_count(data[32:36]),
        birth=_day(data[36:52]),
        english_name=_text(data[52:122] + data[220:242]),  # characters 1 to 35, and 36 to 46
        id_no=_number(data[122:158]),
        valid_from=_day(data[188:204]),
        valid_until=_day(data[204:220]),
        is_long_term=_text(data[204:220]) == _LONG_TERM,
        nationality=_nationality(data[242:248]),
        associated_no=_text(data[250:256]),
    )


def _text(encoded: bytes) -> str | None:
    """A field without its padding; of one that is full to the last, half a character at the end was cut off."""
    decoder = codecs.getincrementaldecoder("utf-16-le")()
    try:
        decoded = decoder.decode(encoded, final=encoded.endswith(_PADDING))
    except UnicodeDecodeError:
        return None
    shown = decoded.strip(_BLANKS)
    if any(unicodedata.category(character) in _UNSHOWN_CATEGORIES for character in shown):
        return None
    return shown or None


def _number(encoded: bytes) -> str:
    number = _text(encoded)
    if number is None:
        raise CardDataError("id_no")
    return number


def _digits(encoded: bytes, *, count: int) -> str | None:
    text = _text(encoded)
    return text if text is not None and text.isascii() and text.isdigit() and len(text) == count else None


def _count(encoded: bytes) -> int | None:
    digits = _digits(encoded, count=2)
    return None if digits is None else int(digits)


def _day(encoded: bytes) -> date | None:
    digits = _digits(encoded, count=8)
    if digits is None:
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None


def _sex(encoded: bytes) -> int | None:
    text = _text(encoded)
    return int(text) if text is not None and text in _SEXES else None


def _nationality(encoded: bytes) -> str | None:
    text = _text(encoded)
    is_code = text is not None and len(text) == _NATIONALITY_CHARS and text.isascii() and text.isalpha()
    return text if is_code else None
